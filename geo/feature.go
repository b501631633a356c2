package geo

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// positionNodes are the nodes on the tape that a position is made of.
type positionNodes struct {
	at         memberNodes
	properties int // the node whose members become the properties; noNode: there are none
	hints      Hints
}

// noNode is the index of no node. Unlike 0, it is not the item either.
const noNode = -1

// position reads the item on the tape into p, which must be the zero Position and remains so after a
// refusal. With featureOnly the item must be a Feature, as in a FeatureCollection.
func (s *scanner) position(p *Position, featureOnly bool) *Refusal {
	refusal := s.assemble(p, featureOnly)
	if refusal == nil {
		return nil
	}
	*p = Position{}
	if refusal.VehicleID == "" {
		refusal.VehicleID = s.vehicleID()
	}
	return refusal
}

// assemble checks the members of a position and writes the head of its Feature.
func (s *scanner) assemble(p *Position, featureOnly bool) *Refusal {
	r, refusal := s.findPosition(featureOnly)
	if refusal != nil {
		return refusal
	}
	id, refusal := s.readVehicleID(r.at[fieldVehicleID])
	if refusal != nil {
		return refusal
	}
	if p.Point, refusal = s.point(&r); refusal != nil {
		return refusal
	}
	if p.Time, refusal = s.timestamp(r.at[fieldTimestamp]); refusal != nil {
		return refusal
	}
	if p.Topics, refusal = s.topics(r.at[fieldTopics]); refusal != nil {
		return refusal
	}
	if p.ExpectWithin, refusal = s.expectWithin(r.at[fieldExpectWithin]); refusal != nil {
		return refusal
	}
	p.Arrival = !p.Time.IsZero() && s.is(r.at[fieldTimeBasis], "arrival")
	p.StaleAfter = s.staleAfter(r.at[fieldStaleAfter])
	if refusal = s.write(id, &r); refusal != nil {
		return refusal
	}
	if s.deep && tooDeep(s.out) >= 0 {
		return refuse("", "the position as a Feature is nested deeper than %d levels", MaxDepth)
	}
	if len(s.out)+timestampSpace > MaxFeature && len(s.out)+s.timestampSize(p.Time, p.Arrival) > MaxFeature {
		return refuse("", "the position as a Feature has more than %d bytes", MaxFeature)
	}
	p.Hints = r.hints
	p.head = s.keepString(s.out)
	p.VehicleID = p.head[len(featureStart)+1:][:len(id)]
	if p.VehicleID != string(id) { // it has escapes in the Feature
		p.VehicleID = string(id)
	}
	return nil
}

// findPosition finds the members of a position object or a Feature.
func (s *scanner) findPosition(featureOnly bool) (positionNodes, *Refusal) {
	item := s.raw(0)
	if item[0] != '{' {
		return positionNodes{}, refuse("",
			"%s is not a position; send an object, or a GeoJSON Feature of a Point", showValue(item))
	}
	at, refusal := s.wellFormed()
	if refusal != nil {
		return positionNodes{}, refusal
	}
	switch {
	case s.is(at[fieldType], "Feature"):
		return s.findInFeature(at)
	case s.is(at[fieldType], "FeatureCollection"):
		return positionNodes{}, refuse("type", "a FeatureCollection is not one position; "+
			"send its features one by one, or the collection as a document of its own")
	case featureOnly:
		return positionNodes{}, refuse("type",
			"type is %s; each item of a FeatureCollection must be a Feature", s.showNode(at[fieldType]))
	}
	return positionNodes{at: at}, nil // its properties are the members of the item itself
}

// wellFormed checks the size and the encoding of an item, and that no member appears twice.
func (s *scanner) wellFormed() (memberNodes, *Refusal) {
	if s.full {
		return memberNodes{}, refuse("", "the position has more than %d members", maxNodes)
	}
	if !utf8.Valid(s.raw(0)) {
		return memberNodes{}, s.refuseEncoding()
	}
	return s.members(0)
}

// findInFeature finds the members of a Feature (RFC 7946, section 3.2).
func (s *scanner) findInFeature(feature memberNodes) (positionNodes, *Refusal) {
	r := positionNodes{properties: noNode}
	if i := feature[fieldProperties]; !s.isNull(i) { // RFC 7946 allows null
		if s.raw(i)[0] != '{' {
			return r, refuse("properties", "properties is %s; it must be an object", s.showNode(i))
		}
		var refusal *Refusal
		if r.at, refusal = s.members(i); refusal != nil {
			return r, refusal
		}
		r.properties = i
	}
	if s.isNull(r.at[fieldVehicleID]) && !s.isNull(feature[fieldID]) {
		r.at[fieldVehicleID] = feature[fieldID]
	}
	refusal := s.findCoordinates(feature[fieldGeometry], &r)
	for f := fieldAltitude; f < fieldID; f++ {
		if feature[f] != 0 && s.isNull(r.at[f]) {
			r.hints |= besideProperties(f)
		}
	}
	return r, refusal
}

