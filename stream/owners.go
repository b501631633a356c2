package stream

import "strings"

// owner is a publisher and the vehicles that are its own: those whose newest position it has published.
type owner struct {
	name          string // of the publisher: see Source
	index         int32  // in owners.all
	present, gone int32  // its rings
	vehicles      share  // how many are its own, present and gone
	bytes         share  // the weight of these
	onMap         int    // how many of them are present
}

// owners are the publishers that own vehicles.
type owners struct {
	byName   map[string]*owner
	all      []*owner // by index, nil where free
	free     []int32  // free indexes
	vehicles shares
	bytes    shares
	weight   int64 // of all vehicles
}

// ring returns the ring of an owner's vehicles that are present, or that are gone.
func (o *owner) ring(present bool) int32 {
	if present {
		return o.present
	}
	return o.gone
}

// ownerOf returns the owner of a known vehicle.
func (f *fleet) ownerOf(v *vehicle) *owner { return f.owners.all[f.recency[v.slot].owner] }

// ringOf returns the ring of a known vehicle.
func (f *fleet) ringOf(v *vehicle) int32 { return f.ownerOf(v).ring(v.present()) }

// own returns the owner of a name, which will own a vehicle at once.
func (f *fleet) own(name string) *owner {
	if o := f.owners.byName[name]; o != nil {
		return o
	}
	o := &owner{name: strings.Clone(name), present: f.slotFor(nil), gone: f.slotFor(nil)}
	o.vehicles.publisher, o.bytes.publisher = o.name, o.name
	f.recency.makeRing(o.present)
	f.recency.makeRing(o.gone)
	if n := len(f.owners.free); n > 0 {
		o.index, f.owners.free = f.owners.free[n-1], f.owners.free[:n-1]
		f.owners.all[o.index] = o
	} else {
		o.index = int32(len(f.owners.all))
		f.owners.all = append(f.owners.all, o)
	}
	f.owners.byName[o.name] = o
	return o
}

// disown forgets an owner that owns no vehicle.
func (f *fleet) disown(o *owner) {
	if o.vehicles.amount > 0 {
		return
	}
	delete(f.owners.byName, o.name)
	f.owners.all[o.index] = nil
	f.owners.free = append(f.owners.free, o.index)
	f.free = append(f.free, o.present, o.gone)
}

// give makes a known vehicle that of a publisher.
func (f *fleet) give(v *vehicle, name string) {
	before := f.ownerOf(v)
	if before.name == name {
		return
	}
	after := f.own(name)
	f.owners.vehicles.add(&before.vehicles, -1)
	f.owners.vehicles.add(&after.vehicles, 1)
	weight := int64(f.recency[v.slot].weight)
	f.owners.bytes.add(&before.bytes, -weight)
	f.owners.bytes.add(&after.bytes, weight)
	if v.present() {
		before.onMap, after.onMap = before.onMap-1, after.onMap+1
	}
	f.recency[v.slot].owner = after.index
	f.recency.moveToNewest(after.ring(v.present()), v.slot)
	f.disown(before)
}

// What a vehicle weighs: its event and topics, in bytes. They are rounded, so that most positions change
// nothing, and because memory is.
const (
	weightUnit  = 64
	topicWeight = 256 // of being in a topic, beside its name
)

func weightOfEvent(size int) int { return (size + weightUnit - 1) &^ (weightUnit - 1) }

func weightOfTopics(set *topicSet) (weight int) {
	if set != nil {
		for _, t := range set.published() {
			weight += topicWeight + len(t.id)
		}
	}
	return weight
}

// weigh adds to what a known vehicle weighs.
func (f *fleet) weigh(v *vehicle, by int) {
	if by == 0 {
		return
	}
	f.recency[v.slot].weight += int32(by)
	f.owners.weight += int64(by)
	f.owners.bytes.add(&f.ownerOf(v).bytes, int64(by))
}

// toEvict returns the vehicle that makes room: of the owner that has most of what is short, the one that has
// been silent for the longest time, present or gone. So a publisher of many vehicles does not make the hub
// forget those of others. There must be a vehicle.
func (f *fleet) toEvict(short shares) *vehicle {
	o := f.owners.byName[short.most().publisher]
	present, gone := f.recency.oldest(o.present), f.recency.oldest(o.gone)
	if present == o.present || gone != o.gone && f.recency[gone].seen < f.recency[present].seen {
		return f.slots[gone]
	}
	return f.slots[present]
}

// silentSince returns up to most present vehicles that have not reported since old: see touch.
func (f *fleet) silentSince(old int64, most int) (silent []*vehicle) {
	for _, o := range f.owners.vehicles {
		ring := f.owners.byName[o.publisher].present
		for slot := f.recency.oldest(ring); slot != ring && f.recency[slot].seen <= old; {
			if len(silent) == most {
				return silent
			}
			silent = append(silent, f.slots[slot])
			slot = f.recency[slot].newer
		}
	}
	return silent
}
