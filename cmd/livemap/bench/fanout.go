package bench

import (
	"context"
	"errors"
	"math"
	"time"
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
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		load := l.sparse(h1, or(l, 4000, 1000), or(l, 3*time.Second, time.Second))
		hub, err := l.against(ctx, load, o, "write", "")
		if err != nil {
			return err
		}
		ratio(o, hub, 1.15)
		o.most("resident", "KB/stream", *hub.Resident, 8)
		return l.nchan(ctx, load, o)
	},
}

var sparseH2 = scenario{
	Name: "sparse-h2", About: "1,000 streams over HTTP/2, one connection each, TLS, 10 events/s", quick: true,
	Goal: "CPU ≤ 1.8 × tls.Conn",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		load := l.sparse(h2, or(l, 1000, 300), or(l, 3*time.Second, time.Second))
		hub, err := l.against(ctx, load, o, "tls", h1)
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
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		load := l.sparse(h3, or(l, 1000, 300), or(l, time.Minute, 3*time.Second))
		hub, err := l.against(ctx, load, o, "quic", raw)
		if err != nil {
			return err
		}
		ratio(o, hub, 1.2)
		o.most("resident", "KB/stream", *hub.Resident, 75)
		return nil
	},
}

var denseH1 = scenario{
	Name: "dense-h1", About: "1,000 streams over HTTP/1.1, plaintext, 1,000 events/s", quick: true,
	Goal: "≥ 900,000 deliveries/s; ≤ 0.5 µs each; p99 ≤ 50 ms",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		hub, err := l.against(ctx, l.dense(h1, 1000), o, "write", "")
		if err != nil {
			return err
		}
		o.least("deliveries", "/s", hub.PerSecond, 900_000)
		denseFigures(o, hub, 0.5)
		// It cannot do as many: it writes each event by itself.
		return l.nchan(ctx, l.dense(h1, 200), o)
	},
}

var denseH3 = scenario{
	Name: "dense-h3", About: "200 streams over HTTP/3, one connection each, 1,000 events/s", quick: true,
	Goal: "all delivered; ≤ 2.8 µs each; p99 ≤ 50 ms",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		hub, err := l.against(ctx, l.dense(h3, 200), o, "quic", raw)
		if err != nil {
			return err
		}
		denseFigures(o, hub, 2.8)
		return nil
	},
}

// sparse is a load in which each event is written by itself.
func (l *lab) sparse(p protocol, streams int, settle time.Duration) load {
	return load{
		protocol: p, streams: streams, rate: sparseRate, settle: settle, events: events{vehicles: 50},
		warmUp: or(l, 2*time.Second, time.Second), window: or(l, 12*time.Second, 5*time.Second),
	}
}

// dense is a load in which several events go out at once.
func (l *lab) dense(p protocol, streams int) load {
	return load{
		protocol: p, streams: streams, rate: denseRate, settle: time.Second, events: events{vehicles: 200},
		warmUp: or(l, 3*time.Second, 2*time.Second), window: or(l, 12*time.Second, 5*time.Second),
	}
}

// against puts the load on the hub and then on a floor, with as many bytes. The
// floor's streams are read by another protocol, if one is given.
func (l *lab) against(ctx context.Context, load load, o *Outcome, floor string, by protocol) (*Result, error) {
	run, err := l.alone(ctx, load, o)
	if err != nil {
		return nil, err
	}
	bare, err := l.floor(ctx, load, floor, by, run)
	if err != nil {
		return nil, err
	}
	o.Runs = append(o.Runs, bare)
	return run, nil
}

// alone puts the load on a hub of its own.
func (l *lab) alone(ctx context.Context, load load, o *Outcome) (run *Result, err error) {
	err = l.withHub(func(h *hub) error {
		run, err = load.measure(ctx, h.target(load.rate))
		return err
	})
	if err == nil {
		o.Runs = append(o.Runs, run)
	}
	return run, err
}

// floor puts the load on a floor.
func (l *lab) floor(ctx context.Context, load load, kind string, by protocol, like *Result) (*Result, error) {
	setup := floorSetup{Kind: kind, Streams: load.streams, Size: int(math.Round(like.EventBytes)), Chunked: like.Chunked}
	if load.rate > postRate {
		setup.Batch = flushTime
	}
	t, err := startFloor(l.program, setup)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	if by != "" {
		load.protocol = by
	}
	load.settle = min(load.settle, time.Second)
	load.path = func(int) string { return "/" }
	run, err := load.measure(ctx, t)
	if err == nil {
		run.Floor = true
	}
	return run, err
}

// nchan puts the load on it as a peer, in the full set; where it is not installed, that
// is noted.
func (l *lab) nchan(ctx context.Context, load load, o *Outcome) error {
	if l.quick {
		return nil
	}
	t, err := startNchan(ctx, l.dir)
	if errors.Is(err, errNoNchan) {
		o.note("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer t.stop()
	load.settle, load.drain = min(load.settle, time.Second), 5*time.Second
	run, err := load.measure(ctx, t)
	if err != nil {
		o.note("%v", err)
		return nil
	}
	run.Peer = true
	o.Runs = append(o.Runs, run)
	return nil
}

// ratio is the hub's CPU time against the floor's.
func ratio(o *Outcome, hub *Result, goal float64) {
	floor := o.Runs[1]
	if hub.CPU != nil && floor.CPU != nil && floor.CPU.Total > 0 {
		o.most("CPU against "+floor.Subject, "×", hub.CPU.Total/floor.CPU.Total, goal)
	}
}

// denseFigures are those of a load in which several events go out at once.
func denseFigures(o *Outcome, hub *Result, goal float64) {
	o.most("CPU", "µs/delivery", hub.CPU.Total, goal)
	o.most("p99", "ms", hub.Delay.P99, 50)
	ratio(o, hub, 0)
}
