package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// These scenarios measure what a hub remembers, and what many clients at once cost.

var residentScenario = scenario{
	Name: "resident", About: "200,000 vehicles known and a full log of 64 MiB, nobody subscribed",
	Goal: "≤ 300 MB resident",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.withHub(func(h *target.Hub) error {
			vehicles := or(l, 200_000, 20_000)
			// Twice as many events as there are vehicles fill the log.
			if err := h.Prime(ctx, workload.Events{Vehicles: vehicles}, 0, 3*vehicles); err != nil {
				return err
			}
			if err := workload.Sleep(ctx, 5*time.Second); err != nil {
				return err
			}
			resident, err := process.ResidentOf([]int{h.PID()})
			if err != nil {
				return err
			}
			metrics, err := h.Metrics(ctx)
			if err != nil {
				return err
			}
			o.AtMost("resident", "MB", float64(resident)/1e6, 300)
			o.Note(
				"the log had %.1f MiB, the fleet %.0f vehicles",
				metrics.Value("livemap_log_bytes")/(1<<20),
				metrics.Value("livemap_vehicles"),
			)
			return nil
		})
	},
}

var snapshots = scenario{
	Name:  "snapshots",
	About: "the state of 50,000 vehicles to 200 clients at once, while 100 positions/s are published",
	Goal:  "publishing p99 ≤ 20 ms; memory within 10 % a minute later",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.withHub(func(h *target.Hub) error { return l.snapshots(ctx, h, o) })
	},
}

func (l *lab) snapshots(ctx context.Context, h *target.Hub, o *report.Outcome) error {
	vehicles, clients := or(l, 50_000, 5_000), 200
	if err := h.Prime(ctx, workload.Events{Vehicles: vehicles}, 0, vehicles); err != nil {
		return err
	}
	stop := publishMeanwhile(ctx, h, vehicles)
	defer stop()
	if err := workload.Sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	before, err := readUsage(ctx, h)
	if err != nil {
		return err
	}
	began := time.Now()
	open, err := openStates(ctx, h, vehicles, clients)
	if err != nil {
		return err
	}
	defer open.Close()
	took := time.Since(began)
	after, err := readUsage(ctx, h)
	if err != nil {
		return err
	}
	open.AwaitComplete(ctx, measure.DrainTime)
	open.Close()
	if faults := open.Faults(); faults.Any() {
		return fmt.Errorf("the states that clients received: %v", faults)
	}
	if err := workload.Sleep(ctx, or(l, time.Minute, 5*time.Second)); err != nil {
		return err
	}
	later, err := process.ResidentOf([]int{h.PID()})
	if err != nil {
		return err
	}
	p99 := after.metrics.QuantileSince(before.metrics, "livemap_publish_duration_seconds", 0.99)
	if math.IsNaN(p99) {
		return errors.New("nothing was published while clients connected")
	}
	o.AtMost("publishing p99", "ms", p99*1000, 20)
	o.AtMost("memory later against before", "×", float64(later)/float64(before.Resident), 1.1)
	o.AtMost("all live in", "s", took.Seconds(), 0)
	o.AtMost("CPU", "ms/client", after.CPU.Sub(before.CPU).Per(float64(clients)).Total/1000, 0)
	noteResident(o, before.Resident, after.Resident, later)
	return stop()
}

// openStates opens streams that begin with the state of the vehicles, all at once.
func openStates(ctx context.Context, h *target.Hub, vehicles, clients int) (*client.Streams, error) {
	m := client.NewMeter()
	m.Tolerant = true // a reset begins the state
	return client.Open(ctx, client.H1, clients, clients, m, func(int) (client.Opening, client.Check) {
		return client.Opening{URL: h.URL(client.H1, "/stream"), Buffer: 16 << 10}, client.StateOf(vehicles)
	})
}

// noteResident notes the resident memory of a server at three moments, in bytes.
func noteResident(o *report.Outcome, before, live, later int64) {
	mb := func(bytes int64) float64 { return float64(bytes) / 1e6 }
	o.Note("resident %.1f MB before, %.1f MB when all were live, %.1f MB later", mb(before), mb(live), mb(later))
}

// reading is what a hub has used at a moment, and its metrics.
type reading struct {
	target.Usage
	metrics target.Metrics
}

func readUsage(ctx context.Context, h *target.Hub) (r reading, err error) {
	if r.Usage, err = h.Target(0).Usage(); err == nil {
		r.metrics, err = h.Metrics(ctx)
	}
	return r, err
}

// publishMeanwhile posts 100 positions a second, of vehicles that come after the first so many,
// until stop is called.
func publishMeanwhile(ctx context.Context, h *target.Hub, after int) (stop func() error) {
	const rate = 100
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		p := target.Poster{URL: h.Internal + "/publish", ContentType: "application/json"}
		s := workload.Schedule{Start: time.Now(), Period: time.Second / rate, Events: workload.Endless}
		ended <- p.Publish(ctx, s, func(b []byte, n int, due time.Time) []byte {
			// Vehicle after+n%100 and an event beyond those of the state, which receivers of the state
			// leave out.
			e := workload.Events{Vehicles: after + rate}
			return e.AppendPosition(b, (after+rate)*(n/rate)+after+n%rate, due)
		})
	}()
	return func() error {
		if ctx.Err() != nil {
			return nil
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}
