package stream

import (
	"cmp"
	"slices"
	"sort"
	"sync"
)

// stateView is the frozen state of vehicles at one moment: the event that made the state of each,
// in rising order of number. It holds no bytes. A reader that takes hours over it does not keep hours
// of the log in memory. It is immutable and shared.
//
// It must be frozen: a cursor that walked the live state in order of number would never reach vehicles
// that keep moving.
type stateView struct {
	head      number // the newest event at that moment
	events    uint64 // how many events of the log's life there were at that moment
	forgotten number // fleet.forgotten at that moment
	entries   []viewEntry
}

type viewEntry struct {
	vehicle *vehicle
	number  number
}

// indexAfter returns the index of the first entry newer than event n.
func (v *stateView) indexAfter(n number) int {
	return sort.Search(len(v.entries), func(i int) bool { return v.entries[i].number > n })
}

func (v *stateView) sort() {
	slices.SortFunc(v.entries, func(a, b viewEntry) int { return cmp.Compare(a.number, b.number) })
}

// newStateView returns a view of this moment without entries. Hub.mu is held.
func (h *Hub) newStateView() *stateView {
	return &stateView{head: h.log.newest, events: h.log.head(), forgotten: h.fleet.forgotten}
}

// smallView is up to how many vehicles are frozen under one lock.
const smallView = 1024

// freeze returns a view of the vehicles that may be in scope, no older than the call. It may hold
// others too, and gone ones.
func (h *Hub) freeze(s *scope) *stateView {
	if !s.all {
		if view := h.freezeFew(s); view != nil {
			return view
		}
	}
	return h.freezer.freeze(h)
}

// freezeFew freezes the vehicles and the members of the topics in scope. It returns nil when they
// are too many to do so under one lock.
func (h *Hub) freezeFew(s *scope) *stateView {
	h.mu.RLock()
	defer h.mu.RUnlock()
	view := h.newStateView()
	for _, id := range s.vehicles {
		if v := h.fleet.get(id); v != nil {
			view.entries = append(view.entries, viewEntry{v, v.number})
		}
	}
	for _, id := range s.topics {
		t := h.topics.byID[id]
		if t == nil {
			continue
		}
		if len(view.entries)+len(t.members) > smallView {
			return nil
		}
		for v := range t.members {
			view.entries = append(view.entries, viewEntry{v, v.number})
		}
	}
	view.sort()
	view.entries = slices.Compact(view.entries)
	return view
}

// freezer freezes the whole fleet, once for all callers that ask before it begins.
type freezer struct {
	mu   sync.Mutex
	next *freezeCall // not begun, open to more callers; nil: none
	busy sync.Mutex
}

// freezeCall is a view that several callers wait for.
type freezeCall struct {
	once sync.Once
	view *stateView
}

// freeze returns a view that was begun after the call.
func (f *freezer) freeze(h *Hub) *stateView {
	f.mu.Lock()
	if f.next == nil {
		f.next = &freezeCall{}
	}
	mine := f.next
	f.mu.Unlock()

	f.busy.Lock() // wait for a view that began before the call
	defer f.busy.Unlock()
	mine.once.Do(func() {
		f.mu.Lock()
		f.next = nil
		f.mu.Unlock()
		mine.view = h.freezeFleet()
	})
	return mine.view
}

// freezeFleet freezes every vehicle without holding publishers up. First it collects all of them in
// batches. Then, under one lock, it corrects those that have changed since; the log knows them.
func (h *Hub) freezeFleet() *stateView { return h.completeView(h.collectEntries(func() {})) }

// completeView turns entries that were collected since the event began into the state of now.
func (h *Hub) completeView(began number, entries []viewEntry) *stateView {
	h.mu.RLock()
	view := h.newStateView()
	if began < h.log.dropped {
		h.mu.RUnlock()
		return h.freezeUnderLock()
	}
	changed := h.changedSince(began)
	h.mu.RUnlock()

	view.entries = slices.DeleteFunc(entries, func(e viewEntry) bool {
		_, found := changed[e.vehicle]
		return found
	})
	for v, n := range changed {
		if n != 0 {
			view.entries = append(view.entries, viewEntry{v, n})
		}
	}
	view.sort()
	return view
}

