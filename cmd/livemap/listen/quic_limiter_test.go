package listen

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"livemap/api/transport"
)

// servedQUIC is a QUIC port that serves.
type servedQUIC struct {
	*quicPort
	to      net.Addr
	reasons chan string // of connections that were cut
}

// serveQUIC serves HTTP/3 with a limit for connections without a request.
func serveQUIC(
	t *testing.T, idle time.Duration, handler http.HandlerFunc, trusted ...netip.Prefix,
) *servedQUIC {
	t.Helper()
	certificate := httptest.NewTLSServer(http.NotFoundHandler())
	defer certificate.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	log := slog.New(slog.DiscardHandler)
	s := &servedQUIC{reasons: make(chan string, 10_000)}
	cuts := newCuts(log)
	cuts.countWith(func(reason string) { s.reasons <- reason })
	config := &tls.Config{Certificates: certificate.TLS.Certificates}
	s.quicPort, err = openQUICPort([]net.Listener{tcp}, PassedSockets{}, config, QUICKeys{},
		&quicLimiter{trusted: trusted, cuts: cuts, idleTimeout: idle}, log)
	require.NoError(t, err)
	s.countMigrations(func(int) {})
	served := make(chan error, 1)
	go func() { served <- s.serve(handler) }()
	s.to = s.sockets[0].conn.LocalAddr()
	t.Cleanup(func() {
		s.close()
		<-served
		s.serving.Wait()
		cuts.end()
	})
	return s
}

// dial makes a connection that sends PING often.
func (s *servedQUIC) dial(t *testing.T) (*quic.Conn, error) {
	return quicTransport(t).Dial(t.Context(), s.to,
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}},
		&quic.Config{KeepAlivePeriod: 10 * time.Millisecond})
}

// get sends a request and returns its answer.
func get(t *testing.T, over *http3.ClientConn, path string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost"+path, nil)
	require.NoError(t, err)
	response, err := over.RoundTrip(request)
	require.NoError(t, err)
	return response
}

// TestIdleQUICConnsAreCut checks that PING keeps no connection open that has no request: none so far, none
// any more, or a stream on which none comes. A connection with a stream that was taken over stays.
func TestIdleQUICConnsAreCut(t *testing.T) {
	streams := make(chan transport.Connection, 1)
	s := serveQUIC(t, 100*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			streams <- TakeOverHTTP3(w, r, transport.WriteTimeout{Stall: testLimit})
		}
	})
	conn, err := s.dial(t)
	require.NoError(t, err)
	reader := new(http3.Transport).NewClientConn(conn)
	answer := get(t, reader, "/stream")
	defer answer.Body.Close()
	stream := <-streams

	cut := func(conn *quic.Conn) {
		<-conn.Context().Done()
		_, err := conn.AcceptStream(t.Context())
		var closed *quic.ApplicationError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, quic.ApplicationErrorCode(http3.ErrCodeNoError), closed.ErrorCode)
		require.Equal(t, "idle", <-s.reasons)
	}
	silent, err := s.dial(t)
	require.NoError(t, err)
	cut(silent)
	begun, err := s.dial(t)
	require.NoError(t, err)
	half, err := begun.OpenStream()
	require.NoError(t, err)
	_, err = half.Write([]byte{1}) // a HEADERS frame that never ends
	require.NoError(t, err)
	cut(begun)
	asked, err := s.dial(t)
	require.NoError(t, err)
	get(t, new(http3.Transport).NewClientConn(asked), "/").Body.Close()
	cut(asked)

	get(t, reader, "/").Body.Close() // it is still there, and another request leaves the stream alone
	require.NoError(t, conn.Context().Err())
	stream.Close(false)
	cut(conn)
	require.Zero(t, s.limiter.idle.all.Len())
}

// TestQUICConnsOfAnAddress checks how many connections without a request an address may have, and that one
// which has more is cut, or refused.
func TestQUICConnsOfAnAddress(t *testing.T) {
	s := serveQUIC(t, time.Hour, func(http.ResponseWriter, *http.Request) {})
	transport := quicTransport(t)
	dial := func() (*quic.Conn, error) {
		return transport.Dial(t.Context(), s.to,
			&tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}}, nil)
	}
	first, err := dial()
	require.NoError(t, err)
	for range maxIdlePerAddress + 10 {
		_, err := dial()
		require.NoError(t, err)
	}
	<-first.Context().Done()
	for range 11 {
		require.Equal(t, "address", <-s.reasons)
	}
	s.limiter.mu.Lock()
	require.Len(t, s.limiter.idle.of, 1)
	require.Equal(t, maxIdlePerAddress, s.limiter.idle.all.Len())
	s.limiter.mu.Unlock()
	require.True(t, s.limiter.isCrowded(s.to))

	// As many as came within a second are refused: their clients come back.
	s.limiter.mu.Lock()
	for range maxNewPerAddress {
		conn := &quicConn{limiter: s.limiter}
		conn.entry.address = limitedAddress(s.to, nil)
		s.limiter.idle.add(conn)
	}
	s.limiter.mu.Unlock()
	_, err = dial()
	var refused *quic.TransportError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, quic.ConnectionRefused, refused.ErrorCode)
	require.Equal(t, "address", <-s.reasons)
}
