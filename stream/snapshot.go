package stream

import (
	"time"

	"livemap/geo"
)

// Vehicle returns the last-known GeoJSON Feature of a vehicle and the id of its event. The caller
// may keep the Feature, but must not change it. ok is false when the vehicle is unknown or gone.
func (h *Hub) Vehicle(vehicleID string) (data []byte, id ID, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	v := h.fleet.get(vehicleID)
	if v == nil || !v.present() {
		return nil, ID{}, false
	}
	return v.feature(), h.id(v.number), true
}

// Snapshot is the last-known positions in scope at one moment. [Hub.Snapshot] makes it.
type Snapshot struct {
	ID     ID   // a stream of the same query continues from here
	Frozen bool // the hub could not prove that it was up to date: see [Hub.Frozen]

	// QuietFrom is when the newest time ended in which no hub took anything; the zero time: there was none.
	// No vehicle is stale for it.
	QuietFrom time.Time

	hub   *Hub
	scope scope
	view  *stateView
	near  *geo.Point // each Feature has its distance from there; nil: none has one
}

// Snapshot freezes the positions that are in scope now. topics, box and only mean what they mean in
// a [Query].
func (h *Hub) Snapshot(topics []string, box *geo.Box, only ...string) *Snapshot {
	s := newScope(topics, box, only...)
	view := h.freeze(&s)
	snapshot := &Snapshot{ID: h.id(view.head), Frozen: h.frozenSince.Load() != 0, hub: h, scope: s, view: view}
	_, snapshot.QuietFrom = h.Freshness()
	return snapshot
}

// Freshness returns the hub's clock, and when the newest time ended in which no hub took anything; the zero
// time: there was none. [geo.StateOf] needs them.
func (h *Hub) Freshness() (now, quietFrom time.Time) {
	if until := h.quietFrom.Load(); until != 0 {
		quietFrom = time.Unix(0, until)
	}
	return h.config.Clock(), quietFrom
}

// SnapshotSize returns how many vehicles the view of a snapshot holds at most. That is 16 bytes each,
// for as long as it is written.
func (h *Hub) SnapshotSize(topics []string) int {
	s := newScope(topics, nil)
	h.mu.RLock()
	defer h.mu.RUnlock()
	size := len(s.vehicles)
	for _, id := range s.topics {
		if t := h.topics.byID[id]; t != nil {
			size += len(t.members)
		}
	}
	if s.all || size > smallView {
		return h.fleet.size()
	}
	return size
}

// Write writes the snapshot as a GeoJSON FeatureCollection, with calls of write for some 16 KiB
// each. It returns the first error of write. If a vehicle has moved on and the log has dropped the
// frozen position, its newest position is written. The collection of a frozen hub says so.
func (s *Snapshot) Write(write func([]byte) error) error {
	end := []byte("]")
	if s.Frozen {
		end = append(end, `,"frozen":true`...)
	}
	if !s.QuietFrom.IsZero() {
		end = appendWireTime(append(end, `,"quiet_from":`...), s.QuietFrom)
	}
	return s.write(write, string(end)+"}\n")
}

// write is Write with what stands behind the Features.
func (s *Snapshot) write(write func([]byte) error, end string) error {
	buffer := chunkBuffers.Get().(*[chunkSize + 1024]byte)
	defer chunkBuffers.Put(buffer)
	buf := append(buffer[:0], `{"type":"FeatureCollection","features":[`...)
	for next, empty := 0, true; next < len(s.view.entries); {
		buf, next, empty = s.appendFeatures(buf, next, empty)
		if err := write(buf); err != nil {
			return err
		}
		buf = buffer[:0]
	}
	return write(append(buf, end...))
}

// appendFeatures appends Features from the entry next on. empty: none was written yet.
func (s *Snapshot) appendFeatures(buf []byte, next int, empty bool) ([]byte, int, bool) {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	for looked := 0; next < len(s.view.entries) && looked < scanLimit; looked++ {
		event, _ := s.hub.resolve(s.view.entries[next], &s.scope, false)
		if len(buf) > 0 && len(buf)+len(event.text) > chunkSize {
			break
		}
		next++
		if event.text == nil {
			continue
		}
		if !empty {
			buf = append(buf, ',')
		}
		if empty = false; s.near != nil {
			buf = geo.AppendDistance(buf, event.feature(), *s.near)
			continue
		}
		buf = append(buf, event.feature()...)
	}
	return buf, next, empty
}
