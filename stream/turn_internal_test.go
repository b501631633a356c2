package stream

import (
	"testing"

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
		s.Attach(waiting(func([]byte) error { return nil }), func(its Summary) { ended <- its })
		defer func() { <-ended }()
		defer s.Leave()
		streams[s.writer.Load()]++
	}
	for _, w := range h.writers {
		require.Equal(t, each, streams[w])
	}
}

// A panic under a lock leaves it unlocked: of one who reads the log, of one who
// reads a round, and of a publisher, which its server recovers.
func TestPanicUnderALock(t *testing.T) {
	for name, breaks := range map[string]func(h *Hub, s *Subscription){
		"log":   func(h *Hub, s *Subscription) { s.more, s.pos, s.until = true, 0, 9 },
		"round": func(h *Hub, s *Subscription) { s.startRound(&round{entries: []entry{{seq: 1}}}, 0, bySnapshot) },
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Config{})
			defer h.Close()
			s := h.Subscribe(Query{Topics: []string{AllTopic}})
			s.out = waiting(func([]byte) error { return nil })
			breaks(h, s)
			s.advance()
			require.Equal(t, Panicked, s.summary.Reason)
			require.True(t, h.mu.TryLock())
			h.mu.Unlock()
			h.audience.leave(s)
		})
	}
	t.Run("publishing", func(t *testing.T) {
		h := New(Config{})
		defer h.Close()
		p := geo.Position{VehicleID: "a"}
		byID := h.fleet.byID
		h.fleet.byID = nil // a new vehicle cannot be noted
		require.Panics(t, func() { h.Publish(&p) })
		require.Panics(t, func() { h.PublishAll([]geo.Position{p}, func(int, Receipt, error) {}) })
		require.True(t, h.mu.TryLock())
		h.mu.Unlock()
		h.fleet.byID = byID
	})
}
