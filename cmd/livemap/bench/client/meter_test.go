package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"livemap/cmd/livemap/bench/workload"
)

const ms = time.Millisecond

// arrival is an event that arrives so long after the schedule's start.
type arrival struct {
	n  int
	at time.Duration
}

// delayOf returns what a meter makes of arrivals by a schedule of an event every 10 ms, of
// which those of [2, 6) are timed.
func delayOf(receivers int, arrivals ...arrival) *Delay {
	m := NewMeter()
	p := &Plan{
		Schedule: workload.Schedule{Start: time.Unix(100, 0), Period: 10 * ms, Events: 9},
		From:     2,
		To:       6,
	}
	m.Start(p)
	for i := range receivers {
		r := m.newReceiver(i, Every(9))
		for _, a := range arrivals {
			b := r.shard.batch(m.plan.Load(), p.Start.Add(a.at))
			b.took(a.n)
			b.end()
		}
	}
	return m.Delay()
}

// arrivals are of several events at once.
func arrivals(at time.Duration, events ...int) (all []arrival) {
	for _, n := range events {
		all = append(all, arrival{n, at})
	}
	return all
}

// all is a delay that every event had.
func all(ms float64) *Delay { return &Delay{ms, ms, ms, ms} }

func TestDelay(t *testing.T) {
	for _, test := range []struct {
		name      string
		receivers int
		arrivals  []arrival
		want      *Delay
	}{
		{"none", 1, nil, nil},
		{"in time", 1, []arrival{{2, 20 * ms}, {3, 30 * ms}}, &Delay{}},
		{"late", 1, []arrival{{2, 21 * ms}}, all(1)},
		{"each against its own time", 1, []arrival{{2, 21 * ms}, {3, 31 * ms}, {5, 51 * ms}}, all(1)},
		{"together", 1, arrivals(51*ms, 2, 3, 4, 5), &Delay{11.007, 31.007, 31.007, 31.007}},
		{"before the window", 1, []arrival{{0, 5 * ms}, {1, 15 * ms}}, nil},
		{"the window's first", 1, []arrival{{1, 19 * ms}, {2, 22 * ms}}, all(2)},
		{"the window's last", 1, []arrival{{5, 52 * ms}, {6, 69 * ms}}, all(2)},
		{"after the window", 1, []arrival{{6, 60 * ms}, {7, 99 * ms}}, nil},
		{"before it was due", 1, []arrival{{2, 19 * ms}}, &Delay{}},
		{"longer than a histogram reaches", 1, []arrival{{2, time.Hour}}, all(60_030.975)},
		{"over all receivers", 20, []arrival{{2, 21 * ms}, {3, 31 * ms}}, all(1)},
	} {
		got := delayOf(test.receivers, test.arrivals...)
		if test.want == nil || got == nil {
			assert.Equal(t, test.want, got, test.name)
			continue
		}
		near := func(want, got float64) { assert.InEpsilon(t, want+1, got+1, 1e-3, test.name) }
		near(test.want.P50, got.P50)
		near(test.want.P99, got.P99)
		near(test.want.P999, got.P999)
		near(test.want.Max, got.Max)
	}
}

// TestPercentiles: of a thousand delays of 0 to 999 µs, each percentile is the delay that so
// many are not above.
func TestPercentiles(t *testing.T) {
	m := NewMeter()
	p := &Plan{Schedule: workload.Schedule{Start: time.Unix(100, 0), Period: 10 * ms, Events: 1000}, To: 1000}
	for n := range 1000 {
		shard := &m.shards[n%shards] // of any receiver
		b := shard.batch(p, p.Due(n).Add(time.Duration(n)*time.Microsecond))
		b.took(n)
		b.end()
	}
	assert.Equal(t, &Delay{P50: 0.499, P99: 0.989, P999: 0.998, Max: 0.999}, m.Delay())
}

// TestBatch: what arrives with one read is timed by one moment, and counted without a plan.
func TestBatch(t *testing.T) {
	m := NewMeter()
	b := m.shards[0].batch(nil, time.Now())
	b.took(3)
	b.took(7)
	b.end()
	assert.Equal(t, 2, b.events)
	assert.Equal(t, 7, b.last)
	assert.Nil(t, m.Delay(), "no plan, nothing to be late for")
}
