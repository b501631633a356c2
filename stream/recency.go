package stream

// The first slots are the heads of the two rings. No vehicle has them.
const (
	presentRing = iota // of present vehicles
	goneRing           // of gone ones
	ringCount
)

// recency orders the slots of the fleet by when their vehicles last reported. It is two doubly
// linked rings. The links are apart from the vehicles, close together: a position moves its
// vehicle's link and touches both neighbours, which are others each time.
type recency []recencyLink

type recencyLink struct {
	older, newer int32 // slots
	seen         int64 // when the vehicle last reported: hub's monotonic clock, nanoseconds
}

func newRecency() recency {
	r := make(recency, ringCount)
	for ring := range int32(ringCount) {
		r[ring].older, r[ring].newer = ring, ring
	}
	return r
}

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

// moveToNewest makes a slot the newest of a ring, its own or the other.
func (r recency) moveToNewest(ring, slot int32) {
	r.remove(slot)
	r.insert(ring, slot)
}
