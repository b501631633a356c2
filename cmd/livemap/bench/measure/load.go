// Package measure puts a load on a server and measures what a delivery costs it: processor
// time, memory, bytes and delay. [Load.Measure] returns a [Result].
package measure

import (
	"context"
	"fmt"
	"os"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// Load is events published to streams: what a fan-out is measured with.
type Load struct {
	Protocol client.Protocol
	Streams  int
	Rate     float64       // events a second, in all
	WarmUp   time.Duration // before the window
	Window   time.Duration // that is measured
	Settle   time.Duration // from when all are connected until memory is looked at
	Events   workload.Events
	// Path returns the path of stream i, and Check what it must get of so many events.
	// If they are nil, a stream gets every event of /stream.
	Path  func(i int) string
	Check func(i, events int) client.Check
	// Drain is how long streams may take to get the last event; 0 is DrainTime.
	Drain time.Duration
}

const (
	DrainTime = 30 * time.Second       // for streams to get the last event
	Lead      = 100 * time.Millisecond // from deciding on a schedule until it begins
)

// margin is how long events go on after the window, so that it ends amid them. It is also how
// long Measure waits after the last event for repeated ones.
func (l Load) margin() time.Duration { return min(l.Window, 300*time.Millisecond) }

// Plan returns a run's schedule, and which events are in the window.
func (l Load) Plan() *client.Plan {
	of := func(d time.Duration) int { return int(d.Seconds()*l.Rate + 0.5) }
	p := &client.Plan{From: of(l.WarmUp), To: of(l.WarmUp + l.Window)}
	p.Schedule = workload.Schedule{
		Period: time.Duration(float64(time.Second) / l.Rate),
		Events: p.To + of(l.margin()) + 1,
	}
	return p
}

// Measure puts the load on a target. Wrong deliveries are the result's faults; an error means
// that nothing could be measured.
func (l Load) Measure(ctx context.Context, t *target.Target) (*Result, error) {
	p, m := l.Plan(), client.NewMeter()
	m.Chatty = t.Chatty
	before, err := t.Usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	open, err := l.Open(ctx, t, m, p.Events)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	defer open.Close()
	run := &Result{
		Subject:     t.Name,
		Protocol:    string(l.Protocol),
		Streams:     l.Streams,
		Rate:        l.Rate,
		MemoryAfter: l.Settle.Seconds(),
	}
	run.Chunked = open.Chunked()
	run.Connect.Seconds = time.Since(began).Seconds()
	if err := l.settled(ctx, t, before, run); err != nil {
		return nil, err
	}
	if err := l.drive(ctx, t, m, p, open, run); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	open.Close()
	run.Delay = m.Delay()
	if faults := open.Faults(); faults.Any() {
		run.Faults = &faults
	}
	return run, nil
}

// Open opens the streams.
func (l Load) Open(
	ctx context.Context, t *target.Target, m *client.Meter, events int,
) (*client.Streams, error) {
	return client.Open(
		ctx,
		l.Protocol,
		l.Streams,
		l.Protocol.AtOnce(),
		m,
		func(i int) (client.Opening, client.Check) {
			path, c := "/stream?snapshot=false", client.Check(nil)
			if l.Path != nil {
				path = l.Path(i)
			}
			if l.Check != nil {
				c = l.Check(i, events)
			} else {
				c = client.Every(events)
			}
			return client.Opening{
				URL:    t.URL(l.Protocol, path),
				Header: t.Header,
				Silent: t.Silent,
				Buffer: l.Buffer(),
				Dial:   t.Dial,
			}, c
		},
	)
}

// Buffer is what a reader of this load needs, in bytes.
func (l Load) Buffer() int {
	if l.Rate > target.PostRate {
		return 16 << 10
	}
	return 4 << 10
}

// settled waits until the target's memory has settled, and looks what connecting
// cost.
func (l Load) settled(ctx context.Context, t *target.Target, before target.Usage, run *Result) error {
	after, err := t.Usage()
	if err != nil {
		return err
	}
	if err := workload.Sleep(ctx, l.Settle); err != nil {
		return err
	}
	settled, err := t.Usage()
	if err != nil {
		return err
	}
	if len(t.PIDs) > 0 {
		run.connected(before, after, settled)
	}
	return nil
}

// snapshot is what has happened up to a moment.
type snapshot struct {
	at       time.Time
	cpu      process.CPUTime // of the target
	load     process.CPUTime // of this process
	machine  time.Duration
	received int64
	text     int64 // bytes of event streams
	wire     int64 // bytes of connections
}

func (l Load) snapshot(t *target.Target, open *client.Streams) (s snapshot, err error) {
	s = snapshot{at: time.Now(), wire: open.Wire()}
	s.received, s.text = open.Received()
	if len(t.PIDs) == 0 {
		return s, nil
	}
	if s.cpu, err = process.CPUTimeOf(t.PIDs); err == nil {
		s.load, err = process.CPUTimeOf([]int{os.Getpid()})
	}
	s.machine = process.MachineBusy()
	return s, err
}

// drive publishes, measures the window, and waits until everything has arrived.
func (l Load) drive(
	ctx context.Context, t *target.Target, m *client.Meter, p *client.Plan, open *client.Streams, run *Result,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.Start = time.Now().Add(Lead)
	m.Start(p)
	published := make(chan error, 1)
	drain := l.Drain
	if drain == 0 {
		drain = DrainTime
	}
	// A server that does not accept events in time has missing deliveries: a fault, no error.
	publishing, stop := context.WithDeadline(ctx, p.Due(p.Events).Add(drain))
	defer stop()
	go func() { published <- t.Publish(publishing, p.Schedule, l.Events) }()
	if err := workload.SleepUntil(ctx, p.Due(p.From)); err != nil {
		return err
	}
	first, err := l.snapshot(t, open)
	if err != nil {
		return err
	}
	if err := workload.SleepUntil(ctx, p.Due(p.To)); err != nil {
		return err
	}
	last, err := l.snapshot(t, open)
	if err != nil {
		return err
	}
	run.window(first, last, len(t.PIDs) > 0)
	if err := <-published; err != nil && (publishing.Err() == nil || ctx.Err() != nil) {
		return err
	}
	open.AwaitComplete(ctx, drain)
	return workload.Sleep(ctx, l.margin())
}
