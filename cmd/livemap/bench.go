package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"livemap/cmd/livemap/bench"
)

// benchCmd measures a hub under load.
type benchCmd struct {
	Quick    bool
	Scenario []string `placeholder:"NAME"`
	Hub      string   `placeholder:"FILE"`
	Out      string   `placeholder:"DIR"`

	Target   string        `placeholder:"URL"`
	Publish  string        `placeholder:"URL"`
	PID      int           `name:"pid" placeholder:"N"`
	Kind     string        `default:"hub" placeholder:"KIND"`
	Token    string        `placeholder:"TOKEN"`
	Protocol string        `default:"h1" placeholder:"P"`
	Streams  int           `default:"100" placeholder:"N"`
	Rate     float64       `default:"10" placeholder:"N"`
	Duration time.Duration `default:"10s" placeholder:"TIME"`

	Run   benchRunCmd   `cmd:"" default:"1" help:"Measure; the default command."`
	Floor benchFloorCmd `cmd:"" help:"Write events as standard input says; run starts it for comparison."`
}

// benchHelp has the help texts of benchCmd.
var benchHelp = helpTexts{
	"quick":    "Run the quick set: fewer scenarios, fewer streams, shorter windows; under two minutes.",
	"scenario": "Run only this scenario; may be repeated. --help lists the names.",
	"hub":      "Measure the hub of another livemap program, to compare versions.",
	"out":      "Write results.json, results.svg and table.md to this directory.",
	"target":   "Measure a running server, with the flags below, instead of the scenarios.",
	"publish":  "URL to publish to, for --target.",
	"pid":      "Process ID of --target on this machine, to measure its processor time and memory.",
	"kind": "Kind of --target: hub, mercure, centrifugo, nchan, or raw (${default}). A raw server is an event " +
		"stream whose events have a member n, and needs no publisher.",
	"token":    "Bearer token for --target; for Centrifugo, its API key.",
	"protocol": "Protocol of the streams of --target: h1, h2 or h3 (${default}).",
	"streams":  "Streams of --target, each on a connection of its own: 1 to 100000 (${default}).",
	"rate":     "Events per second to --target: 0.1 to 100000 (${default}).",
	"duration": "Length of the measurement of --target: 1s to 1h (${default}).",
}

// Help returns what --help adds to the flags.
func (c *benchCmd) Help() string {
	return `Starts a hub as a process of its own, opens streams, publishes on a schedule and checks every
delivery: none missing, none twice, in order. Beside the hub it measures the least that the same deliveries
can cost: a loop of writes of the same bytes to as many connections. It also measures nchan where that is
installed. Processor time is the server's. Delays count from the time at which an event was due.

Scenarios: ` + strings.Join(bench.Names(), ", ") + `.

A URL without a path gets the usual path of its kind of server. Exit status: 0 if every delivery was correct,
whether goals were met or not; 1 if not, or if a measurement failed; 2 for a mistake in the call.`
}

func (c *benchCmd) options() bench.Options {
	o := bench.Options{Quick: c.Quick, Scenarios: c.Scenario, Hub: c.Hub, Out: c.Out}
	if c.Target != "" {
		o.Custom = &bench.Custom{
			Target: c.Target, Publish: c.Publish, PID: c.PID, Kind: c.Kind, Token: c.Token,
			Protocol: c.Protocol, Streams: c.Streams, Rate: c.Rate, Duration: c.Duration,
		}
	}
	return o
}

// Validate checks the flags; kong calls it.
func (c *benchCmd) Validate() error {
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"publish", c.Publish != ""},
		{"pid", c.PID != 0},
		{"kind", c.Kind != "hub"},
		{"token", c.Token != ""},
		{"protocol", c.Protocol != "h1"},
		{"streams", c.Streams != 100},
		{"rate", c.Rate != 10},
		{"duration", c.Duration != 10*time.Second},
	} {
		if flag.given && c.Target == "" {
			return fmt.Errorf("--%s needs --target; the scenarios have their own", flag.name)
		}
	}
	return c.options().Check()
}

// benchRunCmd is `livemap bench run`, the default of `livemap bench`.
type benchRunCmd struct{}

// Run runs the measurements.
func (*benchRunCmd) Run(ctx context.Context, c *benchCmd, std streams) error {
	return bench.Run(ctx, c.options(), std.out, std.err)
}

// benchFloorCmd is a process that the benchmark compares the hub with.
type benchFloorCmd struct{}

// Run writes as its input says, until the input ends.
func (*benchFloorCmd) Run(ctx context.Context, std streams) error {
	return bench.Floor(ctx, std.in, std.out)
}
