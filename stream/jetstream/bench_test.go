package jetstream_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// positionSize is what a position takes in a message, in bytes, before the message is compressed.
const positionSize = 268

// BenchmarkPost posts messages and follows them, with 64 under way. An operation is a position.
func BenchmarkPost(b *testing.B) {
	for _, positions := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(positions, "-positions"), func(b *testing.B) {
			c := config(b.TempDir())
			c.MaxBytes = 1 << 30
			j := open(b, c)
			count := max(1, b.N/positions)
			b.ResetTimer()
			before := cpuTime()
			var both sync.WaitGroup
			both.Go(func() { postMany(b, j, count, positions*positionSize) })
			both.Go(func() { followMany(b, j, count) })
			both.Wait()
			b.ReportMetric(float64(cpuTime()-before)/1e3/float64(count*positions), "cpu-us/op")
		})
	}
}

// BenchmarkReplay follows messages of 256 positions that are stored. An operation is a position.
func BenchmarkReplay(b *testing.B) {
	const positions, count = 256, 8000
	c := config(b.TempDir())
	c.MaxBytes = 1 << 30
	j, err := jetstream.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	postMany(b, j, count, positions*positionSize)
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	j = open(b, c)
	b.ResetTimer()
	before := cpuTime()
	done := 0
	for ; done < b.N; done += count * positions {
		followMany(b, j, count)
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "positions/s")
	b.ReportMetric(float64(cpuTime()-before)/1e3/float64(done), "cpu-us/op")
}

// postMany posts messages, with 64 under way.
func postMany(b *testing.B, j *jetstream.Journal, count, size int) {
	message := make([]byte, size)
	rand.Read(message)
	window := make(chan struct{}, 64)
	for range count {
		window <- struct{}{}
		j.Post(message, func(_ uint64, err error) {
			if err != nil {
				b.Error(err)
			}
			<-window
		})
	}
	for range cap(window) {
		window <- struct{}{}
	}
}

// followMany follows so many messages.
func followMany(b *testing.B, j *jetstream.Journal, count int) {
	n := 0
	err := j.Follow(context.Background(), stream.Place{}, func(stream.Place, []byte) error {
		if n++; n == count {
			return errEnough
		}
		return nil
	})
	if err != errEnough {
		b.Error(err)
	}
}
