package bench

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// What the journal costs: a hub with the embedded one against the same without.

const journalOff = "--journal=off"

var journalPublish = scenario{
	Name: "journal-publish", quick: true,
	About: "an NDJSON upload, and one POST for each position over four connections, with and without a journal",
	Goal:  "≥ 350,000 positions per CPU second as NDJSON; a POST ≤ 1.3 × one without a journal",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		var ndjson, post [2][]float64 // without and with a journal, µs CPU for each position
		for range 3 {
			for i, args := range [][]string{{journalOff}, nil} {
				err := l.withHub(func(h *target.Hub) error {
					each, err := l.ndjsonCost(ctx, h)
					if err != nil {
						return err
					}
					ndjson[i] = append(ndjson[i], each.Total)
					if each, err = l.posts(ctx, h.Internal, h.PID()); err == nil {
						post[i] = append(post[i], each.Total)
					}
					return err
				}, args...)
				if err != nil {
					return err
				}
			}
		}
		// Other work can only add to what a run costs, so the cheapest of each counts.
		o.AtLeast("NDJSON, positions per CPU second", "", 1e6/slices.Min(ndjson[1]), 350_000)
		o.AtMost("POST against none", "×", slices.Min(post[1])/slices.Min(post[0]), 1.3)
		o.AtMost("NDJSON against none", "×", slices.Min(ndjson[1])/slices.Min(ndjson[0]), 0)
		o.Note("three runs in turn, µs CPU: NDJSON %.2f, without a journal %.2f; POST %.0f and %.0f",
			ndjson[1], ndjson[0], post[1], post[0])
		return nil
	},
}

// ndjsonCost returns what a position of an upload costs.
func (l *lab) ndjsonCost(ctx context.Context, h *target.Hub) (*process.CPU, error) {
	warm, events := or(l, 500_000, 100_000), or(l, 2_000_000, 500_000)
	if err := h.Prime(ctx, fresh(), 0, warm); err != nil {
		return nil, err
	}
	before, err := process.CPUTimeOf([]int{h.PID()})
	if err == nil {
		err = h.Prime(ctx, fresh(), warm, events)
	}
	if err != nil {
		return nil, err
	}
	after, err := process.CPUTimeOf([]int{h.PID()})
	return after.Sub(before).Per(float64(events - warm)), err
}

var journalStart = scenario{
	Name:  "journal-start",
	About: "a killed hub of 200,000 vehicles starts again, with 1,000,000 events to replay",
	Goal:  "ready in ≤ 5 s",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		state, err := os.MkdirTemp(l.dir, "hub-")
		if err != nil {
			return err
		}
		h, err := target.StartHub(l.hub, state)
		if err != nil {
			return err
		}
		defer func() { h.Stop() }()
		vehicles, events := or(l, 200_000, 20_000), or(l, 1_200_000, 120_000)
		if err := h.Prime(ctx, workload.Events{Vehicles: vehicles}, 0, events); err != nil {
			return err
		}
		killed, err := os.FindProcess(h.PID())
		if err == nil {
			err = killed.Kill()
		}
		h.Stop()
		if err != nil {
			return err
		}
		// A state that was saved meanwhile would leave less to replay.
		saved, err := filepath.Glob(filepath.Join(state, "journal-state*"))
		for _, name := range saved {
			err = errors.Join(err, os.Remove(name))
		}
		if err != nil {
			return err
		}
		began := time.Now()
		if h, err = target.StartHub(l.hub, state); err != nil {
			return err
		}
		took := time.Since(began)
		used, err := process.CPUTimeOf([]int{h.PID()})
		if err != nil {
			return err
		}
		metrics, err := h.Metrics(ctx)
		if err != nil {
			return err
		}
		o.AtMost("ready in", "s", took.Seconds(), 5)
		o.AtMost("CPU until then", "s", used.Total.Seconds(), 0)
		o.Note("%d events were published, and it knows %.0f vehicles", events, metrics.Value("livemap_vehicles"))
		return nil
	},
}

var journalResident = scenario{
	Name:  "journal-resident",
	About: "resident memory at 1,000 positions/s of 10,000 vehicles, with the journal and without",
	Goal:  "≤ 120 MB more than without",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		var resident [2]int64
		for i, args := range [][]string{{journalOff}, nil} {
			err := l.withHub(func(h *target.Hub) (err error) {
				seconds := or(l, 120, 10)
				s := workload.Schedule{Start: time.Now(), Period: time.Millisecond, Events: 1000 * seconds}
				publish := target.HubPublisher(h.Internal, 1000)
				if err := publish(ctx, s, workload.Events{Vehicles: 10_000}); err != nil {
					return err
				}
				resident[i], err = process.ResidentOf([]int{h.PID()})
				return err
			}, args...)
			if err != nil {
				return err
			}
		}
		o.AtMost("more than without", "MB", float64(resident[1]-resident[0])/1e6, 120)
		o.AtMost("resident", "MB", float64(resident[1])/1e6, 0)
		return nil
	},
}

var journalSave = scenario{
	Name: "journal-save",
	About: "publishing one by one while the state of 200,000 vehicles is saved: every 10 s, since an upload " +
		"brings 20,000 positions/s",
	Goal: "the longest publish ≤ 20 ms",
	run: func(ctx context.Context, l *lab, o *report.Outcome) error {
		return l.withHub(func(h *target.Hub) error {
			vehicles := or(l, 200_000, 20_000)
			if err := h.Prime(ctx, workload.Events{Vehicles: vehicles}, 0, vehicles); err != nil {
				return err
			}
			d := or(l, 35*time.Second, 12*time.Second)
			uploaded := make(chan error, 1)
			go func() {
				const rate = 20_000
				upload := target.HubPublisher(h.Internal, rate)
				s := workload.Schedule{Start: time.Now(), Period: time.Second / rate, Events: int(d.Seconds()) * rate}
				uploaded <- upload(ctx, s, workload.Events{Vehicles: vehicles})
			}()
			waits, err := postWaits(ctx, h, vehicles, d)
			if err = errors.Join(err, <-uploaded); err != nil {
				return err
			}
			slices.Sort(waits)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			o.AtMost("longest publish", "ms", ms(waits[len(waits)-1]), 20)
			o.AtMost("99.9 % within", "ms", ms(waits[len(waits)*999/1000]), 0)
			o.AtMost("half within", "ms", ms(waits[len(waits)/2]), 0)
			o.Note("%d requests; the machine's own delays are part of it", len(waits))
			return nil
		})
	},
}

// postWaits publishes a position every 2 ms, of vehicles in turn, and returns how long each request took.
func postWaits(
	ctx context.Context, h *target.Hub, vehicles int, d time.Duration,
) (waits []time.Duration, err error) {
	p := target.Poster{URL: h.Internal + "/publish", ContentType: "application/json"}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	e := workload.Events{Vehicles: vehicles}
	var body []byte
	const first = 1_000_000_007 // of other positions than those of an upload
	for n, began := first, time.Now(); time.Since(began) < d; n++ {
		sent := time.Now()
		body = e.AppendPosition(body[:0], n, sent)
		if err := p.Send(ctx, client, body); err != nil {
			return nil, err
		}
		waits = append(waits, time.Since(sent))
		if err := workload.Sleep(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return waits, nil
}
