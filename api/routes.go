// Package api is the HTTP surface of the hub: routes.go is its table of contents.
//
// Handlers return errors, and handler.go is the one place that turns them into
// answers (application/problem+json, RFC 9457). The package knows nothing of
// listeners, TLS and QUIC: it gives two handlers, one for the public and one
// for the internal port.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"

	"livemap/api/ingest"
	"livemap/api/token"
	"livemap/api/transport"
	"livemap/stream"
)

// Config is what an API serves, and how.
type Config struct {
	Hub            *stream.Hub
	Log            *slog.Logger
	Metrics        *Metrics
	Page           Handler        // of the map and its files; an fs.ErrNotExist is a 404
	OpenAPI        []byte         // openapi.yaml
	StallTimeout   time.Duration  // for a stream to take one write
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts
	PublishAddress string         // of the internal port, to name it to those who look for it elsewhere

	Anonymous      bool            // whoever reaches Public may read; else Tokens are needed
	Tokens         *token.Verifier // nil: none are taken
	CookieSameSite http.SameSite   // of the session cookie
	Origins        []string        // of other pages that may read, as browsers send them
	MaxStreams     int             // that a client may have on Public; 0: any number
	LocalHostsOnly bool            // Public is for browsers of this machine: it refuses foreign hosts, as Internal does there
	PublishRate    float64         // positions per second that a client may publish; 0: any number
	RequireAuth    bool            // Internal asks for a certificate or a token, since others reach it than this machine, or as it was told to

	// TakeOver, if set, takes streams over that do not come over HTTP/1.1; see
	// [transport.Connection]. It returns nil for those it cannot take.
	TakeOver func(http.ResponseWriter, *http.Request, transport.WriteTimeout) transport.Connection

	// Full, if set, tells that there is no memory for more streams: new ones are
	// turned away, those there are go on.
	Full func() bool
}

// Handler answers a request, or returns why it did not.
type Handler = func(http.ResponseWriter, *http.Request) error

// API answers requests for one hub.
type API struct {
	Config
	idempotency *ingest.Idempotency
	rates       ingest.RateLimiters
	hangups     transport.Hangups // of streams that were taken over
	streams     streamLimiter

	draining context.Context // done when the hub is draining
	drain    context.CancelFunc
}

// New makes the API of a hub. Close it at the end.
func New(config Config) *API {
	a := &API{Config: config, idempotency: ingest.NewIdempotency()}
	a.draining, a.drain = context.WithCancel(context.Background())
	return a
}

// Drain makes the hub refuse publishes with 503, ends NDJSON uploads at the end
// of a line, and makes /readyz say so. What has begun goes on to its end.
func (a *API) Drain() { a.drain() }

// Close lets go of what the API holds. No request may be under way.
func (a *API) Close() {
	a.drain()
	a.idempotency.Close()
	a.hangups.Close()
}

// Public is what the world may reach.
func (a *API) Public() http.Handler {
	r := a.router()
	if a.LocalHostsOnly {
		r.Use(a.requireLocalHost)
	}
	if len(a.Origins) > 0 {
		r.Use(a.crossOrigin())
	}
	a.readRoutes(r, a.authenticateReader)
	r.HandleFunc("/publish", a.handle(a.publishOnWrongPort))
	return r
}

// Internal is what publishers and operators reach, and all of Public.
func (a *API) Internal() http.Handler {
	r := a.router()
	readers, publishers, debugging := a.authenticateInternalReader, a.authenticatePublisher, a.requireLoopback
	if !a.RequireAuth {
		r.Use(a.requireLocalHost)
		readers, publishers, debugging = noAuth, noAuth, noAuth
	}
	a.readRoutes(r, readers)
	publishing := r.With(publishers)
	publishing.Post("/publish", a.handle(a.publish))
	publishing.Delete("/vehicles/{id}", a.handle(a.deleteVehicle))
	publishing.Method(http.MethodGet, "/metrics", a.Metrics.handler())
	r.Get("/healthz", a.handle(a.healthz))
	r.Get("/readyz", a.handle(a.readyz))
	r.With(debugging).Mount("/debug", middleware.Profiler())
	return r
}

// noAuth lets pass who gets here.
func noAuth(next http.Handler) http.Handler { return next }

// crossOrigin lets pages of the listed origins read, with their users' cookies.
func (a *API) crossOrigin() func(http.Handler) http.Handler {
	return cors.Handler(cors.Options{
		AllowedOrigins:   a.Origins,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete},
		AllowedHeaders:   []string{"Authorization", "Last-Event-ID", "If-None-Match"},
		ExposedHeaders:   []string{"Last-Event-ID", "ETag"},
		AllowCredentials: true,
		MaxAge:           600,
	})
}

// readRoutes is what both ports serve, to those whom authenticate lets pass; the page to
// all. Streams stay free of whatever would buffer or compress them.
func (a *API) readRoutes(r chi.Router, authenticate func(http.Handler) http.Handler) {
	streams := r.With(a.clientIP(), authenticate)
	streams.Get("/stream", a.handle(a.stream))
	streams.Get("/topics/{id}/stream", a.handle(a.stream))
	for _, path := range []string{"/", "/app/{hash}/*", "/lib/{hash}/*", "/livemap.js", "/map.pmtiles"} {
		r.Get(path, a.handle(a.page)) // which compresses by itself
	}
	r.Post("/session", a.handle(a.openSession))
	r.Delete("/session", a.handle(a.closeSession))
	r.Group(func(r chi.Router) {
		r.Use(compress())
		r.Get("/openapi.yaml", a.handle(a.openAPI))
		r = r.With(authenticate)
		r.Get("/session", a.handle(a.getSession))
		r.Get("/snapshot", a.handle(a.snapshot))
		r.Get("/topics/{id}/snapshot", a.handle(a.snapshot))
		r.Get("/vehicles/{id}", a.handle(a.vehicle))
		r.Get("/vehicles/{id}/track", a.handle(a.track))
	})
}

// router makes a router with what every request goes through.
func (a *API) router() chi.Router {
	r := chi.NewRouter()
	r.Use(securityHeaders, a.recoverPanic, matchEscapedPath, a.limitHeader, middleware.GetHead)
	r.NotFound(a.handle(notFound))
	r.MethodNotAllowed(a.handle(methodNotAllowed(r)))
	return r
}
