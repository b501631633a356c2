package api_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// piped is a hub whose internal port is reached over pipes in memory, for a synctest bubble. It speaks
// HTTP/1.1.
type piped struct {
	*hub
	pipes pipes
}

func startPiped(t *testing.T, options ...configure) *piped {
	t.Helper()
	return servePiped(t, new(http.Server), new(http.Transport), options...)
}

// servePiped serves with TLS if the server has a configuration for it.
func servePiped(
	t *testing.T, server *http.Server, transport *http.Transport, options ...configure,
) *piped {
	t.Helper()
	h := &piped{assemble(t, options...), pipes{accept: make(chan net.Conn), closed: make(chan struct{})}}
	server.Handler, server.ErrorLog = h.api.Internal(), slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if server.TLSConfig == nil {
		go server.Serve(&h.pipes)
	} else {
		go server.ServeTLS(&h.pipes, "", "")
	}
	transport.DisableCompression = true
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return h.pipes.dial() }
	h.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return h
}

func (h *piped) request(t *testing.T, method, path string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, body)
	require.NoError(t, err)
	header(headers).set(r)
	return r
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
