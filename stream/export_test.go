package stream

// Sparse numbers the events of a new hub with holes: next returns the number after newest, and must
// return the same each time.
func (h *Hub) Sparse(next func(newest uint64) uint64) {
	h.nextNumber = func(newest number) number { return number(next(uint64(newest))) }
}
