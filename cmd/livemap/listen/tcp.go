package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"livemap/api/transport"
)

const (
	headerTimeout = 10 * time.Second // until a request's header has arrived
	idleTimeout   = 2 * time.Minute  // of a connection without requests

	// sendBuffer is in bytes. It is small: a slow reader shows early, and a write to it ends soon.
	sendBuffer = 64 << 10

	// maxHeaderBytes is how long a header may be for the API to see the request. It is more than
	// the API accepts, so that it can reject the request with a problem document.
	maxHeaderBytes = 4 * transport.MaxHeader
)

// httpPort is a port for HTTP/1.1 and HTTP/2, over TCP or a Unix socket.
type httpPort struct {
	net.Listener
	also   []net.Listener // of the same port, on the host's other addresses
	flag   string
	server *http.Server
	log    *slog.Logger
	tls    *tls.Config // nil: plaintext
}

// openHTTPPort makes a port of the sockets that were passed for a flag. Without any, it opens the
// address. An error names the flag.
func openHTTPPort(ctx context.Context, flag string, a Address, passed PassedSockets, limiter *connLimiter,
	log *slog.Logger) (*httpPort, error) {
	open, err := passed.listeners(flag)
	if len(open) == 0 && err == nil {
		open, err = openSockets(ctx, a)
	}
	if err != nil {
		return nil, openError(flag, a, cause(err))
	}
	return newHTTPPort(flag, open, limiter, log), nil
}

// internalFlag is the flag of the internal port.
const internalFlag = "publish-listen"

// newHTTPPort makes a port of open listeners.
func newHTTPPort(flag string, open []net.Listener, limiter *connLimiter, log *slog.Logger) *httpPort {
	server := &http.Server{
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
		ConnContext:       withConn,
		ConnState:         connState,
		// net/http would wait for the body of OPTIONS * without a limit.
		DisableGeneralOptionsHandler: true,
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	for i := range open {
		open[i] = track(open[i], flag == internalFlag, limiter)
	}
	return &httpPort{Listener: open[0], also: open[1:], flag: flag, server: server, log: log}
}

// limitWrites closes connections that take longer for a write; see [Config.StallTimeout].
func (p *httpPort) limitWrites(stall time.Duration) {
	for _, one := range p.listeners() {
		one.(*trackedListener).limitWrites(stall)
	}
}

func openSockets(ctx context.Context, a Address) ([]net.Listener, error) {
	if a.network == "unix" {
		return openUnix(ctx, a.address)
	}
	return openAll(a, func(address string) (net.Listener, error) {
		return tcpSockets.Listen(ctx, a.network, address)
	})
}

// openUnix opens a Unix socket. Its permissions are socketMode, whatever the umask. An abstract socket
// (@name, on Linux) has none.
func openUnix(ctx context.Context, path string) ([]net.Listener, error) {
	removeStale(path)
	socket, err := unixSockets.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(path, "@") {
		err = setMode(path)
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return []net.Listener{socket}, nil
}

// openAll opens a port on all addresses of a host. If the system picked the number on the first
// and it is in use on another, openAll tries again.
func openAll(a Address, open func(address string) (net.Listener, error)) ([]net.Listener, error) {
	for try := 1; ; try++ {
		all, err := openEach(a.addresses(), open)
		if err == nil || !a.isPicked() || try == 10 {
			return all, err
		}
	}
}

// openEach opens a port on each address, with the port number that the first one got.
func openEach(addresses []string,
	open func(address string) (net.Listener, error)) (all []net.Listener, err error) {
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

func closeAll[T io.Closer](all []T) {
	for _, one := range all {
		one.Close()
	}
}

// IsInUse reports whether a port could not be opened because a program has it.
func IsInUse(err error) bool { return errors.Is(err, errInUse) }

// isUnavailable reports whether the machine has no such address, as one without IPv6.
func isUnavailable(err error) bool {
	return errors.Is(err, errNoSuchAddress) || errors.Is(err, errNoSuchFamily)
}

// withPortOf returns an address with the port number of another.
func withPortOf(address string, of net.Addr) string {
	host, _, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, strconv.Itoa(of.(*net.TCPAddr).Port))
}

// cause returns the system's error without the address, which the caller names.
func cause(err error) error {
	if system, ok := errors.AsType[syscall.Errno](err); ok {
		return system
	}
	return err
}

// removeStale removes a socket that nobody listens on: a killed hub leaves it behind. A file that
// is no socket refuses connections too, and stays.
func removeStale(path string) {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return
	}
	if errors.Is(err, errRefused) {
		os.Remove(path)
	}
}

// listeners returns all listeners of the port.
func (p *httpPort) listeners() []net.Listener { return append([]net.Listener{p.Listener}, p.also...) }

func (p *httpPort) close() { closeAll(p.listeners()) }

// closeConns closes the connections that are left.
func (p *httpPort) closeConns() {
	for _, one := range p.listeners() {
		one.(*trackedListener).closeAll()
	}
}

func (p *httpPort) serve(handler http.Handler) error {
	p.server.Handler = noteRequests(handler)
	serve := func(one net.Listener) error { return p.server.Serve(admit(one, p.log)) }
	if p.tls != nil {
		p.server.TLSConfig = p.tls
		serve = func(one net.Listener) error { return p.server.ServeTLS(admit(one, p.log), "", "") }
	}
	return fmt.Errorf("--%s: %w", p.flag, firstError(p.listeners(), serve))
}

// firstError runs do for all elements at once, and returns the error of the first that ends.
func firstError[T any](each []T, do func(T) error) error {
	failed := make(chan error, len(each))
	for _, one := range each {
		go func() { failed <- do(one) }()
	}
	return <-failed
}

// shutdown stops accepting and waits until all requests are answered, those of connections that
// have just come included.
func (p *httpPort) shutdown(ctx context.Context) {
	p.close()
	p.awaitFirstRequests(ctx)
	if p.server.Shutdown(ctx) != nil {
		p.server.Close()
	}
}

// address returns the address as clients name it. A port on all addresses has the name of the machine.
func (p *httpPort) address(name string) string {
	if p.Addr().Network() == "unix" {
		return "unix:" + p.Addr().String()
	}
	scheme := "http"
	if p.tls != nil {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(p.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = name
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// isLocal reports whether this machine alone can reach the port.
func (p *httpPort) isLocal() bool {
	return !slices.ContainsFunc(p.listeners(), func(one net.Listener) bool {
		return !Address{one.Addr().Network(), one.Addr().String()}.IsLocal()
	})
}
