package stream

import (
	"cmp"
	"container/list"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// vehicle is the last-known state of one vehicle. It is present, or gone (a
// tombstone: it keeps the newest timestamp, so that a straggler does not bring
// the vehicle back), or forgotten (only its index is left, as long as the log
// holds events of it).
type vehicle struct {
	id    string
	seq   uint64 // of the event that made the state: its newest position, or that it went
	event []byte // that event's bytes
	time  int64  // timestamp of its newest position, Unix nanoseconds
	here  place  // topics nil: gone
	sum   uint64 // of a gone vehicle's newest Feature, to know a repeat of it
	seen  int64  // when anything arrived from it, hub's monotonic clock, nanoseconds
	slot  int    // in fleet.slots; -1: forgotten
	index seqs   // its events in the log

	silence *list.Element // in fleet.present or fleet.gone
}

func (v *vehicle) present() bool { return !v.here.nowhere() }

// at is where late positions of the vehicle are filed.
func (v *vehicle) at() place {
	if v.present() {
		return v.here
	}
	return place{noTopics, v.here.point}
}

// fleet is the last-known state of all vehicles. Hub.mu guards it.
type fleet struct {
	byID    map[string]*vehicle // the forgotten too
	slots   []*vehicle          // one stable slot each, nil where free: to walk in pieces
	free    []int               // slots
	present list.List           // of *vehicle, the longest silent first
	gone    list.List           // of *vehicle, the longest gone (or silent since) first
	// forgotten is the newest event that told of a vehicle's end, or came late
	// after it, and that no tombstone remembers: a reader from before it cannot be
	// told what it missed.
	forgotten uint64
}

// get gives the vehicle, gone or not; nil when it is not known.
func (f *fleet) get(id string) *vehicle {
	if v := f.byID[id]; v != nil && v.slot >= 0 {
		return v
	}
	return nil
}

// size counts the vehicles, gone ones included.
func (f *fleet) size() int { return f.present.Len() + f.gone.Len() }

// add makes a vehicle known, as gone. unknown is the newest event that has left
// the log: one of this vehicle's may have been among them.
func (f *fleet) add(id string, unknown uint64) *vehicle {
	v := f.byID[id]
	if v == nil {
		v = &vehicle{id: strings.Clone(id), index: seqs{dropped: unknown}}
		f.byID[v.id] = v
	}
	v.time, v.sum, v.here = 0, 0, place{}
	v.slot = f.slotFor(v)
	v.silence = f.gone.PushBack(v)
	return v
}

func (f *fleet) slotFor(v *vehicle) int {
	if n := len(f.free); n > 0 {
		slot := f.free[n-1]
		f.free, f.slots[slot] = f.free[:n-1], v
		return slot
	}
	f.slots = append(f.slots, v)
	return len(f.slots) - 1
}

// touch notes that something arrived from the vehicle.
func (f *fleet) touch(v *vehicle, now time.Duration) {
	v.seen = int64(now)
	f.listed(v).MoveToBack(v.silence)
}

func (f *fleet) listed(v *vehicle) *list.List {
	if v.present() {
		return &f.present
	}
	return &f.gone
}

// move puts a vehicle at another place, which may be nowhere.
func (f *fleet) move(v *vehicle, to place) {
	if v.present() == !to.nowhere() {
		v.here = to
		return
	}
	f.listed(v).Remove(v.silence)
	v.here = to
	v.silence = f.listed(v).PushBack(v)
}

// silentSince gives a present vehicle from which nothing has arrived since the
// moment old; nil when there is none.
func (f *fleet) silentSince(old time.Duration) *vehicle {
	if front := f.present.Front(); front != nil && front.Value.(*vehicle).seen <= int64(old) {
		return front.Value.(*vehicle)
	}
	return nil
}

// longestSilent gives the vehicle, present or gone, from which nothing arrived
// for the longest time. There must be one.
func (f *fleet) longestSilent() *vehicle {
	present, gone := f.present.Front(), f.gone.Front()
	if present == nil || gone != nil && gone.Value.(*vehicle).seen < present.Value.(*vehicle).seen {
		return gone.Value.(*vehicle)
	}
	return present.Value.(*vehicle)
}

// sortBySilence puts the lists in their order, after vehicles were added in another.
func (f *fleet) sortBySilence() {
	known := make([]*vehicle, 0, len(f.slots))
	for _, v := range f.slots {
		if v != nil {
			known = append(known, v)
		}
	}
	slices.SortStableFunc(known, func(a, b *vehicle) int { return cmp.Compare(a.seen, b.seen) })
	for _, v := range known {
		f.listed(v).MoveToBack(v.silence)
	}
}

// forget drops a vehicle that is gone; its index stays with the log.
func (f *fleet) forget(v *vehicle) {
	f.forgotten = max(f.forgotten, v.seq)
	f.gone.Remove(v.silence)
	f.slots[v.slot] = nil
	f.free = append(f.free, v.slot)
	v.slot, v.silence = -1, nil
	f.release(v)
}

// release lets go of a forgotten vehicle of which the log holds nothing.
func (f *fleet) release(v *vehicle) {
	if v.slot < 0 && len(v.index.list) == 0 {
		f.forgotten = max(f.forgotten, v.index.dropped)
		delete(f.byID, v.id)
	}
}

// sum tells one Feature from another.
func sum(feature []byte) uint64 {
	h := fnv.New64a()
	h.Write(feature)
	return h.Sum64()
}

// topic is a topic that publishers name: its events in the log, and who is in
// it now.
type topic struct {
	id      string
	index   seqs
	members map[*vehicle]struct{}
}

// topics is all topics with members or events. Hub.mu guards it.
type topics map[string]*topic

// set gives the set of the topics ids, which is known's own if that has the
// same. unknown is as for fleet.add.
func (ts topics) set(ids []string, known *topicSet, unknown uint64) *topicSet {
	if len(ids) == 0 {
		return noTopics
	}
	if known != nil && same(*known, ids) {
		return known
	}
	set := make(topicSet, len(ids))
	for i, id := range ids {
		set[i] = ts.get(id, unknown)
	}
	return &set
}

func same(set topicSet, ids []string) bool {
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
		t = &topic{id: strings.Clone(id), index: seqs{dropped: unknown}, members: map[*vehicle]struct{}{}}
		ts[t.id] = t
	}
	return t
}

// move makes v a member of the topics after instead of before.
func (ts topics) move(v *vehicle, before, after *topicSet) {
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

// filed calls file once for each index an event of v belongs in: its own and
// those of the topics before and after, so that leaving is seen.
func filed(v *vehicle, before, after *topicSet, file func(*seqs)) {
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