// collectEntries returns the state of every vehicle, each at some moment after the event began. pause is
// called now and then.
func (h *Hub) collectEntries(pause func()) (began number, entries []viewEntry) {
	const freezeBatch = 1024
	h.mu.RLock()
	began = h.log.newest
	entries = make([]viewEntry, 0, h.fleet.size()+freezeBatch)
	h.mu.RUnlock()
	for slot := 0; ; slot += freezeBatch {
		h.mu.RLock()
		slots := h.fleet.slots
		for _, v := range slots[min(slot, len(slots)):min(slot+freezeBatch, len(slots))] {
			if v != nil {
				entries = append(entries, viewEntry{v, v.number})
			}
		}
		h.mu.RUnlock()
		if slot >= len(slots) {
			return began, entries
		}
		pause()
	}
}

// changedSince returns the vehicles whose state changed after the event began, with the number of
// their state now. That is 0 for forgotten vehicles. Hub.mu is held.
func (h *Hub) changedSince(began number) map[*vehicle]number {
	changed := map[*vehicle]number{}
	for seq := h.log.upTo(began) + 1; seq <= h.log.head(); {
		s := h.log.find(seq)
		for i := range s.records[seq-s.first:] {
			r := &s.records[seq-s.first+uint64(i)]
			if !r.kind.isState() {
				continue
			}
			if changed[r.vehicle] = r.vehicle.number; r.vehicle.slot < 0 {
				changed[r.vehicle] = 0
			}
		}
		seq = s.next()
	}
	return changed
}

// freezeUnderLock freezes every vehicle under one lock, for when the whole log was replaced while
// the fleet was collected.
func (h *Hub) freezeUnderLock() *stateView {
	h.mu.RLock()
	defer h.mu.RUnlock()
	view := h.newStateView()
	for _, v := range h.fleet.slots {
		if v != nil {
			view.entries = append(view.entries, viewEntry{v, v.number})
		}
	}
	view.sort()
	return view
}

// readView reads from the view. At its end it goes on to the log, or to another view if it must.
func (c *cursor) readView(buf []byte) []byte {
	if buf = c.readAhead(buf); len(buf) > 0 {
		return buf
	}
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

// readAhead reads a chunk of the loss-free events that go ahead of positions.
func (c *cursor) readAhead(buf []byte) []byte {
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	return c.readLane(buf, c.hub.log.newest)
}

// readEntries reads a chunk of the view's entries.
func (c *cursor) readEntries(buf []byte) []byte {
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	for looked := 0; c.nextEntry < len(c.view.entries) && looked < scanLimit; looked++ {
		entry := c.view.entries[c.nextEntry]
		event, stale := c.hub.resolve(entry, &c.scope, c.base > 0)
		if len(buf) > 0 && len(buf)+len(event.text) > chunkSize {
			break
		}
		c.nextEntry++
		c.pos = entry.number
		if event.text == nil {
			continue
		}
		if stale {
			c.stale, c.withholdID = true, true
		}
		if c.withholdID {
			buf = event.appendWithoutID(buf)
		} else {
			buf = c.markApart(append(buf, event.text...), entry.number)
			c.idPos, c.idKnown = entry.number, true
		}
		c.sent++
	}
	return buf
}

// resolve returns the event of an entry, or none when it is not in scope. A gone vehicle is
// reported to readers that may have held it.
//
// stale: the log has dropped the event of the entry. The vehicle's newer event is returned instead.
// Hub.mu is held.
func (h *Hub) resolve(e viewEntry, s *scope, held bool) (event frame, stale bool) {
	v := e.vehicle
	event, at := v.frame(), v.here
	if v.number != e.number {
		stale = true
		if seq := h.log.upTo(e.number); h.log.holds(seq) {
			if r, old := h.log.at(seq); r.number == e.number {
				event, at, stale = old, r.after, false
			}
		}
	}
	switch {
	case s.contains(v.id, at), at.nowhere() && held && s.namesVehicle(v.id):
		return event, stale
	}
	return frame{}, false
}
