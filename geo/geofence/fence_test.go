package geofence_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo/geofence"
)

const yard = `{"type":"Polygon","coordinates":[[[13,52],[13.01,52],[13.01,52.01],[13,52.01],[13,52]]]}`

func TestParse(t *testing.T) {
	f, err := geofence.Parse("depot", []byte(`{
		"type": "Feature",
		"geometry": `+yard+`,
		"properties": {"name": "Depot", "vehicles": ["TRUCK-*"], "topics": ["kind:van"], "severity": "warning",
			"expires": "2027-01-01T00:00:00Z", "initial": "events", "colour": {"fill": "#f00"}, "dwell_s": 60}
	}`))
	require.NoError(t, err)
	assert.Equal(t, "depot", f.ID)
	assert.Equal(t, "Depot", f.Name)
	assert.Equal(t, []string{"TRUCK-*"}, f.Vehicles)
	assert.Equal(t, []string{"kind:van"}, f.Topics)
	assert.Equal(t, "warning", f.Severity)
	assert.True(t, f.Initial)
	assert.Equal(t, 5, f.Vertices)
	assert.Equal(t, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), f.Expires.UTC())
	assert.Equal(t, `{"id":"depot","type":"Feature","geometry":`+yard+`,"properties":{"name":"Depot",`+
		`"vehicles":["TRUCK-*"],"topics":["kind:van"],"severity":"warning","expires":"2027-01-01T00:00:00Z",`+
		`"initial":"events","colour":{"fill":"#f00"},"dwell_s":60}}`, string(f.Feature))

	again, err := geofence.Parse("depot", f.Feature)
	require.NoError(t, err, "what was kept can be read again")
	assert.Equal(t, f.Feature, again.Feature)
}

