package api_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// halfCloser is a connection whose client can close its half.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// connections open connections to the internal port, over all that HTTP/1.1 runs on.
var connections = map[string]func(*testing.T, *hub) (connect func() halfCloser){
	"TCP": func(t *testing.T, h *hub) func() halfCloser {
		return func() halfCloser { return dial(t, h.internal).(*net.TCPConn) }
	},
	"Unix socket": func(t *testing.T, h *hub) func() halfCloser {
		path := filepath.Join(t.TempDir(), "hub.sock")
		listener, err := net.Listen("unix", path)
		require.NoError(t, err)
		server := httptest.NewUnstartedServer(h.api.Internal())
		server.Listener.Close()
		server.Listener = listener
		server.Start()
		t.Cleanup(server.Close)
		return func() halfCloser {
			conn, err := net.Dial("unix", path)
			require.NoError(t, err)
			return conn.(*net.UnixConn)
		}
	},
	"TLS": func(t *testing.T, h *hub) func() halfCloser {
		server := httptest.NewTLSServer(h.api.Internal())
		t.Cleanup(server.Close)
		return func() halfCloser {
			conn := tls.Client(dial(t, server), &tls.Config{InsecureSkipVerify: true})
			require.NoError(t, conn.Handshake())
			return conn
		}
	},
}

// A client that closes its half of the connection, as nc -N does at the end of its input, still reads.
// Whether it did so with its request or later, it goes on being served, and the hub notices when it goes.
func TestHalfClosedClientIsServed(t *testing.T) {
	for name := range connections {
		for _, when := range []string{"with its request", "later", "after bytes that nobody asked for"} {
			t.Run(name+", "+when, func(t *testing.T) {
				h := start(t, patient)
				connect := connections[name](t, h)
				for closed, request := range []string{getStream, "GET /stream HTTP/1.0\r\n\r\n"} {
					conn := connect()
					defer conn.Close()
					w := &wire{conn, bufio.NewReader(conn)}
					w.send(t, request)
					if when == "with its request" {
						require.NoError(t, conn.CloseWrite())
					}
					response := w.answer(t, http.MethodGet)
					require.Equal(t, http.StatusOK, response.StatusCode)
					require.True(t, response.Close)
					s := &reader{response, bufio.NewReader(response.Body), func() { conn.Close() }}
					s.begun(t)
					switch when {
					case "later":
						require.NoError(t, conn.CloseWrite())
					case "after bytes that nobody asked for":
						w.send(t, "GET")
						require.NoError(t, conn.CloseWrite())
					}
					if name != "TLS" || when != "after bytes that nobody asked for" { // net/http reads one of these
						require.Equal(t, "ping", s.brief(t), "the hub looks whether it is still there")
					}
					for n := range 5 {
						h.put(t, at("a", n, closed))
						for event := ""; event != "a"; event = s.brief(t) {
							require.Contains(t, []string{"", "ping"}, event)
						}
					}
					require.Equal(t, 1, h.Stats().Streams)
					conn.Close()
					// The first write meets a client that is not there any more, which it then says.
					for n := 0; len(h.log.lines("stream closed")) == closed; n++ {
						h.put(t, at("a", n%180, 2+closed))
					}
					require.Equal(t, "client", h.closed(t, closed+1)["reason"])
					require.Zero(t, h.Stats().Streams)
				}
			})
		}
	}
}

// A half-closed client gets every answer.
func TestHalfClosedClientIsAnswered(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2))
	const position = `{"vehicle_id":"b","lat":1,"lon":2}`
	for name, connection := range connections {
		connect := connection(t, h)
		for _, request := range []string{
			"GET /snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"GET /vehicles/a/track HTTP/1.1\r\nHost: localhost\r\n\r\n",
			"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
				"Content-Length: 34\r\n\r\n" + position,
			"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
				"Idempotency-Key: k\r\nContent-Length: 34\r\n\r\n" + position,
			"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" +
				"Content-Length: 34\r\n\r\n" + position,
			"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" +
				"Accept: application/x-ndjson\r\nContent-Length: 34\r\n\r\n" + position,
		} {
			conn := connect()
			defer conn.Close()
			w := &wire{conn, bufio.NewReader(conn)}
			w.send(t, request)
			require.NoError(t, conn.CloseWrite())
			response := w.answer(t, http.MethodGet)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode, "%s over %s: %s", request, name, body)
		}
	}
}

// A half-closed client that repeats a publish is also answered when the first one is still under way.
func TestHalfClosedRepeatsAreAnswered(t *testing.T) {
	h := start(t)
	body := "[" + strings.Repeat(at("b", 1, 2)+",", 2000) + at("b", 1, 2) + "]"
	for name, connection := range connections {
		connect := connection(t, h)
		var all sync.WaitGroup
		for range 50 {
			conn := connect()
			defer conn.Close()
			all.Go(func() {
				_, err := fmt.Fprintf(conn, "POST /publish HTTP/1.1\r\nHost: localhost\r\n"+
					"Content-Type: application/json\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s",
					name, len(body), body)
				assert.NoError(t, err)
				assert.NoError(t, conn.CloseWrite())
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if !assert.NoError(t, err) {
					return
				}
				text, err := io.ReadAll(response.Body)
				assert.NoError(t, err)
				assert.Equal(t, http.StatusOK, response.StatusCode, "over %s: %s", name, text)
			})
		}
		all.Wait()
	}
}
