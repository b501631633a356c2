package stream

import (
	"math"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"livemap/geo"
)

// applier changes the state of a hub as one entry asks: a position, a deletion. Its methods are the only
// ones that change what is known of vehicles, and the log. What they do depends on the state and the entry
// alone. So hubs that apply the same entries have the same state: no clock may be read here, no map walked
// and no setting used that another hub may not have.
//
// [Hub.mu] is held.
type applier struct {
	*Hub
	source  Source    // of the entry
	evicted int       // vehicles, by the entry
	caused  int       // events, by the entry
	first   number    // the lowest number for events of the entry; they are above newest in any case
	arrived time.Time // when the entry came to its hub, by that hub's clock: for positions without time
	heard   int64     // when it was stored, by the clock of the order, nanoseconds: see fleet.touch
	mono    int64     // when it is applied, on this hub's monotonic clock: how long deliveries take
}

// applyNow returns the applier for entries of a source, in the order in which they take Hub.mu, of a hub
// without a journal.
func (h *Hub) applyNow(source Source, now moment) *applier {
	h.applier = applier{Hub: h, source: source, arrived: now.wall, heard: int64(now.mono), mono: int64(now.mono)}
	return &h.applier
}

// number returns the number of the next event.
func (a *applier) number() number {
	if a.nextNumber != nil {
		return a.nextNumber(a.log.newest)
	}
	return max(a.log.newest+1, a.first)
}

// addVehicle adds a vehicle of the entry's publisher.
func (a *applier) addVehicle(id string) *vehicle {
	a.evict(1)
	v := a.fleet.add(id, a.source.Publisher, a.log.dropped)
	v.time = math.MinInt64
	if int(v.slot) < len(a.fences.near) {
		a.fences.near[v.slot] = nearby{}
	}
	return v
}

// evict forgets vehicles until there is room for so many further ones: see fleet.toEvict. One entry evicts
// up to maxEvictions of them; the next ones go on.
func (a *applier) evict(further int) {
	for ; a.evicted < maxEvictions && a.caused < mostEvents && a.crowded(further) != nil; a.evicted++ {
		v := a.fleet.toEvict(a.crowded(further))
		if v.present() {
			a.markGone(v, Expired)
		}
		a.keepForSave(v)
		a.fleet.forget(v)
	}
}

// crowded returns who has how much of what there is too much of, with so many further vehicles; nil: there is
// room. Hub.mu is held.
func (h *Hub) crowded(further int) shares {
	switch f := &h.fleet; {
	case f.size() == 0:
		return nil
	case f.size()+further > h.settings.maxVehicles():
		return f.owners.vehicles
	case f.owners.weight > h.settings.maxState():
		return f.owners.bytes
	}
	return nil
}

// markGone turns a present vehicle into a gone one, with its event.
func (a *applier) markGone(v *vehicle, reason GoneReason) {
	a.keepForSave(v)
	a.leaveFences(v)
	v.hash = hashFeature(v.feature())
	n := a.number()
	a.event = frameGone(a.event.text, a.epoch, n, v.id, reason)
	a.commitState(v, n, kindGone, place{point: v.here.point})
}

// commitState appends a.event to the log as event n, the one that made v's state, which is now at the
// place after.
func (a *applier) commitState(v *vehicle, n number, k eventKind, after place) {
	before := v.here
	weight := weightOfEvent(len(a.event.text)) - weightOfEvent(len(v.event))
	if before.topics != after.topics {
		weight += weightOfTopics(after.topics) - weightOfTopics(before.topics)
	}
	a.fleet.weigh(v, weight)
	a.fleet.setPlace(v, after)
	a.topics.moveMember(v, before.topics, after.topics)
	v.number = n
	v.event = a.appendEvent(v, n, k, before, after)
	v.dataAt, v.idSize = a.event.dataAt, a.event.idSize
}

// appendEvent appends a.event to the log as event n, indexes it, and drops the segments for which there is no
// room. It returns the bytes of the event in the log.
func (a *applier) appendEvent(v *vehicle, n number, k eventKind, before, after place) []byte {
	seq, indexed := a.log.head()+1, 0
	eachIndex(v, before.topics, after.topics, func(index *seqIndex) {
		index.add(seq)
		indexed++
	})
	event := a.log.append(a.event, record{
		number: n, kind: k, vehicle: v, before: before, after: after, published: a.mono,
	}, indexed)
	a.addToDigest(event[:len(event)-int(a.event.idSize)]) // a restored journal has another epoch
	a.caused++
	if k.ofFence() {
		a.lane.add(record{number: n, kind: k, vehicle: v, before: before, after: after}, a.event)
	}
	for s := a.log.drop(a.idleTopics()); s != nil; s = a.log.drop(a.idleTopics()) {
		a.unindexSegment(s)
	}
	return event
}

