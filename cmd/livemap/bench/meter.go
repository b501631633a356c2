package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	shards   = 8
	maxDelay = time.Minute
)

// meter is what all receivers of a run tell together.
type meter struct {
	plan   atomic.Pointer[plan]
	shards [shards]delays

	tolerant bool // named events, such as a reset, are no faults
	chatty   bool // events without a number are none
}

// plan is which events of a schedule are timed: [from, to).
type plan struct {
	schedule
	from, to int
}

func newMeter() *meter {
	m := &meter{}
	for i := range m.shards {
		m.shards[i].histogram = newHistogram()
	}
	return m
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxDelay.Microseconds(), 3)
}

// start has the events of a plan timed from now on.
func (m *meter) start(p *plan) { m.plan.Store(p) }

// named takes a named event other than live and ping.
func (m *meter) named(r *receiver, name string, data []byte) {
	if !m.tolerant {
		r.faults.note(&r.faults.Other, 1, "an event %s: %s", name, shown(data))
	}
}

// unnumbered takes an event that this benchmark did not publish.
func (m *meter) unnumbered(r *receiver, data []byte) {
	if !m.chatty {
		r.faults.note(&r.faults.Other, 1, "an event without a number: %s", shown(data))
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
	plan   *plan
	since  time.Duration // from the schedule's start
	events int
	last   int // event
	locked bool
}

func (d *delays) batch(p *plan, now time.Time) batch {
	b := batch{delays: d, plan: p}
	if p != nil {
		b.since = now.Sub(p.start)
	}
	return b
}

// took notes that event n arrived.
func (b *batch) took(n int) {
	b.events++
	b.last = n
	if b.plan == nil || n < b.plan.from || n >= b.plan.to {
		return
	}
	if !b.locked {
		b.locked = true
		b.delays.mu.Lock()
	}
	delay := b.since - time.Duration(n)*b.plan.period
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

// delay gives the delays of all events timed, nil if none was.
func (m *meter) delay() *Delay {
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
