package bench

import (
	"context"
	"os"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
)

// What three hubs of one journal cost, all of them on this machine.

// withCluster starts three hubs for as long as do takes.
func (l *lab) withCluster(do func(target.Cluster) error, args ...string) error {
	state, err := os.MkdirTemp(l.dir, "cluster-")
	if err != nil {
		return err
	}
	c, err := target.StartCluster(l.hub, state, args...)
	if err != nil {
		return err
	}
	defer c.Stop()
	return do(c)
}

var clusterPublish = scenario{
	Name:  "cluster-publish",
	About: "an NDJSON upload to one of three hubs of a journal",
	Goal:  "≥ 150,000 positions per CPU second of all three together",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.withCluster(func(c target.Cluster) error {
			warm, events := or(l, 200_000, 20_000), or(l, 1_500_000, 100_000)
			if err := c[0].Prime(ctx, fresh(), 0, warm); err != nil {
				return err
			}
			before, err := usedBy(c)
			if err == nil {
				err = c[0].Prime(ctx, fresh(), warm, events)
			}
			if err != nil {
				return err
			}
			after, err := usedBy(c)
			if err != nil {
				return err
			}
			all := 0.0
			var each [len(c)]float64
			for i := range c {
				cost := after[i].Sub(before[i]).Per(float64(events - warm))
				each[i] = cost.Total
				all += cost.Total
			}
			o.AtLeast("positions per CPU second of all", "", 1e6/all, 150_000)
			o.AtMost("the hub that takes them", "µs", each[0], 0)
			o.AtMost("the second", "µs", each[1], 0)
			o.AtMost("the third", "µs", each[2], 0)
			return nil
		})
	},
}

var clusterLatency = scenario{
	Name:  "cluster-latency",
	About: "100 streams at one of three hubs, 1,000 events/s published to another; one hub without a journal",
	Goal:  "p99 with --journal-sync 1s at most 15 ms more than without a journal",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		load := l.dense(client.H1, 100)
		var off, sync, always *measure.Result
		err := l.withHub(func(h *target.Hub) (err error) {
			off, err = load.Measure(ctx, h.Target(load.Rate))
			return err
		}, journalOff)
		if err == nil {
			sync, err = l.clusterRun(ctx, load, o, "hub of three, sync 1s", "--journal-sync=1s")
		}
		if err == nil {
			always, err = l.clusterRun(ctx, load, o, "hub of three, sync always", "--journal-sync=always")
		}
		if err != nil {
			return err
		}
		off.Subject = "hub without a journal"
		o.Runs = append(o.Runs, off)
		o.AtMost("p99 more than without, sync 1s", "ms", sync.Delay.P99-off.Delay.P99, 15)
		o.AtMost("p99, sync 1s", "ms", sync.Delay.P99, 0)
		o.AtMost("p99, sync always", "ms", always.Delay.P99, 0)
		return nil
	},
}

var clusterDeliver = scenario{
	Name:  "cluster-deliver",
	About: "1,000 streams at one of three hubs, 1,000 events/s published to another, against one hub",
	Goal:  "CPU of the hub that delivers ≤ 1.1 × that of one hub",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		load := l.dense(client.H1, or(l, 1000, 200))
		one, err := l.alone(ctx, load, o)
		if err != nil {
			return err
		}
		run, err := l.clusterRun(ctx, load, o, "hub of three")
		if err != nil {
			return err
		}
		o.AtMost("CPU of a delivery against one hub", "×", run.CPU.Total/one.CPU.Total, 1.1)
		return nil
	},
}

// clusterRun puts a load on the second of three hubs, and publishes to the first.
func (l *lab) clusterRun(
	ctx context.Context, load measure.Load, o *report.Outcome, name string, args ...string,
) (run *measure.Result, err error) {
	err = l.withCluster(func(c target.Cluster) error {
		run, err = load.Measure(ctx, c.Target(name, load.Rate))
		return err
	}, args...)
	if err == nil {
		o.Runs = append(o.Runs, run)
	}
	return run, err
}

// usedBy returns the processor time of each hub.
func usedBy(c target.Cluster) (used [3]process.CPUTime, err error) {
	for i, pid := range c.PIDs() {
		if used[i], err = process.CPUTimeOf([]int{pid}); err != nil {
			return used, err
		}
	}
	return used, nil
}
