package geo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Hints says which members of a position its publisher probably meant as others. The hub keeps such a
// member as it is, since it may be right: only its publisher knows. A bit stands for one hint, so that those
// of many positions are united with `|`.
type Hints uint64

// hint is one hint: a member called name was probably meant as field. The text is for the publisher.
type hint struct {
	name  string
	field field
	text  string
}

// likelyNames are the names by which other systems call a member.
var likelyNames = map[field][]string{
	fieldSpeed: {"speed", "Speed", "velocity", "speedKmh", "Speed_kmh", "SPEED", "speedkmh", "speed_km_h",
		"speed_kph", "speed_kmph", "speed_mph", "speed_mps",
		"speed_ms", "speed_knots", "kmh", "kph"},
	fieldHeading:   {"course", "bearing", "direction", "azimuth", "cog", "Heading", "heading_deg"},
	fieldAltitude:  {"alt", "elevation", "ele", "Altitude", "altitude_m"},
	fieldTimestamp: {"time", "ts", "date", "datetime", "dateTime", "Timestamp", "timeStamp", "time_stamp"},
	fieldAccuracy:  {"Accuracy", "accuracy_m", "horizontal_accuracy", "horizontalAccuracy"},
	fieldTopics:    {"topic", "Topic", "Topics"},
}

// hints are all hints, by bit. The first are about likely names, the others about members that stand beside
// a Feature's properties.
var hints = func() (all []hint) {
	for _, f := range []field{
		fieldSpeed, fieldHeading, fieldAltitude, fieldTimestamp, fieldAccuracy, fieldTopics,
	} {
		for _, name := range likelyNames[f] {
			all = append(all, hint{name, f, name + " is kept as it is; " + fieldName(f) + " is what readers expect"})
		}
	}
	for f := fieldVehicleID; f < fieldID; f++ {
		text := fieldName(f) + " beside a Feature's properties is ignored; put it among them"
		all = append(all, hint{"", f, text})
	}
	staleAfterHint = 1 << len(all)
	all = append(all, hint{"", fieldStaleAfter,
		"stale_after_s is dropped; the hub finds it out (expect_within_s may help)"})
	if len(all) > 64 {
		panic("geo: there are more hints than bits")
	}
	return all
}()

// staleAfterHint is the hint about a `stale_after_s`.
var staleAfterHint Hints

// fieldName returns the member name of a field.
func fieldName(f field) string {
	for _, name := range []string{"vehicle_id", "timestamp", "topics"} {
		if fieldOf([]byte(name)) == f {
			return name
		}
	}
	return numberRules[f].name
}

// hintBits finds the bit of a likely name, and hintSizes by first byte which lengths such names have: a look
// at it passes over nearly all members.
var hintBits, hintSizes = func() (bits map[string]int, sizes [256]uint32) {
	bits = map[string]int{}
	for bit, h := range hints {
		if h.name != "" {
			bits[h.name] = bit
			sizes[h.name[0]] |= 1 << len(h.name)
		}
	}
	return bits, sizes
}()

// besideProperties is the hint about a field of a Feature that stands beside the properties.
func besideProperties(f field) Hints {
	return 1 << (len(hintBits) + int(f-fieldVehicleID))
}

// hintAbout returns the hint about a member that is unknown to the hub, without its quotes. A value that the
// meant member cannot have, such as text for a speed, means something else.
func (r *positionNodes) hintAbout(s *scanner, name, value []byte) Hints {
	if len(name) == 0 || len(name) > 31 || hintSizes[name[0]]>>len(name)&1 == 0 {
		return 0
	}
	bit, found := hintBits[string(name)]
	if !found || !s.isNull(r.at[hints[bit].field]) {
		return 0
	}
	switch f := hints[bit].field; {
	case isNumber(value) && f != fieldTopics,
		value[0] == '"' && (f == fieldTimestamp || f == fieldTopics),
		value[0] == '[' && f == fieldTopics:
		return 1 << bit
	}
	return 0
}

// Texts returns the hints in words for the publisher.
func (h Hints) Texts() (texts []string) {
	for bit := range hints {
		if h>>bit&1 != 0 {
			texts = append(texts, hints[bit].text)
		}
	}
	return texts
}

// meantAs are the names by which other systems call a required member, in lower case and without
// punctuation.
var meantAs = map[field][]string{
	fieldVehicleID: {"vehicleid", "id", "vehicle", "deviceid", "device", "unitid"},
	fieldLat:       {"lat", "latitude"},
	fieldLon:       {"lon", "lng", "long", "longitude"},
}

// didYouMean returns what to add to the refusal of an item that lacks a required member; "" if no member
// looks like it.
func (s *scanner) didYouMean(missing field) string {
	feature := s.is(s.find(0, fieldType), "Feature")
	if feature && s.find(0, missing) != 0 {
		return fmt.Sprintf(" (%s of a Feature must be among its properties)", fieldName(missing))
	}
	object := 0
	if feature {
		object = s.find(0, fieldProperties)
	} else if i := s.find(0, fieldGeometry); i != 0 && s.raw(i)[0] == '{' {
		return " (did you mean a GeoJSON Feature? Its type must be \"Feature\")"
	}
	for i := object + 1; i < s.tape[object].next; i = s.tape[i].next {
		if slices.Contains(meantAs[missing], plainName(s.name(i))) {
			return fmt.Sprintf(" (%s is there; did you mean %s?)", s.labelOf(i), fieldName(missing))
		}
	}
	return ""
}

// plainName returns a name in lower case and without what separates words.
func plainName(name []byte) string {
	return strings.ToLower(string(bytes.Map(func(r rune) rune {
		if strings.ContainsRune("_-. ", r) {
			return -1
		}
		return r
	}, name)))
}
