package stream

// The slots that begin and end the two rings of silence. No vehicle has them.
const (
	presentRing = iota // of present vehicles
	goneRing           // of gone ones
	rings
)

// silence orders the slots of the fleet by how long nothing has arrived from
// their vehicles. The links lie apart from the vehicles, close together: a
// position moves its vehicle and so touches both neighbours, which are others
// each time.
type silence []link

type link struct {
	older, newer int32 // slots
	seen         int64 // when anything arrived, hub's monotonic clock, nanoseconds
}

func newSilence() silence {
	s := make(silence, rings)
	for ring := range int32(rings) {
		s[ring].older, s[ring].newer = ring, ring
	}
	return s
}

// longest gives the slot that is silent for the longest time; the ring itself
// when there is none.
func (s silence) longest(ring int32) int32 { return s[ring].newer }

// join puts a slot, which is in no ring, at the end of one.
func (s silence) join(ring, slot int32) {
	last := s[ring].older
	s[slot].older, s[slot].newer = last, ring
	s[last].newer, s[ring].older = slot, slot
}

// leave takes a slot out of its ring.
func (s silence) leave(slot int32) {
	l := s[slot]
	s[l.older].newer, s[l.newer].older = l.newer, l.older
}

// move takes a slot to the end of a ring, its own or the other.
func (s silence) move(ring, slot int32) {
	s.leave(slot)
	s.join(ring, slot)
}
