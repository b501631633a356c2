// Package listen opens the ports of a hub and serves HTTP on them.
//
// A [Config] says where: a public port for TCP and UDP of the same number, one for a reverse
// proxy, and an internal one. [Open] opens them all, so that a port in use is noticed before
// anything is served, and [Ports.Serve] serves two handlers on them. The package also takes
// sockets over that a service manager has opened ([TakePassed]) and HTTP/3 streams that a
// handler goes on writing to after it has returned ([TakeOverHTTP3]). It knows nothing of routes,
// vehicles and flags.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// Ports are the open ports of a hub.
type Ports struct {
	public   *httpPort // nil: off
	quic     *quicPort
	proxy    *httpPort // nil: off
	internal *httpPort

	certified bool // public has --tls-cert, not a certificate made for localhost
}

// Open opens all ports that were not passed, so that one in use is noticed
// before anything is served. An error names its flag.
func Open(ctx context.Context, c Config, keys QUICKeys, storage Storage, log *slog.Logger) (p *Ports, err error) {
	p = &Ports{}
	defer func() {
		if err != nil {
			p.Close()
			p = nil
		}
	}()
	if p.internal, err = openHTTPPort(ctx, "publish-listen", c.Internal, c.passed, log); err != nil {
		return p, err
	}
	if !c.Proxy.IsOff() {
		if p.proxy, err = openHTTPPort(ctx, "proxy-listen", c.Proxy, c.passed, log); err != nil {
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
	if needsAuth {
		if p.internal.tls, err = c.askClients(certificate.config()); err != nil {
			return p, err
		}
	}
	if c.Public.IsOff() {
		return p, nil
	}
	p.certified = c.TLSCert != ""
	return p, p.listenPublic(ctx, c, certificate, keys, log)
}

// listenPublic opens TCP and UDP of the same port number. Where the system
// picks it, the number that TCP got may be taken in UDP: then another is tried.
func (p *Ports) listenPublic(ctx context.Context, c Config, certificate *certificate, keys QUICKeys, log *slog.Logger) error {
	for try := 1; ; try++ {
		web, err := openHTTPPort(ctx, "listen", c.Public, c.passed, log)
		if err != nil {
			return err
		}
		p.quic, err = openQUICPort(web.listeners(), c.passed, certificate.config(), keys, log)
		if err == nil {
			p.public = web
			web.tls = certificate.config()
			return nil
		}
		web.close()
		if !c.Public.isPicked() || try == 10 {
			return fmt.Errorf("--listen %s: UDP: %w", c.Public, err)
		}
	}
}

// RequiresAuth reports whether the internal port asks its clients who they are: it speaks TLS,
// and its handler must ask those for a token who show no certificate.
func (p *Ports) RequiresAuth() bool { return p.internal.tls != nil }

// Serve begins to serve: public on the public and the proxy port, internal on the internal one.
// migrated counts the moves of clients over HTTP/3 to other addresses. The channel receives the
// errors of ports that fail.
func (p *Ports) Serve(public, internal http.Handler, migrated func(moves int)) <-chan error {
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
		p.quic.countMigrations(migrated)
		start(p.quic.serve, public)
		start(p.public.serve, withAltSvc(public, p.public.Addr().(*net.TCPAddr).Port))
	}
	return failed
}

// withAltSvc tells TCP clients that there is HTTP/3 (RFC 7838).
func withAltSvc(next http.Handler, port int) http.Handler {
	value := fmt.Sprintf(`h3=":%d"; ma=86400`, port)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", value)
		next.ServeHTTP(w, r)
	})
}

// withHSTS has browsers come back over TLS alone (RFC 6797). Not of a certificate made
// for localhost, where other things are served too.
func withHSTS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}

// Addresses are where a hub listens, as clients name it; "" is off.
type Addresses struct {
	Public   string // https://host:port
	Proxy    string // http://host:port or unix:/path
	Internal string // http://host:port, https://host:port or unix:/path
}

// Addresses returns where the hub listens.
func (p *Ports) Addresses() (a Addresses) {
	if p.public != nil {
		a.Public = "https://" + p.public.Addr().String()
	}
	if p.proxy != nil {
		a.Proxy = p.proxy.address()
	}
	a.Internal = p.internal.address()
	return a
}

// ShutdownPublic stops accepting and ends what is idle on the public and the
// proxy port. The channel is closed when all requests there are done, or ctx is.
func (p *Ports) ShutdownPublic(ctx context.Context) <-chan struct{} {
	done, ended := make(chan struct{}), make(chan struct{}, 3)
	servers := []func(context.Context){}
	if p.public != nil {
		servers = append(servers, p.public.shutdown, p.quic.shutdown)
	}
	if p.proxy != nil {
		servers = append(servers, p.proxy.shutdown)
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

// ShutdownInternal stops accepting on the internal port, and waits until all requests there are
// done, or ctx is.
func (p *Ports) ShutdownInternal(ctx context.Context) { p.internal.shutdown(ctx) }

// Cut closes the connections that are left, streams that were taken over from
// their servers among them.
func (p *Ports) Cut() {
	for _, web := range []*httpPort{p.public, p.proxy, p.internal} {
		if web != nil {
			web.closeConns()
		}
	}
	if p.quic != nil {
		p.quic.server.Close()
	}
}

// Close closes all ports and connections.
func (p *Ports) Close() {
	for _, web := range []*httpPort{p.public, p.proxy, p.internal} {
		if web != nil {
			web.server.Close()
			web.close()
		}
	}
	if p.quic != nil {
		p.quic.close()
	}
}
