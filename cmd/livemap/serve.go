package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/term"

	root "livemap"
	"livemap/api"
	"livemap/cmd/livemap/listen"
	"livemap/stream"
)

type serveCmd struct {
	Listen        listen.Address `default:":4433" placeholder:"ADDRESS" help:"Public HTTPS: HTTP/1.1 and HTTP/2 over TCP, HTTP/3 over UDP of the same port number; off behind a proxy (${default})."`
	TLSCert       string         `name:"tls-cert" placeholder:"FILE" help:"PEM certificate chain, read again when it changes; without one, one for localhost is made and kept in the state directory."`
	TLSKey        string         `name:"tls-key" placeholder:"FILE" help:"PEM private key of --tls-cert."`
	ProxyListen   listen.Address `default:"off" placeholder:"ADDRESS" help:"Plaintext HTTP/1.1 and HTTP/2 for a reverse proxy: host:port or unix:/path (${default})."`
	TrustedProxy  []network      `default:"127.0.0.0/8,::1/128" placeholder:"CIDR,…" help:"Networks whose X-Forwarded-For counts; a unix socket's always does (${default})."`
	PublishListen listen.Address `default:"127.0.0.1:9801" placeholder:"ADDRESS" help:"Internal port, for publishers and operators: host:port or unix:/path; one that others can reach speaks TLS and asks who they are (${default})."`

	History       size          `default:"64MiB" placeholder:"SIZE" help:"Memory for the event log, its index included: 1MiB to 64GiB (${default})."`
	MaxBacklog    size          `default:"16MiB" placeholder:"SIZE" help:"How far behind a stream may be before it gets newest positions instead of every one: 64KiB to 64GiB (${default})."`
	FlushInterval time.Duration `default:"20ms" placeholder:"TIME" help:"Longest time an event waits for company before it is written: 1ms to 1s (${default})."`
	Heartbeat     time.Duration `default:"15s" placeholder:"TIME" help:"Silence after which a stream gets a heartbeat: 1s to 30s (${default})."`
	StallTimeout  time.Duration `default:"30s" placeholder:"TIME" help:"For a stream to take one write of at most 16 KiB, else it is closed: 1s to 10m (${default})."`
	MaxVehicles   int           `default:"200000" placeholder:"N" help:"Vehicles remembered, gone ones included; the longest silent goes first: 1 to 10000000 (${default})."`
	VehicleTTL    time.Duration `name:"vehicle-ttl" default:"168h" placeholder:"TIME" help:"Silence after which a vehicle is forgotten: 1s to 87600h, 0 is never (${default})."`
	Drain         time.Duration `default:"5s" placeholder:"TIME" help:"How long ending streams is spread over: 0s to 5m (${default})."`
	StateDir      string        `placeholder:"DIR" help:"Where certificate, QUIC keys and every vehicle's newest position are kept (default: livemap in the user's state directory)."`
	LogFormat     string        `placeholder:"FORMAT" enum:"text,json," default:"" help:"text or json (default: text on a terminal, else json)."`

	whoFlags
	mapFlags

	atHome bool // see api.Config.LocalHostsOnly
}

// Validate checks what the flags' types do not.
func (c *serveCmd) Validate() error {
	const forever = 87600 * time.Hour
	for _, check := range []within{
		sizeWithin("history", c.History, 1<<20, 64<<30),
		sizeWithin("max-backlog", c.MaxBacklog, 64<<10, 64<<30),
		durationWithin("flush-interval", c.FlushInterval, time.Millisecond, time.Second),
		durationWithin("heartbeat", c.Heartbeat, time.Second, 30*time.Second),
		durationWithin("stall-timeout", c.StallTimeout, time.Second, 10*time.Minute),
		{"max-vehicles", fmt.Sprint(c.MaxVehicles), "from 1 to 10000000", 1 <= c.MaxVehicles && c.MaxVehicles <= 10_000_000},
		{"vehicle-ttl", c.VehicleTTL.String(), "from 1s to 87600h, or 0 for never", c.VehicleTTL == 0 || c.VehicleTTL >= time.Second && c.VehicleTTL <= forever},
		durationWithin("drain", c.Drain, 0, 5*time.Minute),
	} {
		if err := check.err(); err != nil {
			return err
		}
	}
	ports := c.ports()
	return cmp.Or(ports.ValidatePublic(), c.whoFlags.check(), ports.ValidateInternal(), c.mapFlags.check())
}

// ports is where to listen.
func (c *serveCmd) ports() listen.Config {
	return listen.Config{
		Public: c.Listen, Proxy: c.ProxyListen, Internal: c.PublishListen,
		TLSCert: c.TLSCert, TLSKey: c.TLSKey, ClientCA: c.PublishClientCA, Tokens: c.JWTKey != "" || c.JWKSURL != "",
	}
}

// Help is what --help says beyond the flags.
func (c *serveCmd) Help() string {
	return `Runs until SIGTERM, SIGINT or SIGHUP, and then ends in good order. SIGHUP reads nothing again: files of --tls-cert and --map-pmtiles are read when they change, --jwt-key at the start.

Exit status: 0 after one of these signals; 1 if the hub cannot run, because a port is in use for instance; 2 for a mistake in the call.`
}

