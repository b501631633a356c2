package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/floor"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// Publishing, with nobody subscribed.

var publishNDJSON = scenario{
	Name: "publish-ndjson", About: "one NDJSON upload, as fast as the hub takes it", quick: true,
	Goal: "≥ 300,000 positions/s per core",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.publishing(ctx, o, func(h *target.Hub, until time.Time) (int64, error) {
			var sent int64
			ack, err := target.UploadLines(ctx, h.Internal+"/publish", func(w io.Writer) error {
				for e := fresh(); time.Now().Before(until) && ctx.Err() == nil; sent += publishBlock {
					if err := e.WriteLines(w, int(sent), int(sent+publishBlock), time.Now()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return sent, err
			}
			return sent, target.RequireAll(ack, int(sent))
		})
	},
}

var publishJSON = scenario{
	Name: "publish-json", quick: true,
	About: "JSON arrays of 1,000 positions over one connection, as fast as the hub takes them",
	Goal:  "≥ 300,000 positions/s per core",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.publishing(ctx, o, func(h *target.Hub, until time.Time) (sent int64, err error) {
			p := target.Poster{URL: h.Internal + "/publish", ContentType: "application/json"}
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			var body []byte
			for e := fresh(); err == nil && time.Now().Before(until); sent += publishBlock {
				body = e.AppendArray(body[:0], int(sent), int(sent+publishBlock), time.Now())
				err = p.Send(ctx, client, body)
			}
			return sent, err
		})
	},
}

const publishBlock = 1000 // positions

// fresh are events of 1,000 vehicles.
func fresh() workload.Events { return workload.Events{Vehicles: 1000} }

// publishing publishes for a while, and returns how many positions a second of the
// hub's processor time takes.
func (l *lab) publishing(
	ctx context.Context, o *report.Outcome, publish func(h *target.Hub, until time.Time) (int64, error),
) error {
	return l.withHub(func(h *target.Hub) error {
		if _, err := publish(h, time.Now().Add(or(l, 2*time.Second, time.Second))); err != nil {
			return err
		}
		began := time.Now()
		before, err := process.CPUTimeOf([]int{h.PID()})
		if err != nil {
			return err
		}
		sent, err := publish(h, began.Add(or(l, 10*time.Second, 4*time.Second)))
		if err != nil {
			return err
		}
		after, err := process.CPUTimeOf([]int{h.PID()})
		if err != nil {
			return err
		}
		publishingFigures(o, sent, after.Sub(before), time.Since(began))
		return nil
	})
}

// publishingFigures are those of so many positions that took so much of the hub's processor
// time, in so long.
func publishingFigures(o *report.Outcome, sent int64, used process.CPUTime, took time.Duration) {
	o.AtLeast("positions/s per core", "", float64(sent)/used.Total.Seconds(), 300_000)
	o.AtMost("each", "µs CPU", used.Per(float64(sent)).Total, 0)
	o.AtMost("reached", "positions/s", float64(sent)/took.Seconds(), 0)
}

var publishPost = scenario{
	Name: "publish-post", quick: true,
	About: "one POST for each position, over four connections that are kept, against an empty chi handler",
	Goal:  "CPU ≤ 1.5 × an empty chi handler",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		var hubCost, chiCost *process.CPU
		err := l.withHub(func(h *target.Hub) (err error) {
			hubCost, err = l.posts(ctx, h.Internal, h.PID())
			return err
		})
		if err != nil {
			return err
		}
		chi, err := target.StartFloor(l.program, floor.Setup{Kind: "chi"})
		if err != nil {
			return err
		}
		defer chi.Stop()
		if chiCost, err = l.posts(ctx, chi.URL(client.H1, ""), chi.PIDs[0]); err != nil {
			return err
		}
		o.AtMost("hub", "µs CPU/POST", hubCost.Total, 0)
		o.AtMost("empty chi handler", "µs CPU/POST", chiCost.Total, 0)
		o.AtMost("hub against chi", "×", hubCost.Total/chiCost.Total, 1.5)
		return nil
	},
}

// posts publishes one position with each request, and returns what a request costs.
func (l *lab) posts(ctx context.Context, address string, pid int) (*process.CPU, error) {
	if _, _, err := postFor(ctx, address, pid, time.Second); err != nil {
		return nil, err
	}
	used, sent, err := postFor(ctx, address, pid, or(l, 10*time.Second, 4*time.Second))
	return used.Per(float64(sent)), err
}

// postFor posts for some time, at least once over each connection, and returns the
// server's processor time and how many it took.
func postFor(ctx context.Context, address string, pid int, d time.Duration) (process.CPUTime, int64, error) {
	const connections = 4
	var sent atomic.Int64
	before, err := process.CPUTimeOf([]int{pid})
	if err != nil {
		return before, 0, err
	}
	until := time.Now().Add(d)
	posting, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		posting.Go(func() error {
			p := target.Poster{URL: address + "/publish", ContentType: "application/json"}
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			var body []byte
			for n := int(time.Now().UnixMicro()%1e9) * connections; ; n += connections {
				// Each connection has vehicles of its own: order over connections is nobody's.
				body = workload.Events{Vehicles: 1000}.AppendPosition(body[:0], n-n%connections+i, time.Now())
				if err := p.Send(ctx, client, bytes.Clone(body)); err != nil {
					return err
				}
				sent.Add(1)
				if time.Now().After(until) {
					return nil
				}
			}
		})
	}
	if err := posting.Wait(); err != nil {
		return before, 0, err
	}
	after, err := process.CPUTimeOf([]int{pid})
	return after.Sub(before), sent.Load(), err
}
