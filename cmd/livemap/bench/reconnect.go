package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// In these scenarios every client comes back at once, with the id of its last event.

var reconnectH1 = scenario{
	Name: "reconnect-h1",
	About: "10,000 HTTP/1.1 clients are cut and come back at once with their Last-Event-ID, " +
		"while 10 events/s go on",
	Goal: "all live in ≤ 5 s; memory within 10 % a minute later",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.reconnect(ctx, o, client.H1, or(l, 10_000, 1_000), 5)
	},
}

var reconnectH3 = scenario{
	Name: "reconnect-h3",
	About: "2,000 HTTP/3 clients are cut and come back at once with their Last-Event-ID, while " +
		"10 events/s go on",
	Goal: "all live in ≤ 10 s; memory within 10 % a minute later",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.reconnect(ctx, o, client.H3, or(l, 2_000, 200), 10)
	},
}

func (l *lab) reconnect(
	ctx context.Context, o *report.Outcome, p client.Protocol, clients int, goal float64,
) error {
	return l.withHub(func(h *target.Hub) error {
		r := reconnection{
			target: h.Target(sparseRate),
			wave: measure.Load{
				Protocol: p,
				Streams:  clients,
				Drain:    measure.DrainTime,
				Rate:     sparseRate,
				Events:   workload.Events{Vehicles: 50},
			},
		}
		r.before, r.after = or(l, 5*time.Second, 2*time.Second), or(l, time.Minute, 5*time.Second)
		return r.run(ctx, o, goal)
	})
}

// reconnection is a wave of clients that return.
type reconnection struct {
	target        *target.Target
	wave          measure.Load
	before, after time.Duration // of publishing
}

func (r *reconnection) run(ctx context.Context, o *report.Outcome, goal float64) error {
	m := client.NewMeter()
	open, err := r.wave.Open(ctx, r.target, m, workload.Endless)
	if err != nil {
		return err
	}
	defer func() { open.Close() }()
	stop := r.publish(ctx)
	defer stop()
	if err := workload.Sleep(ctx, r.before); err != nil {
		return err
	}
	before, err := r.target.Usage()
	if err != nil {
		return err
	}
	open.Close()
	began := time.Now()
	again, failed, err := open.Reopen(ctx, r.wave.Protocol, m, r.opening)
	if err != nil {
		return err
	}
	open = again
	took := time.Since(began)
	after, err := r.target.Usage()
	if err != nil {
		return err
	}
	if err := workload.Sleep(ctx, r.after); err != nil {
		return err
	}
	later, err := r.target.Usage()
	if err != nil {
		return err
	}
	o.AtMost("all live in", "s", took.Seconds(), goal)
	r.figures(o, before, after, later)
	noteResident(o, before.Resident, after.Resident, later.Resident)
	if failed > 0 {
		o.Note("%d attempts to come back failed and were made again", failed)
	}
	stop()
	return r.verify(ctx, open)
}

// publish publishes events until stop is called.
func (r *reconnection) publish(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	s := workload.Schedule{
		Start:  time.Now().Add(measure.Lead),
		Period: time.Duration(float64(time.Second) / r.wave.Rate),
		Events: workload.Endless,
	}
	var publishing sync.WaitGroup
	publishing.Go(func() { r.target.Publish(ctx, s, r.wave.Events) }) // verify finds what is missing
	return func() {
		cancel()
		publishing.Wait()
	}
}

// opening is how a client comes back.
func (r *reconnection) opening(int) client.Opening {
	return client.Opening{
		URL:    r.target.URL(r.wave.Protocol, "/stream?snapshot=false"),
		Silent: r.target.Silent,
		Buffer: r.wave.Buffer(),
		Dial:   r.target.Dial,
	}
}

// figures compare the server as it was before, when all were live again, and later.
func (r *reconnection) figures(o *report.Outcome, before, after, later target.Usage) {
	o.AtMost("memory later against before", "×", float64(later.Resident)/float64(before.Resident), 1.1)
	o.AtMost("CPU", "µs/client", after.CPU.Sub(before.CPU).Per(float64(r.wave.Streams)).Total, 0)
}

// verify requires that no stream missed an event, and that all came to the same one.
func (r *reconnection) verify(ctx context.Context, open *client.Streams) error {
	if err := r.settle(ctx, open); err != nil {
		return err
	}
	open.Close()
	if faults := open.FaultsOfReturn(); faults.Any() {
		return fmt.Errorf("after coming back: %v", faults)
	}
	return nil
}

// settle waits until all streams have come to the same event, twice in a row, or until the
// drain time is over.
func (r *reconnection) settle(ctx context.Context, open *client.Streams) error {
	pause, last := min(r.after, time.Second), int64(0)
	for until := time.Now().Add(max(r.wave.Drain, 10*pause)); time.Now().Before(until); {
		if err := workload.Sleep(ctx, pause); err != nil {
			return err
		}
		least, most := open.Progress()
		if least == most && most == last {
			return nil
		}
		last = most
	}
	return nil
}
