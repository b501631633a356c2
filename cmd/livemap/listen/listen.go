// Package listen opens the ports of a hub and serves HTTP on them.
//
// A [Config] names three ports: a public one, for TCP and UDP of the same number, one for a
// reverse proxy, and an internal one. [Open] opens them all before anything is served, so that a
// port in use is noticed in time. [Ports.Serve] serves one handler on the public and the proxy
// port, and another on the internal port.
//
// A service manager may have opened the sockets already: [TakePassed] takes them and
// [Config.Place] puts them in place of addresses. [TakeOverHTTP3] takes a stream over from its
// HTTP/3 server, so that its handler can return while events go on.
//
// The package knows nothing of routes and vehicles.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Ports are the open ports of a hub.
type Ports struct {
	public   *httpPort // nil: off
	quic     *quicPort
	proxy    *httpPort // nil: off
	internal *httpPort

	cuts      *cuts
	certified bool          // public has --tls-cert, not a certificate made for localhost
	name      string        // of this machine, for clients of ports on all of its addresses
	stall     time.Duration // Config.StallTimeout
}

// Open opens all ports that were not passed. The caller closes them.
//
// QUIC uses the keys; they matter only if the public port is on. The storage keeps the certificate
// that is made if the configuration names none. An error names the flag of its port or file: a
// [ConfigError] if the configuration is at fault, and else what the system refused.
func Open(ctx context.Context, c Config, keys QUICKeys, storage Storage,
	log *slog.Logger) (p *Ports, err error) {
	p = &Ports{cuts: newCuts(log), stall: c.StallTimeout, name: localhost}
	limiter := newConnLimiter(maxDescriptors(), c.TrustedProxies, p.cuts)
	defer func() {
		if err != nil {
			p.Close()
			p = nil
		}
	}()
	if p.internal, err = openHTTPPort(ctx, internalFlag, c.Internal, c.passed, limiter, log); err != nil {
		return p, err
	}
	if !c.Proxy.IsOff() {
		if p.proxy, err = openHTTPPort(ctx, "proxy-listen", c.Proxy, c.passed, limiter, log); err != nil {
			return p, err
		}
	}
	needsAuth := c.needsAuth(p.internal)
	if c.Public.IsOff() && !needsAuth {
		return p, nil
	}
	certificate, err := c.openCertificate(storage, log)
	if err != nil {
		return p, err
	}
	p.name = certificate.name()
	if needsAuth {
		if p.internal.tls, err = c.askClients(certificate.config()); err != nil {
			return p, err
		}
	}
	if c.Public.IsOff() {
		return p, nil
	}
	p.certified = c.TLSCert != ""
	return p, p.listenPublic(ctx, c, certificate, keys, limiter, log)
}

// listenPublic opens TCP and UDP of the same port number. If the system picked it for TCP and it is
// in use for UDP, listenPublic tries again.
func (p *Ports) listenPublic(ctx context.Context, c Config, certificate *certificate, keys QUICKeys,
	limiter *connLimiter, log *slog.Logger) error {
	for try := 1; ; try++ {
		tcp, err := openHTTPPort(ctx, "listen", c.Public, c.passed, limiter, log)
		if err != nil {
			return err
		}
		p.quic, err = openQUICPort(tcp.listeners(), c.passed, certificate.config(), keys,
			&quicLimiter{trusted: c.TrustedProxies, cuts: p.cuts, idleTimeout: idleTimeout}, log)
		if err == nil {
			p.public = tcp
			tcp.tls = certificate.config()
			return nil
		}
		tcp.close()
		if !c.Public.isPicked() || try == 10 {
			return openError("listen", c.Public, fmt.Errorf("UDP: %w", err))
		}
	}
}

// RequiresAuth reports whether the internal port asks its clients for who they are. It speaks TLS
// then, and its handler must ask clients without a certificate for a token.
func (p *Ports) RequiresAuth() bool { return p.internal.tls != nil }

