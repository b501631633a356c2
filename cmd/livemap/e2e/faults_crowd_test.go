//go:build faults && linux

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

// resident returns the hub's memory, in MiB.
func (h *runningHub) resident(t testing.TB) float64 {
	t.Helper()
	return h.metric(t, "process_resident_memory_bytes") / mib
}

// fixedPorts returns flags of ports that stay the same when a hub is started again,
// and of a folder for its state.
func fixedPorts(t *testing.T) []string {
	t.Helper()
	return []string{"--listen", freePort(t), "--proxy-listen", freePort(t), "--publish-listen", freePort(t),
		"--state-dir", t.TempDir()}
}

// plenty makes readers over all protocols: half of them in plaintext, each on a
// connection of its own, the others in equal parts over HTTP/2 and HTTP/3, ten on
// each connection.
func plenty(t *testing.T, hub *runningHub, book *ledger, size int, path string) (readers []*ledgerReader) {
	t.Helper()
	plain := newWireClient(t, "h1", &tls.Config{})
	var client *wireClient
	for i := range size {
		switch {
		case i < size/2:
			readers = append(readers, book.begin(t, plain, hub.proxy+path))
			continue
		case i%10 == 0:
			client = hub.client(t, []string{"h2", "h3"}[i/10%2])
		}
		readers = append(readers, book.begin(t, client, hub.public+path))
	}
	allLive(t, readers)
	return readers
}

func allLive(t *testing.T, readers []*ledgerReader) {
	t.Helper()
	for _, r := range readers {
		r.await(t, "live", func(c ledgerCounts) bool { return len(c.lives) > 0 })
	}
}

// stopwatch measures how long positions take from being published to a reader.
type stopwatch struct {
	mu     sync.Mutex
	sent   map[int]time.Time
	delays []time.Duration
}

// times has every 10th reader timed.
func (s *stopwatch) times(readers []*ledgerReader) {
	for i := 0; i < len(readers); i += 10 {
		r := readers[i]
		r.mu.Lock()
		r.took = func(_ string, number int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if sent, known := s.sent[number]; known {
				s.delays = append(s.delays, time.Since(sent))
			}
		}
		r.mu.Unlock()
	}
}

// publishes publishes for a while at a fixed pace, and logs how long delivery took.
func (s *stopwatch) publishes(t *testing.T, hub *runningHub, book *ledger, times int, every time.Duration,
	when string) {
	t.Helper()
	s.mu.Lock()
	s.sent, s.delays = map[int]time.Time{}, nil
	s.mu.Unlock()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for range times {
		<-ticks.C
		s.mu.Lock()
		s.sent[book.taken[0]+1] = time.Now()
		s.mu.Unlock()
		book.publish(t, hub)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.delays, "nothing was delivered %s", when)
	t.Logf("%s: delivery %s", when, percentiles(s.delays))
	// they are in order now
	assert.Less(t, s.delays[len(s.delays)*99/100], 10*time.Second, "one of others is in everybody's way")
}

// slowly lets a reader take some 16 KiB a second, an event at a time.
func slowly(size int) func(r *ledgerReader) {
	return func(r *ledgerReader) {
		r.conflate = true
		r.pause = func() { <-time.After(time.Duration(size) * time.Second / (16 << 10)) }
	}
}

// F1: one in a hundred of 2,000 readers takes 16 KiB a second of 50 KiB. The slow
// ones stay, and are brought to date in rounds; the others get every position.
func TestFaultSlowReaders(t *testing.T) {
	const size, slow, bytesEach = 2000, 20, 1000
	hub := startHub(t, "--max-backlog", "256KiB", "--drain", "0s")
	book := &ledger{vehicles: 25, prefix: "V", more: fmt.Sprintf(`"padding":%q,`,
		strings.Repeat("x", bytesEach-200))}
	book.publish(t, hub)
	plain := newWireClient(t, "h1", &tls.Config{})
	var readers []*ledgerReader
	for range size - slow {
		readers = append(readers, book.begin(t, plain, hub.proxy+"/stream"))
	}
	allLive(t, readers)
	watch := &stopwatch{}
	watch.times(readers)
	watch.publishes(t, hub, book, 10, 500*time.Millisecond, "without slow readers")
	before := hub.resident(t)

	narrow := newWireClient(t, "h1", &tls.Config{})
	narrow.tcp.ReadBufferSize = 1 << 10
	narrow.tcp.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return deafConn(t, strings.TrimPrefix(hub.proxy, "http://")), nil
	}
	var slowOnes []*ledgerReader
	for range slow {
		slowOnes = append(slowOnes, book.follow(t, narrow, hub.proxy+"/stream", slowly(bytesEach)))
	}
	watch.publishes(t, hub, book, 60, 500*time.Millisecond, "beside slow readers")
	t.Logf("memory: %.1f MiB, %.1f MiB before the slow readers came", hub.resident(t), before)
	assert.Less(t, hub.resident(t)-before, 100.0)
	rounds := 0
	for _, r := range slowOnes {
		rounds += r.counts().lives["conflated"]
		assert.Positive(t, r.counts().lives["conflated"])
		held, _, err := r.state()
		require.NoError(t, err)
		for vehicle, number := range held {
			assert.Greater(t, number, 11, "%s has not reached a slow reader since it came", vehicle)
		}
	}
	t.Logf("%d slow readers were brought to date %d times", slow, rounds)
	book.settle(t, hub, append(readers, slowOnes...)...)
	for _, r := range append(readers, slowOnes...) {
		assert.Equal(t, 1, r.counts().opened, "it stays connected")
	}
}

