package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// h2Conn opens an HTTP/2 connection that is spoken by hand.
func h2Conn(t testing.TB, hub *runningHub) (*tls.Conn, *http2.Framer) {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(hub.public, "https://"),
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())
	return conn, framer
}

// F37: the hub rejects an oversized header, over HTTP/3 too, and cuts the connection of one that
// never ends. Streams beside it go on.
func TestHeaderBombs(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 1, prefix: "V"}
	book.publish(t, hub)
	client := hub.client(t, "h3")
	reader := book.follow(t, client, hub.public+"/stream")
	for size, want := range map[int]int{15 << 10: 200, 17 << 10: 431, 60 << 10: 431, 1 << 20: 431} {
		req, err := http.NewRequest(http.MethodGet, hub.public+"/openapi.yaml", nil)
		require.NoError(t, err)
		req.Header.Set("X-Filler", strings.Repeat("x", size))
		resp, err := client.http.Do(req)
		require.NoError(t, err, size)
		resp.Body.Close()
		assert.Equal(t, want, resp.StatusCode, size)
	}

	conn, framer := h2Conn(t, hub)
	go io.Copy(io.Discard, conn)
	err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: streamHeader(t),
		EndStream: true})
	sent := 0
	chunk := []byte(strings.Repeat("\x00\x01x\x7f\x81\x1f"+strings.Repeat("y", 256), 60))
	for ; err == nil && sent < 100<<20; sent += len(chunk) {
		err = framer.WriteContinuation(1, false, chunk)
	}
	assert.Error(t, err, "the hub reads on")
	t.Logf("cut off after %d KiB of CONTINUATION", sent>>10)
	book.settle(t, hub, reader)
	assert.Equal(t, 1, reader.counts().opened)
}

// F41: others can replay data that a client sends before the handshake is over, so the hub does not
// accept it.
func TestNothingBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3},
		ClientSessionCache: newTickets()}
	to, err := net.ResolveUDPAddr("udp", strings.TrimPrefix(hub.public, "https://"))
	require.NoError(t, err)
	for range 2 {
		conn, err := quicTransport(t).DialEarly(t.Context(), to, config, nil)
		require.NoError(t, err)
		client := new(http3.Transport).NewClientConn(conn)
		req, err := http.NewRequest(http3.MethodGet0RTT, hub.public+"/openapi.yaml", nil)
		require.NoError(t, err)
		resp, err := client.RoundTrip(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.False(t, conn.ConnectionState().Used0RTT)
		<-config.ClientSessionCache.(*tickets).came // so that the second could
		require.NoError(t, conn.CloseWithError(0, ""))
	}
}

// tickets keeps a session, and reports when one arrives.
type tickets struct {
	tls.ClientSessionCache
	came chan struct{}
}

func newTickets() *tickets {
	return &tickets{tls.NewLRUClientSessionCache(1), make(chan struct{}, 100)}
}

func (c *tickets) Put(key string, session *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, session)
	c.came <- struct{}{}
}

// F48, F49: the hub finds nothing at paths that lead elsewhere, on this machine or outside.
func TestPathsThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0") // nobody may come
	require.NoError(t, err)
	hub := startHub(t, "--drain", "0s")
	for _, target := range []string{
		"/../../../../etc/passwd", "/lib/../../etc/passwd", "/lib/x/..%2f..%2f..%2fetc/passwd",
		"/app/x/%2e%2e/%2e%2e/main.go", "/lib/x//etc/passwd",
		"/app/x/..\\..\\main.go", "/vehicles/..%2f..%2fmetrics", "/topics/..%2f..%2fmetrics/snapshot/x",
		"//etc/passwd", "/map.pmtiles/../../x", "/lib/%00",
		"/debug/pprof/", "/metrics", "/publish", "http://" + elsewhere.Addr().String() + "/x",
		"https://example.com/metrics",
		"*", elsewhere.Addr().String(),
	} {
		for _, method := range []string{"GET", "CONNECT", "POST"} {
			status, body := rawRequest(t, hub.proxy, method, target)
			assert.GreaterOrEqual(t, status, 400, "%s %s: %.200s", method, target, body)
			assert.Less(t, status, 500, "%s %s: %.200s", method, target, body)
			assert.NotContains(t, body, "root:")
			assert.NotContains(t, body, "package main")
		}
	}
	require.NoError(t, elsewhere.(*net.TCPListener).SetDeadline(time.Now()))
	_, err = elsewhere.Accept()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "somebody came")
}

// rawRequest sends a request with an unchanged target.
func rawRequest(t *testing.T, base, method, target string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		method, target)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err, "%s %s", method, target)
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}
