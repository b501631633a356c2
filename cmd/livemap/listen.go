package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"livemap/api"
)

// listeners are the hub's ports.
type listeners struct {
	public   *webListener // nil: off
	quic     *quicListener
	proxy    *webListener // nil: off
	internal *webListener

	certified bool // public has --tls-cert, not a certificate made for localhost
}

// listen opens all ports that were not passed, so that one in use is noticed
// before anything is served. An error names its flag.
func (c *serveCmd) listen(ctx context.Context, passed passedSockets, state *state, log *slog.Logger) (l *listeners, err error) {
	l = &listeners{}
	defer func() {
		if err != nil {
			l.close()
			l = nil
		}
	}()
	if l.internal, err = listenWeb(ctx, "publish-listen", c.PublishListen, passed, log); err != nil {
		return l, err
	}
	if !c.ProxyListen.isOff() {
		if l.proxy, err = listenWeb(ctx, "proxy-listen", c.ProxyListen, passed, log); err != nil {
			return l, err
		}
	}
	guarded := c.guards(l.internal)
	if c.Listen.isOff() && !guarded {
		return l, nil
	}
	certificate, err := c.certificate(state, log)
	if err != nil {
		return l, err
	}
	if guarded {
		if l.internal.tls, err = c.askClients(certificate.config()); err != nil {
			return l, err
		}
	}
	if c.Listen.isOff() {
		return l, nil
	}
	keys, err := state.quicKeys()
	if err != nil {
		return l, err
	}
	l.certified = c.TLSCert != ""
	return l, l.listenPublic(ctx, c, passed, certificate, keys, log)
}

// guards tells that the internal port asks who comes: it was told to, or others than
// this machine can reach it. Of a host's name that is taken for true, whatever it
// leads to now: it was started with keys for that.
func (c *serveCmd) guards(internal *webListener) bool {
	return c.PublishClientCA != "" || !c.PublishListen.isLocal() || !internal.isLocal()
}

// listenPublic opens TCP and UDP of the same port number. Where the system
// picks it, the number that TCP got may be taken in UDP: then another is tried.
func (l *listeners) listenPublic(ctx context.Context, c *serveCmd, passed passedSockets, certificate *certificate, keys quicKeys, log *slog.Logger) error {
	for try := 1; ; try++ {
		web, err := listenWeb(ctx, "listen", c.Listen, passed, log)
		if err != nil {
			return err
		}
		l.quic, err = listenQUIC(web.all(), passed, certificate.config(), keys, log)
		if err == nil {
			l.public = web
			web.tls = certificate.config()
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
		if l.certified {
			public = strict(public)
		}
		l.quic.count(surface.Metrics.Migrated)
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
