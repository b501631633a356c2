// Package listen opens the ports of a hub and serves HTTP on them.
//
// A [Config] says where: a public port for TCP and UDP of the same number, one for a reverse
// proxy, and an internal one. [Open] opens them all, so that a port in use is noticed before
// anything is served, and [Ports.Serve] serves two handlers on them. The package also takes
// sockets over that a service manager has opened ([TakePassed]) and HTTP/3 streams that a
// handler goes on writing to after it has returned ([TakeOver]). It knows nothing of routes,
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
	public   *webListener // nil: off
	quic     *quicListener
	proxy    *webListener // nil: off
	internal *webListener

	certified bool // public has --tls-cert, not a certificate made for localhost
}

// Open opens all ports that were not passed, so that one in use is noticed
// before anything is served. An error names its flag.
func Open(ctx context.Context, c Config, keys QUICKeys, storage Storage, log *slog.Logger) (l *Ports, err error) {
	l = &Ports{}
	defer func() {
		if err != nil {
			l.Close()
			l = nil
		}
	}()
	if l.internal, err = listenWeb(ctx, "publish-listen", c.Internal, c.passed, log); err != nil {
		return l, err
	}
	if !c.Proxy.IsOff() {
		if l.proxy, err = listenWeb(ctx, "proxy-listen", c.Proxy, c.passed, log); err != nil {
			return l, err
		}
	}
	needsAuth := c.needsAuth(l.internal)
	if c.Public.IsOff() && !needsAuth {
		return l, nil
	}
	certificate, err := c.openCertificate(storage, log)
	if err != nil {
		return l, err
	}
	if needsAuth {
		if l.internal.tls, err = c.askClients(certificate.config()); err != nil {
			return l, err
		}
	}
	if c.Public.IsOff() {
		return l, nil
	}
	l.certified = c.TLSCert != ""
	return l, l.listenPublic(ctx, c, certificate, keys, log)
}

// listenPublic opens TCP and UDP of the same port number. Where the system
// picks it, the number that TCP got may be taken in UDP: then another is tried.
func (l *Ports) listenPublic(ctx context.Context, c Config, certificate *certificate, keys QUICKeys, log *slog.Logger) error {
	for try := 1; ; try++ {
		web, err := listenWeb(ctx, "listen", c.Public, c.passed, log)
		if err != nil {
			return err
		}
		l.quic, err = listenQUIC(web.all(), c.passed, certificate.config(), keys, log)
		if err == nil {
			l.public = web
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
func (l *Ports) RequiresAuth() bool { return l.internal.tls != nil }

// Serve begins to serve: public on the public and the proxy port, internal on the internal one.
// migrated counts the moves of clients over HTTP/3 to other addresses. The channel receives the
// errors of ports that fail.
func (l *Ports) Serve(public, internal http.Handler, migrated func(moves int)) <-chan error {
	failed := make(chan error, 4)
	start := func(serve func(http.Handler) error, handler http.Handler) {
		go func() {
			if err := serve(handler); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	start(l.internal.serve, internal)
	if l.proxy != nil {
		start(l.proxy.serve, public)
	}
	if l.public != nil {
		if l.certified {
			public = strict(public)
		}
		l.quic.count(migrated)
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

// strict has browsers come back over TLS alone (RFC 6797). Not of a certificate made
// for localhost, where other things are served too.
func strict(next http.Handler) http.Handler {
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
func (l *Ports) Addresses() (a Addresses) {
	if l.public != nil {
		a.Public = "https://" + l.public.Addr().String()
	}
	if l.proxy != nil {
		a.Proxy = l.proxy.address()
	}
	a.Internal = l.internal.address()
	return a
}

// ShutdownPublic stops accepting and ends what is idle on the public and the
// proxy port. The channel is closed when all requests there are done, or ctx is.
func (l *Ports) ShutdownPublic(ctx context.Context) <-chan struct{} {
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

// ShutdownInternal stops accepting on the internal port, and waits until all requests there are
// done, or ctx is.
func (l *Ports) ShutdownInternal(ctx context.Context) { l.internal.shutdown(ctx) }

// Cut closes the connections that are left, streams that were taken over from
// their servers among them.
func (l *Ports) Cut() {
	for _, web := range []*webListener{l.public, l.proxy, l.internal} {
		if web != nil {
			web.cut()
		}
	}
	if l.quic != nil {
		l.quic.server.Close()
	}
}

// Close closes all ports and connections.
func (l *Ports) Close() {
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
