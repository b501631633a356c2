package stream

import (
	"slices"
	"strings"
)

// patternSet restricts the whole fleet to the vehicles that match one of its patterns. A pattern is
// a topic, or the beginning of one with a `*` at the end. A set is immutable.
type patternSet struct {
	vehicles, topics               []string // ids, sorted
	vehiclePrefixes, topicPrefixes []string // of ids
}

// newPatternSet parses patterns. It returns nil when they match every vehicle.
func newPatternSet(patterns []string) *patternSet {
	p := &patternSet{}
	for _, pattern := range patterns {
		prefix, open := strings.CutSuffix(pattern, "*")
		vehicle, ofVehicles := strings.CutPrefix(prefix, VehiclePrefix)
		switch {
		case pattern == AllTopic,
			open && (strings.HasPrefix(AllTopic, prefix) || strings.HasPrefix(VehiclePrefix, prefix)):
			return nil
		case open && ofVehicles:
			p.vehiclePrefixes = append(p.vehiclePrefixes, vehicle)
		case open:
			p.topicPrefixes = append(p.topicPrefixes, prefix)
		case ofVehicles:
			p.vehicles = append(p.vehicles, vehicle)
		default:
			p.topics = append(p.topics, pattern)
		}
	}
	for _, ids := range []*[]string{&p.vehicles, &p.topics, &p.vehiclePrefixes, &p.topicPrefixes} {
		*ids = sortUnique(*ids)
	}
	return p
}

// matchesVehicle reports whether a vehicle matches by its id.
func (p *patternSet) matchesVehicle(vehicleID string) bool {
	return matchesID(p.vehicles, p.vehiclePrefixes, vehicleID)
}

// matchesTopic reports whether one of a vehicle's topics matches.
func (p *patternSet) matchesTopic(topics *topicSet) bool {
	for _, t := range *topics {
		if matchesID(p.topics, p.topicPrefixes, t.id) && !t.over.Load() {
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

// prefixIndex finds subscribers by the prefix of an id. A lookup costs as much as prefixes have
// different lengths, however many subscribers there are.
type prefixIndex struct {
	subscribers map[string][]*Subscription
	lengths     []int // distinct lengths of prefixes, sorted
	count       map[int]int
}

func (x *prefixIndex) init() {
	x.subscribers, x.count = map[string][]*Subscription{}, map[int]int{}
}

func (x *prefixIndex) add(prefix string, s *Subscription) {
	x.subscribers[prefix] = append(x.subscribers[prefix], s)
	n := len(prefix)
	if x.count[n]++; x.count[n] == 1 {
		i, _ := slices.BinarySearch(x.lengths, n)
		x.lengths = slices.Insert(x.lengths, i, n)
	}
}

func (x *prefixIndex) remove(prefix string, s *Subscription) {
	removeKey(x.subscribers, prefix, s)
	n := len(prefix)
	if x.count[n]--; x.count[n] == 0 {
		delete(x.count, n)
		i, _ := slices.BinarySearch(x.lengths, n)
		x.lengths = slices.Delete(x.lengths, i, i+1)
	}
}

// notify notifies the subscribers that have a prefix of id and the event in scope.
func (x *prefixIndex) notify(id string, r *record) {
	for _, n := range x.lengths {
		if n > len(id) {
			return
		}
		for _, s := range x.subscribers[id[:n]] {
			s.notifyIfInScope(r)
		}
	}
}