// F13: a hub with thousands of streams ends under load. All hear `bye`, come back
// to the next, and hold the truth though no vehicle has reported again.
func TestFaultTerminatedUnderLoad(t *testing.T) {
	size := 5000
	var files syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if files.Cur < 10_000 {
		size = 500
		t.Logf("with %d streams only: the limit of open files is %d", size, files.Cur)
	}
	args := append(fixedPorts(t), "--drain", "30s") // so that a busy machine has the time for it
	hub := startHub(t, args...)
	var now atomic.Pointer[runningHub]
	now.Store(hub)
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	readers := plenty(t, hub, book, size, "/stream")
	stop := book.publishEvery(t, now.Load, 2*time.Second)
	readers[0].await(t, "positions", func(c ledgerCounts) bool { return c.events > 100 })
	began := time.Now()
	hub.interrupt()
	stop() // what is published now is answered
	<-hub.ended
	require.NoError(t, hub.err)
	t.Logf("%d streams: ended after %s", size, time.Since(began).Round(10*time.Millisecond))
	ended := map[string]int{}
	for _, line := range hub.log.find("stream closed") {
		ended[fmt.Sprint(line["protocol"], " ", line["reason"])]++
	}
	t.Log("streams closed: ", ended)
	assert.Equal(t, size, len(hub.log.find("stream closed", "reason", "draining")))
	began = time.Now()
	hub = startHub(t, args...)
	for _, r := range readers {
		r.await(t, "live again", func(c ledgerCounts) bool { return c.lives["replay"] > 0 })
	}
	t.Logf("all are back %s after the hub was started again", time.Since(began).Round(10*time.Millisecond))
	book.check(t, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().byes)
		assert.Equal(t, map[string]int{"new": 1}, r.counts().resets)
	}
	book.settle(t, hub, readers...)
}

// F25: a thousand clients come back with an id that has left the log. The hub copies the state for
// none of them.
func TestFaultAncientIDs(t *testing.T) {
	const size, vehicles = 1000, 2000
	hub := startHub(t, "--history", "1MiB", "--drain", "0s")
	book := &ledger{vehicles: vehicles, prefix: "V"}
	book.publish(t, hub)
	first := book.follow(t, newWireClient(t, "h1", &tls.Config{}), hub.proxy+"/stream",
		func(r *ledgerReader) { r.conflate = true })
	_, _, err := first.state()
	require.NoError(t, err)
	first.mu.Lock()
	ancient := first.id
	first.mu.Unlock()
	for range 10 {
		book.publish(t, hub)
	}
	await(t, "the id to leave the log", func() bool { return hub.metric(t, "livemap_log_events") < vehicles*9 })
	allocated, memory, processor := hub.metric(t, "go_memstats_alloc_bytes_total"), hub.resident(t),
		hub.metric(t, "process_cpu_seconds_total")
	began := time.Now()
	plain := newWireClient(t, "h1", &tls.Config{})
	var readers []*ledgerReader
	for range size {
		readers = append(readers, book.begin(t, plain, hub.proxy+"/stream", func(r *ledgerReader) {
			r.conflate, r.id = true, ancient
			for i := range vehicles {
				r.held[fmt.Sprint("V", i)] = 1
			}
		}))
	}
	book.check(t, readers...)
	took := time.Since(began)
	each := (hub.metric(t, "go_memstats_alloc_bytes_total") - allocated) / size
	t.Logf("%d clients have %d vehicles each after %s: %.2f s of processor, %.1f KiB allocated for each, "+
		"memory %.1f MiB, %.1f before",
		size, vehicles, took.Round(10*time.Millisecond), hub.metric(t, "process_cpu_seconds_total")-processor,
		each/1024, hub.resident(t), memory)
	for _, r := range readers {
		assert.Equal(t, map[string]int{"conflated": 1}, r.counts().lives)
	}
	assert.Less(t, each, float64(vehicles*200/2), "a copy of the state for each")
}