// unindexSegment removes a segment that left the log from the indexes. A vehicle whose newest event
// was in it gets a copy, so that a parked vehicle does not pin the segment.
func (a *applier) unindexSegment(s *segment) {
	for some := range slices.Chunk(s.records, publishBatch) {
		var of [publishBatch]*vehicle
		for i := range some {
			of[i] = some[i].vehicle
		}
		a.fleet.prefetch(of[:len(some)])
		for i := range some {
			a.unindexEvent(&some[i], s)
		}
	}
}

// unindexEvent removes an event of the segment s from the indexes.
func (a *applier) unindexEvent(r *record, s *segment) {
	if r.vehicle.number == r.number {
		r.vehicle.event = slices.Clone(r.vehicle.event)
	}
	eachIndex(r.vehicle, r.before.topics, r.after.topics, func(index *seqIndex) { index.trim(s) })
	a.fleet.release(r.vehicle)
	a.topics.release(r.before.topics)
	if r.after.topics != r.before.topics {
		a.topics.release(r.after.topics)
	}
}

// position applies a position. v is its vehicle as looked up before. Another entry may have made the hub
// forget it since.
func (a *applier) position(p *geo.Position, v *vehicle) Receipt {
	a.evict(0)
	if a.source.Name != "" {
		if !a.isNew(a.source, a.heard) {
			return Receipt{Verdict: Duplicate}
		}
		a.note(xxhash.Sum64String(a.source.Publisher) ^ xxhash.Sum64String(a.source.Name)*3 ^ a.source.Seq)
	}
	added := false
	if v == nil || v.slot < 0 {
		if v = a.fleet.get(p.VehicleID); v == nil {
			if a.overQuota(a.source.Publisher) {
				return Receipt{Verdict: Refused}
			}
			v, added = a.addVehicle(p.VehicleID), true
		}
	}
	if !added {
		a.keepForSave(v)
	}
	heardBefore := a.fleet.lastSeen(v)
	if v.present() { // what comes late or again does not bring back a gone one
		a.fleet.touch(v, a.heard)
	}
	p.StaleAfter = 0 // it is not for the publisher to say
	at, n := timestampOf(p, v, a.arrived), a.number()
	a.event = framePosition(a.event.text, a.epoch, n, p, at)
	switch a.verdict(p, v, at.UnixNano(), a.event.feature()) {
	case Duplicate:
		return Receipt{Verdict: Duplicate}
	case Late:
		if a.sums.has(a.event.feature()) {
			return Receipt{Verdict: Duplicate}
		}
		a.sums.add(a.event.feature())
		a.event = frameLate(a.event.text, a.epoch, n, p, at).withStaleAfter(a.staleAfter(p, v))
		a.appendEvent(v, n, kindLate, v.lastPlace(), v.lastPlace())
		return Receipt{Verdict: Late, ID: a.id(n)}
	}
	if !v.present() && !added && a.overQuota(a.source.Publisher) {
		return Receipt{Verdict: Refused}
	}
	if !p.Time.IsZero() {
		a.sums.add(a.event.feature())
	}
	topics := a.publishedTopics(v)
	if topics == nil || p.Topics != nil {
		topics = a.topics.set(p.Topics, topics, a.log.dropped)
	}
	if v.present() {
		a.learnRhythm(v, heardBefore)
	}
	a.event = a.event.withStaleAfter(a.staleAfter(p, v))
	if a.fences.near != nil {
		topics = a.judge(v, p.Point, at.UnixNano(), topics)
	}
	v.time = at.UnixNano()
	if added || a.fleet.ownerOf(v).name != a.source.Publisher {
		a.note(xxhash.Sum64String(a.source.Publisher))
	}
	a.fleet.give(v, a.source.Publisher)
	a.fleet.touch(v, a.heard)
	before := v.here
	a.commitState(v, n, kindPosition, place{topics, p.Point})
	if len(a.fences.happened) > 0 {
		a.tellHappened(v, before)
	}
	return Receipt{Verdict: Accepted, ID: a.id(n), New: added}
}

// overQuota reports whether a publisher may have no further vehicle on the map. Hub.mu is held.
func (h *Hub) overQuota(publisher string) bool {
	most := h.settings.maxVehiclesPerPublisher()
	if most == 0 {
		return false
	}
	o := h.fleet.owners.byName[publisher]
	return o != nil && o.onMap >= most
}
