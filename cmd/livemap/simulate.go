package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"livemap/api/problem"
	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/simulator"
)

// simulateCmd publishes a simulated fleet to a hub.
type simulateCmd struct {
	To   client.Address `default:"http://127.0.0.1:9801"`
	Keep bool
	fleetFlags
	hubFlags
}

// simulateHelp has the help texts of simulateCmd.
var simulateHelp = helpTexts{
	"keep": "Leave the vehicles on the hub at the end. Without this flag, simulate deletes them.",
}

// fleetFlags are the flags for the simulated fleet.
type fleetFlags struct {
	Vehicles int     `default:"250" placeholder:"N"`
	Rate     float64 `default:"1" placeholder:"N"`
	Seed     uint64  `default:"1" placeholder:"N"`
}

// fleetHelp has the help texts of fleetFlags.
var fleetHelp = helpTexts{
	"vehicles": "Number of vehicles: 1 to 100000 (${default}).",
	"rate": "Reports per second of a moving vehicle: 0.01 to 20 (${default}). A parked one reports " +
		"every 30 s.",
	"seed": "Seed of the fleet: 0 to 18446744073709551615 (${default}). The same seed makes the same " +
		"vehicles, routes and reports.",
}

// Help returns what --help adds to the flags.
func (c *simulateCmd) Help() string {
	return `Trucks drive between cities in central and western Europe. Delivery vans, city buses and service cars
drive in their towns, most of them in Berlin and Paris. The roads are made up: lines between the real cities,
and streets around their centres.

Vehicles brake, turn, halt, take breaks and refuel. In tunnels they report nothing. Without a network they
keep their reports and send them later, some after newer ones, which the hub counts as late. A few fall
silent. Each vehicle is in the topics depot:<city>, kind:<kind> and simulation:<name>. The last is this
simulation's own, with a name that is made anew each time.

While the hub is away, for example during a restart, the fleet drives on. Its reports of that time are not
sent. After a pause of more than 5 s, such as the sleep of a laptop, it goes on in the present.

At its end, simulate deletes the vehicles of its own topic, and so none of another simulation or of a real
fleet. A second Ctrl-C leaves them. A token needs the rights for the topics: depot:*, kind:*, simulation:*.

Exit status: 0 after SIGINT or SIGTERM; 1 if the hub rejects the upload, or if the vehicles could not be
deleted; 2 for a mistake in the call.`
}

// Validate checks the flags; kong calls it.
func (c *simulateCmd) Validate() error { return c.fleetFlags.check() }

func (c *fleetFlags) check() error {
	switch {
	case c.Vehicles < 1 || c.Vehicles > 100_000:
		return fmt.Errorf("--vehicles is %d; it must be from 1 to 100000", c.Vehicles)
	case !(c.Rate >= 0.01 && c.Rate <= 20): // not a number is out of range too
		return fmt.Errorf("--rate is %v; it must be from 0.01 to 20", c.Rate)
	}
	return nil
}

// Run publishes the fleet until ctx is done or the hub rejects the upload.
func (c *simulateCmd) Run(ctx context.Context, std streams) error {
	transport, err := c.transport(c.To)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	screen := newRateLine(std.err, c.Vehicles)
	hub, topic := c.hub(c.To, transport), simulationTopic()
	config := simulator.Config{Topic: topic}
	outcome, err := c.simulate(ctx, client.NewUpload(hub, screen.notice), config, screen)
	text := outcome.String()
	if outcome.written > 0 {
		late := outcome.unacknowledged() > 0
		ended, failed := c.cleanUp(context.WithoutCancel(ctx), hub, topic, late, screen)
		text, err = text+ended, errors.Join(err, failed)
	}
	fmt.Fprintln(std.out, text)
	return err
}

// simulationTopic returns the topic of this simulation alone. Two simulations have vehicles of the same ids:
// each of these is in the topic of the one that named its topics last.
func simulationTopic() string { return "simulation:" + strings.ToLower(rand.Text()[:8]) }

// After positions without an Ack, simulate deletes again, at most deleteTries times, until nothing is left.
const (
	deletePause = 500 * time.Millisecond
	deleteTries = 5
)

// cleanUp deletes the vehicles of the simulation, unless they are to be kept. lost: some positions have no
// Ack. The hub may still read them, which brings vehicles back. It returns the end of the summary.
func (c *simulateCmd) cleanUp(
	ctx context.Context, hub client.Hub, topic string, lost bool, screen *rateLine,
) (ended string, err error) {
	if c.Keep {
		return "; the vehicles stay in the topic " + topic, nil
	}
	told := false
	waits := func(err error, _ time.Duration) {
		if !told {
			screen.notice("livemap: %v: %v; waiting for it, to delete the vehicles", c.To, err)
		}
		told = true
	}
	deleted, err := hub.DeleteVehicles(ctx, topic, waits)
	for left, try := 1, 0; err == nil && lost && left > 0 && try < deleteTries; try++ {
		sleep(ctx, deletePause)
		left, err = hub.DeleteVehicles(ctx, topic, waits)
	}
	if err != nil {
		return "", fmt.Errorf("%v: %w; the vehicles stay; DELETE /vehicles?topic=%s deletes them",
			c.To, client.Explain(err), topic)
	}
	return fmt.Sprintf("; %s deleted at the end", vehicleCount(deleted)), nil
}

// vehicleCount returns a number of vehicles in words.
func vehicleCount(n int) string {
	if n == 1 {
		return "1 vehicle"
	}
	return grouped(n) + " vehicles"
}

