package stream

import (
	"sync/atomic"
	"time"
)

// counters are totals since the start.
type counters struct {
	accepted, late, duplicate atomic.Uint64
	written                   atomic.Uint64
	conflations               atomic.Uint64
}

func (c *counters) count(v Verdict) {
	switch v {
	case Accepted:
		c.accepted.Add(1)
	case Late:
		c.late.Add(1)
	case Duplicate:
		c.duplicate.Add(1)
	}
}

// Stats holds the figures of a [Hub].
type Stats struct {
	// Totals since the start: positions by verdict, events written to streams, and how often a
	// stream skipped to newest positions.
	Accepted, Late, Duplicate, Written, Conflations uint64

	LogBytes  int           // bytes in use, of Config.History
	LogEvents uint64        // events in the log
	LogTotal  uint64        // bytes of all events since the start, also of those that left the log
	LogSpan   time.Duration // time since the oldest of them was published

	Vehicles int // present vehicles
	Gone     int // gone vehicles that the hub still remembers
	Topics   int // topics with members or events in the log
	Streams  int // open streams
}

// Stats returns the current figures.
func (h *Hub) Stats() Stats {
	s := Stats{
		Accepted:    h.counters.accepted.Load(),
		Late:        h.counters.late.Load(),
		Duplicate:   h.counters.duplicate.Load(),
		Written:     h.counters.written.Load(),
		Conflations: h.counters.conflations.Load(),
		Streams:     h.router.size(),
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	s.LogBytes, s.LogTotal = h.log.size, h.log.total()
	s.LogEvents = h.log.head() + 1 - h.log.first()
	if s.LogEvents > 0 {
		oldest, _ := h.log.at(h.log.first())
		s.LogSpan = h.now() - time.Duration(oldest.published)
	}
	s.Vehicles, s.Gone = h.fleet.present, h.fleet.gone
	s.Topics = len(h.topics.byID)
	return s
}
