package stream

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// vehicle is the last-known state of one vehicle. It is present, or gone (a
// tombstone: it keeps the newest timestamp, so that a straggler does not bring
// the vehicle back), or forgotten (only its index is left, as long as the log
// holds events of it).
//
// With two cache lines of 64 bytes it is what a position must fetch.
type vehicle struct {
	id     string
	seq    uint64   // of the event that made the state: its newest position, or that it went
	time   int64    // timestamp of its newest position, Unix nanoseconds
	slot   int32    // in fleet.slots and fleet.recency; -1: forgotten
	dataAt uint8    // of event, as in frame
	here   place    // topics nil: gone
	index  seqIndex // its events in the log
	event  []byte   // the bytes of event seq
	hash   uint64   // of a gone vehicle's newest Feature, to know a repeat of it
}

// feature returns the newest Feature of a present vehicle.
func (v *vehicle) feature() []byte { return frame{v.event, v.dataAt}.feature() }

func (v *vehicle) present() bool { return !v.here.nowhere() }

// lastPlace is where late positions of the vehicle are filed.
func (v *vehicle) lastPlace() place {
	if v.present() {
		return v.here
	}
	return place{noTopics, v.here.point}
}

// fleet is the last-known state of all vehicles. Hub.mu guards it.
type fleet struct {
	byID    map[string]*vehicle // the forgotten too
	slots   []*vehicle          // one stable slot each, nil where free: to walk in pieces
	free    []int32             // slots
	recency recency             // of the slots
	present int                 // vehicles
	gone    int                 // vehicles
	// forgotten is the newest event that told of a vehicle's end, or came late
	// after it, and that no tombstone remembers: a reader from before it cannot be
	// told what it missed.
	forgotten  uint64
	prefetched uint64 // what fetch read
}

func newFleet() fleet {
	return fleet{byID: map[string]*vehicle{}, slots: make([]*vehicle, ringCount), recency: newRecency()}
}

// get gives the vehicle, gone or not; nil when it is not known.
func (f *fleet) get(id string) *vehicle {
	if v := f.byID[id]; v != nil && v.slot >= 0 {
		return v
	}
	return nil
}

// size counts the vehicles, gone ones included.
func (f *fleet) size() int { return f.present + f.gone }

// add makes a vehicle known, as gone. unknown is the newest event that has left
// the log: one of this vehicle's may have been among them.
func (f *fleet) add(id string, unknown uint64) *vehicle {
	v := f.byID[id]
	if v == nil {
		v = &vehicle{id: strings.Clone(id), index: seqIndex{dropped: unknown}}
		f.byID[v.id] = v
	}
	v.time, v.hash, v.here = 0, 0, place{}
	v.slot = f.slotFor(v)
	f.gone++
	f.recency.insert(goneRing, v.slot)
	return v
}

func (f *fleet) slotFor(v *vehicle) int32 {
	if n := len(f.free); n > 0 {
		slot := f.free[n-1]
		f.free, f.slots[slot] = f.free[:n-1], v
		return slot
	}
	f.slots, f.recency = append(f.slots, v), append(f.recency, recencyLink{})
	return int32(len(f.slots) - 1)
}

// touch notes that something arrived from the vehicle.
func (f *fleet) touch(v *vehicle, now time.Duration) {
	f.recency[v.slot].seen = int64(now)
	f.recency.moveToNewest(ringOf(v), v.slot)
}

// lastSeen tells when anything arrived from the vehicle, on the hub's monotonic
// clock, nanoseconds.
func (f *fleet) lastSeen(v *vehicle) int64 { return f.recency[v.slot].seen }

func ringOf(v *vehicle) int32 {
	if v.present() {
		return presentRing
	}
	return goneRing
}

// setPlace puts a vehicle at another place, which may be nowhere.
func (f *fleet) setPlace(v *vehicle, to place) {
	was := v.present()
	v.here = to
	switch is := v.present(); {
	case was == is:
		return
	case is:
		f.present, f.gone = f.present+1, f.gone-1
	default:
		f.present, f.gone = f.present-1, f.gone+1
	}
	f.recency.moveToNewest(ringOf(v), v.slot)
}

// silentSince gives a present vehicle from which nothing has arrived since the
// moment old; nil when there is none.
func (f *fleet) silentSince(old time.Duration) *vehicle {
	slot := f.recency.oldest(presentRing)
	if slot == presentRing || f.recency[slot].seen > int64(old) {
		return nil
	}
	return f.slots[slot]
}

// leastRecent gives the vehicle, present or gone, from which nothing arrived
// for the longest time. There must be one.
func (f *fleet) leastRecent() *vehicle {
	present, gone := f.recency.oldest(presentRing), f.recency.oldest(goneRing)
	if present == presentRing || gone != goneRing && f.recency[gone].seen < f.recency[present].seen {
		return f.slots[gone]
	}
	return f.slots[present]
}