// simulate publishes a fleet of the flags and of the config's topic and city, until ctx is done or the hub
// rejects the upload.
func (c *fleetFlags) simulate(
	ctx context.Context, up *client.Upload, config simulator.Config, screen *rateLine,
) (summary, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	config.Vehicles, config.Rate, config.Seed, config.Start = c.Vehicles, c.Rate, c.Seed, time.Now()
	fleet := simulator.NewFleet(config)
	ended := make(chan error, 1)
	go func() { // ends with ctx
		ended <- up.Run(ctx)
		stop()
	}()
	outcome := pace(ctx, fleet, config.Start, up, screen)
	up.End()
	err := <-ended
	screen.clear()
	outcome.vehicles, outcome.sum = c.Vehicles, up.State().Sum
	if err != nil {
		outcome.lost = outcome.unacknowledged()
	}
	return outcome, err
}

const (
	flushInterval = 100 * time.Millisecond // between two writes of what is due
	lineEvery     = 10 * time.Second       // between two blank lines while nothing is due
	catchUp       = time.Second            // simulated time per write, at most: a slow hub is sent no more
	mostBehind    = 5 * time.Second        // a fleet that is further behind real time skips what it missed
)

// pace advances the fleet in real time since start and writes its reports to the upload, until
// ctx is done. It returns how many reports it wrote, and how many were lost in uploads that broke before.
func pace(
	ctx context.Context, fleet *simulator.Fleet, start time.Time, up *client.Upload, screen *rateLine,
) (outcome summary) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	var due []byte
	uploads, wrote, now := 0, time.Now(), time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return outcome
		case <-ticker.C:
		}
		if ctx.Err() != nil { // both were ready
			return outcome
		}
		state := up.State()
		if !state.Connected || state.Opened != uploads { // all that was written is of uploads that ended
			outcome.lost = outcome.written - state.Ended.Total()
		}
		if state.Opened != uploads { // the hub may have restarted without its vehicles
			fleet.ResendTopics()
		}
		uploads = state.Opened
		real := realTime(start)
		if missed := real - now; missed > mostBehind {
			fleet.Skip(missed)
			start, real = time.Now().Add(-now), now
		}
		now = min(real, now+catchUp)
		due = fleet.Advance(now, due[:0])
		if len(due) == 0 && time.Since(wrote) > lineEvery {
			due = append(due, '\n')
		}
		if state.Connected && len(due) > 0 {
			taken, _ := up.Write(due) // on an error the upload has ended, and opens again
			outcome.written += countReports(due[:taken])
			wrote = time.Now()
		}
		screen.show(fleet.Moving(), outcome.written, state, real-now)
	}
}

// realTime returns the time since start. While a machine sleeps, only its wall clock may run.
func realTime(start time.Time) time.Duration {
	now := time.Now()
	return max(now.Sub(start), now.Round(0).Sub(start.Round(0)))
}

// countReports counts the complete lines that are not blank.
func countReports(lines []byte) int { return bytes.Count(lines, []byte("}\n")) }

// summary is the outcome of a simulation.
type summary struct {
	vehicles int
	written  int         // positions
	sum      problem.Ack // of these
	lost     int         // positions without an Ack in an upload that did not end with the simulation
}

// String leaves out the positions that were on their way at the end.
func (s summary) String() string {
	text := fmt.Sprintf("%d vehicles, %d positions sent: %s", s.vehicles, s.sum.Total()+s.lost, counts(s.sum))
	if s.lost > 0 {
		text += fmt.Sprintf(", never acknowledged %d", s.lost)
	}
	return text
}

// unacknowledged returns how many positions were written and have no Ack.
func (s summary) unacknowledged() int { return s.written - s.sum.Total() }

// rateLine shows the rates of a simulation. On a terminal it rewrites one line every second;
// otherwise it writes a line every ten seconds.
type rateLine struct {
	every    time.Duration
	vehicles int

	mu      sync.Mutex // guards what follows
	line    *progress
	since   time.Time // when the line was last written
	written int       // positions, until then
}

func newRateLine(out io.Writer, vehicles int) *rateLine {
	r := &rateLine{line: newProgress(out, 0), every: 10 * time.Second, vehicles: vehicles, since: time.Now()}
	if r.line.terminal {
		r.every = time.Second
	}
	return r
}

// show writes the line if it is due: how many vehicles are moving, how many positions were
// written so far, their outcome, and how far the simulation is behind real time.
func (r *rateLine) show(moving, written int, state client.UploadState, behind time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	elapsed := now.Sub(r.since)
	if elapsed < r.every {
		return
	}
	rate := float64(written-r.written) / elapsed.Seconds()
	r.since, r.written = now, written
	connected := "not connected"
	if state.Connected {
		connected = "connected"
	}
	text := fmt.Sprintf(
		"%s vehicles, %s moving · %s positions/s · accepted %s · late %s · rejected %s · %s",
		grouped(r.vehicles), grouped(moving), grouped(int(rate+0.5)),
		grouped(state.Sum.Accepted), grouped(state.Sum.Late), grouped(state.Sum.Rejected), connected)
	if behind > time.Second {
		text += fmt.Sprintf(" · %d s behind", int(behind.Seconds()+0.5))
	}
	if !r.line.terminal {
		fmt.Fprintln(r.line.out, text)
		return
	}
	r.line.shown = now
	fmt.Fprint(r.line.out, eraseLine+text)
}

// notice writes a line of its own above the rates.
func (r *rateLine) notice(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line.notice(format, args...)
}

// clear erases the line.
func (r *rateLine) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line.clear()
}

func grouped(n int) string { return humanize.Comma(int64(n)) }
