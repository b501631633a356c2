package stream

import (
	"slices"
	"strings"
)

// only restricts the whole fleet to the vehicles that patterns of topics match:
// topics, or beginnings of topics with a `*` at the end. It never changes.
type only struct {
	vehicles, topics     []string // ids, sorted
	vehiclesOf, topicsOf []string // beginnings of ids
}

// newOnly reads patterns; nil where they match every vehicle.
func newOnly(patterns []string) *only {
	o := &only{}
	for _, pattern := range patterns {
		prefix, open := strings.CutSuffix(pattern, "*")
		vehicle, ofVehicles := strings.CutPrefix(prefix, VehiclePrefix)
		switch {
		case pattern == AllTopic, open && (strings.HasPrefix(AllTopic, prefix) || strings.HasPrefix(VehiclePrefix, prefix)):
			return nil
		case open && ofVehicles:
			o.vehiclesOf = append(o.vehiclesOf, vehicle)
		case open:
			o.topicsOf = append(o.topicsOf, prefix)
		case ofVehicles:
			o.vehicles = append(o.vehicles, vehicle)
		default:
			o.topics = append(o.topics, pattern)
		}
	}
	for _, ids := range []*[]string{&o.vehicles, &o.topics, &o.vehiclesOf, &o.topicsOf} {
		*ids = distinct(*ids)
	}
	return o
}

// names tells whether a vehicle matches by its id.
func (o *only) names(vehicleID string) bool { return matches(o.vehicles, o.vehiclesOf, vehicleID) }

// meets tells whether one of a vehicle's topics matches.
func (o *only) meets(topics *topicSet) bool {
	for _, t := range *topics {
		if matches(o.topics, o.topicsOf, t.id) {
			return true
		}
	}
	return false
}

func matches(ids, beginnings []string, id string) bool {
	if _, found := slices.BinarySearch(ids, id); found {
		return true
	}
	return slices.ContainsFunc(beginnings, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

// beginnings finds subscribers by the beginning of an id. A lookup costs as much
// as there are lengths of beginnings, however many subscribers there are.
type beginnings struct {
	of      map[string][]*Subscription
	lengths []int // that occur, sorted
	times   map[int]int
}

func (b *beginnings) init() {
	b.of, b.times = map[string][]*Subscription{}, map[int]int{}
}

func (b *beginnings) add(prefix string, s *Subscription) {
	b.of[prefix] = append(b.of[prefix], s)
	n := len(prefix)
	if b.times[n]++; b.times[n] == 1 {
		i, _ := slices.BinarySearch(b.lengths, n)
		b.lengths = slices.Insert(b.lengths, i, n)
	}
}

func (b *beginnings) drop(prefix string, s *Subscription) {
	drop(b.of, prefix, s)
	n := len(prefix)
	if b.times[n]--; b.times[n] == 0 {
		delete(b.times, n)
		i, _ := slices.BinarySearch(b.lengths, n)
		b.lengths = slices.Delete(b.lengths, i, i+1)
	}
}

// consider has those whose beginning the id has look at an event.
func (b *beginnings) consider(id string, seq uint64, r *record) {
	for _, n := range b.lengths {
		if n > len(id) {
			return
		}
		for _, s := range b.of[id[:n]] {
			s.consider(seq, r)
		}
	}
}