// sortByRecency puts the rings in their order, after vehicles were added in another.
func (f *fleet) sortByRecency() {
	known := make([]*vehicle, 0, len(f.slots))
	for _, v := range f.slots {
		if v != nil {
			known = append(known, v)
		}
	}
	slices.SortStableFunc(known, func(a, b *vehicle) int { return cmp.Compare(f.lastSeen(a), f.lastSeen(b)) })
	for _, v := range known {
		f.recency.moveToNewest(ringOf(v), v.slot)
	}
}

// prefetch reads what publishing and unfiling an event touch of each vehicle that
// is not nil. In a large fleet nearly all of it is in no cache of the processor,
// and waiting for it takes longer than all else: what is asked for together comes
// together, so it is worth looking at some dozens before beginning with the first.
func (f *fleet) prefetch(vehicles []*vehicle) {
	for _, v := range vehicles {
		if v != nil {
			f.prefetched += v.seq + v.index.dropped // one in each cache line
		}
	}
	for _, v := range vehicles {
		if v != nil && len(v.index.list) > 0 {
			f.prefetched += v.index.list[0]
		}
	}
}

// prefetchRecency does the same for what touch needs.
func (f *fleet) prefetchRecency(vehicles []*vehicle) {
	for _, v := range vehicles {
		if v != nil && v.slot >= 0 {
			l := f.recency[v.slot]
			f.prefetched += uint64(f.recency[l.older].newer + f.recency[l.newer].older)
		}
	}
}

// forget drops a vehicle that is gone; its index stays with the log.
func (f *fleet) forget(v *vehicle) {
	f.forgotten = max(f.forgotten, v.seq)
	f.gone--
	f.recency.remove(v.slot)
	f.slots[v.slot] = nil
	f.free = append(f.free, v.slot)
	v.slot = -1
	f.release(v)
}

// release lets go of a forgotten vehicle of which the log holds nothing.
func (f *fleet) release(v *vehicle) {
	if v.slot < 0 && len(v.index.list) == 0 {
		f.forgotten = max(f.forgotten, v.index.dropped)
		delete(f.byID, v.id)
	}
}

// hashFeature tells one Feature from another.
func hashFeature(feature []byte) uint64 {
	h := fnv.New64a()
	h.Write(feature)
	return h.Sum64()
}

// topic is a topic that publishers name: its events in the log, and who is in
// it now.
type topic struct {
	id      string
	index   seqIndex
	members map[*vehicle]struct{}
	set     *topicSet // the one made last with this topic in it
}

// topics is all topics with members or events. Hub.mu guards it.
type topics map[string]*topic

// set gives the set of the topics ids, which is known's own if that has the
// same. unknown is as for fleet.add.
func (ts topics) set(ids []string, known *topicSet, unknown uint64) *topicSet {
	if len(ids) == 0 {
		return noTopics
	}
	if known != nil && sameTopics(*known, ids) {
		return known
	}
	set := make(topicSet, len(ids))
	for i, id := range ids {
		set[i] = ts.get(id, unknown)
	}
	return shareTopicSet(set)
}

// shareTopicSet gives the set that other vehicles of the same topics have, if the last
// one made with any of them is it: those of a line share one.
func shareTopicSet(set topicSet) *topicSet {
	for _, t := range set {
		if t.set != nil && slices.Equal(*t.set, set) {
			return t.set
		}
	}
	for _, t := range set {
		t.set = &set
	}
	return &set
}

func sameTopics(set topicSet, ids []string) bool {
	if len(set) != len(ids) {
		return false
	}
	for _, t := range set {
		if !slices.Contains(ids, t.id) {
			return false
		}
	}
	return true
}

func (ts topics) get(id string, unknown uint64) *topic {
	t := ts[id]
	if t == nil {
		t = &topic{id: strings.Clone(id), index: seqIndex{dropped: unknown}, members: map[*vehicle]struct{}{}}
		ts[t.id] = t
	}
	return t
}

// moveMember makes v a member of the topics after instead of before.
func (ts topics) moveMember(v *vehicle, before, after *topicSet) {
	if before == after {
		return
	}
	if before != nil {
		for _, t := range *before {
			delete(t.members, v)
		}
	}
	if after != nil {
		for _, t := range *after {
			t.members[v] = struct{}{}
		}
	}
}

// release lets go of topics that have neither members nor events.
func (ts topics) release(set *topicSet) {
	if set == nil {
		return
	}
	for _, t := range *set {
		if len(t.members) == 0 && len(t.index.list) == 0 {
			delete(ts, t.id)
		}
	}
}

// eachIndex calls file once for each index an event of v belongs in: its own and
// those of the topics before and after, so that leaving is seen.
func eachIndex(v *vehicle, before, after *topicSet, file func(*seqIndex)) {
	file(&v.index)
	if before != nil {
		for _, t := range *before {
			file(&t.index)
		}
	}
	if after == nil || after == before {
		return
	}
	for _, t := range *after {
		if before == nil || !slices.Contains(*before, t) {
			file(&t.index)
		}
	}
}
