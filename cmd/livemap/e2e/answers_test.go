package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Over every protocol, a body that no route asks for and that never comes is not waited for without end, and
// the hub ends at once all the same.
func TestUnaskedBodiesOfAHub(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	hub.publishLines(t, padded("A", 10, 1)...)
	var asking sync.WaitGroup
	for _, protocol := range protocolNames {
		client := hub.client(t, protocol)
		for _, request := range []string{
			"GET /stream", "GET /snapshot", "GET /vehicles/A/track", "GET /", "GET /livemap.js", "GET /nowhere",
			"GET /session", "POST /session", "DELETE /session", "OPTIONS /stream", "POST /publish", "PUT /publish",
		} {
			method, path, _ := strings.Cut(request, " ")
			body, never := io.Pipe()
			t.Cleanup(func() { never.Close() })
			r, err := http.NewRequestWithContext(t.Context(), method, hub.public+path, body)
			require.NoError(t, err)
			asking.Go(func() {
				answer, err := client.http.Do(r)
				if assert.NoError(t, err, "%s %s", protocol, request) {
					answer.Body.Close()
				}
			})
		}
	}
	asking.Wait()
}

// A reader that does not read an answer is cut off, over every protocol. Over HTTP/2 it may leave the stream
// or the connection unread.
func TestDeafReadersOfAnswers(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--stall-timeout", "1s", "--drain", "0s")
	for i := range 150 {
		hub.publishLines(t, padded(fmt.Sprint("V-", i), 8<<10, 1)...)
	}
	address := strings.TrimPrefix(hub.public, "https://")
	config := func(protocol string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{protocol}}
	}
	_, err := io.WriteString(tls.Client(deafConn(t, address), config("http/1.1")),
		"GET /snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)

	for _, window := range []uint32{0, 1 << 30} {
		conn := tls.Client(deafConn(t, address), config("h2"))
		_, err = io.WriteString(conn, http2.ClientPreface)
		require.NoError(t, err)
		framer := http2.NewFramer(conn, conn)
		require.NoError(t, framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
		require.NoError(t, framer.WriteWindowUpdate(0, 1<<30))
		var block strings.Builder
		fields := hpack.NewEncoder(&block)
		for _, field := range [][2]string{
			{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", "/snapshot"},
		} {
			require.NoError(t, fields.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true,
			EndHeaders: true, BlockFragment: []byte(block.String())}))
	}

	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		QUICConfig:      &quic.Config{InitialStreamReceiveWindow: 64 << 10, MaxStreamReceiveWindow: 64 << 10},
	}
	t.Cleanup(func() { transport.Close() })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hub.public+"/snapshot", nil)
	require.NoError(t, err)
	r.Header.Set("Accept-Encoding", "identity") // packed, it would fit into the window
	answer, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	await(t, "all to be cut", func() bool { return hub.metric(t, "livemap_answers_stalled_total") == 4 })
	_, err = io.Copy(io.Discard, answer.Body)
	require.Error(t, err, "it does not look complete")
}