// Run runs the hub until ctx is done, and then ends it in good order.
func (c *serveCmd) Run(ctx context.Context, std streams, call *kong.Context) error {
	passed, err := listen.TakePassed()
	if err != nil {
		return asUsage(err)
	}
	defer passed.Close()
	ports := c.ports()
	if err := ports.Place(passed); err != nil {
		return asUsage(err)
	}
	log := c.logger(std)
	for _, name := range strangeVariables(call.Model, os.Environ()) {
		log.Warn("no flag has this environment variable, and it is ignored", "variable", name)
	}
	return c.serve(ctx, log, ports, func(listen.Addresses) {})
}

// serve is Run with a log of the caller's, whom ready tells where the hub listens.
func (c *serveCmd) serve(ctx context.Context, log *slog.Logger, ports listen.Config, ready func(listen.Addresses)) error {
	limitMemory()
	defer tidyMemory()()
	memory, unwatch := watchPressure(log)
	defer unwatch()
	page, err := c.page(c.LoginURL)
	if err != nil {
		return err
	}
	if !page.Built() {
		log.Warn("this program was built without the map's libraries, and shows no map; make build mends that")
	}
	state, err := openState(c.StateDir, log)
	if err != nil {
		return err
	}
	defer state.close()
	tokens, err := c.verifier(ctx, log)
	if err != nil {
		return err
	}
	var keys listen.QUICKeys
	if !ports.Public.IsOff() {
		if keys, err = state.quicKeys(); err != nil {
			return err
		}
	}
	listeners, err := listen.Open(ctx, ports, keys, state, log)
	if err != nil {
		return asUsage(err)
	}
	defer listeners.Close()

	metrics := api.NewMetrics()
	hub := stream.New(stream.Config{
		History:       int(c.History),
		MaxBacklog:    int(c.MaxBacklog),
		FlushInterval: c.FlushInterval,
		Heartbeat:     c.Heartbeat,
		MaxVehicles:   c.MaxVehicles,
		VehicleTTL:    c.VehicleTTL,
		Delay:         metrics.WriteDelay,
	})
	defer hub.Close()
	metrics.Watch(hub)
	if err := state.load(hub); err != nil {
		return err
	}
	config := api.Config{
		Hub:            hub,
		Log:            log,
		Metrics:        metrics,
		Page:           page.Serve,
		OpenAPI:        root.OpenAPI,
		StallTimeout:   c.StallTimeout,
		TrustedProxies: prefixes(c.TrustedProxy),
		PublishAddress: listeners.Addresses().Internal,
		RequireAuth:    listeners.RequiresAuth(),
		TakeOver:       listen.TakeOver,
		LocalHostsOnly: c.atHome,
		Full:           memory.high.Load,
	}
	c.configure(&config, tokens)
	surface := api.New(config)
	defer surface.Close()

	stopSaving := state.saveEvery(saveInterval, hub, metrics.Unsaved)
	failed := listeners.Serve(surface.Public(), surface.Internal(), metrics.Migrated)
	log.Info("the hub is ready", addresses(listeners.Addresses())...)
	ready(listeners.Addresses())
	defer pingWatchdog(func() { answers(hub) }, log)()
	notify(daemon.SdNotifyReady, log)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	log.Info("the hub is going down", "streams", hub.Stats().Streams, "drain", c.Drain.String())
	notify(stopping(c.Drain+2*endGrace), log)
	c.end(hub, surface, listeners)
	stopSaving()
	err = errors.Join(err, state.save(hub))
	log.Info("the hub is down")
	return err
}

// addresses tells where the hub listens, as attributes of a log line.
func addresses(a listen.Addresses) (attrs []any) {
	if a.Public != "" {
		attrs = append(attrs, "public", a.Public)
	}
	if a.Proxy != "" {
		attrs = append(attrs, "proxy", a.Proxy)
	}
	return append(attrs, "publish", a.Internal)
}

// endGrace is how long requests may take to finish, beyond what ending the
// streams takes.
const endGrace = 3 * time.Second

// end ends the streams and finishes publishes. The internal port goes on
// answering until that is done: /readyz tells that the hub is draining.
func (c *serveCmd) end(hub *stream.Hub, surface *api.API, l *listen.Ports) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Drain+endGrace)
	defer cancel()
	surface.Drain()
	public := l.ShutdownPublic(ctx)
	hub.Drain(ctx, c.Drain)
	<-public
	l.ShutdownInternal(ctx)
	l.Cut()
}

func (c *serveCmd) logger(std streams) *slog.Logger {
	format := c.LogFormat
	if format == "" {
		format = "json"
		if file, ok := std.err.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			format = "text"
		}
	}
	if format == "text" {
		return slog.New(slog.NewTextHandler(std.err, nil))
	}
	return slog.New(slog.NewJSONHandler(std.err, nil))
}
