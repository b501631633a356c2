package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heapInUse returns the bytes that are reachable.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return int64(now.HeapAlloc)
}

// What the hub remembers of a refused position is its id, not the 16 KiB that were read around it. The
// positions are refused late: when they have been read.
func TestRefusalsKeepNoPositions(t *testing.T) {
	const refusals, pad = 100, 15_000 // the pad's bytes
	future := fmt.Sprintf(`"timestamp":%d`, time.Now().Add(time.Hour).Unix())
	item := func(n int) string {
		return at(fmt.Sprintf("LATE-%d", n), 1, 2, future, `"pad":"`+strings.Repeat("x", pad)+`"`)
	}
	var items []string
	for n := range refusals {
		items = append(items, item(n))
	}
	h := start(t)
	h.put(t, at("a", 1, 2))

	t.Run("acks under keys", func(t *testing.T) {
		body := "[" + at("a", 1, 2) + "," + strings.Join(items, ",") + "]"
		publish := func(key int) {
			got := h.post(t, "application/json", body, "Idempotency-Key", strconv.Itoa(key))
			require.Len(t, ackOf(t, got.body).Errors, refusals)
		}
		publish(-1)
		before := heapInUse()
		const count = 5
		for key := range count {
			publish(key)
		}
		require.Less(t, (heapInUse()-before)/count, int64(64<<10), "bytes for each ack")
	})
	t.Run("uploads under way", func(t *testing.T) {
		before := heapInUse()
		var publishers []net.Conn
		for range 5 {
			conn := dial(t, h.internal)
			publishers = append(publishers, conn)
			fmt.Fprint(conn, "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"+
				"Accept: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
			for _, line := range items {
				fmt.Fprintf(conn, "%x\r\n%s\n\r\n", len(line)+1, line)
			}
		}
		for _, conn := range publishers {
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			lines := bufio.NewScanner(answer.Body)
			lines.Buffer(nil, 1<<20)
			for rejected := 0; rejected < refusals; rejected = ackOf(t, lines.Text()).Rejected {
				require.True(t, lines.Scan(), lines.Err())
			}
		}
		// An upload has a buffer of 64 KiB for its line.
		require.Less(t, (heapInUse()-before)/int64(len(publishers)), int64(256<<10), "bytes for each upload")
	})
}

// A stream keeps its topics and not its request, which may have 16 KiB.
func TestStreamsKeepNoRequests(t *testing.T) {
	h := start(t)
	pad := strings.Repeat("x", 12_000)
	open := func(t *testing.T, target, header string) {
		t.Helper()
		conn := dial(t, h.public)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, header)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		lines := bufio.NewScanner(response.Body)
		for lines.Text() != "event: live" {
			require.True(t, lines.Scan(), lines.Err())
		}
	}
	open(t, "/stream", "")
	addresses := strings.Repeat("1.2.3.4, ", 1000)
	for name, request := range map[string][2]string{
		"a topic of the query":              {"/stream?topic=vehicle:a&pad=" + pad, ""},
		"a topic of the path":               {"/topics/depot:7/stream?pad=" + pad, ""},
		"an id in the header that is none":  {"/stream", "Last-Event-ID: " + pad + "\r\n"},
		"an id in the query that is none":   {"/stream?lastEventId=" + pad, ""},
		"an id in the query, and a pad":     {"/stream?lastEventId=abc-1&pad=" + pad, ""},
		"addresses that no proxy has shown": {"/stream", "X-Forwarded-For: " + addresses + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			const count = 20
			before := heapInUse()
			for range count {
				open(t, request[0], request[1])
			}
			require.Less(t, (heapInUse()-before)/count, int64(6<<10), "bytes for each stream and its client")
		})
	}
}
