// Package api serves a hub over HTTP: publishers post positions, readers follow them as
// Server-Sent Events.
//
// [New] makes an [API] of a [Config]. [API.Public] is the handler for readers, [API.Internal] the
// one for publishers and operators; listeners, TLS and QUIC are the caller's. [API.Drain] and
// [API.Close] end it. The file routes.go lists every route, openapi.yaml describes them.
//
// Handlers return errors. The file handler.go turns each into a problem (RFC 9457, package
// [livemap/api/problem]). A publish passes through [livemap/api/ingest], a stream leaves through
// [livemap/api/transport], and [livemap/api/token] verifies tokens.
//
// See the examples for a hub behind a server, a publisher and a client that follows a stream.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/cors"

	"livemap/api/ingest"
	"livemap/api/token"
	"livemap/api/transport"
	"livemap/stream"
)

// Config is what an [API] serves and how. Hub, Log, Metrics, Page and OpenAPI are required.
type Config struct {
	Hub            *stream.Hub
	Log            *slog.Logger
	Metrics        *Metrics
	Page           Handler        // serves the map and its files; fs.ErrNotExist becomes 404
	OpenAPI        []byte         // the text of openapi.yaml
	StallTimeout   time.Duration  // for a reader to take transport.MaxWrite bytes of any answer; 0: 30 s
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts
	PublishAddress string         // URL of the internal port, for publishers that reach Public

	Anonymous      bool            // everyone who reaches Public may read; else Tokens are required
	Tokens         *token.Verifier // nil: the hub takes no tokens
	CookieSameSite http.SameSite   // of the session cookie
	Origins        []string        // of other sites whose pages may read, as in the header Origin
	MaxStreams     int             // streams that a client may have on Public; 0: any number
	LocalHostsOnly bool            // Public rejects a Host that is neither localhost nor an IP address
	PublishRate    float64         // positions per second that a client may publish; 0: any number
	RequireAuth    bool            // Internal requires a client certificate or a token

	// TakeOver takes the connection of an HTTP/2 or HTTP/3 stream over from its server. It
	// returns nil where it cannot. A nil TakeOver takes none over.
	TakeOver func(http.ResponseWriter, *http.Request, transport.WriteTimeout) transport.Connection

	// Clock is the wall clock, by which tokens and certificates expire; nil: time.Now. It may jump.
	Clock func() time.Time

	// Full reports that memory is short: the API then rejects new streams. Nil: it never is.
	Full func() bool

	// Short reports that memory is nearly used up: publishing then waits. Nil: it never is.
	Short func() bool

	// Missing says why the journal takes nothing and which hubs of the cluster are not connected, "" if all is
	// well. Nil: there is no journal.
	Missing func() string
}

// Handler answers a request, or returns the error that the API answers with.
type Handler = func(http.ResponseWriter, *http.Request) error

// API answers requests for one hub. Its handlers are safe for concurrent use.
type API struct {
	Config
	rates     ingest.RateLimiters
	hangups   transport.Hangups // of the streams taken over
	streams   streamLimiter
	spellings spellings
	uploads   streamLimiter
	bodies    bodyBudget
	reads     readLimiter // of clients
	ownReads  readLimiter // of an internal port that requires no token

	forwardedWarning sync.Once // see warnOfForwarded

	draining context.Context // done when the hub drains
	drain    context.CancelFunc
}

// New makes the API of a hub. The caller must close it.
func New(config Config) *API {
	if config.Clock == nil {
		config.Clock = time.Now
	}
	config.StallTimeout = cmp.Or(config.StallTimeout, 30*time.Second)
	a := &API{Config: config}
	a.draining, a.drain = context.WithCancel(context.Background())
	return a
}

// Drain rejects further publishes with 503, ends NDJSON uploads at the end of a line, and makes
// /readyz answer 503. Requests under way finish; [stream.Hub.Drain] ends streams.
func (a *API) Drain() { a.drain() }

// Close releases what the API holds. No request may be under way.
func (a *API) Close() {
	a.drain()
	a.hangups.Close()
}

// Public returns the handler of the public port: the map, streams, snapshots and sessions.
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

// Internal returns the handler of the internal port: publishing, metrics, health and debugging,
// and all routes of [API.Public]. Without [Config.RequireAuth] it serves this machine alone and
// rejects a foreign Host.
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
	publishing.Delete("/vehicles", a.handle(a.deleteVehicles))
	publishing.Delete("/vehicles/{id}", a.handle(a.deleteVehicle))
	publishing.Method(http.MethodGet, "/metrics", a.Metrics.handler())
	r.Get("/healthz", a.handle(a.healthz))
	r.Get("/readyz", a.handle(a.readyz))
	r.With(debugging).Mount("/debug", middleware.Profiler())
	return r
}

// noAuth lets every request pass.
func noAuth(next http.Handler) http.Handler { return next }

// crossOrigin lets pages of the listed origins read with their users' cookies (CORS).
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

// readRoutes adds the routes of both ports. Those that read positions pass through authenticate;
// the page does not. No middleware buffers or compresses streams.
func (a *API) readRoutes(r chi.Router, authenticate func(http.Handler) http.Handler) {
	streams := r.With(a.clientIP(), authenticate)
	streams.Get("/stream", a.handle(a.stream))
	streams.Get("/topics/{id}/stream", a.handle(a.stream))
	for _, path := range []string{"/", "/app/{hash}/*", "/lib/{hash}/*", "/livemap.js", "/livemap.d.ts",
		"/map.pmtiles", "/map-{number}.pmtiles"} {
		r.Get(path, a.handle(a.page)) // serves compressed files itself
	}
	r.Post("/session", a.handle(a.openSession))
	r.Delete("/session", a.handle(a.closeSession))
	r.Group(func(r chi.Router) {
		r.Use(compress())
		r.Use(a.clientIP())
		r.With(asClient).Get("/openapi.yaml", a.handle(a.openAPI))
		r = r.With(authenticate)
		r.Get("/session", a.handle(a.getSession))
		r.Get("/snapshot", a.handle(a.snapshot))
		r.Get("/topics/{id}/snapshot", a.handle(a.snapshot))
		r.Get("/topics", a.handle(a.topics))
		r.Get("/vehicles", a.handle(a.vehicles))
		r.Get("/vehicles/{id}", a.handle(a.vehicle))
		r.Get("/vehicles/{id}/track", a.handle(a.track))
		r.Get("/fences", a.handle(a.fences))
		r.Get("/fences/{id}", a.handle(a.fence))
		r.Put("/fences/{id}", a.handle(a.putFence))
		r.Delete("/fences/{id}", a.handle(a.deleteFence))
		r.Get("/fences/{id}/inside", a.handle(a.inside))
	})
}

// router returns a router with the middleware of every request.
func (a *API) router() chi.Router {
	r := chi.NewRouter()
	r.Use(a.limitWrites, securityHeaders, a.recoverPanic, matchEscapedPath, a.limitHeader, a.discardBody,
		middleware.GetHead)
	r.NotFound(a.handle(notFound))
	r.MethodNotAllowed(a.handle(methodNotAllowed(r)))
	return r
}
