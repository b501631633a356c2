package stream_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// fleetOf returns positions of n vehicles, each in the topics x and t<i%10>.
func fleetOf(b *testing.B, n int) []geo.Position {
	all := make([]geo.Position, n)
	for i := range all {
		all[i] = *position(b, fmt.Sprintf("vehicle-%05d", i),
			fmt.Sprintf(`"lat":%d,"lon":%d,"speed_kmh":85,"heading":271,"topics":["x","t%d"]`, i%90, i%180, i%10))
	}
	return all
}

// openStreams opens n streams that discard what they receive, until the benchmark ends.
func openStreams(b *testing.B, h *stream.Hub, n int, query func(i int) stream.Query) {
	ctx, cancel := context.WithCancel(context.Background())
	var streams sync.WaitGroup
	var begun sync.WaitGroup
	begun.Add(n)
	for i := range n {
		s := h.Subscribe(query(i))
		streams.Go(func() {
			var once sync.Once
			s.Serve(ctx, func(p []byte) error {
				if len(p) < 8<<10 { // the last write of a snapshot
					once.Do(begun.Done)
				}
				return nil
			})
		})
	}
	begun.Wait()
	b.Cleanup(func() {
		cancel()
		streams.Wait()
	})
}

// BenchmarkPublish measures how long a publisher waits while subscribers take everything at once.
func BenchmarkPublish(b *testing.B) {
	everyone := func(int) stream.Query { return fleetQuery }
	one := func(i int) stream.Query { return topicQuery(fmt.Sprintf("vehicle:vehicle-%05d", i)) }
	for _, test := range []struct {
		name  string
		n     int
		query func(int) stream.Query
	}{
		{"subscribers=0", 0, everyone},
		{"whole=100", 100, everyone},
		{"whole=10000", 10_000, everyone},
		{"vehicle=10000", 10_000, one},
	} {
		b.Run(test.name, func(b *testing.B) {
			h := start(b, stream.Config{})
			fleet := fleetOf(b, 10_000)
			openStreams(b, h, test.n, test.query)
			written := h.Stats().Written
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				p := &fleet[n%len(fleet)]
				p.Time = time.UnixMilli(1_700_000_000_000 + int64(n))
				if _, err := h.Publish(p); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(h.Stats().Written-written)/float64(n), "deliveries/op")
		})
	}
}

// BenchmarkPublishParallel measures many publishers at once.
func BenchmarkPublishParallel(b *testing.B) {
	h := start(b, stream.Config{})
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		fleet := fleetOf(b, 100)
		g := next.Add(1)
		for i := range fleet {
			fleet[i].VehicleID = fmt.Sprint(g, "-", i)
		}
		for n := 0; pb.Next(); n++ {
			p := &fleet[n%len(fleet)]
			p.Time = time.UnixMilli(1_700_000_000_000 + int64(n))
			if _, err := h.Publish(p); err != nil {
				panic(err)
			}
		}
	})
}

// BenchmarkSnapshot measures the start of a stream, with a fleet of 10,000.
func BenchmarkSnapshot(b *testing.B) {
	h := start(b, stream.Config{})
	fleet := fleetOf(b, 10_000)
	for i := range fleet {
		_, err := h.Publish(&fleet[i])
		require.NoError(b, err)
	}
	for _, test := range []struct {
		name string
		q    stream.Query
	}{
		{"whole", fleetQuery},
		{"topic", topicQuery("t3")},
		{"vehicle", topicQuery("vehicle:vehicle-00007")},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithCancel(context.Background())
				h.Subscribe(test.q).Serve(ctx, func(p []byte) error {
					if len(p) > 8 && len(p) < 16<<10 && isLive(p) {
						cancel()
					}
					return nil
				})
			}
		})
	}
}

func isLive(p []byte) bool {
	const end = 200
	tail := p[max(0, len(p)-end):]
	return between(string(tail), "event: ", "\n") == "live"
}
