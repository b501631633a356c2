package stream

import "strings"

// owner is a publisher and the vehicles that are its own: those whose newest position it has published.
type owner struct {
	name          string // of the publisher: see Source
	index         int32  // in owners.all
	present, gone int32  // its rings
	vehicles      share  // how many are its own, present and gone
}

// owners are the publishers that own vehicles.
type owners struct {
	byName   map[string]*owner
	all      []*owner // by index, nil where free
	free     []int32  // free indexes
	vehicles shares
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
	o.vehicles.publisher = o.name
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
	f.recency[v.slot].owner = after.index
	f.recency.moveToNewest(after.ring(v.present()), v.slot)
	f.disown(before)
}

// toEvict returns the vehicle that makes room for another: of the owner of most vehicles, the one that has
// been silent for the longest time, present or gone. So a publisher of many vehicles does not make the hub
// forget those of others. There must be a vehicle.
func (f *fleet) toEvict() *vehicle {
	o := f.owners.byName[f.owners.vehicles.most().publisher]
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
