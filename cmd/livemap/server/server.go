// Package server runs one hub: it opens the ports, restores what the hub knew, serves until it
// is told to end, and then ends in good order.
//
// [Run] does all of it. A [Config] says how, beginning with [Default]; the command line fills
// one from its flags, tests fill one from Go. The parts are packages of their own: ports are
// [listen]'s, routes are [api]'s, events and streams are [stream]'s, and the page is [web]'s.
// What is left is here: the state directory, memory, and what a service manager is told.
package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	root "livemap"
	"livemap/api"
	"livemap/cmd/livemap/listen"
	"livemap/stream"
)

// Run runs a hub until ctx is done or one of its ports fails, and then ends it in good order.
// ready is called once it serves, with where it listens.
//
// The state directory keeps the certificate that was made, QUIC keys and every vehicle's newest
// position; one hub at a time has it. Run sets the garbage collector's pace for the whole
// process, unless GOGC is set, and reports to a service manager (sd_notify(3)) if there is one.
//
// A mistake in the configuration is a [ConfigError]. Other errors say what the system refused,
// a port in use for instance.
func Run(ctx context.Context, c Config, ready func(listen.Addresses)) error {
	if err := c.Validate(); err != nil {
		return ConfigError{Err: err}
	}
	log := cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	limitMemory()
	defer tidyMemory()()
	memory, unwatch := watchPressure(log)
	defer unwatch()
	page, err := c.page(log)
	if err != nil {
		return err
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
	ports, err := c.open(ctx, state, log)
	if err != nil {
		return err
	}
	defer ports.Close()

	metrics := api.NewMetrics()
	hub := c.newHub(metrics)
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
		PublishAddress: ports.Addresses().Internal,
		RequireAuth:    ports.RequiresAuth(),
		Tokens:         tokens,
		TakeOver:       listen.TakeOverHTTP3,
		Full:           memory.high.Load,
	}
	c.configure(&config)
	surface := api.New(config)
	defer surface.Close()
	return c.serve(ctx, &running{hub, surface, ports, state, log}, ready)
}

// open opens the ports.
func (c *Config) open(ctx context.Context, state *stateDir, log *slog.Logger) (_ *listen.Ports, err error) {
	var keys listen.QUICKeys
	if !c.Listen.Public.IsOff() {
		if keys, err = state.quicKeys(); err != nil {
			return nil, err
		}
	}
	return listen.Open(ctx, c.ports(), keys, state, log)
}

func (c *Config) newHub(metrics *api.Metrics) *stream.Hub {
	return stream.New(stream.Config{
		History:       int(c.History),
		MaxBacklog:    int(c.MaxBacklog),
		FlushInterval: c.FlushInterval,
		Heartbeat:     c.Heartbeat,
		MaxVehicles:   c.MaxVehicles,
		VehicleTTL:    c.VehicleTTL,
		Delay:         metrics.WriteDelay,
	})
}

// configure adds what the API is told as it stands here.
func (c *Config) configure(config *api.Config) {
	config.StallTimeout, config.TrustedProxies = c.StallTimeout, c.TrustedProxies
	config.Anonymous, config.LocalHostsOnly, config.Origins = c.Anonymous, c.AtHome, c.AllowOrigins
	config.CookieSameSite = cmp.Or(c.CookieSameSite, Default().CookieSameSite)
	config.MaxStreams, config.PublishRate = c.MaxStreams, c.PublishRate
}

// running is a hub with all that it is made of.
type running struct {
	hub     *stream.Hub
	surface *api.API
	ports   *listen.Ports
	state   *stateDir
	log     *slog.Logger
}

// serve serves until ctx is done or a port fails, and then ends the hub.
func (c *Config) serve(ctx context.Context, h *running, ready func(listen.Addresses)) (err error) {
	metrics := h.surface.Metrics
	stopSaving := h.state.saveEvery(saveInterval, h.hub, metrics.Unsaved)
	failed := h.ports.Serve(h.surface.Public(), h.surface.Internal(), metrics.Migrated)
	at := h.ports.Addresses()
	h.log.Info("the hub is ready", attributes(at)...)
	ready(at)
	defer pingWatchdog(func() { probeWriters(h.hub) }, h.log)()
	notify(daemon.SdNotifyReady, h.log)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	h.log.Info("the hub is going down", "streams", h.hub.Stats().Streams, "drain", c.Drain.String())
	notify(stopping(c.Drain+2*EndGrace), h.log)
	h.end(c.Drain)
	stopSaving()
	err = errors.Join(err, h.state.save(h.hub))
	h.log.Info("the hub is down")
	return err
}

// attributes are where the hub listens, for a log line.
func attributes(at listen.Addresses) (attrs []any) {
	if at.Public != "" {
		attrs = append(attrs, "public", at.Public)
	}
	if at.Proxy != "" {
		attrs = append(attrs, "proxy", at.Proxy)
	}
	return append(attrs, "publish", at.Internal)
}

// EndGrace is how long requests may take to finish, beyond what ending the streams takes
// ([Config.Drain]). With what it saves, a hub takes Drain and twice EndGrace at most to end.
const EndGrace = 3 * time.Second

// end ends the streams and finishes publishes. The internal port goes on
// answering until that is done: /readyz tells that the hub is draining.
func (h *running) end(drain time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), drain+EndGrace)
	defer cancel()
	h.surface.Drain()
	public := h.ports.ShutdownPublic(ctx)
	h.hub.Drain(ctx, drain)
	<-public
	h.ports.ShutdownInternal(ctx)
	h.ports.CloseConns()
}
