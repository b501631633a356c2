package stream

import "slices"

// Delete removes a present vehicle: its subscribers get `gone` with the reason [Deleted]. It
// reports whether there was one. The hub keeps a tombstone, so a late position does not bring the
// vehicle back. With a journal the error may be [ErrUnavailable].
func (h *Hub) Delete(vehicleID string) (bool, error) {
	if h.following != nil {
		deleted, err := h.proposeDelete(vehicleID)
		return deleted > 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.fleet.get(vehicleID)
	if v == nil || !v.present() {
		return false, nil
	}
	h.applyNow(Source{}, h.moment()).markGone(v, Deleted)
	h.signalRouter()
	return true, nil
}

// DeleteAll removes the vehicles that are in one of the topics now, as [Hub.Delete] does, if may allows
// their id. It returns how many. Vehicles that come into a topic meanwhile stay. Publishers get their turn
// every publishBatch vehicles.
// With a journal the error may be [ErrUnavailable].
func (h *Hub) DeleteAll(topics []string, may func(vehicleID string) bool) (deleted int, err error) {
	s := newScope(topics, nil)
	for some := range slices.Chunk(h.freeze(&s).entries, publishBatch) {
		allowed := slices.DeleteFunc(slices.Clone(some), func(e viewEntry) bool { return !may(e.vehicle.id) })
		if h.following == nil {
			deleted += h.deleteSome(allowed, &s)
			continue
		}
		n, err := h.proposeDelete(h.idsInScope(allowed, &s)...)
		if deleted += n; err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// idsInScope returns the ids of entries whose vehicles are in scope now.
func (h *Hub) idsInScope(some []viewEntry, s *scope) (ids []string) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, e := range some {
		if v := e.vehicle; s.contains(v.id, v.here) {
			ids = append(ids, v.id)
		}
	}
	return ids
}

// deleteSome removes the vehicles of up to publishBatch entries that are in scope.
func (h *Hub) deleteSome(some []viewEntry, s *scope) (deleted int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.applyNow(Source{}, h.moment())
	for _, e := range some {
		if v := e.vehicle; s.contains(v.id, v.here) {
			a.markGone(v, Deleted)
			deleted++
		}
	}
	h.signalRouter()
	return deleted
}
