package bench

import (
	"context"
	"errors"
	"math"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/floor"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// Fan-out: every event to every stream.

const (
	sparseRate = 10                    // events a second
	denseRate  = 1000                  // events a second
	flushTime  = 20 * time.Millisecond // the hub's --flush-interval, so how long a floor collects, too
)

var sparseH1 = scenario{
	Name: "sparse-h1", About: "4,000 streams over HTTP/1.1, plaintext, 10 events/s", quick: true,
	Goal: "CPU ≤ 1.15 × write(2); ≤ 8 KB/stream",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		load := l.sparse(client.H1, or(l, 4000, 1000), or(l, 3*time.Second, time.Second))
		hub, err := l.against(ctx, load, o, "write", "")
		if err != nil {
			return err
		}
		ratio(o, hub, 1.15)
		o.AtMost("resident", "KB/stream", *hub.Resident, 8)
		return l.nchan(ctx, load, o)
	},
}

var sparseH2 = scenario{
	Name: "sparse-h2", About: "1,000 streams over HTTP/2, one connection each, TLS, 10 events/s", quick: true,
	Goal: "CPU ≤ 1.8 × tls.Conn",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		load := l.sparse(client.H2, or(l, 1000, 300), or(l, 3*time.Second, time.Second))
		hub, err := l.against(ctx, load, o, "tls", client.H1)
		if err != nil {
			return err
		}
		ratio(o, hub, 1.8)
		return nil
	},
}

var sparseH3 = scenario{
	Name: "sparse-h3", About: "1,000 streams over HTTP/3, one connection each, 10 events/s", quick: true,
	Goal: "CPU ≤ 1.2 × quic-go streams; ≤ 75 KB/stream a minute after",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		load := l.sparse(client.H3, or(l, 1000, 300), or(l, time.Minute, 3*time.Second))
		hub, err := l.against(ctx, load, o, "quic", client.BareQUIC)
		if err != nil {
			return err
		}
		ratio(o, hub, 1.2)
		o.AtMost("resident", "KB/stream", *hub.Resident, 75)
		return nil
	},
}

var denseH1 = scenario{
	Name: "dense-h1", About: "1,000 streams over HTTP/1.1, plaintext, 1,000 events/s", quick: true,
	Goal: "≥ 900,000 deliveries/s; ≤ 0.5 µs each; p99 ≤ 50 ms",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		hub, err := l.against(ctx, l.dense(client.H1, 1000), o, "write", "")
		if err != nil {
			return err
		}
		o.AtLeast("deliveries", "/s", hub.PerSecond, 900_000)
		denseFigures(o, hub, 0.5)
		// It cannot do as many: it writes each event by itself.
		return l.nchan(ctx, l.dense(client.H1, 200), o)
	},
}

var denseH3 = scenario{
	Name: "dense-h3", About: "200 streams over HTTP/3, one connection each, 1,000 events/s", quick: true,
	Goal: "all delivered; ≤ 2.8 µs each; p99 ≤ 50 ms",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		hub, err := l.against(ctx, l.dense(client.H3, 200), o, "quic", client.BareQUIC)
		if err != nil {
			return err
		}
		denseFigures(o, hub, 2.8)
		return nil
	},
}

// sparse is a load in which each event is written by itself.
func (l *lab) sparse(p client.Protocol, streams int, settle time.Duration) measure.Load {
	return measure.Load{
		Protocol: p, Streams: streams, Rate: sparseRate, Settle: settle,
		Events: workload.Events{Vehicles: 50},
		WarmUp: or(l, 2*time.Second, time.Second), Window: or(l, 12*time.Second, 5*time.Second),
	}
}

// dense is a load in which several events go out at once.
func (l *lab) dense(p client.Protocol, streams int) measure.Load {
	return measure.Load{
		Protocol: p, Streams: streams, Rate: denseRate, Settle: time.Second,
		Events: workload.Events{Vehicles: 200},
		WarmUp: or(l, 3*time.Second, 2*time.Second), Window: or(l, 12*time.Second, 5*time.Second),
	}
}

// against puts the load on the hub and then on a floor, with as many bytes. The
// floor's streams are read by another protocol, if one is given.
func (l *lab) against(
	ctx context.Context, load measure.Load, o *report.Outcome, kind string, by client.Protocol,
) (*measure.Result, error) {
	run, err := l.alone(ctx, load, o)
	if err != nil {
		return nil, err
	}
	bare, err := l.floor(ctx, load, kind, by, run)
	if err != nil {
		return nil, err
	}
	o.Runs = append(o.Runs, bare)
	return run, nil
}

// alone puts the load on a hub of its own.
func (l *lab) alone(
	ctx context.Context, load measure.Load, o *report.Outcome,
) (run *measure.Result, err error) {
	err = l.withHub(func(h *target.Hub) error {
		run, err = load.Measure(ctx, h.Target(load.Rate))
		return err
	})
	if err == nil {
		o.Runs = append(o.Runs, run)
	}
	return run, err
}

// floor puts the load on a floor.
func (l *lab) floor(
	ctx context.Context, load measure.Load, kind string, by client.Protocol, like *measure.Result,
) (*measure.Result, error) {
	setup := floor.Setup{
		Kind:    kind,
		Streams: load.Streams,
		Size:    int(math.Round(like.EventBytes)),
		Chunked: like.Chunked,
	}
	if load.Rate > target.PostRate {
		setup.Batch = flushTime
	}
	t, err := target.StartFloor(l.program, setup)
	if err != nil {
		return nil, err
	}
	defer t.Stop()
	if by != "" {
		load.Protocol = by
	}
	load.Settle = min(load.Settle, time.Second)
	load.Path = func(int) string { return "/" }
	run, err := load.Measure(ctx, t)
	if err == nil {
		run.Floor = true
	}
	return run, err
}

// nchan puts the load on nchan as a peer, in the full set alone. If nchan is not installed,
// it adds a note.
func (l *lab) nchan(ctx context.Context, load measure.Load, o *report.Outcome) error {
	if l.quick {
		return nil
	}
	t, err := target.StartNchan(ctx, l.dir)
	if errors.Is(err, target.ErrNoNchan) {
		o.Note("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer t.Stop()
	load.Settle, load.Drain = min(load.Settle, time.Second), 5*time.Second
	run, err := load.Measure(ctx, t)
	if err != nil {
		o.Note("%v", err)
		return nil
	}
	run.Peer = true
	o.Runs = append(o.Runs, run)
	return nil
}

// ratio is the hub's CPU time against the floor's.
func ratio(o *report.Outcome, hub *measure.Result, goal float64) {
	floor := o.Runs[1]
	if hub.CPU != nil && floor.CPU != nil && floor.CPU.Total > 0 {
		o.AtMost("CPU against "+floor.Subject, "×", hub.CPU.Total/floor.CPU.Total, goal)
	}
}

// denseFigures are those of a load in which several events go out at once.
func denseFigures(o *report.Outcome, hub *measure.Result, goal float64) {
	o.AtMost("CPU", "µs/delivery", hub.CPU.Total, goal)
	o.AtMost("p99", "ms", hub.Delay.P99, 50)
	ratio(o, hub, 0)
}