// findCoordinates finds longitude, latitude and altitude in the geometry. Properties called lat and lon mean
// nothing. The altitude may be a property if the coordinates have none.
func (s *scanner) findCoordinates(geometry int, r *positionNodes) *Refusal {
	r.at[fieldLon], r.at[fieldLat] = 0, 0
	if geometry == 0 || s.raw(geometry)[0] != '{' {
		return refuse("geometry", "geometry is %s; it must be a Point", s.showNode(geometry))
	}
	at, refusal := s.members(geometry)
	if refusal != nil {
		return refusal
	}
	if !s.is(at[fieldType], "Point") {
		return refuse("geometry", "the geometry's type is %s; it must be \"Point\"", s.showNode(at[fieldType]))
	}
	return s.splitCoordinates(at[fieldCoordinates], r)
}

// splitCoordinates finds the numbers of a coordinates array (RFC 7946, section 3.1.1). It rejects any
// count but two or three, and neither fills up with zeros nor cuts off.
func (s *scanner) splitCoordinates(array int, r *positionNodes) *Refusal {
	const rule = "it must be [longitude, latitude] or [longitude, latitude, altitude]"
	if array == 0 || s.raw(array)[0] != '[' {
		return refuse("geometry.coordinates", "geometry.coordinates is %s; %s", s.showNode(array), rule)
	}
	order := [...]field{fieldLon, fieldLat, fieldAltitude}
	n := 0
	for j := array + 1; j < s.tape[array].next; j = s.tape[j].next {
		if !isNumber(s.raw(j)) {
			return refuse("geometry.coordinates",
				"geometry.coordinates holds %s; %s, all numbers", s.showNode(j), rule)
		}
		if n < len(order) {
			r.at[order[n]] = j
		}
		n++
	}
	if n < 2 || n > len(order) {
		return refuse("geometry.coordinates", "geometry.coordinates has %s; %s", countNumbers(n, MaxTopics), rule)
	}
	return nil
}

// The fixed text of a Feature, in the order of writing.
const (
	featureStart    = `{"type":"Feature","id":`
	geometryStart   = `,"geometry":{"type":"Point","coordinates":[`
	propertiesStart = `]},"properties":{"vehicle_id":`
	timestampStart  = `,"timestamp":`

	// timestampSpace is the most that AppendFeature adds, in bytes.
	timestampSpace = len("9223372036.854775807") + basisSpace + staleAfterSpace + len(featureEnd)

	basisSpace      = len(arrivalBasis)
	staleAfterSpace = len(staleAfterStart + "172800")
	maxStaleAfter   = 172800 // seconds: twice the greatest expect_within_s
)

// write writes the head of the Feature to s.out.
func (s *scanner) write(id []byte, r *positionNodes) *Refusal {
	out := append(s.out[:0], featureStart...)
	start := len(out)
	out = appendID(out, id)
	quoted := out[start:]
	out = append(out, geometryStart...)
	out = append(out, s.raw(r.at[fieldLon])...)
	out = append(append(out, ','), s.raw(r.at[fieldLat])...)
	if !s.isNull(r.at[fieldAltitude]) {
		out = append(append(out, ','), s.raw(r.at[fieldAltitude])...)
	}
	out = append(out, propertiesStart...)
	out = append(out, quoted...)
	out, refusal := s.appendProperties(out, r)
	s.out = EscapeLineBreaks(append(out, timestampStart...))
	return refusal
}

// appendID appends a vehicle id as a JSON string. The id has no control characters.
func appendID(dst, id []byte) []byte {
	if bytes.IndexByte(id, '"') >= 0 || bytes.IndexByte(id, '\\') >= 0 {
		dst, _ = jsontext.AppendQuote(dst, id)
		return dst
	}
	return append(append(append(dst, '"'), id...), '"')
}

// timestampSize returns how many bytes AppendFeature will add at most.
func (s *scanner) timestampSize(at time.Time, arrival bool) int {
	if at.IsZero() {
		return timestampSpace
	}
	s.out = AppendTime(s.out, at)
	size := len(s.out)
	s.out = s.out[:bytes.LastIndexByte(s.out, ':')+1]
	size += staleAfterSpace + len(featureEnd) - len(s.out)
	if arrival {
		size += basisSpace
	}
	return size
}

// compactOptions remove white space and change nothing else.
var compactOptions = []jsontext.Options{
	jsontext.AllowInvalidUTF8(true), // for half a surrogate pair, escaped
	jsontext.AllowDuplicateNames(true),
	jsontext.PreserveRawStrings(true),
}

// appendCompact appends a value without its white space.
func appendCompact(dst, raw []byte) []byte {
	if raw[0] != '{' && raw[0] != '[' || !bytes.ContainsAny(raw, " \t\r\n") {
		return append(dst, raw...)
	}
	dst, _ = jsontext.AppendFormat(dst, raw, compactOptions...)
	return dst
}

// countNumbers returns a count in words. The scanner counts up to limit only.
func countNumbers(n, limit int) string {
	switch {
	case n == 1:
		return "1 number"
	case n > limit:
		return fmt.Sprintf("more than %d numbers", limit)
	}
	return fmt.Sprintf("%d numbers", n)
}
