package bench

import (
	"context"
	"fmt"
	"time"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
)

// These scenarios compare the cost of a delivery and of a publish as a hub grows.

const growthGoal = 1.15

var growthStreams = scenario{
	Name: "growth-streams", About: "a delivery to 8,000 streams against one to 500, HTTP/1.1, 3 events/s",
	Goal: "≤ 1.15 × as dear",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		for _, streams := range []int{500, or(l, 8000, 2000)} {
			load := l.sparse(client.H1, streams, time.Second)
			load.Rate = 3 // the floor takes some 130 ms for an event to 8,000
			if _, err := l.against(ctx, load, o, "write", ""); err != nil {
				return err
			}
		}
		growthFigures(o)
		return nil
	},
}

// growthFigures compares the last two runs, the hub's and the floor's with many streams,
// with the first two.
func growthFigures(o *report.Outcome) {
	few, fewFloor, many, manyFloor := o.Runs[0], o.Runs[1], o.Runs[2], o.Runs[3]
	o.AtMost("hub", "×", many.CPU.Total/few.CPU.Total, growthGoal)
	o.AtMost("write(2)", "×", manyFloor.CPU.Total/fewFloor.CPU.Total, 0)
	for _, r := range o.Runs {
		r.Subject = fmt.Sprintf("%s, %s", r.Subject, report.Thousands(int64(r.Streams)))
	}
}

var growthEvents = scenario{
	Name: "growth-events",
	About: "a delivery (200 streams, HTTP/1.1, 1,000 events/s) and a publish (NDJSON) after " +
		"1,000,000 events against before",
	Goal: "≤ 1.15 × as dear",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.withHub(func(h *target.Hub) error {
			delivery, publish, err := l.costs(ctx, h, o, "hub, fresh", aside)
			if err != nil {
				return err
			}
			if err := h.Prime(ctx, fresh(), 2*aside, 2*aside+or(l, 1_000_000, 200_000)); err != nil {
				return err
			}
			grownDelivery, grownPublish, err := l.costs(ctx, h, o, "hub, grown", 3*aside)
			if err != nil {
				return err
			}
			o.AtMost("a delivery", "×", grownDelivery/delivery, growthGoal)
			o.AtMost("a publish", "×", grownPublish/publish, growthGoal)
			o.Note("a publish cost %s µs, then %s µs", report.Number(publish), report.Number(grownPublish))
			return nil
		})
	},
}

// costs returns what a delivery and a publish cost now, in microseconds.
func (l *lab) costs(
	ctx context.Context, h *target.Hub, o *report.Outcome, subject string, from int,
) (delivery, publish float64, err error) {
	load := l.dense(client.H1, 200)
	load.Window = 5 * time.Second
	t := h.Target(load.Rate)
	run, err := load.Measure(ctx, t)
	if err != nil {
		return 0, 0, err
	}
	run.Subject = subject
	o.Runs = append(o.Runs, run)
	const positions = 200_000
	begun, err := t.Usage()
	if err != nil {
		return 0, 0, err
	}
	if err := h.Prime(ctx, fresh(), from, from+positions); err != nil {
		return 0, 0, err
	}
	ended, err := t.Usage()
	if err != nil {
		return 0, 0, err
	}
	return run.CPU.Total, ended.CPU.Sub(begun.CPU).Per(positions).Total, nil
}
