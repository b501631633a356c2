package bench

import (
	"context"
	"fmt"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// Streams of a part of the fleet: boxes, topics, intervals.

var filtered = scenario{
	Name: "filtered",
	About: "2,000 streams with boxes, each matching 1 % of 1,000 events/s, against the same " +
		"deliveries by topic",
	Goal: "CPU ≤ 1.5 × by topic",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		load := l.dense(client.H1, or(l, 2000, 500))
		load.Events = workload.Events{Vehicles: 1000, Groups: 100, Topics: true}
		load.Check = func(i, events int) client.Check { return client.EveryOf(events, 100, i%100) }
		load.Path = func(i int) string {
			w, s, e, n := load.Events.Area(i % 100)
			return fmt.Sprintf("/stream?snapshot=false&bbox=%g,%g,%g,%g", w, s, e, n)
		}
		boxes, err := l.alone(ctx, load, o)
		if err != nil {
			return err
		}
		boxes.Subject = "hub, boxes"
		load.Path = func(i int) string {
			return "/topics/" + load.Events.Topic(i%100) + "/stream?snapshot=false"
		}
		topics, err := l.alone(ctx, load, o)
		if err != nil {
			return err
		}
		topics.Subject = "hub, topics"
		o.AtMost("CPU of boxes against topics", "×", boxes.CPU.Total/topics.CPU.Total, 1.5)
		return nil
	},
}

const (
	manyRate = 20_000      // positions a second
	aside    = 500_000_000 // from here on are numbers of events that are not a run's
)

var manyTopics = scenario{
	Name: "many-topics",
	About: "100,000 vehicles, 10,000 streams on the topic of one each, 20,000 positions/s, " +
		"against 10 vehicles with as many streams woken",
	Goal: "≤ 0.7 µs more per position",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		var few, many leastBusy
		for range or(l, 4, 1) { // in turn, as the machine may be faster now and slower then
			if err := few.try(ctx, l, l.fewVehicles(), "hub, 10 vehicles"); err != nil {
				return err
			}
			if err := many.try(ctx, l, l.manyVehicles(), "hub, 100,000"); err != nil {
				return err
			}
		}
		o.Runs = append(o.Runs, few.run, many.run)
		o.AtMost("10 vehicles", "µs/position", few.position(), 0)
		o.AtMost("100,000 vehicles", "µs/position", many.position(), 0)
		o.AtMost("more", "µs/position", many.position()-few.position(), 0.7)
		return nil
	},
}

// leastBusy keeps the cheapest of several runs: other work on the machine can only add to the
// cost of a run.
type leastBusy struct {
	run  *measure.Result
	rate float64 // positions a second
}

// try puts a load on a hub that knows its vehicles.
func (b *leastBusy) try(ctx context.Context, lab *lab, l measure.Load, subject string) error {
	return lab.withHub(func(h *target.Hub) error {
		if err := h.Prime(ctx, l.Events, aside, aside+l.Events.Vehicles); err != nil {
			return err
		}
		run, err := l.Measure(ctx, h.Target(l.Rate))
		if err == nil {
			run.Subject = subject
			b.keep(run, l.Rate)
		}
		return err
	})
}

// keep keeps the run that cost least. A run with faults takes precedence over all others, so
// that cheap runs do not hide it.
func (b *leastBusy) keep(run *measure.Result, rate float64) {
	if b.run == nil || b.run.Faults == nil && (run.Faults != nil || run.Busy < b.run.Busy) {
		b.run, b.rate = run, rate
	}
}

// position is the processor time of a position in microseconds.
func (b *leastBusy) position() float64 { return b.run.Busy / b.rate * 1e6 }

// manyVehicles report in turn, so one position in ten wakes one of 10,000 streams.
func (l *lab) manyVehicles() measure.Load {
	load := l.dense(client.H1, or(l, 10_000, 2_000))
	load.Rate, load.Window = manyRate, or(l, 8*time.Second, 5*time.Second)
	load.Events = workload.Events{Vehicles: 10 * load.Streams}
	load.Check = func(i, events int) client.Check {
		return client.EveryOf(events, load.Events.Vehicles, 10*i)
	}
	load.Path = ofVehicle(func(i int) int { return 10 * i })
	return load
}

// fewVehicles have as many streams, of which as many are woken in a second, with one
// event each: 50 at once, 40 times.
func (l *lab) fewVehicles() measure.Load {
	const woken, times = 50, 40
	load := l.manyVehicles()
	load.Events = workload.Events{Vehicles: 10, Rare: manyRate / times}
	load.Check = func(i, events int) client.Check {
		if i < woken {
			return client.EveryOf(events, load.Events.Rare, 0)
		}
		return client.None(events)
	}
	load.Path = ofVehicle(func(i int) int {
		if i < woken {
			return load.Events.Vehicles - 1
		}
		return 1000 + i // which never reports
	})
	return load
}

func ofVehicle(vehicle func(i int) int) func(i int) string {
	return func(i int) string {
		return "/topics/vehicle:" + workload.VehicleID(vehicle(i)) + "/stream?snapshot=false"
	}
}

var interval = scenario{
	Name:  "interval",
	About: "100 streams with interval=1s, 200 vehicles at 5 Hz, against the same streams without",
	Goal:  "≤ a third of the CPU, publishing apart",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		quiet := l.dense(client.H1, 1) // what the streams cost is what there is beyond publishing
		quiet.Path = func(int) string { return "/topics/vehicle:nobody/stream?snapshot=false" }
		quiet.Check = func(_, events int) client.Check { return client.None(events) }
		alone, err := l.alone(ctx, quiet, o)
		if err != nil {
			return err
		}
		alone.Subject, alone.Delay = "hub, publishing alone", nil
		load := l.dense(client.H1, 100)
		each, err := l.alone(ctx, load, o)
		if err != nil {
			return err
		}
		each.Subject = "hub, every event"
		load.Path = func(int) string { return "/stream?snapshot=false&interval=1s" }
		load.Check = func(_, events int) client.Check { return client.NewestOf(events, load.Events.Vehicles) }
		load.WarmUp = 3 * time.Second
		newest, err := l.alone(ctx, load, o)
		if err != nil {
			return err
		}
		newest.Subject = "hub, interval=1s"
		newest.Delay = nil // waiting is what was asked for
		intervalFigures(o, alone, each, newest)
		return nil
	},
}

// intervalFigures compares streams with an interval with those of every event, without
// what publishing costs.
func intervalFigures(o *report.Outcome, alone, each, newest *measure.Result) {
	o.AtMost("publishing alone", "CPU seconds/s", alone.Busy, 0)
	o.AtMost("every event", "CPU seconds/s", each.Busy, 0)
	o.AtMost("interval=1s", "CPU seconds/s", newest.Busy, 0)
	o.AtMost("interval=1s against every event, with publishing", "×", newest.Busy/each.Busy, 0)
	o.AtMost(
		"interval=1s against every event, publishing apart",
		"×",
		(newest.Busy-alone.Busy)/(each.Busy-alone.Busy),
		1.0/3,
	)
}
