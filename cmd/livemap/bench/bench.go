// Package bench measures a hub, or another event server, under load. Beside it, it measures
// the least that the same deliveries can cost.
//
// The server is a process of its own, and so is each floor: a loop that writes the same bytes
// to as many connections. Their cost is processor time as the system counts it, so results
// hold while clients share the machine. The benchmark checks every delivery: none missing,
// none twice, in order. A scenario with a fault has failed, whatever its figures.
//
// [Run] measures, [Floor] is the process of a floor. The packages below bench are its parts:
// workload makes events, target publishes them, client receives and checks them, measure
// counts the cost, floor is the comparison, process reads /proc, and report writes results.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"livemap/cmd/livemap/bench/floor"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/report"
)

// Options says what to measure.
type Options struct {
	Quick     bool     // shorter windows, and fewer scenarios
	Scenarios []string // names; none is all, or all that are quick
	Hub       string   // program to measure, which may be another version; "" is this one
	Out       string   // folder for results.json, results.svg and table.md; "" is none
	Custom    *Custom  // measures a server that runs already, instead
}

// Run measures. It writes the table to out, and progress to progress.
func Run(ctx context.Context, o Options, out, progress io.Writer) error {
	if err := process.RaiseOpenFiles(); err != nil {
		return fmt.Errorf("raising the limit of open files: %w", err)
	}
	if o.Custom == nil || o.Custom.PID != 0 {
		if err := process.Measurable(); err != nil {
			return err
		}
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	r := report.New(o.Hub, o.Quick)
	for _, s := range o.scenarios() {
		fmt.Fprintf(progress, "%s: %s\n", s.Name, s.About)
		outcome := s.measure(ctx, l)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.Outcomes = append(r.Outcomes, outcome)
		outcome.Print(progress)
	}
	if err := r.Table(out); err != nil {
		return err
	}
	if o.Out != "" {
		if err := r.Save(o.Out); err != nil {
			return err
		}
	}
	return r.Err()
}

// Floor is what `livemap bench floor` runs: the process that the hub is compared with.
func Floor(ctx context.Context, in io.Reader, out io.Writer) error { return floor.Serve(ctx, in, out) }

// scenarios are those that o asks for.
func (o Options) scenarios() []scenario {
	if o.Custom != nil {
		return []scenario{o.Custom.scenario()}
	}
	if len(o.Scenarios) == 0 {
		return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool { return o.Quick && !s.quick })
	}
	var chosen []scenario
	for _, s := range all {
		if slices.Contains(o.Scenarios, s.Name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// Names are the names of all scenarios.
func Names() (names []string) {
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names
}

// Check rejects unknown scenarios, and a load of the caller's own that cannot be run.
func (o Options) Check() error {
	if o.Custom != nil {
		if len(o.Scenarios) > 0 {
			return errors.New("--scenario and --target exclude each other")
		}
		return o.Custom.Check()
	}
	for _, name := range o.Scenarios {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("--scenario: unknown scenario %q; it must be one of %s", name,
				strings.Join(Names(), ", "))
		}
	}
	return nil
}
