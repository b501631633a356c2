package stream

import (
	"slices"
	"strings"

	"livemap/geo"
)

// Topics that every vehicle is in by itself.
const (
	AllTopic      = "live_updates:all"
	VehiclePrefix = "vehicle:"
)

// scope is which vehicles a reader asks for. It never changes.
type scope struct {
	all      bool     // the whole fleet, as far as only and the box reach
	only     *only    // nil: every vehicle
	vehicles []string // ids, sorted; no box restricts these
	topics   []string // sorted
	box      *geo.Box // nil: everywhere
}

// newScope makes the scope of a query. A box that holds every point is none,
// and who asks for the whole fleet needs no further topic. Patterns, unless nil,
// restrict the whole fleet.
func newScope(topics []string, box *geo.Box, patterns ...string) scope {
	var s scope
	if patterns != nil { // none at all match nothing
		s.only = newOnly(patterns)
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
	s.vehicles, s.topics = distinct(s.vehicles), distinct(s.topics)
	return s
}

func distinct(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// whole tells whether every event of the hub is in scope.
func (s *scope) whole() bool { return s.all && s.box == nil && s.only == nil }

// scans tells whether every event of the hub must be looked at to find those
// in scope. For the rest there are indexes.
func (s *scope) scans() bool { return s.all && !s.whole() }

// exact tells whether the fleet knows what a reader of this scope held at any
// time: a vehicle that was in scope still is, or is gone. With boxes and topics
// vehicles come and go unseen.
func (s *scope) exact() bool {
	return s.box == nil && len(s.topics) == 0 && (s.only == nil || len(s.only.topics)+len(s.only.topicsOf) == 0)
}

// names tells whether a vehicle is in scope wherever it is.
func (s *scope) names(vehicleID string) bool {
	if s.whole() || s.all && s.box == nil && s.only.names(vehicleID) {
		return true
	}
	_, found := slices.BinarySearch(s.vehicles, vehicleID)
	return found
}

// holds tells whether a vehicle is in scope when it is at a place.
func (s *scope) holds(vehicleID string, at place) bool {
	if at.nowhere() {
		return false
	}
	if s.names(vehicleID) {
		return true
	}
	if s.box != nil && !s.box.Contains(at.point) {
		return false
	}
	return s.all && (s.only == nil || s.only.names(vehicleID) || s.only.meets(at.topics)) || s.meets(at.topics)
}

func (s *scope) meets(topics *topicSet) bool {
	for _, t := range *topics {
		if _, found := slices.BinarySearch(s.topics, t.id); found {
			return true
		}
	}
	return false
}

// outcome is what a reader gets of an event.
type outcome uint8

const (
	nothing  outcome = iota
	verbatim         // the event as it is in the log
	leaving          // a `gone` event: the vehicle left the scope with it
)

// judge tells what a reader gets of an event.
func (s *scope) judge(r *record) outcome {
	id := r.vehicle.id
	switch {
	case r.kind == gone && s.holds(id, r.before), r.kind != gone && s.holds(id, r.after):
		return verbatim
	case r.kind == position && s.holds(id, r.before):
		return leaving
	}
	return nothing
}
