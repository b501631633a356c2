package stream

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// Attached streams are spread over the writers.
func TestWritersShareTheStreams(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	const each = 10
	streams, ended := map[*writer]int{}, make(chan Summary, each*len(h.writers))
	for range cap(ended) {
		s := h.Subscribe(Query{Topics: []string{AllTopic}})
		s.Attach(outletFunc(func([]byte) error { return nil }), func(its Summary) { ended <- its })
		defer func() { <-ended }()
		defer s.Leave()
		streams[s.writer.Load()]++
	}
	for _, w := range h.writers {
		require.Equal(t, each, streams[w])
	}
}

// A panic under a lock leaves it unlocked: while reading the log, while reading a view, and while
// publishing, where the server recovers it.
func TestPanicUnderALock(t *testing.T) {
	for name, breaks := range map[string]func(h *Hub, s *Subscription){
		"log": func(h *Hub, s *Subscription) {
			h.log.segments[0].records = []record{{number: 1, end: math.MaxUint32}} // its bytes are missing
			h.log.newest, s.more = 1, true
		},
		"view": func(h *Hub, s *Subscription) {
			s.startView(&stateView{entries: []viewEntry{{number: 1}}}, 0, modeSnapshot)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Config{})
			defer h.Close()
			s := h.Subscribe(Query{Topics: []string{AllTopic}})
			s.out = outletFunc(func([]byte) error { return nil })
			breaks(h, s)
			s.advance()
			require.Equal(t, Panicked, s.summary.Reason)
			require.True(t, h.mu.TryLock())
			h.mu.Unlock()
			h.router.remove(s)
		})
	}
	t.Run("publishing", func(t *testing.T) {
		h := New(Config{})
		defer h.Close()
		p := geo.Position{VehicleID: "a"}
		byID := h.fleet.byID
		h.fleet.byID = nil // adding a vehicle panics
		require.Panics(t, func() { h.Publish(&p) })
		require.Panics(t, func() { h.PublishAll([]geo.Position{p}, func(int, Receipt, error) {}) })
		require.True(t, h.mu.TryLock())
		h.mu.Unlock()
		h.fleet.byID = byID
	})
}

// When no stream in a cooldown has events, the writer sleeps on until the next heartbeat or wake.
func TestCooldownsWithoutEventsWakeNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		defer h.Close()
		w := newWriter(h)
		defer w.timer.Stop()
		const n = 5
		streams := make([]*Subscription, n)
		for i := range streams {
			s := h.Subscribe(Query{Topics: []string{AllTopic}})
			s.onEnd = func(Summary) {}
			s.open(outletFunc(func([]byte) error { return nil }))
			s.writer.Store(w)
			w.markReady(s)
			streams[i] = s
		}
		w.serveReady() // all are live now
		time.Sleep(time.Second)
		wake := func(some ...*Subscription) {
			for _, s := range some {
				s.pending.Store(1)
				w.wake(s)
			}
		}
		_, err := h.Publish(&geo.Position{VehicleID: "a"})
		require.NoError(t, err)
		synctest.Wait()
		woken := w.woken
		w.woken = nil
		for _, s := range woken { // shortly after each other
			time.Sleep(time.Microsecond)
			w.wake(s)
			w.serveReady()
		}
		streams = woken
		require.Greater(t, w.nextDeadline(), streams[n-1].nextFlush(), "nobody wants anything")
		wake(streams[1:]...)
		wake(streams[1]) // a second time
		w.serveReady()
		require.Equal(t, streams[0].nextFlush(), w.nextDeadline(), "somebody does: the first cooldown ends")
		time.Sleep(w.nextDeadline() - h.now())
		w.serveReady()
		require.Equal(t, n-1, w.coolingWithEvents)
		require.Equal(t, h.now()+cooldownPause, w.nextDeadline(), "not the second one a microsecond later")
		time.Sleep(cooldownPause)
		w.serveReady()
		require.Zero(t, w.coolingWithEvents)
		for _, s := range streams {
			s.end(Cancelled)
		}
		w.serveReady()
		require.Equal(t, time.Duration(math.MaxInt64), w.nextDeadline())
	})
}
