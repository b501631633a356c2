package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/time/rate"
)

const (
	quicIdleTimeout = 30 * time.Second // for a connection without packets
	udpBuffer       = 7 << 20          // bytes; what quic-go asks for
	handshakeRate   = 500              // handshakes a second before addresses must be validated: half-open ones hold 0.1 MB each, for 5 s
	quicAcceptors   = 64               // goroutines that accept connections; quic-go refuses those for which 32 and none of these are free
)

// quicPort is a port for HTTP/3.
type quicPort struct {
	sockets []quicSocket // one for each address of the host
	server  *http3.Server
	serving sync.WaitGroup // doors that are, or will be, open
	moves   *migrations    // nil until it serves
}

type quicSocket struct {
	conn      net.PacketConn
	transport *quic.Transport
	listener  *quic.EarlyListener
}

// QUICKeys outlive the process so that clients of a killed hub are told at once
// (stateless reset, RFC 9000, 10.3), and address tokens stay good.
type QUICKeys struct {
	Reset quic.StatelessResetKey
	Token quic.TokenGeneratorKey
}

// openQUICPort listens on the UDP ports that were passed, else on the same addresses
// as TCP does.
func openQUICPort(web []net.Listener, passed PassedSockets, config *tls.Config, keys QUICKeys, log *slog.Logger) (*quicPort, error) {
	conns, err := passed.packets, error(nil)
	if len(conns) == 0 {
		conns, err = openUDP(web)
	}
	if err != nil {
		return nil, err
	}
	q := &quicPort{server: &http3.Server{MaxHeaderBytes: maxHeaderBytes, Logger: slog.New(slog.DiscardHandler)}}
	handshakes := rate.NewLimiter(handshakeRate, handshakeRate)
	for i, conn := range conns {
		socket, err := openQUICSocket(conn, config, keys, handshakes)
		if err != nil {
			closeAll(conns[i:])
			q.close()
			return nil, err
		}
		if got := receiveBufferSize(socket.conn.(*net.UDPConn)); i == 0 && got < udpBuffer {
			log.Warn("UDP buffers are small, HTTP/3 loses packets under load", "bytes", got,
				"mend", "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000")
		}
		q.sockets = append(q.sockets, socket)
		q.serving.Add(quicAcceptors)
	}
	return q, nil
}

// openUDP opens UDP ports of the same addresses as TCP ones.
func openUDP(web []net.Listener) (conns []net.PacketConn, err error) {
	for _, tcp := range web {
		conn, err := net.ListenPacket("udp", tcp.Addr().String())
		if err != nil {
			closeAll(conns)
			return nil, cause(err)
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// openQUICSocket begins to listen on a UDP port. 0-RTT is off, since a replayed POST
// would be published twice.
func openQUICSocket(conn net.PacketConn, config *tls.Config, keys QUICKeys, handshakes *rate.Limiter) (q quicSocket, err error) {
	q.conn = conn
	growBuffers(q.conn.(*net.UDPConn))
	q.transport = &quic.Transport{
		Conn:                q.conn,
		StatelessResetKey:   &keys.Reset,
		TokenGeneratorKey:   &keys.Token,
		VerifySourceAddress: func(net.Addr) bool { return !handshakes.Allow() },
	}
	// http3.ConfigureTLSConfig would do the same anew for each connection, which keeps it.
	config = config.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	q.listener, err = q.transport.ListenEarly(config, &quic.Config{
		MaxIdleTimeout: quicIdleTimeout,
		Allow0RTT:      false,
	})
	return q, err
}

// countMigrations has migrations counted. It is called once, before serve.
func (q *quicPort) countMigrations(migrated func(moves int)) {
	q.moves = startMigrationCount(migrated)
	q.server.ConnContext = q.moves.track
}

func (q *quicPort) serve(handler http.Handler) error {
	q.server.Handler = handler
	return firstError(slices.Repeat(q.sockets, quicAcceptors), func(socket quicSocket) error {
		defer q.serving.Done()
		return q.server.ServeListener(socket.listener)
	})
}

// shutdown ends HTTP/3 once the requests under way are done. Clients are not
// waited for to close their connections. Those that come now get no answer: they
// ask again, and the hub that is started next answers. If a connection were made
// that nobody serves, its client would wait for it until it times out.
func (q *quicPort) shutdown(ctx context.Context) {
	for _, socket := range q.sockets {
		socket.listener.Close()
	}
	q.serving.Wait() // until those are served that were accepted before
	q.server.Shutdown(ctx)
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

// growBuffers gives UDP room for bursts, as far as the system allows. What systemd
// opened may have more than that already, which asking for it would take away.
func growBuffers(conn *net.UDPConn) {
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") // the warning is ours to give
	if receiveBufferSize(conn) < udpBuffer {
		conn.SetReadBuffer(udpBuffer)
	}
	if sendBufferSize(conn) < udpBuffer {
		conn.SetWriteBuffer(udpBuffer)
	}
}
