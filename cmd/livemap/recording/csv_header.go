package recording

import (
	"errors"
	"slices"
	"strings"
)

// column is what the values of a column of CSV are published as.
type column struct {
	member string  // of a position object, or a part of one; "" if the column is not published
	name   string  // as in the header
	factor float64 // converts a number to the unit of its member; 0 if the member is no number

	// units are those that may stand behind a number, with what converts them.
	units map[string]float64
}

// Parts of members: with them a position object has no member of their own.
const (
	datePart       = "date"   // of a timestamp whose column has the time of day
	northSouthPart = "N or S" // of a latitude
	eastWestPart   = "E or W" // of a longitude
)

// csvMembers are the columns that fill a member, best first, and the units that may follow their
// names, with what converts them to the unit of the member. Names have no spaces or punctuation.
//
// Speeds have no unit by default: what writes "speed" may mean four of them.
var csvMembers = []struct {
	member string
	names  []string
	units  map[string]float64
}{
	{"vehicle_id", []string{"vehicleid", "deviceid", "vehicle", "device", "unitid", "imei", "id"}, textUnits},
	{"lat", []string{"lat", "latitude", "latituden/s"}, degreeUnits},
	{"lon", []string{"lon", "lng", "long", "longitude", "longitudee/w"}, degreeUnits},
	{"timestamp", []string{"timestamp", "fixtime", "datetime", "gpstime", "utctime", "time", "timereceived",
		"recordedattime", "devicetime"}, zoneUnits},
	{"speed_kmh", []string{"speed", "velocity", "groundspeed"}, speedUnits},
	{"heading", []string{"heading", "course", "bearing", "cog"}, degreeUnits},
	{"altitude", []string{"altitude", "alt", "elevation", "ele", "height"}, lengthUnits},
	{"accuracy", []string{"accuracy", "acc"}, lengthUnits},
	{"topics", []string{"topics"}, textUnits},
	{datePart, []string{"date", "utcdate", "gpsdate"}, zoneUnits},
	{northSouthPart, []string{"n/s"}, textUnits},
	{eastWestPart, []string{"e/w"}, textUnits},
}

var (
	textUnits   = map[string]float64{"": 0}
	zoneUnits   = map[string]float64{"": 0, "utc": 0, "gmt": 0}
	degreeUnits = map[string]float64{"": 1, "deg": 1, "degrees": 1, "°": 1}
	lengthUnits = map[string]float64{"": 1, "m": 1, "metres": 1, "meters": 1, "ft": 0.3048, "feet": 0.3048}
	speedUnits  = map[string]float64{"kmh": 1, "km/h": 1, "kph": 1, "kmph": 1, "m/s": 3.6, "mps": 3.6,
		"mph": 1.609344, "mi/h": 1.609344, "knots": 1.852, "kn": 1.852, "kt": 1.852, "kts": 1.852}
)

// csvPrograms are programs whose columns give them away, and what their names leave open.
var csvPrograms = []struct {
	names []string
	speed float64 // what converts speed to km/h
	utc   bool    // its times are UTC, and its dates years without a century
}{
	{[]string{"index", "tag", "date", "time", "speed"}, 1, true},         // Columbus V-900
	{[]string{"fixtime", "devicetime", "speed", "course"}, 1.852, false}, // Traccar
	{[]string{"bearing", "accuracy", "speed"}, 3.6, false},               // GPSLogger; Android's names
	{[]string{"bearing", "acc", "speed"}, 3.6, false},                    // the same in short
}

// csvHeader is what the line with the names of columns says.
type csvHeader struct {
	columns   []column
	utc       bool // times without a zone are UTC
	shortYear bool // years have two digits
}

// newHeader interprets names. Columns that fill no member keep their names.
func newHeader(names []string) csvHeader {
	h := csvHeader{columns: make([]column, len(names))}
	plain, units := make([]string, len(names)), make([]string, len(names))
	for i, name := range names {
		name, _ = unguarded(strings.Trim(name, " \t\x00"))
		h.columns[i] = column{member: name, name: name}
		plain[i], units[i] = splitUnit(name)
	}
	for _, m := range csvMembers {
		if i, factor := findColumn(m.names, m.units, plain, units); i >= 0 {
			h.columns[i].member, h.columns[i].factor, h.columns[i].units = m.member, factor, m.units
			h.utc = h.utc || strings.Contains(plain[i], "utc") || units[i] == "utc" || units[i] == "gmt"
		}
	}
	h.recognise(plain)
	if date := h.find(datePart); date >= 0 && h.find("timestamp") < 0 {
		h.columns[date].member = "timestamp"
	}
	return h
}

// findColumn returns the column that has the best of names and one of units, or -1.
func findColumn(names []string, units map[string]float64, plain, unit []string) (int, float64) {
	for _, name := range names {
		for i := range plain {
			if factor, ok := units[unit[i]]; ok && plain[i] == name {
				return i, factor
			}
		}
	}
	return -1, 0
}

// recognise completes the header where a program is known by its columns.
func (h *csvHeader) recognise(plain []string) {
	speed := slices.Index(plain, "speed")
	if speed >= 0 && h.find("speed_kmh") < 0 {
		h.columns[speed].units = speedUnits
	}
	for _, program := range csvPrograms {
		missing := func(name string) bool { return !slices.Contains(plain, name) }
		if slices.ContainsFunc(program.names, missing) {
			continue
		}
		if h.find("speed_kmh") < 0 {
			h.columns[speed].member, h.columns[speed].factor = "speed_kmh", program.speed
		}
		h.utc = h.utc || program.utc
		h.shortYear = program.utc
		return
	}
}

// splitUnit returns the name of a column in lower case without spaces and punctuation, and the
// unit that stands behind it: "Speed (km/h)", "speed_kmh", "HEIGHT[m]".
func splitUnit(name string) (plain, unit string) {
	name = strings.ToLower(name)
	if base, rest, found := strings.Cut(strings.NewReplacer("[", "(", "]", ")").Replace(name), "("); found {
		return plainName(base), strings.Trim(rest, " )")
	}
	if i := strings.LastIndexAny(name, "_ "); i > 0 {
		for _, m := range csvMembers {
			if _, found := m.units[name[i+1:]]; found {
				return plainName(name[:i]), name[i+1:]
			}
		}
	}
	return plainName(name), ""
}

func plainName(name string) string {
	return strings.NewReplacer(" ", "", ",", "", "_", "", "-", "", ".", "", "\"", "").Replace(name)
}

// find returns the column that fills the member, or -1.
func (h *csvHeader) find(member string) int {
	return slices.IndexFunc(h.columns, func(c column) bool { return c.member == member })
}

// hasPlace reports whether the columns say where a vehicle is.
func (h *csvHeader) hasPlace() bool { return h.find("lat") >= 0 && h.find("lon") >= 0 }

// check rejects a header that lacks a required column or names one twice.
func (h *csvHeader) check() error {
	for _, required := range []string{"lat", "lon"} {
		if h.find(required) < 0 {
			return errors.New("it has no column " + required + "; replay reads NDJSON, GPX, and CSV whose " +
				"first line names the columns lat (latitude), lon (lng, longitude), and optionally vehicle_id, " +
				"timestamp (time), speed_kmh, heading (course), altitude, accuracy, topics")
		}
	}
	for i, c := range h.columns {
		if c.member != "" && h.find(c.member) < i {
			return errors.New("it has two columns " + c.name)
		}
	}
	return nil
}
