package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/time/rate"

	"livemap/api"
)

const (
	headerTime    = 10 * time.Second  // for a request's header to arrive
	idleTime      = 2 * time.Minute   // for a connection without requests
	quicIdle      = 30 * time.Second  // for a QUIC connection without packets
	sendBuffer    = 64 << 10          // bytes; small, so that a slow reader shows early, and a write to it ends soon
	udpBuffer     = 7 << 20           // bytes; what quic-go asks for
	headerBound   = 4 * api.MaxHeader // bytes; up to here the API answers in words
	handshakeRate = 1000              // QUIC handshakes a second before addresses must be validated
)

// listeners are the hub's ports.
type listeners struct {
	public   *webListener // nil: off
	quic     *quicListener
	proxy    *webListener // nil: off
	internal *webListener
}

// listen opens all ports, so that one in use is noticed before anything is
// served. An error names its flag.
func (c *serveCmd) listen(ctx context.Context, state *state, log *slog.Logger) (l *listeners, err error) {
	l = &listeners{}
	defer func() {
		if err != nil {
			l.close()
			l = nil
		}
	}()
	if l.internal, err = listenWeb(ctx, "publish-listen", c.PublishListen, log); err != nil {
		return l, err
	}
	if !c.ProxyListen.isOff() {
		if l.proxy, err = listenWeb(ctx, "proxy-listen", c.ProxyListen, log); err != nil {
			return l, err
		}
	}
	if c.Listen.isOff() {
		return l, nil
	}
	certificate, err := c.certificate(state, log)
	if err != nil {
		return l, err
	}
	keys, err := state.quicKeys()
	if err != nil {
		return l, err
	}
	return l, l.listenPublic(ctx, c, certificate, keys, log)
}

// listenPublic opens TCP and UDP of the same port number. Where the system
// picks it, the number that TCP got may be taken in UDP: then another is tried.
func (l *listeners) listenPublic(ctx context.Context, c *serveCmd, certificate *certificate, keys quicKeys, log *slog.Logger) error {
	for try := 1; ; try++ {
		web, err := listenWeb(ctx, "listen", c.Listen, log)
		if err != nil {
			return err
		}
		l.quic, err = listenQUIC(web.all(), certificate.config(), keys, log)
		if err == nil {
			l.public = web
			web.server.TLSConfig = certificate.config()
			return nil
		}
		web.close()
		if !c.Listen.isPicked() || try == 10 {
			return fmt.Errorf("--listen %s: UDP: %w", c.Listen, err)
		}
	}
}

// serve begins to serve. The channel tells of listeners that failed.
func (l *listeners) serve(surface *api.API) <-chan error {
	failed := make(chan error, 4)
	start := func(serve func(http.Handler) error, handler http.Handler) {
		go func() {
			if err := serve(handler); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	start(l.internal.serve, surface.Internal())
	if l.proxy != nil {
		start(l.proxy.serve, surface.Public())
	}
	if l.public != nil {
		public := surface.Public()
		start(l.quic.serve, public)
		start(l.public.serve, advertised(public, l.public.Addr().(*net.TCPAddr).Port))
	}
	return failed
}

// advertised tells TCP clients that there is HTTP/3 (RFC 7838).
func advertised(next http.Handler, port int) http.Handler {
	value := fmt.Sprintf(`h3=":%d"; ma=86400`, port)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", value)
		next.ServeHTTP(w, r)
	})
}

// addresses tells where the hub listens, as attributes of a log line.
func (l *listeners) addresses() (attrs []any) {
	if l.public != nil {
		attrs = append(attrs, "public", "https://"+l.public.Addr().String())
	}
	if l.proxy != nil {
		attrs = append(attrs, "proxy", l.proxy.address())
	}
	return append(attrs, "publish", l.internal.address())
}

// shutdownPublic stops accepting and ends what is idle on the public and the
// proxy port. The channel is closed when all requests there are done, or ctx is.
func (l *listeners) shutdownPublic(ctx context.Context) <-chan struct{} {
	done, ended := make(chan struct{}), make(chan struct{}, 3)
	servers := []func(context.Context){}
	if l.public != nil {
		servers = append(servers, l.public.shutdown, l.quic.shutdown)
	}
	if l.proxy != nil {
		servers = append(servers, l.proxy.shutdown)
	}
	for _, shutdown := range servers {
		go func() {
			shutdown(ctx)
			ended <- struct{}{}
		}()
	}
	go func() {
		for range servers {
			<-ended
		}
		close(done)
	}()
	return done
}

// cut closes the connections that are left, streams that were taken over from
// their servers among them.
func (l *listeners) cut() {
	for _, web := range []*webListener{l.public, l.proxy, l.internal} {
		if web != nil {
			web.cut()
		}
	}
	if l.quic != nil {
		l.quic.server.Close()
	}
}

// close closes all ports and connections.
func (l *listeners) close() {
	for _, web := range []*webListener{l.public, l.proxy, l.internal} {
		if web != nil {
			web.server.Close()
			web.close()
		}
	}
	if l.quic != nil {
		l.quic.close()
	}
}

// webListener is a port for HTTP over TCP or a unix socket.
type webListener struct {
	net.Listener
	also   []net.Listener // of the same port, on the host's other addresses
	flag   string
	server *http.Server
}

func listenWeb(ctx context.Context, flag string, a listenAddress, log *slog.Logger) (*webListener, error) {
	if a.network == "unix" {
		removeStale(a.address)
	}
	open, err := openAll(a, func(address string) (net.Listener, error) { return sockets.Listen(ctx, a.network, address) })
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, a, cause(err))
	}
	server := &http.Server{
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBound,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
		ConnState:         settled,
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	for i := range open {
		open[i] = watch(open[i])
	}
	return &webListener{open[0], open[1:], flag, server}, nil
}

