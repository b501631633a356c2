//go:build faults && linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// F26: one publisher publishes as fast as it can. Others are served beside it.
func TestFaultPublisherFlood(t *testing.T) {
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 25, prefix: "V", more: `"topics":["book"],`}
	book.publish(t, hub)
	readers := plenty(t, hub, book, 40, "/topics/book/stream")
	before := hub.resident(t)
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var requests atomic.Int64
	for range 16 {
		flood.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(hub.publish, "http://"))
			if !assert.NoError(t, err) {
				return
			}
			defer conn.Close()
			context.AfterFunc(ctx, func() { conn.Close() })
			flow(conn, &requests)
		})
	}
	watch := &stopwatch{}
	watch.times(readers)
	began := time.Now()
	watch.publishes(t, hub, book, 60, 500*time.Millisecond, "beside the flood")
	t.Logf("the flood: %.0f requests a second; memory %.1f MiB, %.1f before",
		float64(requests.Load())/time.Since(began).Seconds(), hub.resident(t), before)
	cancel()
	flood.Wait()
	book.settle(t, hub, readers...)
	assert.Less(t, hub.resident(t), before+200)
}

// flow publishes over a connection without waiting for answers, until it breaks.
func flow(conn net.Conn, requests *atomic.Int64) {
	const each = 100
	body := `{"vehicle_id":"FLOOD","lat":1,"lon":2,"topics":["flood"]}`
	request := bytes.Repeat([]byte(fmt.Sprintf("POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: "+
		"application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)), each)
	var answers sync.WaitGroup
	defer answers.Wait()
	answers.Go(func() {
		for buf := make([]byte, 64<<10); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			requests.Add(int64(bytes.Count(buf[:n], []byte("HTTP/1.1 200"))))
		}
	})
	for {
		if _, err := conn.Write(request); err != nil {
			return
		}
	}
}

// F35: a million vehicles, each in a topic of its own. Memory levels off.
func TestFaultMillionVehicles(t *testing.T) {
	hub := startHub(t, "--drain", "0s")
	const total, each = 1_000_000, 10_000
	var sizes []float64
	for from := 0; from < total; from += each {
		var lines strings.Builder
		for i := from; i < from+each; i++ {
			fmt.Fprintf(&lines, "{\"vehicle_id\":\"V%d\",\"lat\":1,\"lon\":2,\"topics\":[\"topic-%d\"]}\n", i, i)
		}
		status, _, text := hub.post(t, "application/x-ndjson", lines.String())
		require.Equal(t, 200, status, text)
		if (from+each)%200_000 == 0 {
			sizes = append(sizes, hub.resident(t))
		}
	}
	vehicles := hub.metric(t, `livemap_vehicles{state="present"}`) +
		hub.metric(t, `livemap_vehicles{state="gone"}`)
	topics := hub.metric(t, "livemap_topics")
	t.Logf("memory after each 200,000, MiB: %.0f; %.0f vehicles, %.0f topics", sizes, vehicles, topics)
	assert.LessOrEqual(t, vehicles, 200_000.0)
	assert.LessOrEqual(t, topics, 500_000.0)
	assert.Less(t, sizes[4], sizes[1]*1.3)
}
