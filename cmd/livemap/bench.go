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

	Run   benchRunCmd   `cmd:"" default:"1" help:"Measure; what bench does without a command."`
	Floor benchFloorCmd `cmd:"" help:"Write what standard input says; a process that the hub is compared with, which run starts."`
}

// benchHelp has the help texts of benchCmd.
var benchHelp = helpTexts{
	"quick":    "The quick set: fewer scenarios, fewer streams and shorter windows; under two minutes.",
	"scenario": "Only this scenario; may be given several times. The names are below.",
	"hub":      "Measure the hub of another livemap program, to compare versions.",
	"out":      "Write results.json, results.svg and table.md into this folder.",
	"target":   "Measure a server that runs already, with the flags below, instead of the scenarios.",
	"publish":  "Where to publish to --target.",
	"pid":      "Process of --target, to tell its processor time and memory; it must be on this machine.",
	"kind": "What --target is: hub, mercure, centrifugo, nchan, or raw: any event stream that publishes by " +
		"itself events with a member n (${default}).",
	"token":    "Sent to --target as Bearer token; to Centrifugo, as its API key.",
	"protocol": "How --target is read: h1, h2 or h3 (${default}).",
	"streams":  "Streams of --target, on a connection each: 1 to 100000 (${default}).",
	"rate":     "Events a second to --target: 0.1 to 100000 (${default}).",
	"duration": "How long --target is measured: 1s to 1h (${default}).",
}

// Help returns what --help adds to the flags.
func (c *benchCmd) Help() string {
	return `Starts a hub as a process of its own, opens streams, publishes on a schedule and checks every delivery: none missing, none twice, in order. Beside the hub it measures the least that the same deliveries can cost (a loop of writes of the same bytes to as many connections) and, where it is installed, nchan. Processor time is the server's; delays count from when an event was due.

Scenarios: ` + strings.Join(bench.Names(), ", ") + `.

A URL without a path gets the one that its kind of server uses. Exit status: 0 if every delivery was as it had to be, goals met or not; 1 if not, or if something could not be measured; 2 for a mistake in the call.`
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
			return fmt.Errorf("--%s goes with --target; the scenarios have their own", flag.name)
		}
	}
	return c.options().Check()
}

// benchRunCmd is `livemap bench run`, the default of `livemap bench`.
type benchRunCmd struct{}

// Run measures.
func (*benchRunCmd) Run(ctx context.Context, c *benchCmd, std streams) error {
	return bench.Run(ctx, c.options(), std.out, std.err)
}

// benchFloorCmd is a process that the benchmark compares the hub with.
type benchFloorCmd struct{}

// Run writes what its input says, until that ends.
func (*benchFloorCmd) Run(ctx context.Context, std streams) error {
	return bench.Floor(ctx, std.in, std.out)
}
