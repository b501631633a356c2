package stream

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tidwall/btree"

	"livemap/geo"
)

// vehicle is the last-known state of one vehicle. It is present, gone or forgotten. A gone vehicle
// is a tombstone: it keeps the newest timestamp, so that a late position does not bring the vehicle
// back. A forgotten one has only its index left, for as long as the log holds its events.
//
// It fills two cache lines of 64 bytes, which is all that a position must load.
type vehicle struct {
	id     string
	number number   // of the event that made the state: newest position, or `gone`
	time   int64    // timestamp of the newest position, Unix nanoseconds
	slot   int32    // in fleet.slots and fleet.recency; -1: forgotten
	dataAt uint8    // of event: see frame
	idSize uint8    // of event: see frame
	here   place    // where it is; topics nil: gone
	index  seqIndex // its events in the log
	event  []byte   // the bytes of event number
	hash   uint64   // of the newest Feature of a gone vehicle, to recognise a duplicate
}

// frame returns the event that made the state.
func (v *vehicle) frame() frame { return frame{v.event, v.dataAt, v.idSize} }

// feature returns the newest Feature of a present vehicle.
func (v *vehicle) feature() []byte { return v.frame().feature() }

func (v *vehicle) present() bool { return !v.here.nowhere() }

// wentBy returns why a gone vehicle went, as its event says.
func (v *vehicle) wentBy() GoneReason {
	if bytes.HasSuffix(v.feature(), []byte(`"reason":"expired"}`)) {
		return Expired
	}
	return Deleted
}

// lastPlace returns the place under which late positions of the vehicle are indexed.
func (v *vehicle) lastPlace() place {
	if v.present() {
		return v.here
	}
	return place{noTopics, v.here.point}
}

// fleet is the last-known state of all vehicles. Hub.mu guards it.
type fleet struct {
	byID    map[string]*vehicle     // includes forgotten vehicles
	inOrder *btree.BTreeG[*vehicle] // present vehicles, by id
	// slots has the vehicles by slot, nil where there is none. A walk in pieces relies on stable slots.
	slots   []*vehicle
	free    []int32  // free slots
	recency recency  // by slot
	rhythms []rhythm // by slot
	owners  owners
	present int // vehicles
	gone    int // vehicles
	// forgotten is the newest event about a vehicle without tombstone: its `gone`, or a late
	// position after that. A reader from before it cannot learn what it missed from the fleet.
	forgotten  number
	prefetched uint64 // sum of what prefetch read, so that the reads are not optimised away
}

func newFleet() fleet {
	return fleet{
		byID:    map[string]*vehicle{},
		inOrder: newTree(func(v *vehicle) string { return v.id }),
		owners:  owners{byName: map[string]*owner{}},
	}
}

// newTree returns a tree of elements in the order of the bytes of their ids. Readers may share Hub.mu.
func newTree[T any](id func(T) string) *btree.BTreeG[T] {
	return btree.NewBTreeGOptions(func(a, b T) bool { return id(a) < id(b) }, btree.Options{NoLocks: true})
}

// get returns a present or gone vehicle; nil when it is unknown or forgotten.
func (f *fleet) get(id string) *vehicle {
	if v := f.byID[id]; v != nil && v.slot >= 0 {
		return v
	}
	return nil
}

// size returns the number of present and gone vehicles.
func (f *fleet) size() int { return f.present + f.gone }

// add adds a vehicle of a publisher as gone. dropped is the newest event that has left the log; it may have
// been one of this vehicle.
func (f *fleet) add(id, publisher string, dropped number) *vehicle {
	v := f.byID[id]
	if v == nil {
		v = &vehicle{id: strings.Clone(id), index: seqIndex{dropped: dropped}}
		f.byID[v.id] = v
	}
	v.time, v.hash, v.here, v.event = 0, 0, place{}, nil // a forgotten one had others
	v.slot = f.slotFor(v)
	f.gone++
	o := f.own(publisher)
	f.owners.vehicles.add(&o.vehicles, 1)
	f.recency[v.slot].owner, f.recency[v.slot].weight = o.index, 0
	f.recency.insert(o.gone, v.slot)
	return v
}

