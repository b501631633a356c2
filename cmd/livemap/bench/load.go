package bench

import (
	"context"
	"fmt"
	"os"
	"time"
)

// load is events published to streams: what a fan-out is measured with.
type load struct {
	protocol protocol
	streams  int
	rate     float64       // events a second, in all
	warmUp   time.Duration // before the window
	window   time.Duration // that is measured
	settle   time.Duration // from when all are connected until memory is looked at
	events   events
	// path gives what stream i asks for, and check what it is to get of so many
	// events; every event of /stream, where they are nil.
	path  func(i int) string
	check func(i, events int) check
	// drain is how long streams may take to get the last event; default drainTime.
	drain time.Duration
}

const (
	drainTime = 30 * time.Second
	lead      = 100 * time.Millisecond // from deciding on a schedule until it begins
)

// margin is how long events go on after the window, so that it ends in the middle
// of things, and how long is waited after the last for what could come twice.
func (l load) margin() time.Duration { return min(l.window, 300*time.Millisecond) }

// schedule gives a run's schedule, and which events are in the window.
func (l load) schedule() *plan {
	of := func(d time.Duration) int { return int(d.Seconds()*l.rate + 0.5) }
	p := &plan{from: of(l.warmUp), to: of(l.warmUp + l.window)}
	p.schedule = schedule{period: time.Duration(float64(time.Second) / l.rate), events: p.to + of(l.margin()) + 1}
	return p
}

// measure puts the load on a target. What is not as it must be is in the run's
// faults; an error is that it could not be measured.
func (l load) measure(ctx context.Context, t *target) (*Result, error) {
	p, m := l.schedule(), newMeter()
	m.chatty = t.chatty
	before, err := t.usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	open, err := l.open(ctx, t, m, p.events)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	defer open.close()
	run := &Result{Subject: t.name, Protocol: string(l.protocol), Streams: l.streams, Rate: l.rate, MemoryAfter: l.settle.Seconds()}
	run.Chunked = open.chunked()
	run.Connect.Seconds = time.Since(began).Seconds()
	if err := l.settled(ctx, t, before, run); err != nil {
		return nil, err
	}
	if err := l.drive(ctx, t, m, p, open, run); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	open.close()
	run.Delay = m.delay()
	if faults := open.faults(); faults.any() {
		run.Faults = &faults
	}
	return run, nil
}

// open opens the streams.
func (l load) open(ctx context.Context, t *target, m *meter, events int) (*streams, error) {
	return openAll(ctx, l.protocol, l.streams, l.protocol.atOnce(), m, func(i int) (opening, check) {
		path, c := "/stream?snapshot=false", check(nil)
		if l.path != nil {
			path = l.path(i)
		}
		if l.check != nil {
			c = l.check(i, events)
		} else {
			c = every(events)
		}
		return opening{t.url(l.protocol, path), t.header, t.silent, l.buffer()}, c
	})
}

// buffer is what a reader of this load needs, in bytes.
func (l load) buffer() int {
	if l.rate > postRate {
		return 16 << 10
	}
	return 4 << 10
}

// settled waits until the target's memory has settled, and looks what connecting
// cost.
func (l load) settled(ctx context.Context, t *target, before usage, run *Result) error {
	after, err := t.usage()
	if err != nil {
		return err
	}
	if err := sleep(ctx, l.settle); err != nil {
		return err
	}
	settled, err := t.usage()
	if err != nil {
		return err
	}
	if len(t.pids) > 0 {
		n := float64(l.streams)
		run.Connect.CPU = after.cpu.minus(before.cpu).per(n)
		kb := float64(settled.resident-before.resident) / n / 1000
		run.Resident = &kb
	}
	return nil
}

// snapshot is what has happened up to a moment.
type snapshot struct {
	at       time.Time
	cpu      cpuTime // of the target
	load     cpuTime // of this process
	machine  time.Duration
	received int64
	text     int64 // bytes of event streams
	wire     int64 // bytes of connections
}

func (l load) snapshot(t *target, open *streams) (s snapshot, err error) {
	s = snapshot{at: time.Now(), wire: open.wire()}
	s.received, s.text = open.received()
	if len(t.pids) == 0 {
		return s, nil
	}
	if s.cpu, err = cpuOf(t.pids); err == nil {
		s.load, err = cpuOf([]int{os.Getpid()})
	}
	s.machine = machineBusy()
	return s, err
}

// drive publishes, measures the window, and waits until everything has arrived.
func (l load) drive(ctx context.Context, t *target, m *meter, p *plan, open *streams, run *Result) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.start = time.Now().Add(lead)
	m.start(p)
	published := make(chan error, 1)
	drain := l.drain
	if drain == 0 {
		drain = drainTime
	}
	// Who cannot publish in time has not delivered everything: a fault, not an error.
	publishing, stop := context.WithDeadline(ctx, p.due(p.events).Add(drain))
	defer stop()
	go func() { published <- t.publish(publishing, p.schedule, l.events) }()
	if err := sleepUntil(ctx, p.due(p.from)); err != nil {
		return err
	}
	first, err := l.snapshot(t, open)
	if err != nil {
		return err
	}
	if err := sleepUntil(ctx, p.due(p.to)); err != nil {
		return err
	}
	last, err := l.snapshot(t, open)
	if err != nil {
		return err
	}
	run.window(first, last, len(t.pids) > 0)
	if err := <-published; err != nil && (publishing.Err() == nil || ctx.Err() != nil) {
		return err
	}
	open.awaitComplete(ctx, drain)
	return sleep(ctx, l.margin())
}
