package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/listen"
	"livemap/cmd/livemap/server"
	"livemap/cmd/livemap/simulator"
	"livemap/cmd/livemap/streets"
)

// demoCmd is a hub, a simulated fleet and the map, with nothing to configure.
type demoCmd struct {
	certificateFlags
	proxyFlags
	streamFlags
	settingFlags
	journalFlags
	originFlags
	limitFlags
	mapFlags
	fleetFlags

	Listen        listen.Address `default:"localhost:4433" placeholder:"ADDRESS"`
	ProxyListen   listen.Address `default:"localhost:8080" placeholder:"ADDRESS"`
	PublishListen listen.Address `default:"127.0.0.1:9801" placeholder:"ADDRESS"`
	Drain         time.Duration  `default:"0s" placeholder:"TIME"`
	StateDir      string         `placeholder:"DIR"`
}

// demoHelp has the help texts of demoCmd.
var demoHelp = helpTexts{
	"listen": "Public HTTPS on loopback: HTTP/1.1 and HTTP/2 over TCP, HTTP/3 over UDP of the same port " +
		"number; or off (${default}).",
	"proxy-listen":   "Plaintext HTTP for the map, on loopback (${default}).",
	"publish-listen": "Internal port for curl and the simulated fleet, on loopback (${default}).",
	"drain":          "Time over which the hub spreads the ends of its streams: 0s to 5m (${default}).",
	"state-dir": "Directory for the certificate, QUIC keys, the journal and every vehicle's newest position " +
		"(default: a temporary directory, removed at the end).",
}

// demoView is where the demo's map opens: the middle of Florence, at the level of streets.
var demoView = server.View{Zoom: 14.8, Lat: 43.7755, Lon: 11.2580}

// config returns the hub that the flags ask for. Everyone on this machine may read.
func (c *demoCmd) config() server.Config {
	config := server.Config{
		Listen: listen.Config{Public: c.Listen, Proxy: c.ProxyListen, Internal: c.PublishListen},
		Drain:  c.Drain, StateDir: c.StateDir,
		Anonymous: true, LocalHostsOnly: true, Version: version(),
		MapCity: streets.Florence, MapView: &demoView,
	}
	c.certificateFlags.set(&config)
	c.proxyFlags.set(&config)
	c.streamFlags.set(&config)
	c.settingFlags.set(&config)
	c.journalFlags.set(&config)
	c.originFlags.set(&config)
	c.limitFlags.set(&config)
	c.mapFlags.set(&config)
	return config
}

// Help returns what --help adds to the flags.
func (c *demoCmd) Help() string {
	return `Runs a hub and a simulated fleet that publishes to it, until it is interrupted. Everyone on this
machine may read. Other machines cannot reach the demo, and it leaves nothing behind.

Half of the fleet drives on the streets of Florence, where the map opens. The streets are those of
OpenStreetMap (© OpenStreetMap contributors, ODbL). The other half is that of 'livemap simulate'.

The flags are those of 'livemap serve', without access control and logging, and those of 'livemap simulate'.
The demo shows only the errors of the hub's log.

Exit status: 0 after SIGINT or SIGTERM; 1 if the hub cannot run, for example because a port is in use; 2 for
a mistake in the call.`
}

// Validate checks the flags; kong calls it.
func (c *demoCmd) Validate() error {
	for _, flag := range []struct {
		name, like string
		address    listen.Address
	}{
		{"listen", "localhost:4433", c.Listen},
		{"proxy-listen", "localhost:8080", c.ProxyListen},
		{"publish-listen", "127.0.0.1:9801", c.PublishListen},
	} {
		if !flag.address.IsOff() && !flag.address.IsLocal() {
			return fmt.Errorf("--%s is %s, which other machines can reach; it must be on loopback, like %s, "+
				"because the demo has no sign-in", flag.name, flag.address, flag.like)
		}
	}
	if c.Listen.IsOff() && c.ProxyListen.IsOff() {
		return errors.New("--listen and --proxy-listen are both off; the map needs one of them")
	}
	config := c.config()
	return cmp.Or(config.Validate(), c.fleetFlags.check())
}

