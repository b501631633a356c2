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

// scope is which vehicles a reader asks for. It is immutable.
type scope struct {
	all      bool        // the whole fleet, within patterns and box
	patterns *patternSet // nil: every vehicle
	vehicles []string    // ids, sorted; the box does not restrict these
	topics   []string    // sorted
	box      *geo.Box    // nil: everywhere
	rights   idPatterns  // topics of fences that the reader may read: a stream tells of no others
}

// newScope returns the scope of a query. A box that holds every point counts as none. The whole
// fleet needs no further topic. patterns, unless nil, restrict the whole fleet.
func newScope(topics []string, box *geo.Box, patterns ...string) scope {
	var s scope
	if patterns != nil { // an empty list matches nothing
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

// whole reports whether every event of the hub is in scope.
func (s *scope) whole() bool { return s.all && s.box == nil && s.patterns == nil }

// scans reports whether a reader must examine every event of the hub to find those in scope. All
// other scopes have indexes.
func (s *scope) scans() bool { return s.all && !s.whole() }

// exact reports whether the fleet knows what a reader of this scope held at any time. A vehicle
// that was in scope must still be in scope, or gone. With boxes and topics, vehicles enter and
// leave unseen.
func (s *scope) exact() bool {
	if p := s.patterns; p != nil && len(p.topics)+len(p.topicPrefixes) > 0 {
		return false
	}
	return s.box == nil && len(s.topics) == 0
}

// namesVehicle reports whether a vehicle is in scope wherever it is.
func (s *scope) namesVehicle(vehicleID string) bool {
	if s.whole() || s.all && s.box == nil && s.patterns.matchesVehicle(vehicleID) {
		return true
	}
	_, found := slices.BinarySearch(s.vehicles, vehicleID)
	return found
}

// contains reports whether a vehicle is in scope when it is at a place.
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
	if s.all && (s.patterns == nil ||
		s.patterns.matchesVehicle(vehicleID) || s.patterns.matchesTopic(at.topics)) {
		return true
	}
	return s.hasTopic(at.topics)
}

func (s *scope) hasTopic(topics *topicSet) bool {
	for _, t := range *topics {
		if _, found := slices.BinarySearch(s.topics, t.id); found && !t.over.Load() {
			return true
		}
	}
	return false
}

// delivery is what a reader gets of an event.
type delivery uint8

const (
	deliverNothing delivery = iota
	deliverEvent            // the event as it stands in the log
	deliverGone             // a `gone` event, since the vehicle left the scope with this event
)

// delivery returns what a reader gets of an event.
func (s *scope) delivery(r *record) delivery {
	id := r.vehicle.id
	switch {
	case r.kind.ofFence():
		return s.fenceDelivery(r)
	case r.kind == kindMoved && s.contains(id, r.before):
		if s.contains(id, r.after) {
			return deliverNothing // the reader has this position
		}
		return deliverGone
	case r.kind == kindGone && s.contains(id, r.before), r.kind != kindGone && s.contains(id, r.after):
		return deliverEvent
	case r.kind == kindPosition && s.contains(id, r.before):
		return deliverGone
	}
	return deliverNothing
}

// fenceDelivery returns what a reader gets of an event of a fence.
func (s *scope) fenceDelivery(r *record) delivery {
	topic := (*r.before.topics)[0].id
	if r.isOfNobody() {
		if s.followsFence(topic) || s.all && s.rights.match(topic) {
			return deliverEvent
		}
		return deliverNothing
	}
	if _, named := slices.BinarySearch(s.vehicles, r.vehicle.id); named && s.rights.match(topic) {
		return deliverEvent
	}
	if s.box != nil && !s.box.Contains(r.before.point) && !s.box.Contains(r.after.point) {
		return deliverNothing
	}
	if s.followsFence(topic) || s.all && s.rights.match(topic) {
		return deliverEvent
	}
	return deliverNothing
}

// followsFence reports whether vehicles are in scope because they are in a fence of this topic.
func (s *scope) followsFence(topic string) bool {
	_, found := slices.BinarySearch(s.topics, topic)
	return found || s.all && s.patterns != nil && matchesID(s.patterns.topics, s.patterns.topicPrefixes, topic)
}

// isOfNobody reports whether the event is of a fence as a whole.
func (r *record) isOfNobody() bool { return r.vehicle.id == "" }
