// Package server runs one hub: it opens the ports, restores the vehicles, serves, and ends in good
// order.
//
// [Run] does all of it, as a [Config] says. The command line fills a Config from its flags; Go code
// begins with [Default].
//
// Package listen has the ports, api the routes, stream the events and web the page. The rest is
// here: the state directory, the use of memory, and reports to a service manager.
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

// Run runs a hub until ctx is done or one of its ports fails, and then ends it in good order: it
// says bye to all streams over Config.Drain, finishes requests and saves the vehicles. Run calls
// ready once the hub serves.
//
// The state directory keeps the certificate that was made, QUIC keys and every vehicle's newest
// position. One hub at a time has it.
//
// Run acts on the whole process: it sets the garbage collector's pace unless GOGC is set, and
// reports to a service manager (sd_notify(3)) if there is one.
//
// A mistake in the configuration is a [ConfigError]. Any other error is something that the system
// refused, a port in use for instance.
func Run(ctx context.Context, c Config, ready func(listen.Addresses)) error {
	if err := c.Validate(); err != nil {
		return ConfigError{Err: err}
	}
	log := cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	limitMemory()
	defer tidyMemory()()
	memory, unwatch := watchPressure(log)
	defer unwatch()
	keys := c.watchKeys(log)
	var err error
	if keys.tokens, err = c.verifier(ctx, log); err != nil {
		return err
	}
	if err := c.Listen.CheckFiles(); err != nil {
		return err
	}
	state, err := openState(c.StateDir, log)
	if err != nil {
		return err
	}
	defer state.close()
	ports, err := c.open(ctx, state, log)
	if err != nil {
		return err
	}
	defer ports.Close()
	internal := ports.Addresses().Internal
	c.warnOfLocalUsers(internal, log)
	page, err := c.page(internal, log)
	if err != nil {
		return err
	}

	metrics := api.NewMetrics()
	metrics.Build(c.Version)
	c.History = fitHistory(c.History, memoryLimit(), log)
	gate := newGate()
	var failed <-chan error
	serve := func() {
		public, internal := gate.handlers()
		failed = ports.Serve(public, internal, listen.Counters{Migrated: metrics.Migrated, Cut: metrics.Cut})
	}
	waits := c.Cluster.Listen != ""
	if waits { // maybe for days; else requests wait in the ports
		serve()
	}
	hub, journal, err := c.openHub(ctx, state, metrics, gate.wait)
	if ctx.Err() != nil && waits {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() {
		hub.Close()
		if journal != nil {
			journal.end()
		}
	}()
	defer openControl(hub, journal, log)()
	c.watch(metrics, hub, memory, journal)
	config := api.Config{
		Hub:            hub,
		Log:            log,
		Metrics:        metrics,
		Page:           page.Serve,
		OpenAPI:        root.OpenAPI,
		PublishAddress: internal,
		RequireAuth:    ports.RequiresAuth(),
		Tokens:         keys.tokens,
		TakeOver:       listen.TakeOverHTTP3,
		Full:           memory.high.Load,
		Short:          memory.short.Load,
	}
	if journal != nil {
		config.Missing = journal.trouble
	}
	c.configure(&config)
	surface := api.New(config)
	defer surface.Close()
	gate.open(surface.Public(), surface.Internal())
	if !waits {
		serve()
	}
	return c.serve(ctx, &running{hub, surface, ports, failed, state, journal, keys, log}, ready)
}

// open opens the ports. A hub without a public port needs no QUIC keys.
func (c *Config) open(ctx context.Context, state *stateDir, log *slog.Logger) (_ *listen.Ports, err error) {
	var keys listen.QUICKeys
	if !c.Listen.Public.IsOff() {
		if keys, err = state.quicKeys(); err != nil {
			return nil, err
		}
	}
	return listen.Open(ctx, c.ports(), keys, state, log)
}

// openHub opens the hub with what it knew before, and its journal, if it has one.
// waiting is called with the reason while that has to wait for other hubs.
func (c *Config) openHub(
	ctx context.Context, state *stateDir, metrics *api.Metrics, waiting func(why string),
) (*stream.Hub, *journal, error) {
	config := stream.Config{
		History:       int(c.History),
		MaxBacklog:    int(c.MaxBacklog),
		FlushInterval: c.FlushInterval,
		Heartbeat:     c.Heartbeat,
		Settings:      c.Settings,
		PublishWait:   c.PublishWait,
		Delay:         metrics.WriteDelay,
		Commit:        metrics.Commit,
	}
	if c.Journal != JournalOff {
		return c.openJournal(ctx, state, config, waiting)
	}
	hub := stream.New(config)
	if err := state.load(hub); err != nil {
		hub.Close()
		return nil, nil, err
	}
	return hub, nil, nil
}

// configure sets the fields of the API's configuration that are as here.
func (c *Config) configure(config *api.Config) {
	config.StallTimeout, config.TrustedProxies = c.StallTimeout, c.TrustedProxies
	config.Anonymous, config.LocalHostsOnly, config.Origins = c.Anonymous, c.LocalHostsOnly, c.AllowOrigins
	config.CookieSameSite = cmp.Or(c.CookieSameSite, Default().CookieSameSite)
	config.MaxStreams, config.PublishRate = c.MaxStreams, c.PublishRate
}

// running is a hub that is complete.
type running struct {
	hub     *stream.Hub
	surface *api.API
	ports   *listen.Ports
	failed  <-chan error // of the ports
	state   *stateDir
	journal *journal // nil: without one
	keys    *keyWatch
	log     *slog.Logger
}

// serve serves until ctx is done or a port fails, and then ends the hub.
func (c *Config) serve(ctx context.Context, h *running, ready func(listen.Addresses)) (err error) {
	lost := make(chan error, 1)
	defer h.watchJournal(lost)()
	stopSaving := h.saveEvery(saveInterval, h.surface.Metrics.Unsaved)
	defer h.watchKeys()()
	at := h.ports.Addresses()
	h.log.Info("the hub is ready", attributes(at)...)
	ready(at)
	defer pingWatchdog(func() { probeWriters(h.hub) }, h.log)()
	notify(daemon.SdNotifyReady, h.log)
	select {
	case err = <-h.failed:
	case err = <-lost:
	case <-ctx.Done():
	}
	h.log.Info("the hub is going down", "streams", h.hub.Stats().Streams, "drain", c.Drain.String())
	notify(stopping(c.Drain+2*EndGrace), h.log)
	h.end(c.Drain)
	stopSaving()
	if h.journal != nil && errors.Is(err, stream.ErrDiverged) {
		h.journal.putAside()
	} else {
		err = errors.Join(err, h.save())
	}
	h.log.Info("the hub is down")
	return err
}

// save saves the vehicles.
func (h *running) save() error {
	if h.journal != nil {
		return h.journal.save(h.hub)
	}
	return h.state.save(h.hub)
}

// watchJournal logs when hubs have different states and when this hub applies nothing more, and sends why it
// cannot go on.
func (h *running) watchJournal(lost chan<- error) (stop func()) {
	if h.journal == nil {
		return func() {}
	}
	logged, stopped := uint64(0), false
	return every(journalPoll, func() {
		if err := h.hub.JournalError(); err != nil && !stopped {
			stopped = true
			h.log.Error("the hub applies nothing more of its journal", "error", err)
		}
		if alarms, differ := h.hub.StatesDiffer(); alarms > logged {
			logged = alarms
			h.log.Error("hubs of the journal have different states", "reason", differ)
		}
		if err := h.journal.ended(h.hub); err != nil {
			select {
			case lost <- err:
			default:
			}
		}
	})
}

// journalPoll is how often the hub looks whether it can go on with its journal.
const journalPoll = 250 * time.Millisecond

// saveEvery saves the vehicles at an interval until stop is called. It logs each failure and calls
// failed.
func (h *running) saveEvery(interval time.Duration, failed func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	save := h.save
	if h.journal != nil {
		save = func() error { return h.journal.saveIfDue(ctx, h.hub) }
	}
	failing := false // to leave a state: once it may, when several hubs do it for the first time
	stopSaving := every(interval, func() {
		if err := save(); err != nil {
			h.log.Error("cannot save", "error", err)
			failed()
		} else if h.journal != nil {
			err := h.journal.keyframe(ctx, h.hub)
			if err != nil && failing && ctx.Err() == nil {
				h.log.Warn("cannot leave a state beside the journal", "error", err)
			}
			failing = err != nil
		}
	})
	return func() {
		cancel()
		stopSaving()
	}
}

// watchKeys makes changes of the keys that verify tokens count, until stop is called.
func (h *running) watchKeys() (stop func()) {
	if h.keys.tokens == nil {
		return func() {}
	}
	return every(keyPoll, func() { h.keys.look(h.surface.EndRevoked, h.surface.Metrics.KeyReloaded) })
}

// attributes returns the addresses as attributes of a log line.
func attributes(at listen.Addresses) (attrs []any) {
	if at.Public != "" {
		attrs = append(attrs, "public", at.Public)
	}
	if at.Proxy != "" {
		attrs = append(attrs, "proxy", at.Proxy)
	}
	return append(attrs, "publish", at.Internal)
}

// EndGrace is how long requests may take to finish after Config.Drain, and readers to take their
// `bye`. A hub ends within Config.Drain and twice EndGrace, the time for saving included. By default
// that is less than the 10 s after which Docker kills a container that it stops.
const EndGrace = 2 * time.Second

// end ends the streams and finishes publishes. Until that is done, the internal port goes on
// answering: /readyz reports that the hub is draining.
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
