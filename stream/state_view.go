package stream

import (
	"cmp"
	"slices"
	"sort"
	"sync"
)

// round is the state of vehicles at one moment, frozen: which event made each
// one's state, in rising order of seq. It holds no bytes, so that a reader who
// takes hours over it does not keep hours of the log alive. It never changes and
// is shared.
//
// It must be frozen: a cursor that walked the live state in order of seq would
// never reach the vehicles that keep moving.
type round struct {
	head      uint64 // the newest event at that moment
	forgotten uint64 // fleet.forgotten at that moment
	entries   []entry
}

type entry struct {
	vehicle *vehicle
	seq     uint64
}

// after gives where the entries newer than seq begin.
func (r *round) after(seq uint64) int {
	return sort.Search(len(r.entries), func(i int) bool { return r.entries[i].seq > seq })
}

func (r *round) sort() {
	slices.SortFunc(r.entries, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
}

// emptyRound makes a round of now, without vehicles yet. Hub.mu is held.
func (h *Hub) emptyRound() *round {
	return &round{head: h.log.head(), forgotten: h.fleet.forgotten}
}

// smallRound is up to how many vehicles are frozen under the lock.
const smallRound = 1024

// freeze makes a round of what a scope may concern: more vehicles than that
// may be in it, gone ones too. It is no older than the call.
func (h *Hub) freeze(s *scope) *round {
	if !s.all {
		if r := h.freezeFew(s); r != nil {
			return r
		}
	}
	return h.freezer.freeze(h)
}

// freezeFew freezes the vehicles and the members of the topics in scope; nil
// when they are too many to do it under the lock.
func (h *Hub) freezeFew(s *scope) *round {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.emptyRound()
	for _, id := range s.vehicles {
		if v := h.fleet.get(id); v != nil {
			r.entries = append(r.entries, entry{v, v.seq})
		}
	}
	for _, id := range s.topics {
		t := h.topics[id]
		if t == nil {
			continue
		}
		if len(r.entries)+len(t.members) > smallRound {
			return nil
		}
		for v := range t.members {
			r.entries = append(r.entries, entry{v, v.seq})
		}
	}
	r.sort()
	r.entries = slices.Compact(r.entries)
	return r
}

// freezer freezes the whole fleet, once for all who ask while it is at it.
type freezer struct {
	mu   sync.Mutex
	next *freezing // has not begun, takes more who ask; nil: none
	busy sync.Mutex
}

// freezing is a round being made.
type freezing struct {
	once  sync.Once
	round *round
}

// freeze gives a round that was begun after the call was.
func (f *freezer) freeze(h *Hub) *round {
	f.mu.Lock()
	if f.next == nil {
		f.next = &freezing{}
	}
	mine := f.next
	f.mu.Unlock()

	f.busy.Lock() // wait for one that began before the call
	defer f.busy.Unlock()
	mine.once.Do(func() {
		f.mu.Lock()
		f.next = nil
		f.mu.Unlock()
		mine.round = h.freezeFleet()
	})
	return mine.round
}

// freezeFleet freezes every vehicle without holding publishers up: first it
// looks at all of them piece by piece, then, under the lock, at those that
// changed meanwhile, which are in the log.
func (h *Hub) freezeFleet() *round { return h.settle(h.collect()) }

// settle makes what was collected since the event began the state of now.
func (h *Hub) settle(began uint64, entries []entry) *round {
	h.mu.RLock()
	r := h.emptyRound()
	if began+1 < h.log.first() {
		h.mu.RUnlock()
		return h.freezeLocked()
	}
	changed := h.changedSince(began)
	h.mu.RUnlock()

	r.entries = slices.DeleteFunc(entries, func(e entry) bool {
		_, found := changed[e.vehicle]
		return found
	})
	for v, seq := range changed {
		if seq != 0 {
			r.entries = append(r.entries, entry{v, seq})
		}
	}
	r.sort()
	return r
}

// collect gives the state of every vehicle, each as it was at some moment after
// the event began.
func (h *Hub) collect() (began uint64, entries []entry) {
	const piece = 1024
	h.mu.RLock()
	began = h.log.head()
	entries = make([]entry, 0, h.fleet.size()+piece)
	h.mu.RUnlock()
	for slot := 0; ; slot += piece {
		h.mu.RLock()
		slots := h.fleet.slots
		for _, v := range slots[min(slot, len(slots)):min(slot+piece, len(slots))] {
			if v != nil {
				entries = append(entries, entry{v, v.seq})
			}
		}
		h.mu.RUnlock()
		if slot >= len(slots) {
			return began, entries
		}
	}
}

// changedSince gives the vehicles whose state an event after began changed,
// with the seq of the state they have now; 0 for those that are forgotten.
// Hub.mu is held.
func (h *Hub) changedSince(began uint64) map[*vehicle]uint64 {
	changed := map[*vehicle]uint64{}
	for seq := began + 1; seq <= h.log.head(); {
		s := h.log.find(seq)
		for i := range s.records[seq-s.first:] {
			r := &s.records[seq-s.first+uint64(i)]
			if r.kind == late {
				continue
			}
			if changed[r.vehicle] = r.vehicle.seq; r.vehicle.slot < 0 {
				changed[r.vehicle] = 0
			}
		}
		seq = s.next()
	}
	return changed
}

// freezeLocked freezes every vehicle under the lock. It is for the case that
// the whole log was replaced while one looked at the fleet.
func (h *Hub) freezeLocked() *round {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.emptyRound()
	for _, v := range h.fleet.slots {
		if v != nil {
			r.entries = append(r.entries, entry{v, v.seq})
		}
	}
	r.sort()
	return r
}

// takeRound takes from the round.
func (s *Subscription) takeRound(buf []byte) []byte {
	buf = s.takeEntries(buf)
	if s.next == len(s.round.entries) && len(buf) < chunk {
		buf = s.endRound(buf)
	}
	return buf
}

// takeEntries takes a chunk of the round's entries.
func (s *Subscription) takeEntries(buf []byte) []byte {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	for looked := 0; s.next < len(s.round.entries) && looked < scan; looked++ {
		event, stale := s.hub.resolve(s.round.entries[s.next], &s.scope, s.base > 0)
		if len(buf) > 0 && len(buf)+len(event) > chunk {
			break
		}
		s.next++
		if event == nil {
			continue
		}
		if stale {
			s.stale, s.held = true, true
		}
		if s.held {
			event = withoutID(event)
		}
		buf = append(buf, event...)
		s.sent++
	}
	return buf
}

// resolve gives the event that tells an entry of a round to a reader, nil where
// it is not in scope. A vehicle that went is told to those who may have held it.
// stale: the vehicle has moved on and the log no longer holds the event; what
// is given is newer. Hub.mu is held.
func (h *Hub) resolve(e entry, s *scope, held bool) (event []byte, stale bool) {
	v := e.vehicle
	event, at := v.event, v.here
	if v.seq != e.seq {
		if stale = !h.log.holds(e.seq); !stale {
			var r *record
			r, event = h.log.at(e.seq)
			at = r.after
		}
	}
	switch {
	case s.holds(v.id, at), at.nowhere() && held && s.names(v.id):
		return event, stale
	}
	return nil, false
}

// endRound goes on from the log, or with another round if that cannot be.
func (s *Subscription) endRound(buf []byte) []byte {
	s.pos = s.round.head
	s.held = s.held && s.stale
	buf = s.appendLive(buf)
	s.round, s.more = nil, s.stale
	return buf
}
