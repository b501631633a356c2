package stream

// The slots that begin and end the two rings of silence. No vehicle has them.
const (
	presentRing = iota // of present vehicles
	goneRing           // of gone ones
	ringCount
)

// recency orders the slots of the fleet by how long nothing has arrived from
// their vehicles. The links lie apart from the vehicles, close together: a
// position moves its vehicle and so touches both neighbours, which are others
// each time.
type recency []recencyLink

type recencyLink struct {
	older, newer int32 // slots
	seen         int64 // when anything arrived, hub's monotonic clock, nanoseconds
}

func newRecency() recency {
	s := make(recency, ringCount)
	for ring := range int32(ringCount) {
		s[ring].older, s[ring].newer = ring, ring
	}
	return s
}

// oldest gives the slot that is silent for the longest time; the ring itself
// when there is none.
func (s recency) oldest(ring int32) int32 { return s[ring].newer }

// insert puts a slot, which is in no ring, at the end of one.
func (s recency) insert(ring, slot int32) {
	last := s[ring].older
	s[slot].older, s[slot].newer = last, ring
	s[last].newer, s[ring].older = slot, slot
}

// remove takes a slot out of its ring.
func (s recency) remove(slot int32) {
	l := s[slot]
	s[l.older].newer, s[l.newer].older = l.newer, l.older
}

// moveToNewest takes a slot to the end of a ring, its own or the other.
func (s recency) moveToNewest(ring, slot int32) {
	s.remove(slot)
	s.insert(ring, slot)
}
