package stream_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"livemap/geo"
	"livemap/stream"
)

// BenchmarkList lists vehicles of a fleet of 200,000, while another goroutine publishes. publish-max-µs is
// the longest that a publish took meanwhile, with what the scheduler adds.
func BenchmarkList(b *testing.B) {
	const vehicles = 200_000
	h := stream.New(stream.Config{History: 256 << 20})
	defer h.Close()
	names := make([]string, vehicles)
	for n := range names {
		names[n] = fmt.Sprintf("TRUCK-%06d", n)
		publish(b, h, names[n], fmt.Sprintf(`"topics":["depot:%d","kind:truck"],"driver":"Zita Müller","n":%d`,
			n%100, n))
	}
	middle := names[vehicles/2]
	for _, c := range []struct {
		name string
		list func()
	}{
		{"page", func() { h.List(&fleetQuery, stream.Part{After: middle, Limit: 100}, nil) }},
		{"topic", func() { h.List(topicPointer("depot:7"), stream.Part{Limit: 100}, nil) }},
		{"rights", func() {
			h.List(&stream.Query{Topics: fleetQuery.Topics, Only: []string{"vehicle:VAN-*"}},
				stream.Part{Limit: 100}, nil)
		}},
		{"search", func() {
			h.List(&fleetQuery, stream.Part{Limit: 100}, geo.NewSearch(geo.ParseWords("muller nobody")).Match)
		}},
		{"near", func() { h.Nearest(&fleetQuery, geo.Point{13, 52}, 100, nil) }},
		{"topics", func() { h.Topics(stream.Part{Limit: 100}, everyone) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var stop atomic.Bool
			longest := make(chan time.Duration)
			go func() {
				var most time.Duration
				for n := 0; !stop.Load(); n++ {
					p := position(b, names[n%vehicles], fmt.Sprintf(`"n":%d`, n))
					begun := time.Now()
					h.Publish(p)
					most = max(most, time.Since(begun))
					time.Sleep(100 * time.Microsecond)
				}
				longest <- most
			}()
			for b.Loop() {
				c.list()
			}
			stop.Store(true)
			b.ReportMetric(float64((<-longest).Microseconds()), "publish-max-µs")
		})
	}
}

func topicPointer(id string) *stream.Query {
	q := topicQuery(id)
	return &q
}
