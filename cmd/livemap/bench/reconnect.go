package bench

import (
	"context"
	"fmt"
	"time"
)

// Everyone comes back at once, with the id of the last event that it got.

var reconnectH1 = scenario{
	Name: "reconnect-h1", About: "10,000 HTTP/1.1 clients are cut and come back at once with their Last-Event-ID, while 10 events/s go on",
	Goal: "all live in ≤ 5 s; memory within 10 % a minute later",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		return l.reconnect(ctx, o, h1, or(l, 10_000, 1_000), 5)
	},
}

var reconnectH3 = scenario{
	Name: "reconnect-h3", About: "2,000 HTTP/3 clients are cut and come back at once with their Last-Event-ID, while 10 events/s go on",
	Goal: "all live in ≤ 10 s; memory within 10 % a minute later",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		return l.reconnect(ctx, o, h3, or(l, 2_000, 200), 10)
	},
}

func (l *lab) reconnect(ctx context.Context, o *Outcome, p protocol, clients int, goal float64) error {
	return l.withHub(func(h *hub) error {
		r := reconnection{target: h.target(sparseRate), wave: load{protocol: p, streams: clients, drain: drainTime, rate: sparseRate, events: events{vehicles: 50}}}
		r.before, r.after = or(l, 5*time.Second, 2*time.Second), or(l, minute, 5*time.Second)
		return r.run(ctx, o, goal)
	})
}

// reconnection is a wave of clients that return.
type reconnection struct {
	target        *target
	wave          load
	before, after time.Duration // of publishing
}

func (r *reconnection) run(ctx context.Context, o *Outcome, goal float64) error {
	m := newMeter()
	t := r.target
	open, err := r.wave.open(ctx, t, m, endless)
	if err != nil {
		return err
	}
	defer func() { open.close() }()
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	published := make(chan error, 1)
	s := schedule{time.Now().Add(lead), time.Duration(float64(time.Second) / r.wave.rate), endless}
	go func() { published <- t.publish(publishing, s, r.wave.events) }()
	if err := sleep(ctx, r.before); err != nil {
		return err
	}
	before, err := t.usage()
	if err != nil {
		return err
	}
	open.close()
	began := time.Now()
	again, failed, err := open.reopen(ctx, r.wave.protocol, m, func(int) opening {
		return opening{url: t.url(r.wave.protocol, "/stream?snapshot=false"), silent: t.silent, buffer: r.wave.buffer()}
	})
	if err != nil {
		return err
	}
	open = again
	took := time.Since(began)
	after, err := t.usage()
	if err != nil {
		return err
	}
	if err := sleep(ctx, r.after); err != nil {
		return err
	}
	later, err := t.usage()
	if err != nil {
		return err
	}
	o.most("all live in", "s", took.Seconds(), goal)
	o.most("memory later against before", "×", float64(later.resident)/float64(before.resident), 1.1)
	o.most("CPU", "µs/client", after.cpu.minus(before.cpu).per(float64(r.wave.streams)).Total, 0)
	o.note("resident %.1f MB before, %.1f MB when all were live, %.1f MB later", mb(before.resident), mb(after.resident), mb(later.resident))
	if failed > 0 {
		o.note("%d attempts to come back failed and were made again", failed)
	}
	stop()
	<-published
	return r.verify(ctx, open)
}

// verify requires that nobody missed anything of what was published by now, and that
// all are as far.
func (r *reconnection) verify(ctx context.Context, open *streams) error {
	if err := r.settle(ctx, open); err != nil {
		return err
	}
	open.close()
	if faults := open.faultsOfReturn(); faults.any() {
		return fmt.Errorf("after coming back: %v", faults)
	}
	return nil
}

// settle waits until all streams are as far, twice in a row, or have had long enough
// to be.
func (r *reconnection) settle(ctx context.Context, open *streams) error {
	pause, last := min(r.after, time.Second), int64(0)
	for until := time.Now().Add(max(r.wave.drain, 10*pause)); time.Now().Before(until); {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		least, most := open.progress()
		if least == most && most == last {
			return nil
		}
		last = most
	}
	return nil
}
