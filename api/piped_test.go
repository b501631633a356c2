package api_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// piped is a hub whose ports are reached over pipes in memory, for a synctest bubble. They speak HTTP/1.1
// and HTTP/2.
type piped struct {
	*hub
	pipes  *pipes // of the internal port, which client asks
	public *pipes
}

func startPiped(t *testing.T, options ...configure) *piped {
	t.Helper()
	h := &piped{hub: assemble(t, options...)}
	h.pipes, h.public = servePiped(t, new(http.Server), h.api.Internal()),
		servePiped(t, new(http.Server), h.api.Public())
	h.client = h.pipes.client(t)
	return h
}

// servePiped serves a handler over pipes, with TLS if the server has a configuration for it.
func servePiped(t *testing.T, server *http.Server, handler http.Handler) *pipes {
	p := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	server.Handler, server.DisableGeneralOptionsHandler = handler, true
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if server.TLSConfig != nil {
		go server.ServeTLS(p, "", "")
	} else {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		go server.Serve(p)
	}
	t.Cleanup(func() { server.Close() })
	return p
}

// client returns a client of the port, by default of HTTP/1.1.
func (p *pipes) client(t *testing.T, configure ...func(*http.Protocols)) *http.Client {
	transport := &http.Transport{
		DisableCompression: true,
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return p.dial() },
	}
	for _, set := range configure {
		transport.Protocols = new(http.Protocols)
		set(transport.Protocols)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (h *piped) request(t *testing.T, method, path string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, body)
	require.NoError(t, err)
	header(headers).set(r)
	return r
}

// put publishes positions.
func (h *piped) put(t *testing.T, positions ...string) {
	t.Helper()
	r := h.request(t, http.MethodPost, "/publish", strings.NewReader("["+strings.Join(positions, ",")+"]"),
		"Content-Type", "application/json")
	answer, err := h.client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// port returns a port by its name.
func (h *piped) port(name string) *pipes {
	if name == "public" {
		return h.public
	}
	return h.pipes
}

// dial opens a connection to a port.
func (h *piped) dial(t *testing.T, port string) net.Conn {
	t.Helper()
	conn, err := h.port(port).dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
	return conn
}

// pipes is a listener of pipes.
type pipes struct {
	dialed atomic.Int32
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial() (net.Conn, error) {
	client, server := net.Pipe()
	p.dialed.Add(1)
	select {
	case p.accept <- server:
		return hastyConn{client}, nil
	case <-p.closed:
		return nil, errors.New("the listener is closed")
	}
}

// hastyConn waits for no write that has a deadline. That is the last one of TLS: net/http's client holds a
// lock meanwhile, which a bubble does not see through.
type hastyConn struct{ net.Conn }

func (c hastyConn) SetWriteDeadline(time.Time) error { return c.Conn.SetWriteDeadline(time.Unix(1, 0)) }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accept:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
