package stream

import (
	"slices"
	"strings"
)

// patternSet restricts the whole fleet to the vehicles that patterns of topics match:
// topics, or beginnings of topics with a `*` at the end. It never changes.
type patternSet struct {
	vehicles, topics               []string // ids, sorted
	vehiclePrefixes, topicPrefixes []string // beginnings of ids
}

// newPatternSet reads patterns; nil where they match every vehicle.
func newPatternSet(patterns []string) *patternSet {
	o := &patternSet{}
	for _, pattern := range patterns {
		prefix, open := strings.CutSuffix(pattern, "*")
		vehicle, ofVehicles := strings.CutPrefix(prefix, VehiclePrefix)
		switch {
		case pattern == AllTopic, open && (strings.HasPrefix(AllTopic, prefix) || strings.HasPrefix(VehiclePrefix, prefix)):
			return nil
		case open && ofVehicles:
			o.vehiclePrefixes = append(o.vehiclePrefixes, vehicle)
		case open:
			o.topicPrefixes = append(o.topicPrefixes, prefix)
		case ofVehicles:
			o.vehicles = append(o.vehicles, vehicle)
		default:
			o.topics = append(o.topics, pattern)
		}
	}
	for _, ids := range []*[]string{&o.vehicles, &o.topics, &o.vehiclePrefixes, &o.topicPrefixes} {
		*ids = sortUnique(*ids)
	}
	return o
}

// matchesVehicle tells whether a vehicle matches by its id.
func (o *patternSet) matchesVehicle(vehicleID string) bool {
	return matchesID(o.vehicles, o.vehiclePrefixes, vehicleID)
}

// matchesTopic tells whether one of a vehicle's topics matches.
func (o *patternSet) matchesTopic(topics *topicSet) bool {
	for _, t := range *topics {
		if matchesID(o.topics, o.topicPrefixes, t.id) {
			return true
		}
	}
	return false
}

func matchesID(ids, beginnings []string, id string) bool {
	if _, found := slices.BinarySearch(ids, id); found {
		return true
	}
	return slices.ContainsFunc(beginnings, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

// prefixIndex finds subscribers by the beginning of an id. A lookup costs as much
// as there are lengths of beginnings, however many subscribers there are.
type prefixIndex struct {
	subscribers map[string][]*Subscription
	lengths     []int // that occur, sorted
	count       map[int]int
}

func (b *prefixIndex) init() {
	b.subscribers, b.count = map[string][]*Subscription{}, map[int]int{}
}

func (b *prefixIndex) add(prefix string, s *Subscription) {
	b.subscribers[prefix] = append(b.subscribers[prefix], s)
	n := len(prefix)
	if b.count[n]++; b.count[n] == 1 {
		i, _ := slices.BinarySearch(b.lengths, n)
		b.lengths = slices.Insert(b.lengths, i, n)
	}
}

func (b *prefixIndex) remove(prefix string, s *Subscription) {
	removeKey(b.subscribers, prefix, s)
	n := len(prefix)
	if b.count[n]--; b.count[n] == 0 {
		delete(b.count, n)
		i, _ := slices.BinarySearch(b.lengths, n)
		b.lengths = slices.Delete(b.lengths, i, i+1)
	}
}

// notify has those whose beginning the id has look at an event.
func (b *prefixIndex) notify(id string, seq uint64, r *record) {
	for _, n := range b.lengths {
		if n > len(id) {
			return
		}
		for _, s := range b.subscribers[id[:n]] {
			s.notifyIfInScope(seq, r)
		}
	}
}