// openAll opens a port on all addresses of a host. Where the system picks the
// number on the first, it may be taken on another: then another is tried.
func openAll(a listenAddress, open func(address string) (net.Listener, error)) ([]net.Listener, error) {
	for try := 1; ; try++ {
		all, err := openEach(a.addresses(), open)
		if err == nil || !a.isPicked() || try == 10 {
			return all, err
		}
	}
}

func openEach(addresses []string, open func(address string) (net.Listener, error)) (all []net.Listener, err error) {
	for i, address := range addresses {
		if i > 0 {
			address = withPortOf(address, all[0].Addr())
		}
		one, err := open(address)
		if i > 0 && isUnavailable(err) {
			continue
		}
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func closeAll(all []net.Listener) {
	for _, one := range all {
		one.Close()
	}
}

// isUnavailable tells that the machine has no such address: it has no IPv6.
func isUnavailable(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

func withPortOf(address string, of net.Addr) string {
	host, _, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, strconv.Itoa(of.(*net.TCPAddr).Port))
}

// cause gives what went wrong with an address without naming it again.
func cause(err error) error {
	if system, ok := errors.AsType[syscall.Errno](err); ok {
		return system
	}
	return err
}

// removeStale removes a socket that nobody listens on, which a killed hub leaves.
// Connections to a file that is no socket are refused too.
func removeStale(path string) {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		os.Remove(path)
	}
}

// all are the listeners of the port.
func (l *webListener) all() []net.Listener { return append([]net.Listener{l.Listener}, l.also...) }

func (l *webListener) close() { closeAll(l.all()) }

func (l *webListener) cut() {
	for _, one := range l.all() {
		one.(*watchedListener).closeAll()
	}
}

func (l *webListener) serve(handler http.Handler) error {
	l.server.Handler = handler
	serve := func(one net.Listener) error { return l.server.Serve(letIn(one)) }
	if l.server.TLSConfig != nil {
		serve = func(one net.Listener) error { return l.server.ServeTLS(letIn(one), "", "") }
	}
	return fmt.Errorf("--%s: %w", l.flag, firstError(l.all(), serve))
}

// firstError does something for each at once, and gives the first error of them.
func firstError[T any](each []T, do func(T) error) error {
	failed := make(chan error, len(each))
	for _, one := range each {
		go func() { failed <- do(one) }()
	}
	return <-failed
}

func (l *webListener) shutdown(ctx context.Context) {
	if l.server.Shutdown(ctx) != nil {
		l.server.Close()
	}
}

// address gives the address as --to takes it.
func (l *webListener) address() string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// quicListener is a port for HTTP/3.
type quicListener struct {
	sockets []quicSocket // one for each address of the host
	server  *http3.Server
}

type quicSocket struct {
	conn      net.PacketConn
	transport *quic.Transport
	listener  *quic.EarlyListener
}

// listenQUIC opens UDP ports of the same addresses as TCP ones.
func listenQUIC(web []net.Listener, config *tls.Config, keys quicKeys, log *slog.Logger) (*quicListener, error) {
	q := &quicListener{server: &http3.Server{MaxHeaderBytes: headerBound, Logger: slog.New(slog.DiscardHandler)}}
	handshakes := rate.NewLimiter(handshakeRate, handshakeRate)
	for i, tcp := range web {
		socket, err := openQUIC(tcp.Addr().String(), config, keys, handshakes)
		if err != nil {
			q.close()
			return nil, err
		}
		if got := receiveBuffer(socket.conn.(*net.UDPConn)); i == 0 && got < udpBuffer {
			log.Warn("UDP buffers are small, HTTP/3 loses packets under load", "bytes", got,
				"mend", "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000")
		}
		q.sockets = append(q.sockets, socket)
	}
	return q, nil
}

// openQUIC opens a UDP port. 0-RTT is off, since a replayed POST would be
// published twice.
func openQUIC(address string, config *tls.Config, keys quicKeys, handshakes *rate.Limiter) (q quicSocket, err error) {
	if q.conn, err = net.ListenPacket("udp", address); err != nil {
		return q, cause(err)
	}
	growBuffers(q.conn.(*net.UDPConn))
	q.transport = &quic.Transport{
		Conn:                q.conn,
		StatelessResetKey:   &keys.reset,
		TokenGeneratorKey:   &keys.token,
		VerifySourceAddress: func(net.Addr) bool { return !handshakes.Allow() },
	}
	// http3.ConfigureTLSConfig would do the same anew for each connection, which keeps it.
	config = config.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	q.listener, err = q.transport.ListenEarly(config, &quic.Config{
		MaxIdleTimeout: quicIdle,
		Allow0RTT:      false,
	})
	if err != nil {
		q.conn.Close()
	}
	return q, err
}

func (q *quicListener) serve(handler http.Handler) error {
	q.server.Handler = handler
	return firstError(q.sockets, func(socket quicSocket) error { return q.server.ServeListener(socket.listener) })
}

// shutdown ends HTTP/3 once the requests under way are done. Clients are not
// waited for to close their connections.
func (q *quicListener) shutdown(ctx context.Context) {
	q.server.Shutdown(ctx)
}

func (q *quicListener) close() {
	q.server.Close()
	for _, socket := range q.sockets {
		socket.listener.Close()
		socket.transport.Close()
		socket.conn.Close()
	}
}

// growBuffers gives UDP room for bursts, as far as the system allows.
func growBuffers(conn *net.UDPConn) {
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") // the warning is ours to give
	conn.SetReadBuffer(udpBuffer)
	conn.SetWriteBuffer(udpBuffer)
}
