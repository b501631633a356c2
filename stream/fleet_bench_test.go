//go:build unix

package stream_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"livemap/geo"
	"livemap/stream"
)

// BenchmarkPublishFleet measures the CPU time of a position when the log is full and vehicles
// report in random order. More vehicles cost more because their memory is not in the processor's
// caches.
func BenchmarkPublishFleet(b *testing.B) {
	one := func(i int) stream.Query { return topicQuery(fmt.Sprintf("vehicle:vehicle-%05d", i)) }
	for _, way := range []struct {
		name    string
		publish func(*stream.Hub, []geo.Position) error
	}{{"Publish", publishEach}, {"PublishAll", publishAll}} {
		for _, streams := range []int{0, 10_000} {
			for _, vehicles := range []int{10, 100_000} {
				b.Run(fmt.Sprintf("%s/streams=%d/vehicles=%d", way.name, streams, vehicles), func(b *testing.B) {
					h := start(b, stream.Config{})
					p := publisher{hub: h, way: way.publish, fleet: fleetOf(b, vehicles)}
					for i := range p.fleet {
						p.fleet[i].Topics = p.fleet[i%10].Topics
					}
					for p.publish(b, 100_000); h.Stats().LogBytes < 63<<20; {
						p.publish(b, 10_000)
					}
					openStreams(b, h, streams, one)
					b.ReportAllocs()
					b.ResetTimer()
					p.cpu = 0
					p.publish(b, b.N)
					b.ReportMetric(float64(p.cpu)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
}

// BenchmarkPublishGrowth measures each of the first 100,000 positions, and each of as many after a
// million. With a full log, segments are dropped.
func BenchmarkPublishGrowth(b *testing.B) {
	var early, late time.Duration
	for b.Loop() {
		h := stream.New(stream.Config{})
		p := publisher{hub: h, way: publishEach, fleet: fleetOf(b, 1000)}
		p.publish(b, 1000)
		p.cpu = 0
		p.publish(b, 100_000)
		early += p.cpu
		p.publish(b, 900_000)
		p.cpu = 0
		p.publish(b, 100_000)
		late += p.cpu
		h.Close()
	}
	b.ReportMetric(float64(early)/float64(b.N)/100_000, "cpu-ns/early")
	b.ReportMetric(float64(late)/float64(b.N)/100_000, "cpu-ns/late")
}

// BenchmarkFleetMemory measures the live heap per vehicle, of 200,000, when its newest event of
// some 300 bytes has left the log.
func BenchmarkFleetMemory(b *testing.B) {
	const vehicles = 200_000
	fleet := fleetOf(b, vehicles)
	for b.Loop() {
		h := stream.New(stream.Config{History: 1 << 20})
		before := liveHeap()
		if err := publishEach(h, fleet); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(liveHeap()-before)/vehicles, "B/vehicle")
		h.Close()
	}
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func publishEach(h *stream.Hub, positions []geo.Position) error {
	for i := range positions {
		if _, err := h.Publish(&positions[i]); err != nil {
			return err
		}
	}
	return nil
}

func publishAll(h *stream.Hub, positions []geo.Position) (first error) {
	h.PublishAll(positions, func(_ int, _ stream.Receipt, err error) { first = cmp.Or(first, err) })
	return first
}

// publisher publishes for a fleet in random order.
type publisher struct {
	hub   *stream.Hub
	way   func(*stream.Hub, []geo.Position) error
	fleet []geo.Position
	n     int
	cpu   time.Duration // CPU time of publishing

	chosen []geo.Position
	warm   []byte
}

// publish publishes n positions.
func (r *publisher) publish(b *testing.B, n int) {
	for ; n > 0; n -= len(r.chosen) {
		r.choose(min(64, n))
		began := cpuTime()
		if err := r.way(r.hub, r.chosen); err != nil {
			b.Fatal(err)
		}
		r.cpu += cpuTime() - began
	}
}

// choose chooses positions and reads them. Then they are in the processor's caches, as after
// decoding.
func (r *publisher) choose(n int) {
	r.chosen = r.chosen[:0]
	for range n {
		r.n++
		p := r.fleet[rand.IntN(len(r.fleet))]
		p.Time = time.UnixMilli(1_700_000_000_000 + int64(r.n))
		r.warm = p.AppendFeature(r.warm[:0], p.Time)
		r.chosen = append(r.chosen, p)
	}
}

// cpuTime returns the CPU time of the process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
