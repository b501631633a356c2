package geo

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is a member that has a meaning for the hub. The hub keeps all others unchanged.
type field uint8

const (
	fieldUnknown field = iota
	fieldVehicleID
	fieldLat
	fieldLon
	fieldAltitude
	fieldTimestamp
	fieldTopics
	fieldSpeed
	fieldHeading
	fieldAccuracy
	fieldExpectWithin

	// These lead to the others. Anywhere else they are like any other member.
	fieldID
	fieldType
	fieldGeometry
	fieldCoordinates
	fieldProperties
	fieldFeatures

	// The hub writes these itself.
	fieldTimeBasis
	fieldStaleAfter
	fieldCount
)

// numberRule is the range of a number, and its words for an error.
type numberRule struct {
	name     string
	min, max float64
	text     string
}

var numberRules = [fieldCount]numberRule{
	fieldLat:      {"lat", -90, 90, "a number from -90 to 90"},
	fieldLon:      {"lon", -180, 180, "a number from -180 to 180"},
	fieldAltitude: {"altitude", -math.MaxFloat64, math.MaxFloat64, "a finite number of metres"},
	fieldSpeed:    {"speed_kmh", 0, math.MaxFloat64, "a number of km/h from 0 up"},
	fieldHeading:  {"heading", 0, 360, "a number of degrees from 0 to 360"},
	fieldAccuracy: {"accuracy", 0, math.MaxFloat64, "a number of metres from 0 up"},

	fieldExpectWithin: {"expect_within_s", 1, 86400, "a number of seconds from 1 to 86400"},
}

// fieldOf returns the field of a member name.
func fieldOf(name []byte) field {
	switch string(name) {
	case "vehicle_id":
		return fieldVehicleID
	case "lat":
		return fieldLat
	case "lon":
		return fieldLon
	case "altitude":
		return fieldAltitude
	case "timestamp":
		return fieldTimestamp
	case "topics":
		return fieldTopics
	case "speed_kmh":
		return fieldSpeed
	case "heading":
		return fieldHeading
	case "accuracy":
		return fieldAccuracy
	case "expect_within_s":
		return fieldExpectWithin
	case "time_basis":
		return fieldTimeBasis
	case "stale_after_s":
		return fieldStaleAfter
	case "id":
		return fieldID
	case "type":
		return fieldType
	case "geometry":
		return fieldGeometry
	case "coordinates":
		return fieldCoordinates
	case "properties":
		return fieldProperties
	case "features":
		return fieldFeatures
	}
	return fieldUnknown
}

// memberNodes are the nodes of an object's members that have a meaning. 0 stands for a missing member:
// node 0 is the item itself.
type memberNodes [fieldCount]int

// members finds the members of an object. It rejects a name that appears twice, as readers disagree on
// which one counts (RFC 8259, section 4). It also rejects a name that is not UTF-8.
func (s *scanner) members(object int) (at memberNodes, refusal *Refusal) {
	var others nameSet
	for i := object + 1; i < s.tape[object].next; i = s.tape[i].next {
		f := s.tape[i].field
		twice := at[f] != 0
		if f != fieldUnknown {
			at[f] = i
		} else if name := s.name(i); name != nil {
			twice = others.add(name)
		} else {
			return at, refuse(showValue(s.key(i)), "the member name %s is not UTF-8", showValue(s.key(i)))
		}
		if twice {
			return at, refuse(s.labelOf(i), "%s appears twice; it may appear once", s.labelOf(i))
		}
	}
	return at, nil
}

// nameSet is a set of member names. It compares the first few, which is faster than a map.
type nameSet struct {
	first [16][]byte
	n     int
	more  map[string]bool
}

// add adds name to the set and reports whether the set had it already.
func (s *nameSet) add(name []byte) bool {
	for _, other := range s.first[:s.n] {
		if string(other) == string(name) {
			return true
		}
	}
	switch {
	case s.n < len(s.first):
		s.first[s.n] = name
		s.n++
		return false
	case s.more == nil:
		s.more = make(map[string]bool)
	}
	found := s.more[string(name)]
	s.more[string(name)] = true
	return found
}

func (s *scanner) isNull(i int) bool { return i == 0 || string(s.raw(i)) == "null" }

