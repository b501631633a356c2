package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"livemap/cmd/livemap/bench/workload"
)

const (
	shards   = 8
	maxDelay = time.Minute
)

// Meter collects the delays of all receivers of a run.
type Meter struct {
	plan   atomic.Pointer[Plan]
	shards [shards]delays

	Tolerant bool // named events, such as a reset, are no faults
	Chatty   bool // events without a number are none
}

// Plan is which events of a schedule are timed: [From, To).
type Plan struct {
	workload.Schedule
	From, To int
}

// NewMeter returns a meter that times nothing yet.
func NewMeter() *Meter {
	m := &Meter{}
	for i := range m.shards {
		m.shards[i].histogram = newHistogram()
	}
	return m
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxDelay.Microseconds(), 3)
}

// Start times the events of a plan from now on.
func (m *Meter) Start(p *Plan) { m.plan.Store(p) }

// named counts a named event other than live and ping.
func (m *Meter) named(r *receiver, name string, data []byte) {
	if !m.Tolerant {
		r.faults.note(&r.faults.Other, 1, "an event %s: %s", name, shown(data))
	}
}

// unnumbered counts an event that this benchmark did not publish.
func (m *Meter) unnumbered(r *receiver, data []byte) {
	if !m.Chatty {
		r.faults.note(&r.faults.Other, 1,
			"an event without a number (does anybody else publish here?): %s", shown(data))
	}
}

// delays times events, in microseconds, for some of the receivers.
type delays struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
}

// batch is the events that arrived with one read, and so at the same time.
type batch struct {
	delays *delays
	plan   *Plan
	since  time.Duration // from the schedule's start
	events int
	last   int // event
	locked bool
}

func (d *delays) batch(p *Plan, now time.Time) batch {
	b := batch{delays: d, plan: p}
	if p != nil {
		b.since = now.Sub(p.Start)
	}
	return b
}

// took notes that event n arrived.
func (b *batch) took(n int) {
	b.events++
	b.last = n
	if b.plan == nil || n < b.plan.From || n >= b.plan.To {
		return
	}
	if !b.locked {
		b.locked = true
		b.delays.mu.Lock()
	}
	delay := b.since - time.Duration(n)*b.plan.Period
	b.delays.histogram.RecordValue(min(max(delay, 0), maxDelay).Microseconds())
}

func (b *batch) end() {
	if b.locked {
		b.delays.mu.Unlock()
	}
}

// Delay is from when events were due until they were received, in milliseconds.
type Delay struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99.9_ms"`
	Max  float64 `json:"max_ms"`
}

// Delay returns the delays of all events timed, nil if none was.
func (m *Meter) Delay() *Delay {
	all := newHistogram()
	for i := range m.shards {
		m.shards[i].mu.Lock()
		all.Merge(m.shards[i].histogram)
		m.shards[i].mu.Unlock()
	}
	if all.TotalCount() == 0 {
		return nil
	}
	at := func(q float64) float64 { return float64(all.ValueAtQuantile(q)) / 1000 }
	return &Delay{at(50), at(99), at(99.9), float64(all.Max()) / 1000}
}