func TestParseRefuses(t *testing.T) {
	ring := func(positions string) string { return `{"type":"Polygon","coordinates":[[` + positions + `]]}` }
	for name, test := range map[string]struct{ geometry, properties, why string }{
		"no geometry": {`null`, ``, "geometry is missing; a fence is a Polygon"},
		"another geometry": {`{"type":"MultiPoint","coordinates":[[1,2]]}`, ``,
			`geometry.coordinates: the type is "MultiPoint"`},
		"no coordinates": {`{"type":"Polygon"}`, ``, "geometry.coordinates are missing"},
		"empty":          {`{"type":"MultiPolygon","coordinates":[]}`, ``, "are empty"},
		"no ring":        {`{"type":"Polygon","coordinates":[]}`, ``, "has no ring"},
		"a text as a number": {ring(`["13",52],[14,52],[14,53],["13",52]`), ``,
			"a JSON string cannot stand here"},
		"a huge number": {ring(`[1e999,52],[14,52],[14,53],[1e999,52]`), ``, "coordinates"},
		"three positions": {ring(`[13,52],[14,52],[13,52]`), ``,
			"[0] has 3 positions; a ring has four or more"},
		"open": {ring(`[13,52],[14,52],[14,53],[13,53]`), ``,
			"[0] is open: its last position is [13 53], its first [13 52]"},
		"latitude": {ring(`[13,52],[14,92],[14,53],[13,52]`), ``,
			"coordinates[0][1]: latitude is 92; it must be from -90 to 90"},
		"longitude": {ring(`[13,52],[194,52],[14,53],[13,52]`), ``,
			"coordinates[0][1]: longitude is 194"},
		"a position of one": {ring(`[13,52],[14],[14,53],[13,52]`), ``,
			"[0][1] has 1 numbers; a position is [longitude, latitude]"},
		"half round": {ring(`[-90,52],[90,52],[90,53],[-90,53],[-90,52]`), ``,
			"[0][1] is 180 degrees of longitude from the position before it"},
		"the whole world": {ring(`[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]`), ``,
			"[0][1] is 360 degrees"},
		"crosses itself": {ring(`[0,0],[1,1],[1,0],[0,1],[0,0]`), ``,
			"[0] crosses ring 0: its edge 2, from [1,0], and edge 0, from [0,0]"},
		"crosses itself at ±180": {ring(`[179,0],[-179,1],[-179,0],[179,1],[179,0]`), ``, "crosses ring 0"},
		"encloses nothing":       {ring(`[0,0],[1,1],[0.5,0.5],[0,0]`), ``, "encloses nothing"},
		"one place":              {ring(`[0,0],[0,0],[0,0],[0,0]`), ``, "is one place"},
		"a hole outside": {
			`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]],[[5,5],[6,5],[6,6],[5,5]]]}`, ``,
			"[1] is a hole outside of the outer ring: at [5,5]"},
		"a hole across": {
			`{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[3,1],[5,1],[5,2],[3,2],[3,1]]]}`, ``,
			"[1] crosses ring 0"},
		"the second area": {
			`{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[[[0,0],[1,0],[1,99],[0,0]]]]}`, ``,
			"coordinates[1][0][2]: latitude is 99"},
		"too many": {ring(strings.Repeat(`[0,0],[1,1],`, 5001) + `[0,0]`), ``,
			"has more than 10000 positions"},
		"a point without radius": {`{"type":"Point","coordinates":[1,2]}`, ``,
			"need properties.radius_m, from 1 to 100000 metres"},
		"an area with radius": {yard, `"radius_m":5`, "radius_m belongs to a Point or a line"},
		"radius": {`{"type":"Point","coordinates":[1,2]}`, `"radius_m":0.5`,
			"properties.radius_m is 0.5; it must be from 1 to 100000"},
		"a line of one": {`{"type":"LineString","coordinates":[[1,2]]}`, ``,
			"has 1 positions; a line has two or more"},
		"an empty line": {`{"type":"MultiLineString","coordinates":[[[1,2],[2,3]],[]]}`, ``,
			"[1] has 0 positions"},
		"enter_after_s": {yard, `"enter_after_s":-1`,
			"enter_after_s is -1; it must be from 0 to 604800"},
		"null for a number": {`{"type":"Point","coordinates":[null,null]}`, `"radius_m":10`,
			"geometry.coordinates[0]: a JSON null cannot stand here"},
		"null in a ring": {`{"type":"Polygon","coordinates":[[[0,0],[1,null],[1,1],[0,0]]]}`, ``,
			"geometry.coordinates[0][1][1]: a JSON null cannot stand here"},
		"null in a line": {`{"type":"LineString","coordinates":[[null,50],[1,50]]}`, ``,
			"a JSON null cannot stand here"},
		"too deep": {yard, `"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63),
			"the Feature is nested deeper than 64 levels"},
		"no vehicles": {yard, `"vehicles":[]`, "properties.vehicles is empty; leave it out for all"},
		"no topics":   {yard, `"topics":[]`, "properties.topics is empty; leave it out for all"},
		"a star inside": {yard, `"vehicles":["a*b"]`,
			`properties.vehicles[0] is "a*b"; a * stands at the end alone`},
		"two stars": {yard, `"topics":["d","**"]`,
			`properties.topics[1] is "**"; a * stands at the end alone`},
		"an empty pattern":  {yard, `"vehicles":[""]`, "properties.vehicles[0]"},
		"null as a pattern": {yard, `"vehicles":[null]`, "properties.vehicles[0]"},
		"a control":         {yard, `"vehicles":["\u0000"]`, "U+0000"},
		"dwell_s as a text": {yard, `"dwell_s":"60"`, "properties.dwell_s: a JSON string cannot stand here"},
		"altitudes": {yard, `"min_alt_m":10,"max_alt_m":5`,
			"min_alt_m is 10, more than max_alt_m, which is 5"},
		"severity": {yard, `"severity":"bad"`,
			`severity is "bad"; it must be one of ["info" "warning" "urgent"]`},
		"initial": {yard, `"initial":"loud"`, `initial is "loud"`},
		"expires": {yard, `"expires":"soon"`, "properties.expires"},
		"name": {yard, `"name":"` + strings.Repeat("x", 257) + `"`,
			"name has 257 bytes; it has at most 256"},
		"patterns": {yard, `"topics":["a"` + strings.Repeat(`,"a"`, 64) + `]`,
			"has 65 patterns; it has at most 64"},
		"no zone": {yard, `"active":{"windows":[{"from":"08:00","to":"09:00"}]}`,
			`active.tz is "", which is no time zone`},
		"another zone": {yard,
			`"active":{"tz":"Mars/Olympus","windows":[{"from":"08:00","to":"09:00"}]}`,
			`active.tz is "Mars/Olympus"`},
		"the machine's zone": {yard, `"active":{"tz":"Local","windows":[{"from":"08:00","to":"09:00"}]}`,
			`active.tz is "Local"`},
		"no windows": {yard, `"active":{"tz":"UTC"}`, "active.windows has 0 windows; it has 1 to 50"},
		"a time": {yard, `"active":{"tz":"UTC","windows":[{"from":"8:00","to":"09:00"}]}`,
			`active.windows[0].from is "8:00"`},
		"a late time": {yard, `"active":{"tz":"UTC","windows":[{"from":"08:00","to":"24:30"}]}`,
			`to is "24:30"`},
		"a day": {yard,
			`"active":{"tz":"UTC","windows":[{"days":["Mon"],"from":"08:00","to":"09:00"}]}`,
			`days has "Mon"; a day is one of sun, mon`},
		"no day": {yard,
			`"active":{"tz":"UTC","windows":[{"days":[],"from":"08:00","to":"09:00"}]}`, "days is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := geofence.Parse("f", []byte(fmt.Sprintf(
				`{"type":"Feature","geometry":%s,"properties":{%s}}`, test.geometry, test.properties)))
			require.ErrorContains(t, err, test.why)
			assert.Less(t, len(err.Error()), 400)
		})
	}
	for feature, why := range map[string]string{
		`{"type":"Feature"`:           "the Feature is not JSON",
		`[]`:                          "a JSON array cannot stand here",
		`{"type":"Polygon"}`:          `type is "Polygon"; a fence is a GeoJSON Feature`,
		`{"type":"Feature","id":"g"}`: `id is "g", but the path says "f"`,
		`{"type":"Feature","id":7}`:   `id is 7, but the path says "f"`,
		strings.Repeat(" ", geofence.MaxFeature+1): "a fence has at most 786432 bytes",
	} {
		_, err := geofence.Parse("f", []byte(feature))
		require.ErrorContains(t, err, why)
	}
}

// TestTouching has rings that touch, which is no crossing.
func TestTouching(t *testing.T) {
	const area, areas = `{"type":"Polygon","coordinates":`, `{"type":"MultiPolygon","coordinates":`
	for name, geometry := range map[string]string{
		"a ring at its own corner": area + `[[[0,0],[2,0],[1,1],[2,2],[0,2],[1,1],[0,0]]]}`,
		"a hole at a corner":       area + `[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,0],[2,1],[1,2],[0,0]]]}`,
		"two areas along an edge": areas + `[[[[0,0],[1,0],[1,1],[0,1],[0,0]]],` +
			`[[[1,0],[2,0],[2,1],[1,1],[1,0]]]]}`,
		"repeated positions": area + `[[[0,0],[0,0],[1,0],[1,1],[1,1],[0,0],[0,0]]]}`,
		"altitudes":          area + `[[[0,0,5],[1,0,5],[1,1,6,7],[0,0,5]]]}`,
	} {
		t.Run(name, func(t *testing.T) { fence(t, geometry, "") })
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"Feature","geometry":` + yard + `,"properties":{"dwell_s":60}}`))
	f.Add([]byte(`{"type":"Feature","geometry":{"type":"Point","coordinates":[180,90]},` +
		`"properties":{"radius_m":5}}`))
	f.Add([]byte(`{"type":"Feature","geometry":{"type":"LineString","coordinates":[[179,1],[-179,2]]}}`))
	f.Add([]byte(`{"type":"Feature","geometry":` + yard +
		`,"properties":{"active":{"tz":"Europe/Berlin",` +
		`"windows":[{"days":["mon"],"from":"22:00","to":"06:00"}]}}}`))
	f.Fuzz(func(t *testing.T, feature []byte) {
		fence, err := geofence.Parse("f", feature)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := geofence.Parse("f", fence.Feature)
		require.NoError(t, err)
		require.Equal(t, string(fence.Feature), string(again.Feature))
		for _, p := range [][2]float64{{0, 0}, {180, 0}, {-180, 90}, {13, 52}} {
			distance := fence.Distance(p)
			require.Equal(t, distance, again.Distance(p))
			require.LessOrEqual(t, math.Abs(float64(distance)), 2.1e10, "half round the world")
		}
	})
}

