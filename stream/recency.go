package stream

// recency orders the slots of the fleet by when their vehicles last reported. It is doubly linked rings:
// two for each owner, of its present and of its gone vehicles. The head of a ring has a slot too, and no
// vehicle. The links are apart from the vehicles, close together: a position moves its vehicle's link and
// touches both neighbours, which are others each time.
type recency []recencyLink

type recencyLink struct {
	older, newer int32 // slots
	owner        int32 // in owners.all; of the vehicle whose newest position is the owner's
	weight       int32 // of the vehicle: see fleet.weigh
	seen         int64 // when the vehicle last reported: see fleet.touch
}

// makeRing makes a slot the head of an empty ring.
func (r recency) makeRing(head int32) { r[head].older, r[head].newer = head, head }

// oldest returns the slot that has been silent for the longest time; ring itself when there is
// none.
func (r recency) oldest(ring int32) int32 { return r[ring].newer }

// insert adds a slot, which is in no ring, as the newest of one.
func (r recency) insert(ring, slot int32) {
	last := r[ring].older
	r[slot].older, r[slot].newer = last, ring
	r[last].newer, r[ring].older = slot, slot
}

// remove removes a slot from its ring.
func (r recency) remove(slot int32) {
	l := r[slot]
	r[l.older].newer, r[l.newer].older = l.newer, l.older
}

// moveToNewest makes a slot the newest of a ring, its own or another.
func (r recency) moveToNewest(ring, slot int32) {
	r.remove(slot)
	r.insert(ring, slot)
}