// Counters count what happens to connections. Both functions are needed.
type Counters struct {
	// Migrated is called with the number of HTTP/3 clients that moved to another address.
	Migrated func(moves int)
	// Cut is called for each connection that the hub closes though its client might have stayed. The
	// reasons are handshake and request (none within 10 s, or 2 min if nothing has come over HTTP/2), idle
	// (no further request for 2 min), address (its address had too many without a request), full (another
	// connection needed the room), gone (nothing is acknowledged for 30 s) and shutdown.
	Cut func(reason string)
}

// Serve begins to serve: public on the public and the proxy port, internal on the internal one. It
// is called once. The channel receives the error of a port that fails.
func (p *Ports) Serve(public, internal http.Handler, count Counters) <-chan error {
	p.cuts.countWith(count.Cut)
	for _, port := range []*httpPort{p.public, p.proxy, p.internal} {
		if port != nil {
			port.limitWrites(p.stall)
		}
	}
	failed := make(chan error, 4)
	start := func(serve func(http.Handler) error, handler http.Handler) {
		go func() {
			if err := serve(handler); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	start(p.internal.serve, internal)
	if p.proxy != nil {
		start(p.proxy.serve, public)
	}
	if p.public != nil {
		if p.certified {
			public = withHSTS(public)
		}
		p.quic.countMigrations(count.Migrated)
		start(p.quic.serve, public)
		start(p.public.serve, withAltSvc(public, p.public.Addr().(*net.TCPAddr).Port))
	}
	return failed
}

// withAltSvc advertises HTTP/3 to clients of TCP (RFC 7838).
func withAltSvc(next http.Handler, port int) http.Handler {
	value := fmt.Sprintf(`h3=":%d"; ma=86400`, port)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", value)
		next.ServeHTTP(w, r)
	})
}

// withHSTS makes browsers come back over TLS alone (RFC 6797). It is not for a certificate made
// for localhost, where other programs serve too.
func withHSTS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// Addresses says where a hub listens, as clients name it. A port that is off has "". The host of a port
// on all addresses is the name in the certificate, else localhost.
type Addresses struct {
	Public   string // https://host:port
	Proxy    string // http://host:port or unix:/path
	Internal string // http://host:port, https://host:port or unix:/path
}

// Addresses returns where the ports are.
func (p *Ports) Addresses() (a Addresses) {
	if p.public != nil {
		a.Public = p.public.address(p.name)
	}
	if p.proxy != nil {
		a.Proxy = p.proxy.address(p.name)
	}
	a.Internal = p.internal.address(p.name)
	return a
}

// ShutdownPublic stops accepting on the public and the proxy port, and ends idle connections. The
// channel is closed when all requests there are done or ctx is.
func (p *Ports) ShutdownPublic(ctx context.Context) <-chan struct{} {
	var servers sync.WaitGroup
	if p.public != nil {
		servers.Go(func() { p.public.shutdown(ctx) })
		servers.Go(func() { p.quic.shutdown(ctx) })
	}
	if p.proxy != nil {
		servers.Go(func() { p.proxy.shutdown(ctx) })
	}
	done := make(chan struct{})
	go func() {
		servers.Wait()
		close(done)
	}()
	return done
}

// ShutdownInternal stops accepting on the internal port. It returns when all requests there are
// done or ctx is.
func (p *Ports) ShutdownInternal(ctx context.Context) { p.internal.shutdown(ctx) }

// CloseConns closes the connections that are left. Streams that were taken over from their servers
// are among them.
func (p *Ports) CloseConns() {
	for _, port := range []*httpPort{p.public, p.proxy, p.internal} {
		if port != nil {
			port.closeConns()
		}
	}
	if p.quic != nil {
		p.quic.server.Close()
	}
}

// Close closes all ports and connections.
func (p *Ports) Close() {
	for _, port := range []*httpPort{p.public, p.proxy, p.internal} {
		if port != nil {
			port.server.Close()
			port.close()
		}
	}
	if p.quic != nil {
		p.quic.close()
	}
	p.cuts.end()
}
