package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/target"
)

const ms = time.Millisecond

// at returns a snapshot at so long after another.
func at(after time.Duration, received, text, wire int64, cpu, load, machine time.Duration) snapshot {
	return snapshot{
		at: time.Unix(100, 0).Add(after), received: received, text: text, wire: wire,
		cpu: process.CPUTime{Total: cpu}, load: process.CPUTime{Total: load}, machine: machine,
	}
}

func TestWindow(t *testing.T) {
	for _, test := range []struct {
		name        string
		first, last snapshot
		want        Result
		cpu         float64 // µs per delivery
	}{
		{"from the start",
			at(0, 0, 0, 0, 0, 0, 0),
			at(2*time.Second, 1000, 250_000, 300_000, 10*ms, 20*ms, 40*ms),
			Result{
				Deliveries: 1000, PerSecond: 500, Bytes: 300, EventBytes: 250,
				Busy: 0.005, LoadBusy: 0.01, Others: 0.005,
			}, 10},
		{"the differences alone",
			at(time.Second, 5000, 1_000_000, 2_000_000, 700*ms, 800*ms, 900*ms),
			at(5*time.Second, 9000, 1_400_000, 2_800_000, 900*ms, 1200*ms, 2300*ms),
			Result{
				Deliveries: 4000, PerSecond: 1000, Bytes: 200, EventBytes: 100,
				Busy: 0.05, LoadBusy: 0.1, Others: 0.2,
			}, 50},
		{"the machine's clock is coarser",
			at(0, 0, 0, 0, 0, 0, 0),
			at(time.Second, 10, 20, 30, 10*ms, 10*ms, 10*ms),
			Result{Deliveries: 10, PerSecond: 10, Bytes: 3, EventBytes: 2, Busy: 0.01, LoadBusy: 0.01}, 1000},
	} {
		var got Result
		got.window(test.first, test.last, true)
		require.NotNil(t, got.CPU, test.name)
		assert.InDelta(t, test.cpu, got.CPU.Total, 1e-9, test.name)
		assert.InDelta(t, test.want.Others, got.Others, 1e-9, test.name)
		got.CPU, got.Others, test.want.Others = nil, 0, 0
		assert.Equal(t, test.want, got, test.name)
	}
}

// TestWindowWithoutDeliveries: no delivery has no cost and no size, and a server that is not
// on this machine has no processor time.
func TestWindowWithoutDeliveries(t *testing.T) {
	var none Result
	none.window(at(0, 5, 100, 200, 0, 0, 0), at(time.Second, 5, 100, 900, 10*ms, 0, 10*ms), true)
	assert.Equal(t, Result{Busy: 0.01}, none)
	var remote Result
	remote.window(at(0, 0, 0, 0, 0, 0, 0), at(time.Second, 5, 100, 200, 10*ms, 0, 10*ms), false)
	assert.Equal(t, Result{Deliveries: 5, PerSecond: 5, EventBytes: 20, Bytes: 40}, remote)
}

// TestConnected: a stream's memory is what all take more than before, shared out.
func TestConnected(t *testing.T) {
	usage := func(cpu time.Duration, resident int64) target.Usage {
		return target.Usage{CPU: process.CPUTime{Total: cpu}, Resident: resident}
	}
	r := Result{Streams: 400}
	r.connected(usage(100*ms, 20_000_000), usage(300*ms, 99_000_000), usage(900*ms, 23_200_000))
	assert.InDelta(t, 500, r.Connect.CPU.Total, 1e-9, "200 ms by 400 streams, in µs")
	assert.InDelta(t, 8, *r.Resident, 1e-9, "3,200 KB by 400 streams")
	r.connected(usage(0, 20_000_000), usage(0, 0), usage(0, 19_600_000))
	assert.InDelta(t, -1, *r.Resident, 1e-9, "memory may shrink")
}

// TestBehind: events of which each should have been written by itself went out together, if
// half of them came later than half of a period.
func TestBehind(t *testing.T) {
	for _, test := range []struct {
		rate, p50 float64
		want      bool
	}{
		{10, 49, false},
		{10, 51, true},
		{50, 9, false},
		{50, 11, true},
		{target.PostRate + 1, 1000, false},
	} {
		r := Result{Rate: test.rate, Delay: &client.Delay{P50: test.p50}}
		assert.Equal(t, test.want, r.Behind(), "%+v", test)
	}
	assert.False(t, (&Result{Rate: 10}).Behind(), "nothing was timed")
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name             string
		load             Load
		from, to, events int
		period           time.Duration
	}{
		{"sparse", Load{Rate: 10, WarmUp: 2 * time.Second, Window: 12 * time.Second}, 20, 140, 144, 100 * ms},
		{"dense", Load{Rate: 1000, WarmUp: 3000 * ms, Window: 12_000 * ms}, 3000, 15_000, 15_301, ms},
		{"a short window", Load{Rate: 200, WarmUp: 50 * ms, Window: 90 * ms}, 10, 28, 47, 5 * ms},
		{"rounded", Load{Rate: 3, WarmUp: 500 * ms, Window: time.Second}, 2, 5, 7, 333_333_333},
		{"no warm-up", Load{Rate: 10, Window: time.Second}, 0, 10, 14, 100 * ms},
	} {
		p := test.load.Plan()
		assert.Equal(t, [3]int{test.from, test.to, test.events}, [3]int{p.From, p.To, p.Events}, test.name)
		assert.Equal(t, test.period, p.Period, test.name)
	}
}

func TestBuffer(t *testing.T) {
	assert.Equal(t, 4<<10, Load{Rate: target.PostRate}.Buffer())
	assert.Equal(t, 16<<10, Load{Rate: target.PostRate + 1}.Buffer())
}