// slotFor returns a slot for a vehicle; nil: for the head of a ring.
func (f *fleet) slotFor(v *vehicle) int32 {
	if n := len(f.free); n > 0 {
		slot := f.free[n-1]
		f.free, f.slots[slot], f.rhythms[slot] = f.free[:n-1], v, rhythm{}
		return slot
	}
	f.slots, f.recency = append(f.slots, v), append(f.recency, recencyLink{})
	f.rhythms = append(f.rhythms, rhythm{})
	return int32(len(f.slots) - 1)
}

// touch records that the vehicle has reported at a time, nanoseconds on the clock of the order of entries:
// the hub's monotonic clock, or that of its journal.
func (f *fleet) touch(v *vehicle, at int64) {
	f.recency[v.slot].seen = at
	f.recency.moveToNewest(f.ringOf(v), v.slot)
}

// lastSeen returns when the vehicle last reported: see touch.
func (f *fleet) lastSeen(v *vehicle) int64 { return f.recency[v.slot].seen }

// setPlace sets where a vehicle is, and so whether it is present or gone.
func (f *fleet) setPlace(v *vehicle, to place) {
	was := v.present()
	v.here = to
	switch is := v.present(); {
	case was == is:
		return
	case is:
		f.present, f.gone = f.present+1, f.gone-1
		f.ownerOf(v).onMap++
		f.inOrder.Set(v)
	default:
		f.present, f.gone = f.present-1, f.gone+1
		f.ownerOf(v).onMap--
		f.inOrder.Delete(v)
	}
	f.recency.moveToNewest(f.ringOf(v), v.slot)
}

// sortByRecency sorts the present vehicles, after they were added in another order. Those gone are in the
// order in which they went.
func (f *fleet) sortByRecency() {
	present := make([]*vehicle, 0, f.present)
	for _, v := range f.slots {
		if v != nil && v.present() {
			present = append(present, v)
		}
	}
	slices.SortStableFunc(present, func(a, b *vehicle) int { return cmp.Compare(f.lastSeen(a), f.lastSeen(b)) })
	for _, v := range present {
		f.recency.moveToNewest(f.ringOf(v), v.slot)
	}
}

// prefetch loads what publishing and unindexing touch of each vehicle that is not nil. In a large
// fleet hardly any of it is in the processor's caches, and waiting for memory costs more than all
// else. Loads that are issued together overlap, so some dozens are loaded before the first is used.
func (f *fleet) prefetch(vehicles []*vehicle) {
	for _, v := range vehicles {
		if v != nil {
			f.prefetched += uint64(v.number + v.index.dropped) // one in each cache line
		}
	}
	for _, v := range vehicles {
		if v != nil && len(v.index.list) > 0 {
			f.prefetched += v.index.list[0]
		}
	}
}

// prefetchRecency loads what touch needs.
func (f *fleet) prefetchRecency(vehicles []*vehicle) {
	for _, v := range vehicles {
		if v != nil && v.slot >= 0 {
			l := f.recency[v.slot]
			f.prefetched += uint64(f.recency[l.older].newer+f.recency[l.newer].older) + uint64(f.rhythms[v.slot].total)
		}
	}
}

// forget forgets a gone vehicle. Its index stays as long as the log holds its events.
func (f *fleet) forget(v *vehicle) {
	f.forgotten = max(f.forgotten, v.number)
	f.gone--
	f.recency.remove(v.slot)
	o := f.ownerOf(v)
	f.weigh(v, -int(f.recency[v.slot].weight))
	f.owners.vehicles.add(&o.vehicles, -1)
	f.disown(o)
	f.slots[v.slot] = nil
	f.free = append(f.free, v.slot)
	v.slot = -1
	f.release(v)
}

