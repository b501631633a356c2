// Package geo turns the report of a vehicle into one line of GeoJSON, or says in words why it cannot.
//
// [ParsePosition] reads one report, [ParseDocument] a whole document. Either returns a valid [Position]
// or a [Refusal] for its publisher. [Position.AppendFeature] writes a position as GeoJSON, and
// [TrackEncoder] writes several as a track. [ParseBox] and [ParseTime] read the parameters of queries.
//
// The package knows nothing about HTTP or streams. Everything that leaves it is valid: a Position cannot
// hold a latitude of 91, nor a vehicle id with a line break.
package geo

import (
	"bytes"
	"strconv"
	"time"

	"github.com/paulmach/orb"
)

// Limits of the accepted input, in bytes unless the comment says otherwise.
const (
	MaxVehicleID = 128      // a vehicle id
	MaxTopic     = 256      // a topic id
	MaxTopics    = 16       // topics that one position may name
	MaxFeature   = 16 << 10 // one encoded Feature
	MaxDepth     = 64       // nesting levels of arrays and objects
	MaxItems     = 10_000   // items in an array or FeatureCollection
)

// Point is longitude and latitude in WGS 84 degrees, in this order (RFC 7946, section 3.1.1).
type Point = orb.Point

// Position is a valid report of the place of a vehicle. The texts of some dozen positions share memory:
// clone a text that is kept much longer than its position.
type Position struct {
	VehicleID string
	Point     Point

	// Time is zero if the report has none. The hub then sets the time of arrival.
	Time time.Time

	// Arrival says that Time is not of a fix, but of the arrival of a report that had none.
	Arrival bool

	// ExpectWithin is within which time the publisher expects the vehicle's next report. Zero means that it
	// does not say.
	ExpectWithin time.Duration

	// StaleAfter is the age in whole seconds from which readers shall take the position as stale. The hub
	// sets it. What a report says of it is ignored, but for a Feature of the hub's own. Zero means unknown.
	StaleAfter int

	// Topics are the topics of the vehicle from now on. Nil means as before, empty means none.
	Topics []string

	// Hints are for the publisher, not for the readers.
	Hints Hints

	// head is the Feature up to and including `"timestamp":`. It is a string so that VehicleID can be a
	// part of it and both need one allocation.
	head string
}

// What follows the timestamp of a Feature, in the order of writing.
const (
	arrivalBasis    = `,"time_basis":"arrival"`
	staleAfterStart = `,"stale_after_s":`
	featureEnd      = "}}"
)

// AppendFeature appends the position as a GeoJSON Feature (RFC 7946, section 3.2) with at as its
// timestamp. Behind it stand `"time_basis":"arrival"`, if the position has no time of its own, and
// `stale_after_s`. The Feature is one line of at most [MaxFeature] bytes, also where the line breaks of
// Unicode count: see [EscapeLineBreaks].
//
// [ParsePosition] reads such a Feature. Appending the result with its own time returns the same bytes.
func (p *Position) AppendFeature(dst []byte, at time.Time) []byte {
	dst = append(dst, p.head...)
	dst = AppendTime(dst, at)
	if p.Arrival || p.Time.IsZero() {
		dst = append(dst, arrivalBasis...)
	}
	return appendFeatureEnd(dst, p.StaleAfter)
}

func appendFeatureEnd(dst []byte, staleAfter int) []byte {
	if staleAfter > 0 {
		dst = strconv.AppendInt(append(dst, staleAfterStart...), int64(staleAfter), 10)
	}
	return append(dst, featureEnd...)
}

// AddStaleAfter inserts `stale_after_s`, in seconds, into a Feature without it that [Position.AppendFeature]
// appended to dst, when tail bytes were appended after it.
func AddStaleAfter(dst []byte, tail, staleAfter int) []byte {
	end := len(dst) - tail - len(featureEnd)
	var moved [64]byte
	rest := append(moved[:0], dst[end:]...)
	dst = strconv.AppendInt(append(dst[:end], staleAfterStart...), int64(staleAfter), 10)
	return append(dst, rest...)
}

// CutStaleAfter cuts `stale_after_s` off a Feature that [Position.AppendFeature] made: start, and featureEnd
// behind it, are the Feature without it. Features that differ in it alone are of one report.
func CutStaleAfter(feature []byte) (start []byte) {
	start = feature[:len(feature)-len(featureEnd)]
	tail := start[max(0, len(start)-staleAfterSpace):]
	if at := bytes.LastIndex(tail, []byte(staleAfterStart)); at >= 0 {
		// A text before it cannot look like this: its quotes are escaped.
		return start[:len(start)-len(tail)+at]
	}
	return start
}

// ParsePosition reads one position object or one GeoJSON Feature of a Point. It keeps no reference to
// item. The error is always a [*Refusal].
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
