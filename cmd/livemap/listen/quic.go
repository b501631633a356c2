package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/time/rate"
)

const (
	quicIdleTimeout = 30 * time.Second // of a connection without packets
	udpBuffer       = 7 << 20          // bytes that quic-go asks for

	// handshakeRate is how many handshakes a second may begin before clients must prove their
	// addresses. A half-open connection holds 0.1 MB for 5 s.
	handshakeRate = 500

	// closeTime is how long clients may take to close a connection that has no requests any more.
	// One that vanished never does.
	closeTime = time.Second

	// vanishedTime is how long a client may send nothing when it is asked to close its connection.
	vanishedTime = 2 * time.Second

	// quicAcceptors is how many goroutines accept connections of a socket. quic-go queues 32
	// connections beside those, and refuses more.
	quicAcceptors = 64
)

// quicPort is a port for HTTP/3.
type quicPort struct {
	sockets []quicSocket // one for each address of the host
	server  *http3.Server
	limiter *quicLimiter
	serving sync.WaitGroup // acceptors that run or will run
	moves   *migrations    // nil until it serves

	requests atomic.Int64 // under way; a stream that was taken over counts until it is closed
}

type quicPortKey struct{}

type quicSocket struct {
	conn      net.PacketConn
	transport *quic.Transport
	listener  *quic.EarlyListener
}

// QUICKeys outlive the process. With the same keys, a hub can end the connections of one that was
// killed (stateless reset, RFC 9000, section 10.3), and its address tokens stay valid.
type QUICKeys struct {
	Reset quic.StatelessResetKey
	Token quic.TokenGeneratorKey // of address validation (RFC 9000, section 8.1)
}

// openQUICPort listens on the UDP ports that were passed. Without any, it listens on the addresses
// of TCP.
func openQUICPort(tcp []net.Listener, passed PassedSockets, config *tls.Config, keys QUICKeys,
	limiter *quicLimiter, log *slog.Logger) (*quicPort, error) {
	conns, err := passed.packets, error(nil)
	if len(conns) == 0 {
		conns, err = openUDP(tcp)
	}
	if err != nil {
		return nil, err
	}
	q := &quicPort{limiter: limiter, server: &http3.Server{
		MaxHeaderBytes: maxHeaderBytes,
		Logger:         slog.New(slog.DiscardHandler),
	}}
	handshakes := rate.NewLimiter(handshakeRate, handshakeRate)
	for i, conn := range conns {
		socket, err := openQUICSocket(conn, config, keys, handshakes, limiter)
		if err != nil {
			closeAll(conns[i:])
			q.close()
			return nil, err
		}
		if got := receiveBufferSize(socket.conn.(*net.UDPConn)); i == 0 && got < udpBuffer {
			log.Warn("UDP buffers are small; HTTP/3 loses packets under load", "bytes", got,
				"mend", mendUDPBuffers(runtime.GOOS))
		}
		q.sockets = append(q.sockets, socket)
		q.serving.Add(quicAcceptors)
	}
	return q, nil
}

// openUDP opens UDP ports at the addresses of TCP ones.
func openUDP(tcp []net.Listener) (conns []net.PacketConn, err error) {
	for _, one := range tcp {
		conn, err := net.ListenPacket("udp", one.Addr().String())
		if err != nil {
			closeAll(conns)
			return nil, cause(err)
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// openQUICSocket begins to listen on a UDP port. 0-RTT is off: the hub would publish a replayed
// POST twice.
func openQUICSocket(conn net.PacketConn, config *tls.Config, keys QUICKeys,
	handshakes *rate.Limiter, limiter *quicLimiter) (q quicSocket, err error) {
	q.conn = conn
	growBuffers(q.conn.(*net.UDPConn))
	q.transport = &quic.Transport{
		Conn:              q.conn,
		StatelessResetKey: &keys.Reset,
		TokenGeneratorKey: &keys.Token,
		ConnContext:       limiter.admit,
		VerifySourceAddress: func(client net.Addr) bool {
			return !handshakes.Allow() || limiter.isCrowded(client)
		},
	}
	// http3.ConfigureTLSConfig would make a copy for each connection, which keeps it.
	config = config.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	q.listener, err = q.transport.ListenEarly(config, &quic.Config{
		MaxIdleTimeout: quicIdleTimeout,
		Allow0RTT:      false,
	})
	return q, err
}

// countMigrations begins to count moves of clients. It is called once, before serve.
func (q *quicPort) countMigrations(migrated func(moves int)) {
	q.moves = startMigrationCount(migrated)
	q.server.ConnContext = func(ctx context.Context, conn *quic.Conn) context.Context {
		q.limiter.attach(conn)
		q.moves.track(conn)
		return context.WithValue(ctx, quicPortKey{}, q)
	}
}

func (q *quicPort) serve(handler http.Handler) error {
	defer q.limiter.start()()
	q.server.Handler = q.limiter.noteRequests(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q.requests.Add(1)
		defer q.requests.Add(-1)
		handler.ServeHTTP(w, r)
	}))
	return firstError(slices.Repeat(q.sockets, quicAcceptors), func(socket quicSocket) error {
		defer q.serving.Done()
		return q.server.ServeListener(socket.listener)
	})
}

// shutdown ends HTTP/3 once the requests under way are done and all clients have closed their
// connections, as they are asked to (RFC 9114, section 5.2), or closeTime has passed without a
// request. It does not wait for clients that vanished.
//
// New clients get no answer: they ask again, and the next hub answers. If a connection were made
// that nobody serves, its client would wait for its timeout.
func (q *quicPort) shutdown(ctx context.Context) {
	for _, socket := range q.sockets {
		socket.listener.Close()
	}
	q.serving.Wait() // until the server knows all connections that were accepted
	ctx, cancel := context.WithCancel(ctx)
	conns := q.moves.conns()
	var waiting sync.WaitGroup
	waiting.Go(func() { closeVanished(ctx, conns) })
	waiting.Go(func() {
		q.awaitRequests(ctx)
		cancel()
	})
	q.server.Shutdown(ctx)
	cancel()
	waiting.Wait()
}

// closeVanished closes connections whose clients send no packet for vanishedTime. All have
// something to acknowledge: that they are asked to close.
func closeVanished(ctx context.Context, conns map[*quic.Conn]uint64) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(vanishedTime):
	}
	for conn, packets := range conns {
		if conn.ConnectionStats().PacketsReceived == packets {
			conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "no answer")
		}
	}
}

// awaitRequests returns when no request has been under way for closeTime, or ctx is done.
func (q *quicPort) awaitRequests(ctx context.Context) {
	ticker := time.NewTicker(firstRequestPoll)
	defer ticker.Stop()
	for busy := time.Now(); time.Since(busy) < closeTime; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if q.requests.Load() > 0 {
			busy = time.Now()
		}
	}
}

func (q *quicPort) close() {
	q.server.Close()
	if q.moves != nil {
		q.moves.stop()
	}
	for _, socket := range q.sockets {
		socket.listener.Close()
		socket.transport.Close()
		socket.conn.Close()
	}
}

// growBuffers makes room for bursts of UDP, as far as the system allows. A socket that systemd
// opened may have more already, and setting a size would take that away.
func growBuffers(conn *net.UDPConn) {
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") // openQUICPort logs its own
	if receiveBufferSize(conn) < udpBuffer {
		conn.SetReadBuffer(udpBuffer)
	}
	if sendBufferSize(conn) < udpBuffer {
		conn.SetWriteBuffer(udpBuffer)
	}
}