// release frees a forgotten vehicle when the log holds none of its events.
func (f *fleet) release(v *vehicle) {
	if v.slot < 0 && len(v.index.list) == 0 {
		f.forgotten = max(f.forgotten, v.index.dropped)
		delete(f.byID, v.id)
	}
}

// hashFeature returns a hash by which a gone vehicle's Feature is recognised.
func hashFeature(feature []byte) uint64 {
	h := fnv.New64a()
	h.Write(geo.CutStaleAfter(feature))
	io.WriteString(h, "}}") // its end
	return h.Sum64()
}

// topic is a topic that publishers name, or that of a fence: its events in the log and its members now.
type topic struct {
	id      string
	index   *seqIndex
	members map[*vehicle]struct{}
	set     *topicSet // the newest set that contains this topic
	fence   *fence    // whose topic it is; nil: publishers name it
	// over: the fence was changed or has ended since, and nobody is in the topic any more. The fence's next
	// topic shares the index.
	over atomic.Bool
}

// pinned reports whether the topic stays without members and events.
func (t *topic) pinned() bool { return t.fence != nil && !t.over.Load() }

// topics holds all topics that have members or events in the log. Hub.mu guards it.
type topics struct {
	byID    map[string]*topic
	inOrder *btree.BTreeG[*topic] // those with members, by id
}

func newTopics() topics {
	return topics{map[string]*topic{}, newTree(func(t *topic) string { return t.id })}
}

// set returns the set of these topics. That is known itself when it holds the same. dropped is as
// in fleet.add.
func (ts topics) set(ids []string, known *topicSet, dropped number) *topicSet {
	if len(ids) == 0 {
		return noTopics
	}
	if known != nil && sameTopics(*known, ids) {
		return known
	}
	set := make(topicSet, len(ids))
	for i, id := range ids {
		set[i] = ts.get(id, dropped)
	}
	return shareTopicSet(set)
}

// shareTopicSet returns an equal set that other vehicles already share, if it is the newest of one
// of its topics. All vehicles of a bus line share one set.
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

func (ts topics) get(id string, dropped number) *topic {
	t := ts.byID[id]
	if t == nil {
		t = &topic{id: strings.Clone(id), index: &seqIndex{dropped: dropped}, members: map[*vehicle]struct{}{}}
		ts.byID[t.id] = t
	}
	return t
}

// topicSize is what a topic costs in memory, about, with an id of usual length.
const topicSize = 600 // bytes

// idleTopics returns the bytes of topics without members: those that the log alone keeps. Those of fences
// stay. Hub.mu is held.
func (h *Hub) idleTopics() int {
	return max(0, len(h.topics.byID)-h.topics.inOrder.Len()-len(h.fences.byID)) * topicSize
}

// moveMember removes v from the topics before and adds it to the topics after.
func (ts topics) moveMember(v *vehicle, before, after *topicSet) {
	if before == after {
		return
	}
	if before != nil {
		for _, t := range *before {
			delete(t.members, v)
			if len(t.members) == 0 && !t.over.Load() {
				ts.inOrder.Delete(t)
			}
		}
	}
	if after != nil {
		for _, t := range *after {
			t.members[v] = struct{}{}
			if len(t.members) == 1 {
				ts.inOrder.Set(t)
			}
		}
	}
}

// release frees the topics of a set that have neither members nor events.
func (ts topics) release(set *topicSet) {
	if set == nil {
		return
	}
	for _, t := range *set {
		if t = ts.byID[t.id]; t != nil && len(t.members) == 0 && len(t.index.list) == 0 && !t.pinned() {
			delete(ts.byID, t.id)
		}
	}
}

// eachIndex calls do once for each index that holds an event of v: the vehicle's own and those of
// the topics before and after. The topics before must see that the vehicle left.
func eachIndex(v *vehicle, before, after *topicSet, do func(*seqIndex)) {
	do(&v.index)
	if before != nil {
		for _, t := range *before {
			do(t.index)
		}
	}
	if after == nil || after == before {
		return
	}
	for _, t := range *after {
		if before == nil || !before.hasIndex(t.index) {
			do(t.index)
		}
	}
}