func TestSchedule(t *testing.T) {
	at := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return at
	}
	schedule := func(text string) *geofence.Schedule { return &fence(t, yard, `"active":`+text).Active }
	night := schedule(`{"tz":"Europe/Berlin","windows":[{"days":["fri"],"from":"22:00","to":"06:00"}]}`)
	for text, active := range map[string]bool{
		"2026-11-27T21:59:59+01:00": false, "2026-11-27T22:00:00+01:00": true, // Friday
		"2026-11-28T05:59:59+01:00": true, "2026-11-28T06:00:00+01:00": false,
		"2026-11-28T22:30:00+01:00": false, "2026-11-27T05:00:00+01:00": false,
		"2026-11-27T21:30:00Z": true,
	} {
		assert.Equal(t, active, night.At(at(text)), text)
	}
	day := schedule(`{"tz":"UTC","windows":[{"from":"08:00","to":"24:00"},{"from":"00:00","to":"01:00"}]}`)
	always := schedule(`{"tz":"UTC","windows":[{"from":"00:00","to":"24:00"}]}`)
	whole := schedule(`{"tz":"UTC","windows":[{"from":"07:00","to":"07:00"}]}`)
	assert.True(t, whole.At(at("2026-11-27T06:59:59Z")), "a window whose end is its beginning is a whole day")
	early := schedule(`{"tz":"Europe/Berlin","windows":[{"from":"01:00","to":"02:30"}]}`)
	for name, test := range map[string]struct {
		schedule    *geofence.Schedule
		after, next string
	}{
		"in the week":                {night, "2026-11-24T12:00:00Z", "2026-11-27T21:00:00Z"},
		"the end":                    {night, "2026-11-27T21:00:00Z", "2026-11-28T05:00:00Z"},
		"a week on":                  {night, "2026-11-28T05:00:00Z", "2026-12-04T21:00:00Z"},
		"windows that touch":         {day, "2026-11-27T09:00:00Z", "2026-11-28T01:00:00Z"},
		"always":                     {always, "2026-11-27T09:00:00Z", ""},
		"no schedule":                {&geofence.Schedule{}, "2026-11-27T09:00:00Z", ""},
		"clocks go forward over it":  {early, "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z"},
		"clocks go back: its end":    {early, "2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z"},
		"clocks go back: again":      {early, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"},
		"clocks go back: ends again": {early, "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"},
	} {
		next, ok := test.schedule.Next(at(test.after))
		if test.next == "" {
			assert.False(t, ok, name)
			continue
		}
		require.True(t, ok, name)
		assert.Equal(t, test.next, next.UTC().Format(time.RFC3339), name)
		assert.NotEqual(t, test.schedule.At(next.Add(-1)), test.schedule.At(next), name)
	}
}

// TestScheduleNextMissesNothing steps through a year, in a zone that changes its clocks.
func TestScheduleNextMissesNothing(t *testing.T) {
	s := &fence(t, yard, `"active":{"tz":"Australia/Lord_Howe","windows":[
		{"days":["sun"],"from":"01:45","to":"02:10"},{"days":["wed","sat"],"from":"23:00","to":"01:00"}]}`).Active
	const step = 5 * time.Minute // divides every time of the windows, and the half hour of the clocks
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	next, ok := s.Next(at)
	require.True(t, ok)
	for end := at.AddDate(1, 0, 0); at.Before(end); at = at.Add(step) {
		if !at.Before(next) {
			require.NotEqual(t, s.At(at.Add(-step)), s.At(at), at)
			next, ok = s.Next(at)
			require.True(t, ok)
			continue
		}
		require.Equal(t, s.At(next.Add(-1)), s.At(at), at)
	}
}
