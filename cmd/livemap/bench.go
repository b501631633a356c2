package main

import (
	"context"
	"strings"

	"livemap/cmd/livemap/bench"
)

// benchCmd measures the hub.
type benchCmd struct {
	Quick    bool     `help:"The quick set: fewer scenarios, fewer streams and shorter windows; under two minutes."`
	Scenario []string `placeholder:"NAME" help:"Only this scenario; may be given several times. The names are below."`
	Hub      string   `placeholder:"FILE" help:"Measure the hub of another livemap program, to compare versions."`
	Out      string   `placeholder:"DIR" help:"Write results.json, results.svg and table.md into this folder."`

	Run   benchRunCmd   `cmd:"" hidden:"" default:"1"`
	Floor benchFloorCmd `cmd:"" hidden:""`
}

// Help is what --help says beyond the flags.
func (c *benchCmd) Help() string {
	return "Scenarios: " + strings.Join(bench.Names(), ", ") + "."
}

func (c *benchCmd) options() bench.Options {
	return bench.Options{Quick: c.Quick, Scenarios: c.Scenario, Hub: c.Hub, Out: c.Out}
}

// Validate is called by kong once the command line has been read.
func (c *benchCmd) Validate() error { return c.options().Check() }

// benchRunCmd is what `livemap bench` does.
type benchRunCmd struct{}

// Run measures.
func (*benchRunCmd) Run(ctx context.Context, c *benchCmd, std streams) error {
	return bench.Run(ctx, c.options(), std.out, std.err)
}

// benchFloorCmd is a process that the benchmark compares the hub with.
type benchFloorCmd struct{}

// Run writes until its input ends.
func (*benchFloorCmd) Run(ctx context.Context, std streams) error {
	return bench.Floor(ctx, std.in, std.out)
}
