package stream

import (
	"context"
	"time"
)

// JournalStats are the figures of a hub's journal.
type JournalStats struct {
	Applied, Stored uint64        // newest messages: that the hub has applied, that it knows to be stored
	Lag             time.Duration // age of the newest applied message, if more are stored; else 0
	InFlight        int           // messages posted and not yet applied
	Resent, Ignored uint64        // own messages since the start: posted again; not applied when they came back
	Restarts        uint64        // how often the hub had to follow anew since the start
	Fresh           bool          // the hub can prove that it is up to date: not [Hub.Frozen]

	Life  Life // as the journal itself says
	Known bool // Life is known: the journal answered
}

// HasJournal reports whether the hub has a journal.
func (h *Hub) HasJournal() bool { return h.following != nil }

// JournalStats returns the figures of the journal; false: the hub has none. It asks the journal, and waits
// for its answer until ctx ends.
func (h *Hub) JournalStats(ctx context.Context) (s JournalStats, journaled bool) {
	if h.following == nil {
		return s, false
	}
	life, err := h.following.Life(ctx)
	s.Life, s.Known = life, err == nil
	_, frozen := h.Frozen()
	s.Fresh = !frozen
	s.Restarts = h.following.restarts.Load()
	p := h.following.proposer
	p.mu.Lock()
	s.InFlight, s.Resent, s.Ignored, s.Stored = len(p.flight), p.resent, p.passed, p.newest
	p.mu.Unlock()
	h.mu.RLock()
	at := h.journaled.place
	h.mu.RUnlock()
	s.Applied, s.Stored = at.Seq, max(s.Stored, life.Last, at.Seq)
	if s.Stored > s.Applied && at.Seq > 0 {
		s.Lag = max(0, h.config.Clock().Sub(at.At))
	}
	return s, true
}
