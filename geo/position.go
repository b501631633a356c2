// Package geo turns what a vehicle sends into one line of GeoJSON, or says in
// words why it cannot.
//
// It holds the rules for positions, boxes, times and tracks, and nothing about
// HTTP or streams. Whatever leaves it is valid: a [Position] cannot hold a
// latitude of 91 or a vehicle id with a line break in it.
package geo

import (
	"time"

	"github.com/paulmach/orb"
)

// Limits of what is accepted, in bytes unless said otherwise.
const (
	MaxVehicleID = 128      // a vehicle id
	MaxTopic     = 256      // a topic id
	MaxTopics    = 16       // topics that one position may name
	MaxFeature   = 16 << 10 // one encoded Feature
	MaxDepth     = 64       // nesting levels of arrays and objects
	MaxItems     = 10_000   // items in an array or FeatureCollection
)

// Point is longitude and latitude in WGS 84 degrees, in this order (RFC 7946,
// section 3.1.1).
type Point = orb.Point

// Position is one validated report of where a vehicle is. The texts of some dozen
// positions share memory: what outlives its position by long is to be cloned.
type Position struct {
	VehicleID string
	Point     Point

	// Time is zero where the report has none; it is then stamped on arrival.
	Time time.Time

	// Topics the vehicle is in from now on. Nil is "as before", empty is "none".
	Topics []string

	// head is the Feature up to and including `"timestamp":`. It is a string so
	// that VehicleID can be a piece of it, and one allocation serves both.
	head string
}

// featureEnd closes the properties and the Feature behind the timestamp.
const featureEnd = "}}"

// AppendFeature appends the position as a GeoJSON Feature (RFC 7946, section
// 3.2) on one line, at most [MaxFeature] bytes, with at as its timestamp.
//
// Reading such a Feature with [ParsePosition] and appending it again with its
// own time gives the same bytes.
func (p *Position) AppendFeature(dst []byte, at time.Time) []byte {
	dst = append(dst, p.head...)
	dst = AppendTime(dst, at)
	return append(dst, featureEnd...)
}

// ParsePosition reads one position object or one GeoJSON Feature of a Point.
// It keeps nothing of item. The error is always a [*Refusal].
func ParsePosition(item []byte) (Position, error) {
	s := newScanner(item)
	defer s.release()

	if !s.readOne() {
		return Position{}, s.refuseSyntax()
	}
	var p Position
	if refusal := s.position(&p, false); refusal != nil {
		return p, refusal
	}
	return p, nil
}
