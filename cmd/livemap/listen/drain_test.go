package listen

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFirstRequestsAreAnswered checks that a port that is shut down answers the first requests of new
// connections. It does not wait for requests that come late, nor for connections that were used.
func TestFirstRequestsAreAnswered(t *testing.T) {
	for name, test := range map[string]struct {
		asks  time.Duration // after coming; 0: never
		took  time.Duration // to shut down
		known bool          // the connection has been answered before
	}{
		"at once":   {asks: time.Nanosecond, took: firstRequestPoll},
		"soon":      {asks: firstRequestTime / 2, took: firstRequestTime / 2},
		"never":     {took: firstRequestTime},
		"come back": {known: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				come := &arrivals{come: make(chan arrival)}
				port := newHTTPPort("listen", []net.Listener{come}, testLimiter(), slog.New(slog.DiscardHandler))
				served := make(chan error, 1)
				go func() {
					served <- port.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						io.WriteString(w, "here")
					}))
				}()
				client, server := net.Pipe()
				come.come <- arrival{conn: server}
				synctest.Wait()
				if test.known {
					require.Equal(t, "200 OK", ask(client))
				}
				began := time.Now()
				answered := make(chan string, 1)
				if test.asks > 0 {
					go func() {
						time.Sleep(test.asks)
						answered <- ask(client)
					}()
				}
				port.shutdown(t.Context())
				require.InDelta(t, test.took, time.Since(began), float64(firstRequestPoll))
				if test.asks > 0 {
					require.Equal(t, "200 OK", <-answered)
				}
				require.Error(t, <-served)
				client.Close()
			})
		})
	}
}

// ask sends a request and returns the status of its response.
func ask(conn net.Conn) string {
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err.Error()
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.Status
}

// lateArrival is a listener whose Accept has a connection in its hands while it is closed.
type lateArrival struct {
	arrivals
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *lateArrival) Accept() (net.Conn, error) {
	<-l.closed
	time.Sleep(time.Second) // the machine is busy
	conn := l.conn
	if l.conn = nil; conn == nil {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l *lateArrival) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// TestConnectionAcceptedAtTheEnd checks that a connection that was accepted while the port was closed is
// answered too.
func TestConnectionAcceptedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		late := &lateArrival{conn: server, closed: make(chan struct{})}
		port := newHTTPPort("listen", []net.Listener{late}, testLimiter(), slog.New(slog.DiscardHandler))
		served := make(chan error, 1)
		go func() {
			served <- port.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "here")
			}))
		}()
		synctest.Wait()
		answered := make(chan string, 1)
		go func() { answered <- ask(client) }()
		port.shutdown(t.Context())
		require.Equal(t, "200 OK", <-answered)
		require.Error(t, <-served)
		client.Close()
	})
}
