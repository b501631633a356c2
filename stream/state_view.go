package stream

import (
	"cmp"
	"slices"
	"sort"
	"sync"
)

// stateView is the state of vehicles at one moment, frozen: which event made each
// one's state, in rising order of seq. It holds no bytes, so that a reader who
// takes hours over it does not keep hours of the log alive. It never changes and
// is shared.
//
// It must be frozen: a cursor that walked the live state in order of seq would
// never reach the vehicles that keep moving.
type stateView struct {
	head      uint64 // the newest event at that moment
	forgotten uint64 // fleet.forgotten at that moment
	entries   []viewEntry
}

type viewEntry struct {
	vehicle *vehicle
	seq     uint64
}

// indexAfter gives where the entries newer than seq begin.
func (r *stateView) indexAfter(seq uint64) int {
	return sort.Search(len(r.entries), func(i int) bool { return r.entries[i].seq > seq })
}

func (r *stateView) sort() {
	slices.SortFunc(r.entries, func(a, b viewEntry) int { return cmp.Compare(a.seq, b.seq) })
}

// newStateView makes a round of now, without vehicles yet. Hub.mu is held.
func (h *Hub) newStateView() *stateView {
	return &stateView{head: h.log.head(), forgotten: h.fleet.forgotten}
}

// smallView is up to how many vehicles are frozen under the lock.
const smallView = 1024

// freeze makes a round of what a scope may concern: more vehicles than that
// may be in it, gone ones too. It is no older than the call.
func (h *Hub) freeze(s *scope) *stateView {
	if !s.all {
		if r := h.freezeFew(s); r != nil {
			return r
		}
	}
	return h.freezer.freeze(h)
}

// freezeFew freezes the vehicles and the members of the topics in scope; nil
// when they are too many to do it under the lock.
func (h *Hub) freezeFew(s *scope) *stateView {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.newStateView()
	for _, id := range s.vehicles {
		if v := h.fleet.get(id); v != nil {
			r.entries = append(r.entries, viewEntry{v, v.seq})
		}
	}
	for _, id := range s.topics {
		t := h.topics[id]
		if t == nil {
			continue
		}
		if len(r.entries)+len(t.members) > smallView {
			return nil
		}
		for v := range t.members {
			r.entries = append(r.entries, viewEntry{v, v.seq})
		}
	}
	r.sort()
	r.entries = slices.Compact(r.entries)
	return r
}

// freezer freezes the whole fleet, once for all who ask while it is at it.
type freezer struct {
	mu   sync.Mutex
	next *freezeCall // has not begun, takes more who ask; nil: none
	busy sync.Mutex
}

// freezeCall is a round being made.
type freezeCall struct {
	once sync.Once
	view *stateView
}

// freeze gives a round that was begun after the call was.
func (f *freezer) freeze(h *Hub) *stateView {
	f.mu.Lock()
	if f.next == nil {
		f.next = &freezeCall{}
	}
	mine := f.next
	f.mu.Unlock()

	f.busy.Lock() // wait for one that began before the call
	defer f.busy.Unlock()
	mine.once.Do(func() {
		f.mu.Lock()
		f.next = nil
		f.mu.Unlock()
		mine.view = h.freezeFleet()
	})
	return mine.view
}

// freezeFleet freezes every vehicle without holding publishers up: first it
// looks at all of them piece by piece, then, under the lock, at those that
// changed meanwhile, which are in the log.
func (h *Hub) freezeFleet() *stateView { return h.completeView(h.collectEntries()) }

// completeView makes what was collected since the event began the state of now.
func (h *Hub) completeView(began uint64, entries []viewEntry) *stateView {
	h.mu.RLock()
	r := h.newStateView()
	if began+1 < h.log.first() {
		h.mu.RUnlock()
		return h.freezeAllLocked()
	}
	changed := h.changedSince(began)
	h.mu.RUnlock()

	r.entries = slices.DeleteFunc(entries, func(e viewEntry) bool {
		_, found := changed[e.vehicle]
		return found
	})
	for v, seq := range changed {
		if seq != 0 {
			r.entries = append(r.entries, viewEntry{v, seq})
		}
	}
	r.sort()
	return r
}

// collectEntries gives the state of every vehicle, each as it was at some moment after
// the event began.
func (h *Hub) collectEntries() (began uint64, entries []viewEntry) {
	const freezeBatch = 1024
	h.mu.RLock()
	began = h.log.head()
	entries = make([]viewEntry, 0, h.fleet.size()+freezeBatch)
	h.mu.RUnlock()
	for slot := 0; ; slot += freezeBatch {
		h.mu.RLock()
		slots := h.fleet.slots
		for _, v := range slots[min(slot, len(slots)):min(slot+freezeBatch, len(slots))] {
			if v != nil {
				entries = append(entries, viewEntry{v, v.seq})
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
			if r.kind == kindLate {
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

// freezeAllLocked freezes every vehicle under the lock. It is for the case that
// the whole log was replaced while one looked at the fleet.
func (h *Hub) freezeAllLocked() *stateView {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.newStateView()
	for _, v := range h.fleet.slots {
		if v != nil {
			r.entries = append(r.entries, viewEntry{v, v.seq})
		}
	}
	r.sort()
	return r
}

// readView reads from the view. At its end it goes on from the log, or with
// another view if that cannot be.
func (c *cursor) readView(buf []byte) []byte {
	buf = c.readEntries(buf)
	if c.nextEntry < len(c.view.entries) || len(buf) >= chunkSize {
		return buf
	}
	c.pos = c.view.head
	c.withholdID = c.withholdID && c.stale
	buf = c.appendLive(buf)
	c.view, c.more = nil, c.stale
	return buf
}

// readEntries takes a chunk of the round's entries.
func (c *cursor) readEntries(buf []byte) []byte {
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	for looked := 0; c.nextEntry < len(c.view.entries) && looked < scanLimit; looked++ {
		event, stale := c.hub.resolve(c.view.entries[c.nextEntry], &c.scope, c.base > 0)
		if len(buf) > 0 && len(buf)+len(event.text) > chunkSize {
			break
		}
		c.nextEntry++
		if event.text == nil {
			continue
		}
		if stale {
			c.stale, c.withholdID = true, true
		}
		text := event.text
		if c.withholdID {
			text = withoutID(text)
		}
		buf = append(buf, text...)
		c.sent++
	}
	return buf
}

// resolve gives the event that tells an entry of a round to a reader, nil where
// it is not in scope. A vehicle that went is told to those who may have held it.
// stale: the vehicle has moved on and the log no longer holds the event; what
// is given is newer. Hub.mu is held.
func (h *Hub) resolve(e viewEntry, s *scope, held bool) (event frame, stale bool) {
	v := e.vehicle
	event, at := frame{v.event, v.dataAt}, v.here
	if v.seq != e.seq {
		if stale = !h.log.holds(e.seq); !stale {
			var r *record
			r, event = h.log.at(e.seq)
			at = r.after
		}
	}
	switch {
	case s.contains(v.id, at), at.nowhere() && held && s.namesVehicle(v.id):
		return event, stale
	}
	return frame{}, false
}