// Run runs hub and fleet until ctx is done or the hub fails.
func (c *demoCmd) Run(ctx context.Context, std streams) error {
	// A reader of the output may end first, as tee does at Ctrl-C. The state must still be removed.
	signal.Ignore(syscall.SIGPIPE)
	config := c.config()
	if c.StateDir == "" {
		dir, err := os.MkdirTemp("", "livemap-demo-")
		if err != nil {
			return fmt.Errorf("%w; set TMPDIR or --state-dir to another directory", err)
		}
		defer os.RemoveAll(dir)
		config.StateDir = dir
	}
	screen := newRateLine(std.err, c.Vehicles)
	config.Log = slog.New(demoLog{screen.notice})
	hub := startDemoHub(ctx, config)
	select {
	case <-hub.ended:
		return hub.err
	case <-ctx.Done():
		return hub.stop()
	case at := <-hub.ready:
		c.welcome(std, at)
		outcome, err := c.publish(hub.while(ctx), at.Internal, screen)
		err = errors.Join(hub.stop(), err)
		fmt.Fprintln(std.out, outcome)
		return err
	}
}

// demoHub is the hub of a demo.
type demoHub struct {
	interrupt func()
	ready     chan listen.Addresses
	ended     chan struct{}
	err       error // once ended
}

// startDemoHub starts the hub. It outlives ctx, so that the fleet can end first.
func startDemoHub(ctx context.Context, config server.Config) *demoHub {
	ctx, interrupt := context.WithCancel(context.WithoutCancel(ctx))
	h := &demoHub{interrupt: interrupt, ready: make(chan listen.Addresses, 1), ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		h.err = asUsage(server.Run(ctx, config, func(at listen.Addresses) { h.ready <- at }))
	}()
	return h
}

// while returns a context that is done when ctx is done or the hub has ended.
func (h *demoHub) while(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		<-h.ended
		cancel()
	}()
	return ctx
}

// stop ends the hub in good order.
func (h *demoHub) stop() error {
	h.interrupt()
	<-h.ended
	return h.err
}

// demoCity returns the city where half of the demo's fleet drives.
func demoCity() (*simulator.City, error) {
	network, err := streets.Read(streets.Florence)
	if err != nil {
		return nil, fmt.Errorf("the streets of the demo: %w", err)
	}
	return &simulator.City{Name: "Firenze", Streets: network}, nil
}

// publish makes the fleet publish to the hub at an address, until ctx is done.
func (c *demoCmd) publish(ctx context.Context, to string, screen *rateLine) (summary, error) {
	home, err := demoCity()
	if err != nil {
		return summary{}, err
	}
	var address client.Address
	if err := address.UnmarshalText([]byte(to)); err != nil {
		return summary{}, err
	}
	transport, err := hubFlags{}.transport(address)
	if err != nil {
		return summary{}, err
	}
	transport.Proxy = nil // the hub is on this machine
	defer transport.CloseIdleConnections()
	config := simulator.Config{City: home}
	return c.simulate(ctx, client.NewUpload(hubFlags{}.hub(address, transport), screen.notice), config, screen)
}

// welcome prints the addresses of the map.
func (c *demoCmd) welcome(std streams, at listen.Addresses) {
	text := "The Live Map Hub is running, with a simulated fleet.\n\n"
	open := "Open"
	if at.Proxy != "" && !c.ProxyListen.IsUnix() {
		text += fmt.Sprintf("  %-10s%s/\n", open, mapURL(c.ProxyListen, at.Proxy))
		open = "or"
	}
	if at.Public != "" {
		text += fmt.Sprintf("  %-10s%s/  (self-signed certificate: the browser warns; Chrome stays on HTTP/2)\n",
			open, mapURL(c.Listen, at.Public))
	}
	text += "  Follow    curl -N " + curlURL(at.Internal, "/topics/live_updates:all/stream") + "\n"
	text += "  Publish   " + curlPosition(at.Internal, demoView.Lat, demoView.Lon) + "\n"
	text += "  To stop   Ctrl-C\n\n"
	fmt.Fprint(std.out, text)
}

// demoLog is a slog.Handler for the hub's log. It shows errors alone, in words.
type demoLog struct {
	notice func(format string, args ...any)
}

// Enabled reports whether an entry is an error. Warnings of serve, such as small UDP buffers, do not
// matter in a demo.
func (l demoLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle shows one entry.
func (l demoLog) Handle(_ context.Context, entry slog.Record) error {
	var more []string
	entry.Attrs(func(a slog.Attr) bool {
		more = append(more, fmt.Sprintf("%s %v", a.Key, a.Value))
		return true
	})
	text := "hub: " + entry.Message
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	l.notice("%s", text)
	return nil
}

// WithAttrs and WithGroup change nothing: the hub does not use them.
func (l demoLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l demoLog) WithGroup(string) slog.Handler      { return l }
