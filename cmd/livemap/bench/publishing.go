package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Publishing, with nobody subscribed.

var publishNDJSON = scenario{
	Name: "publish-ndjson", About: "one NDJSON upload, as fast as the hub takes it", quick: true,
	Goal: "≥ 300,000 positions/s per core",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		return l.publishing(ctx, o, func(h *hub, until time.Time) (int64, error) {
			var sent int64
			ack, err := uploadLines(ctx, h.internal+"/publish", func(w io.Writer) error {
				for e := fresh(); time.Now().Before(until) && ctx.Err() == nil; sent += publishBlock {
					if err := e.lines(w, int(sent), int(sent+publishBlock), time.Now()); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return sent, err
			}
			return sent, requireAll(ack, int(sent))
		})
	},
}

var publishJSON = scenario{
	Name: "publish-json", About: "JSON arrays of 1,000 positions over one connection, as fast as the hub takes them", quick: true,
	Goal: "≥ 300,000 positions/s per core",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		return l.publishing(ctx, o, func(h *hub, until time.Time) (sent int64, err error) {
			p := poster{url: h.internal + "/publish", contentType: "application/json"}
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			var body []byte
			for e := fresh(); err == nil && time.Now().Before(until); sent += publishBlock {
				body = e.array(body[:0], int(sent), int(sent+publishBlock), time.Now())
				err = p.send(ctx, client, body)
			}
			return sent, err
		})
	},
}

const publishBlock = 1000 // positions

// fresh are events of 1,000 vehicles.
func fresh() events { return events{vehicles: 1000} }

// publishing publishes for a while, and gives how many positions a second of the
// hub's processor time takes.
func (l *lab) publishing(ctx context.Context, o *Outcome, publish func(h *hub, until time.Time) (int64, error)) error {
	return l.withHub(func(h *hub) error {
		if _, err := publish(h, time.Now().Add(or(l, 2*time.Second, time.Second))); err != nil {
			return err
		}
		began := time.Now()
		before, err := cpuOf([]int{h.pid()})
		if err != nil {
			return err
		}
		sent, err := publish(h, began.Add(or(l, 10*time.Second, 4*time.Second)))
		if err != nil {
			return err
		}
		after, err := cpuOf([]int{h.pid()})
		if err != nil {
			return err
		}
		used := after.minus(before)
		o.least("positions/s per core", "", float64(sent)/used.total.Seconds(), 300_000)
		o.most("each", "µs CPU", used.per(float64(sent)).Total, 0)
		o.most("reached", "positions/s", float64(sent)/time.Since(began).Seconds(), 0)
		return nil
	})
}

var publishPost = scenario{
	Name: "publish-post", About: "one POST for each position, over four connections that are kept, against an empty chi handler", quick: true,
	Goal: "CPU ≤ 1.5 × an empty chi handler",
	run: func(ctx context.Context, l *lab, o *Outcome) error {
		var hubCost, chiCost *CPU
		err := l.withHub(func(h *hub) (err error) {
			hubCost, err = l.posts(ctx, h.internal, h.pid())
			return err
		})
		if err != nil {
			return err
		}
		chi, err := startFloor(l.program, floorSetup{Kind: "chi"})
		if err != nil {
			return err
		}
		defer chi.stop()
		if chiCost, err = l.posts(ctx, chi.url(h1, ""), chi.pids[0]); err != nil {
			return err
		}
		o.most("hub", "µs CPU/POST", hubCost.Total, 0)
		o.most("empty chi handler", "µs CPU/POST", chiCost.Total, 0)
		o.most("hub against chi", "×", hubCost.Total/chiCost.Total, 1.5)
		return nil
	},
}

// posts publishes one position with each request, and gives what a request costs.
func (l *lab) posts(ctx context.Context, address string, pid int) (*CPU, error) {
	if _, _, err := postFor(ctx, address, pid, time.Second); err != nil {
		return nil, err
	}
	used, sent, err := postFor(ctx, address, pid, or(l, 10*time.Second, 4*time.Second))
	return used.per(float64(sent)), err
}

// postFor posts for some time, and gives the server's processor time and how many
// it took.
func postFor(ctx context.Context, address string, pid int, d time.Duration) (cpuTime, int64, error) {
	const connections = 4
	var sent atomic.Int64
	before, err := cpuOf([]int{pid})
	if err != nil {
		return before, 0, err
	}
	until := time.Now().Add(d)
	posting, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		posting.Go(func() error {
			p := poster{url: address + "/publish", contentType: "application/json"}
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			var body []byte
			for n := int(time.Now().UnixMicro()%1e9) * connections; time.Now().Before(until); n += connections {
				// Each connection has vehicles of its own: order over connections is nobody's.
				body = events{vehicles: 1000}.appendPosition(body[:0], n-n%connections+i, time.Now())
				if err := p.send(ctx, client, bytes.Clone(body)); err != nil {
					return err
				}
				sent.Add(1)
			}
			return nil
		})
	}
	if err := posting.Wait(); err != nil {
		return before, 0, err
	}
	after, err := cpuOf([]int{pid})
	return after.minus(before), sent.Load(), err
}