func isNumber(raw []byte) bool { return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' }

// is reports whether node i exists and is this text.
func (s *scanner) is(i int, text string) bool {
	return i != 0 && s.raw(i)[0] == '"' && string(unquote(s.raw(i))) == text
}

// number reads node i as the number of field f.
func (s *scanner) number(f field, i int) (float64, *Refusal) {
	rule := &numberRules[f]
	if i != 0 && isNumber(s.raw(i)) {
		v := parseNumber(s.raw(i))
		if rule.min <= v && v <= rule.max {
			return v, nil
		}
	}
	refusal := refuse(rule.name, "%s is %s; it must be %s", rule.name, s.showNode(i), rule.text)
	if i == 0 {
		refusal.Detail += s.didYouMean(f)
	}
	return 0, refusal
}

// parseNumber reads a JSON number. A number that is too large becomes infinity, which no range has.
func parseNumber(raw []byte) float64 {
	if len(raw) < len(powersOfTen) {
		if v, ok := parseDecimal(raw); ok {
			return v
		}
	}
	v, _ := strconv.ParseFloat(string(raw), 64)
	return v
}

// powersOfTen are the powers that divide a number of as many digits exactly as strconv does. A float64
// holds both without rounding.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
}

// parseDecimal reads a JSON number without an exponent. The number must have fewer bytes than there are
// powers of ten.
func parseDecimal(raw []byte) (float64, bool) {
	digits, negative := bytes.CutPrefix(raw, []byte{'-'})
	n, decimals := 0, 0
	for i, c := range digits {
		switch {
		case isDigit(c):
			n = n*10 + int(c-'0')
		case c == '.':
			decimals = len(digits) - 1 - i
		default:
			return 0, false
		}
	}
	v := float64(n) / powersOfTen[decimals]
	if negative {
		v = -v
	}
	return v, true
}

// point reads longitude and latitude, and checks the altitude.
func (s *scanner) point(r *positionNodes) (Point, *Refusal) {
	latitude, refusal := s.number(fieldLat, r.at[fieldLat])
	if refusal != nil {
		return Point{}, refusal
	}
	longitude, refusal := s.number(fieldLon, r.at[fieldLon])
	if refusal != nil {
		return Point{}, refusal
	}
	if !s.isNull(r.at[fieldAltitude]) {
		_, refusal = s.number(fieldAltitude, r.at[fieldAltitude])
	}
	return Point{longitude, latitude}, refusal
}

const idRule = "it must be a string of 1 to 128 bytes of UTF-8, or an integer"

// readVehicleID returns the text of a vehicle id, which is a string or an integer.
func (s *scanner) readVehicleID(i int) ([]byte, *Refusal) {
	if i == 0 {
		return nil, refuse("vehicle_id", "vehicle_id is missing; %s%s", idRule, s.didYouMean(fieldVehicleID))
	}
	text, ok := idText(s.raw(i)) // node i is a vehicle_id or a Feature's id
	if !ok {
		return nil, refuse(s.labelOf(i), "%s is %s; %s", s.labelOf(i), s.showNode(i), idRule)
	}
	if err := checkName("vehicle_id", text, MaxVehicleID); err != nil {
		return nil, refuse(s.labelOf(i), "%s", err)
	}
	return text, nil
}

// idText returns the text of a string or the digits of an integer.
func idText(raw []byte) (id []byte, ok bool) {
	switch {
	case raw[0] == '"':
		return unquote(raw), true
	case isNumber(raw) && !bytes.ContainsAny(raw, ".eE"):
		return raw, true
	}
	return nil, false
}

// vehicleID returns the vehicle id of an item for its refusal; "" if it is missing or invalid.
func (s *scanner) vehicleID() string {
	if len(s.tape) == 0 {
		return ""
	}
	i := s.find(0, fieldVehicleID)
	if j := s.find(0, fieldProperties); s.isNull(i) && j != 0 {
		i = s.find(j, fieldVehicleID)
	}
	if s.isNull(i) {
		i = s.find(0, fieldID)
	}
	if i == 0 || len(s.raw(i)) == 0 {
		return ""
	}
	text, _ := idText(s.raw(i))
	if checkName("", text, MaxVehicleID) != nil {
		return ""
	}
	return string(text)
}

