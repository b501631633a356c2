package stream

import "slices"

// Delete removes a present vehicle: its subscribers get `gone` with the reason [Deleted]. It
// reports whether there was one. The hub keeps a tombstone, so a late position does not bring the
// vehicle back.
func (h *Hub) Delete(vehicleID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.fleet.get(vehicleID)
	if v == nil || !v.present() {
		return false
	}
	h.applyNow(h.moment()).markGone(v, Deleted)
	h.signalRouter()
	return true
}

// DeleteAll removes the vehicles that are in one of the topics now, as [Hub.Delete] does, if may allows
// their id. It returns how many. Vehicles that come into a topic meanwhile stay. Publishers get their turn
// every publishBatch vehicles.
func (h *Hub) DeleteAll(topics []string, may func(vehicleID string) bool) (deleted int) {
	s := newScope(topics, nil)
	for some := range slices.Chunk(h.freeze(&s).entries, publishBatch) {
		allowed := slices.DeleteFunc(slices.Clone(some), func(e viewEntry) bool { return !may(e.vehicle.id) })
		deleted += h.deleteSome(allowed, &s)
	}
	return deleted
}

// deleteSome removes the vehicles of up to publishBatch entries that are in scope.
func (h *Hub) deleteSome(some []viewEntry, s *scope) (deleted int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.applyNow(h.moment())
	for _, e := range some {
		if v := e.vehicle; s.contains(v.id, v.here) {
			a.markGone(v, Deleted)
			deleted++
		}
	}
	h.signalRouter()
	return deleted
}
