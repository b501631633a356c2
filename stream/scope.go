package stream

import (
	"slices"
	"strings"

	"livemap/geo"
)

// Topics of every vehicle, which no publisher has to name: AllTopic is the whole fleet, and
// VehiclePrefix with a vehicle's id is that vehicle.
const (
	AllTopic      = "live_updates:all"
	VehiclePrefix = "vehicle:"
)

// scope is which vehicles a reader asks for. It never changes.
type scope struct {
	all      bool        // the whole fleet, as far as only and the box reach
	patterns *patternSet // nil: every vehicle
	vehicles []string    // ids, sorted; no box restricts these
	topics   []string    // sorted
	box      *geo.Box    // nil: everywhere
}

// newScope makes the scope of a query. A box that holds every point is none,
// and who asks for the whole fleet needs no further topic. Patterns, unless nil,
// restrict the whole fleet.
func newScope(topics []string, box *geo.Box, patterns ...string) scope {
	var s scope
	if patterns != nil { // none at all match nothing
		s.patterns = newPatternSet(patterns)
	}
	if box != nil && !box.World() {
		s.box = box
	}
	for _, id := range topics {
		if vehicle, ok := strings.CutPrefix(id, VehiclePrefix); ok {
			s.vehicles = append(s.vehicles, vehicle)
		} else if id == AllTopic {
			s.all = true
		} else {
			s.topics = append(s.topics, id)
		}
	}
	if s.whole() {
		return scope{all: true}
	}
	s.vehicles, s.topics = sortUnique(s.vehicles), sortUnique(s.topics)
	return s
}

func sortUnique(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// whole tells whether every event of the hub is in scope.
func (s *scope) whole() bool { return s.all && s.box == nil && s.patterns == nil }

// scans tells whether every event of the hub must be looked at to find those
// in scope. For the rest there are indexes.
func (s *scope) scans() bool { return s.all && !s.whole() }

// exact tells whether the fleet knows what a reader of this scope held at any
// time: a vehicle that was in scope still is, or is gone. With boxes and topics
// vehicles come and go unseen.
func (s *scope) exact() bool {
	return s.box == nil && len(s.topics) == 0 && (s.patterns == nil || len(s.patterns.topics)+len(s.patterns.topicPrefixes) == 0)
}

// namesVehicle tells whether a vehicle is in scope wherever it is.
func (s *scope) namesVehicle(vehicleID string) bool {
	if s.whole() || s.all && s.box == nil && s.patterns.matchesVehicle(vehicleID) {
		return true
	}
	_, found := slices.BinarySearch(s.vehicles, vehicleID)
	return found
}

// contains tells whether a vehicle is in scope when it is at a place.
func (s *scope) contains(vehicleID string, at place) bool {
	if at.nowhere() {
		return false
	}
	if s.namesVehicle(vehicleID) {
		return true
	}
	if s.box != nil && !s.box.Contains(at.point) {
		return false
	}
	return s.all && (s.patterns == nil || s.patterns.matchesVehicle(vehicleID) || s.patterns.matchesTopic(at.topics)) || s.hasTopic(at.topics)
}

func (s *scope) hasTopic(topics *topicSet) bool {
	for _, t := range *topics {
		if _, found := slices.BinarySearch(s.topics, t.id); found {
			return true
		}
	}
	return false
}

// delivery is what a reader gets of an event.
type delivery uint8

const (
	deliverNothing delivery = iota
	deliverEvent            // the event as it is in the log
	deliverGone             // a `gone` event: the vehicle left the scope with it
)

// delivery tells what a reader gets of an event.
func (s *scope) delivery(r *record) delivery {
	id := r.vehicle.id
	switch {
	case r.kind == kindGone && s.contains(id, r.before), r.kind != kindGone && s.contains(id, r.after):
		return deliverEvent
	case r.kind == kindPosition && s.contains(id, r.before):
		return deliverGone
	}
	return deliverNothing
}
