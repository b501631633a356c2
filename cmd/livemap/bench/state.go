package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// What is remembered, and what returning or many clients cost.

const minute = time.Minute

var residentScenario = scenario{
	Name: "resident", About: "200,000 vehicles known and a full log of 64 MiB, nobody subscribed",
	Goal: "≤ 300 MB resident",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		return l.withHub(func(h *hub) error {
			vehicles := or(l, 200_000, 20_000)
			// Twice as many events as there are vehicles fill the log.
			if err := h.prime(ctx, events{vehicles: vehicles}, 0, 3*vehicles); err != nil {
				return err
			}
			if err := sleep(ctx, 5*time.Second); err != nil {
				return err
			}
			resident, err := residentOf([]int{h.pid()})
			if err != nil {
				return err
			}
			metrics, err := h.metrics(ctx)
			if err != nil {
				return err
			}
			o.most("resident", "MB", float64(resident)/1e6, 300)
			o.note("the log had %.1f MiB, the fleet %.0f vehicles", metrics.value("livemap_log_bytes")/(1<<20), metrics.value("livemap_vehicles"))
			return nil
		})
	},
}

var snapshots = scenario{
	Name: "snapshots", About: "the state of 50,000 vehicles to 200 clients at once, while 100 positions/s are published",
	Goal: "publishing p99 ≤ 20 ms; memory within 10 % a minute later",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		return l.withHub(func(h *hub) error { return l.snapshots(ctx, h, o) })
	},
}

func (l *lab) snapshots(ctx context.Context, h *hub, o *Outcome) error {
	vehicles, clients := or(l, 50_000, 5_000), 200
	if err := h.prime(ctx, events{vehicles: vehicles}, 0, vehicles); err != nil {
		return err
	}
	stop := publishMeanwhile(ctx, h, vehicles)
	defer stop()
	if err := sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	before, err := readUsage(ctx, h)
	if err != nil {
		return err
	}
	began := time.Now()
	m := newMeter()
	m.tolerant = true // a reset begins the state
	open, err := openAll(ctx, h1, clients, clients, m, func(int) (opening, check) {
		return opening{h.url(h1, "/stream"), nil, false, 16 << 10}, stateOf(vehicles)
	})
	if err != nil {
		return err
	}
	defer open.close()
	took := time.Since(began)
	after, err := readUsage(ctx, h)
	if err != nil {
		return err
	}
	open.awaitComplete(ctx, drainTime)
	open.close()
	if faults := open.faults(); faults.any() {
		return fmt.Errorf("the states that clients were told: %v", faults)
	}
	if err := sleep(ctx, or(l, minute, 5*time.Second)); err != nil {
		return err
	}
	later, err := residentOf([]int{h.pid()})
	if err != nil {
		return err
	}
	p99 := after.metrics.quantileSince(before.metrics, "livemap_publish_duration_seconds", 0.99)
	if math.IsNaN(p99) {
		return errors.New("nothing was published while clients connected")
	}
	o.most("publishing p99", "ms", p99*1000, 20)
	o.most("memory later against before", "×", float64(later)/float64(before.resident), 1.1)
	o.most("all live in", "s", took.Seconds(), 0)
	o.most("CPU", "ms/client", after.cpu.minus(before.cpu).per(float64(clients)).Total/1000, 0)
	o.note("resident %.1f MB before, %.1f MB when all were live, %.1f MB later", mb(before.resident), mb(after.resident), mb(later))
	return stop()
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// reading is what a hub has used at a moment, and its metrics.
type reading struct {
	usage
	metrics metrics
}

func readUsage(ctx context.Context, h *hub) (r reading, err error) {
	if r.usage, err = h.target(0).usage(); err == nil {
		r.metrics, err = h.metrics(ctx)
	}
	return r, err
}

// publishMeanwhile posts 100 positions a second, of vehicles that come after the
// first so many, until it is stopped.
func publishMeanwhile(ctx context.Context, h *hub, after int) (stop func() error) {
	const rate = 100
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		p := poster{url: h.internal + "/publish", contentType: "application/json"}
		s := schedule{time.Now(), time.Second / rate, endless}
		ended <- p.publish(ctx, s, func(b []byte, n int, due time.Time) []byte {
			// Vehicle after+n%100, event after+n, of which receivers of the state know
			// that it is not in it.
			return events{vehicles: after + rate}.appendPosition(b, (after+rate)*(n/rate)+after+n%rate, due)
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