// timestamp reads node i. It returns the zero time for a missing timestamp.
func (s *scanner) timestamp(i int) (time.Time, *Refusal) {
	if s.isNull(i) {
		return time.Time{}, nil
	}
	raw := s.raw(i)
	text := raw
	var t time.Time
	var ok bool
	switch {
	case isNumber(raw):
		t, ok = parseUnix(raw)
	case raw[0] == '"':
		text = unquote(raw)
		t, ok = parseText(text)
	}
	switch {
	case ok:
		return t, nil
	case beforeUnix(text):
		return time.Time{}, refuseEarly(showValue(raw))
	case raw[0] == '"' && lacksZone(text):
		return time.Time{}, refuse("timestamp", "timestamp is %s, which %s", showValue(raw), noZone)
	}
	return time.Time{}, refuse("timestamp", "timestamp is %s; it must be %s", showValue(raw), timestampRule)
}

// expectWithin reads node i, rounded up to a millisecond. It returns 0 for a missing one.
func (s *scanner) expectWithin(i int) (time.Duration, *Refusal) {
	if s.isNull(i) {
		return 0, nil
	}
	v, refusal := s.number(fieldExpectWithin, i)
	return time.Duration(math.Ceil(v*1000)) * time.Millisecond, refusal
}

// staleAfter reads node i as the hub writes it. It returns 0 for all else.
func (s *scanner) staleAfter(i int) int {
	if s.isNull(i) || !isDigit(s.raw(i)[0]) {
		return 0
	}
	v, err := strconv.Atoi(string(s.raw(i)))
	if err != nil || v > maxStaleAfter {
		return 0
	}
	return v
}

// topics reads node i as topic ids and drops repetitions. It returns nil for missing topics.
func (s *scanner) topics(i int) ([]string, *Refusal) {
	if s.isNull(i) {
		return nil, nil
	}
	if s.raw(i)[0] != '[' {
		return nil, refuse("topics", "topics is %s; it must be an array of strings", s.showNode(i))
	}
	ids := []string{}
	n := 0
	for j := i + 1; j < s.tape[i].next; j = s.tape[j].next {
		id, refusal := s.topic(j)
		if refusal != nil {
			return nil, refusal
		}
		if n++; n > MaxTopics {
			return nil, refuse("topics", "topics has more than %d topics", MaxTopics)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// topic reads node i as the id of a topic. It rejects topics that belong to the hub.
func (s *scanner) topic(i int) (string, *Refusal) {
	raw := s.raw(i)
	if raw[0] != '"' {
		return "", refuse("topics", "topics holds %s; it must be an array of strings", showValue(raw))
	}
	text := unquote(raw)
	if err := checkName("topic", text, MaxTopic); err != nil {
		return "", refuse("topics", "topics holds %s: %s", showValue(raw), err)
	}
	if bytes.HasSuffix(text, []byte("*")) {
		return "", refuse("topics", "topics holds %s; %s", showValue(raw), errWildcard)
	}
	for _, own := range [...]string{"vehicle:", "live_updates:", "fence:", "source:"} {
		if strings.HasPrefix(string(text), own) {
			return "", refuse("topics",
				"topics holds %s; the hub reserves topics that begin with %q", showValue(raw), own)
		}
	}
	if string(text) == "alarms" || string(text) == "freshness" {
		return "", refuse("topics", "topics holds %s; the hub reserves %q", showValue(raw), text)
	}
	return s.keepString(text), nil
}

// appendProperties appends the members that stay in the properties of the Feature.
func (s *scanner) appendProperties(dst []byte, r *positionNodes) ([]byte, *Refusal) {
	i := r.properties
	if i == noNode {
		return dst, nil
	}
	for j := i + 1; j < s.tape[i].next && len(dst) < MaxFeature; j = s.tape[j].next {
		value := s.raw(j)
		switch f := s.tape[j].field; f {
		case fieldVehicleID, fieldLat, fieldLon, fieldAltitude, fieldTimestamp, fieldTopics:
			continue
		case fieldTimeBasis: // of a position without a time it is known
			if s.is(j, "arrival") || s.isNull(r.at[fieldTimestamp]) {
				continue
			}
		case fieldStaleAfter:
			r.hints |= staleAfterHint
			continue
		case fieldUnknown:
			name := s.key(j)
			r.hints |= r.hintAbout(s, name[1:len(name)-1], value)
		case fieldSpeed, fieldHeading, fieldAccuracy, fieldExpectWithin:
			if s.isNull(j) {
				continue
			}
			v, refusal := s.number(f, j)
			if refusal != nil {
				return dst, refusal
			}
			if f == fieldHeading && v == 360 {
				value = []byte("0")
			}
		}
		dst = append(append(append(dst, ','), s.key(j)...), ':')
		dst = appendCompact(dst, value)
	}
	return dst, nil
}
