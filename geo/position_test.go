package geo_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"livemap/geo"

	"github.com/stretchr/testify/require"
)

// arrival is the time at which a position without a timestamp arrives.
var arrival = time.Unix(1795421061, 0)

// feature reads item and writes it as a Feature.
func feature(t *testing.T, item string) string {
	t.Helper()
	p, err := geo.ParsePosition([]byte(item))
	require.NoError(t, err)
	return string(p.AppendFeature(nil, timeOf(p)))
}

func timeOf(p geo.Position) time.Time {
	if p.Time.IsZero() {
		return arrival
	}
	return p.Time
}

func TestFeature(t *testing.T) {
	const start = `{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[13.4,52.5]},` +
		`"properties":{"vehicle_id":"T"`
	for name, test := range map[string]struct{ item, want string }{
		"all known members, in any order": {
			`{"timestamp":1795421061.5,"accuracy":3,"heading":90,"speed_kmh":85,"topics":["a"],"altitude":34.0,` +
				`"lon":13.404954,"lat":52.520008,"vehicle_id":"TRUCK-042"}`,
			`{"type":"Feature","id":"TRUCK-042","geometry":{"type":"Point","coordinates":[13.404954,52.520008,` +
				`34.0]},"properties":{"vehicle_id":"TRUCK-042","accuracy":3,"heading":90,"speed_kmh":85,` +
				`"timestamp":1795421061.5}}`,
		},
		"no timestamp": {`{"vehicle_id":"T","lat":52.5,"lon":13.4}`,
			start + `,"timestamp":1795421061}}`},
		"null is absent": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"altitude":null,` +
			`"speed_kmh":null,"heading":null,"accuracy":null,"timestamp":null,"topics":null}`,
			start + `,"timestamp":1795421061}}`},
		"null of others stays": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"driver":null}`,
			start + `,"driver":null,"timestamp":1795421061}}`},
		"others are compacted": {"{\"vehicle_id\":\"T\",\"lat\":52.5,\"lon\":13.4,\"load\": {\"a\" : " +
			"[ 1.50,\n\"x  y\" ] } }", start + `,"load":{"a":[1.50,"x  y"]},"timestamp":1795421061}}`},
		"others keep escapes": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"a\u0062":["\u0041\n",` +
			`"\ud800"]}`, start + `,"a\u0062":["\u0041\n","\ud800"],"timestamp":1795421061}}`},
		"others keep all but white space": {"{\"vehicle_id\":\"T\",\"lat\":52.5,\"lon\":13.4," +
			"\"x\":[\r\n\t\"\\u0041\\/\", \"\\ud800\", 1.0E+1, {\"a\": 1, \"a\": 2}]}",
			start + `,"x":["\u0041\/","\ud800",1.0E+1,{"a":1,"a":2}],"timestamp":1795421061}}`},
		"others keep numbers": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"n":[1E2,1e999,-0,` +
			`12345678901234567890]}`, start + `,"n":[1E2,1e999,-0,12345678901234567890],"timestamp":1795421061}}`},
		"numbers keep spelling": {`{"vehicle_id":"T","lat":5.25e1,"lon":-0}`,
			`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[-0,5.25e1]},` +
				`"properties":{"vehicle_id":"T","timestamp":1795421061}}`},
		"edges of the ranges": {`{"vehicle_id":"T","lat":-90,"lon":180.0,"altitude":-1e300,` +
			`"speed_kmh":0,"accuracy":0,"heading":359.999}`,
			`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[180.0,-90,-1e300]},` +
				`"properties":{"vehicle_id":"T","speed_kmh":0,"accuracy":0,"heading":359.999,"timestamp":1795421061}}`},
		"heading 360 is 0": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"heading":3.600e2}`,
			start + `,"heading":0,"timestamp":1795421061}}`},
		"line breaks of Unicode are escaped": {
			"{\"vehicle_id\":\"T\",\"lat\":52.5,\"lon\":13.4,\"\u0085\u00a0\":[\"\u2028\u2027\", " +
				"{\"a\":\"°\u2029\\\\\u0085 €\"}]}",
			start + `,"\u0085` + "\u00a0" + `":["\u2028` + "\u2027" + `",{"a":"°\u2029\\\u0085 €"}],` +
				`"timestamp":1795421061}}`,
		},
		"integer vehicle id": {`{"vehicle_id":-42,"lat":52.5,"lon":13.4}`,
			strings.ReplaceAll(start, `"T"`, `"-42"`) + `,"timestamp":1795421061}}`},
		"vehicle id is canonical": {
			`{"vehicle_id":"\u0054\/\"\\ü😀","lat":52.5,"lon":13.4}`,
			strings.ReplaceAll(start, `"T"`, `"T/\"\\ü😀"`) + `,"timestamp":1795421061}}`,
		},
		"quote in a vehicle id": {`{"vehicle_id":"\"T","lat":52.5,"lon":13.4}`,
			strings.ReplaceAll(start, `"T"`, `"\"T"`) + `,"timestamp":1795421061}}`},
		"slash in a vehicle id": {`{"vehicle_id":"\\T","lat":52.5,"lon":13.4}`,
			strings.ReplaceAll(start, `"T"`, `"\\T"`) + `,"timestamp":1795421061}}`},
		"escaped member names": {`{"vehicle\u005fid":"T","l\u0061t":52.5,"lon":13.4}`,
			start + `,"timestamp":1795421061}}`},
		"earliest": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":315532800}`,
			start + `,"timestamp":315532800}}`},
		"digits in quotes": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":"1795421061123"}`,
			start + `,"timestamp":1795421061.123}}`},
		"a space for the T": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":"2026-11-23 09:04:21+00"}`,
			start + `,"timestamp":1795424661}}`},
		"a leap second": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":"2016-12-31T23:59:60Z"}`,
			start + `,"timestamp":1483228800}}`},
		"milliseconds": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":1795421061123}`,
			start + `,"timestamp":1795421061.123}}`},
		"RFC 3339": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,` +
			`"timestamp":"2026-11-23T10:04:21.25+01:00"}`, start + `,"timestamp":1795424661.25}}`},
		"another type is ordinary": {`{"type":"truck","vehicle_id":"T","lat":52.5,"lon":13.4,"id":7,` +
			`"geometry":null,"properties":[1]}`, start +
			`,"type":"truck","id":7,"geometry":null,"properties":[1],"timestamp":1795421061}}`},
		"others may look like ours": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"properties":{"topics": [1],` +
			`"lat":1},"geometry":{"coordinates":[]}}`,
			start + `,"properties":{"topics":[1],"lat":1},"geometry":{"coordinates":[]},"timestamp":1795421061}}`},
		"Feature": {
			`{"type":"Feature","id":"other","bbox":[1],"geometry":{"type":"Point","coordinates":[13.4, 52.5],` +
				`"crs":1},"properties":{"speed_kmh":5,"vehicle_id":"T","lat":1,"lon":"x","timestamp":1795421007,` +
				`"driver":"D"}}`,
			start + `,"speed_kmh":5,"driver":"D","timestamp":1795421007}}`,
		},
		"Feature with altitude in its properties": {
			`{"type":"Feature","id":"T","properties":{"altitude":34.50},"geometry":{"type":"Point",` +
				`"coordinates":[13.4,52.5]}}`,
			strings.Replace(start, "52.5", "52.5,34.50", 1) + `,"timestamp":1795421061}}`,
		},
		"Feature with two altitudes": {
			`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[13.4,52.5,1]},` +
				`"properties":{"altitude":"low"}}`,
			strings.Replace(start, "52.5", "52.5,1", 1) + `,"timestamp":1795421061}}`,
		},
		"Feature with null for its altitude": {
			`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[13.4,52.5]},` +
				`"properties":{"altitude":null}}`, start + `,"timestamp":1795421061}}`,
		},
		"Feature with its id only": {`{"properties":{"vehicle_id":null},"geometry":{"coordinates":[13.4,` +
			`52.5],"type":"Point"},"id":"T","type":"Feature"}`, start + `,"timestamp":1795421061}}`},
		"an arrival that comes again": {`{"time_basis":"arrival","vehicle_id":"T","lat":52.5,"lon":13.4,` +
			`"timestamp":1795421005}`, start + `,"timestamp":1795421005,"time_basis":"arrival"}}`},
		"another basis of time": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":1795421005,` +
			`"time_basis":"feed"}`, start + `,"time_basis":"feed","timestamp":1795421005}}`},
		"a basis without a time": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"time_basis":"feed"}`,
			start + `,"timestamp":1795421061}}`},
		"stale_after_s of others is dropped": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,` +
			`"stale_after_s":"soon","timestamp":1795421005}`, start + `,"timestamp":1795421005}}`},
		"stale_after_s of a Feature": {`{"vehicle_id":"T","lat":52.5,"lon":13.4,"stale_after_s":20,` +
			`"expect_within_s":12.5,"timestamp":1795421005}`,
			start + `,"expect_within_s":12.5,"timestamp":1795421005,"stale_after_s":20}}`},
		"Feature without properties": {`{"type":"Feature","id":42,"geometry":{"type":"Point",` +
			`"coordinates":[13.4,52.5]}}`, strings.ReplaceAll(start, `"T"`, `"42"`) + `,"timestamp":1795421061}}`},
		"Feature with null for properties": {`{"type":"Feature","id":"T","geometry":{"type":"Point",` +
			`"coordinates":[13.4,52.5]},"properties":null}`, start + `,"timestamp":1795421061}}`},
		"Feature with altitude": {`{"type":"Feature","id":"T","geometry":{"type":"Point",` +
			`"coordinates":[13.4,52.5,0.0]},"properties":{}}`,
			strings.Replace(start, "52.5", "52.5,0.0", 1) + `,"timestamp":1795421061}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := feature(t, test.item)
			want, stamped := strings.CutSuffix(test.want, `"timestamp":1795421061}}`)
			switch {
			case stamped && !strings.Contains(test.item, "1795421061"):
				want += `"timestamp":1795421061,"time_basis":"arrival"}}`
			case stamped:
				want = test.want
			}
			require.Equal(t, want, got)
			require.True(t, json.Valid([]byte(got)))
			require.Equal(t, got, feature(t, got), "a Feature read again")
		})
	}
}

func TestPosition(t *testing.T) {
	p, err := geo.ParsePosition([]byte(`{"vehicle_id":"TRUCK-\"42\"","lat":52.52,"lon":13.4,` +
		`"timestamp":1795421005,"topics":["a","b","a"]}`))
	require.NoError(t, err)
	require.Equal(t, `TRUCK-"42"`, p.VehicleID)
	require.Equal(t, geo.Point{13.4, 52.52}, p.Point)
	require.True(t, p.Time.Equal(time.Unix(1795421005, 0)))
	require.Equal(t, []string{"a", "b"}, p.Topics)
}

func TestCheckEarliest(t *testing.T) {
	for timestamp, want := range map[string]string{
		"null":                        "",
		"315532800":                   "",
		"315532800000":                "",
		"1795421061":                  "",
		`"1980-01-01T00:00:00Z"`:      "",
		"0":                           "0 (1970-01-01T00:00:00Z)",
		"-0":                          "0 (1970-01-01T00:00:00Z)",
		"0.0":                         "0 (1970-01-01T00:00:00Z)",
		"0e0":                         "0 (1970-01-01T00:00:00Z)",
		"1e3":                         "1000 (1970-01-01T00:16:40Z)",
		"315532799.999999999":         "315532799.999999999 (1979-12-31T23:59:59Z)",
		"315532799999":                "315532799.999 (1979-12-31T23:59:59Z)",
		`"1970-01-01T00:00:00Z"`:      "0 (1970-01-01T00:00:00Z)",
		`"1980-01-01T00:59:59+01:00"`: "315532799 (1979-12-31T23:59:59Z)",
	} {
		t.Run(timestamp, func(t *testing.T) {
			item := `{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":` + timestamp + "}"
			p, err := geo.ParsePosition([]byte(item))
			require.NoError(t, err)
			refusal := p.CheckEarliest()
			if want == "" {
				require.Nil(t, refusal)
				return
			}
			require.Equal(t, &geo.Refusal{VehicleID: "T", Field: "timestamp", Detail: "timestamp is " + want +
				", before 1980; leave it out where there is none"}, refusal)
		})
	}
}

func TestPositionKeepsNothingOfItem(t *testing.T) {
	item := []byte(`{"vehicle_id":"TRUCK-042","lat":52.5,"lon":13.4,"topics":["depot:7"]}`)
	p, err := geo.ParsePosition(item)
	require.NoError(t, err)
	for i := range item {
		item[i] = 'x'
	}
	require.Equal(t, "TRUCK-042", p.VehicleID)
	require.Equal(t, []string{"depot:7"}, p.Topics)
	require.Contains(t, string(p.AppendFeature(nil, arrival)), `"coordinates":[13.4,52.5]`)
}

// Positions that share memory do not change when the scanner reads more.
func TestPositionsStay(t *testing.T) {
	item := func(n int) []byte {
		return fmt.Appendf(nil, `{"vehicle_id":"%d","lat":1,"lon":2,"topics":["t%d"],"x":"%s"}`, n, n,
			strings.Repeat("x", n))
	}
	var all []geo.Position
	for n := range 400 { // 80 kB
		p, err := geo.ParsePosition(item(n))
		require.NoError(t, err)
		all = append(all, p)
	}
	for n, p := range all {
		require.Equal(t, fmt.Sprint(n), p.VehicleID)
		require.Equal(t, []string{fmt.Sprintf("t%d", n)}, p.Topics)
		require.Contains(t, string(p.AppendFeature(nil, arrival)), fmt.Sprintf(`"id":"%d",`, n))
		require.Contains(t, string(p.AppendFeature(nil, arrival)), `,"x":"`+strings.Repeat("x", n)+`","timestamp"`)
	}
}

// TestHints checks which likely names of members get a hint. The members stay as they are.
func TestHints(t *testing.T) {
	at := func(members string) string { return `{"vehicle_id":"T","lat":1,"lon":2,` + members + `}` }
	feature := func(foreign, properties string) string {
		return `{"type":"Feature","id":"T",` + foreign + `"geometry":{"type":"Point","coordinates":[2,1]},` +
			`"properties":{` + properties + `}}`
	}
	for name, test := range map[string]struct {
		item string
		want string // the hints, with ; between them
	}{
		"speed":          {at(`"speed":20`), "speed is kept as it is; speed_kmh is what readers expect"},
		"speed and ours": {at(`"speed":20,"speed_kmh":72`), ""},
		"ours is null": {at(`"speed_kmh":null,"speed":20`),
			"speed is kept as it is; speed_kmh is what readers expect"},
		"speed in text":   {at(`"speed":"fast"`), ""},
		"speed is null":   {at(`"speed":null`), ""},
		"miles":           {at(`"speed_mph":20`), "speed_mph is kept as it is; speed_kmh is what readers expect"},
		"course":          {at(`"course":20`), "course is kept as it is; heading is what readers expect"},
		"direction":       {at(`"direction":20`), "direction is kept as it is; heading is what readers expect"},
		"direction, text": {at(`"direction":"inbound"`), ""},
		"bearing":         {at(`"bearing":1`), "bearing is kept as it is; heading is what readers expect"},
		"alt":             {at(`"alt":20`), "alt is kept as it is; altitude is what readers expect"},
		"time":            {at(`"time":"now"`), "time is kept as it is; timestamp is what readers expect"},
		"ts":              {at(`"ts":1`), "ts is kept as it is; timestamp is what readers expect"},
		"date and ours":   {at(`"timestamp":1795421005,"date":"x"`), ""},
		"Timestamp":       {at(`"Timestamp":1`), "Timestamp is kept as it is; timestamp is what readers expect"},
		"topic":           {at(`"topic":"a"`), "topic is kept as it is; topics is what readers expect"},
		"several": {at(`"ts":1,"speed":2,"fuel_level":3,"x":{"speed":1}`),
			"speed is kept as it is; speed_kmh is what readers expect;" +
				"ts is kept as it is; timestamp is what readers expect"},
		"none": {typical, ""},
		"Feature": {feature("", `"speed":1,"alt":2`),
			"speed is kept as it is; speed_kmh is what readers expect;" +
				"alt is kept as it is; altitude is what readers expect"},
		"Feature with a third coordinate": {
			strings.Replace(feature("", `"alt":2`), "[2,1]", "[2,1,3]", 1), ""},
		"beside the properties": {feature(`"speed_kmh":5,"topics":["a"],`, ""),
			"topics beside a Feature's properties is ignored; put it among them;" +
				"speed_kmh beside a Feature's properties is ignored; put it among them"},
		"altitude beside the properties": {feature(`"altitude":5,`, ""),
			"altitude beside a Feature's properties is ignored; put it among them"},
		"stale_after_s": {at(`"stale_after_s":20`),
			"stale_after_s is dropped; the hub finds it out (expect_within_s may help)"},
		"within and beside": {feature(`"speed_kmh":5,`, `"speed_kmh":5`), ""},
		"foreign speed":     {feature(`"speed":5,`, ``), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := geo.ParsePosition([]byte(test.item))
			require.NoError(t, err)
			require.Equal(t, test.want, strings.Join(p.Hints.Texts(), ";"))
			again, err := geo.ParsePosition(p.AppendFeature(nil, arrival))
			require.NoError(t, err)
			require.Empty(t, again.Hints & ^p.Hints, "a Feature that was read again gets no new hints")
		})
	}
}

// What the hub has found out about a vehicle is no part of its report.
func TestStaleAfter(t *testing.T) {
	for _, item := range []string{
		`{"vehicle_id":"T","lat":1,"lon":2}`,
		`{"vehicle_id":"T","lat":1,"lon":2,"timestamp":1795421005.123456789}`,
		`{"vehicle_id":"T","lat":1,"lon":2,"timestamp":0,"x":{"a":1,"stale_after_s":3}}`,
		`{"vehicle_id":"T","lat":1,"lon":2,"timestamp":5,"x":",\"stale_after_s\":3"}`,
	} {
		p, err := geo.ParsePosition([]byte(item))
		require.NoError(t, err)
		bare := string(p.AppendFeature(nil, timeOf(p)))
		for _, s := range []int{15, 172800} {
			p.StaleAfter = s
			whole := p.AppendFeature(nil, timeOf(p))
			require.True(t, json.Valid(whole))
			require.Equal(t, bare, string(geo.CutStaleAfter(whole))+"}}")
			require.Equal(t, "x"+string(whole)+"\nid: 7", string(geo.AddStaleAfter([]byte("x"+bare+"\nid: 7"), 6, s)))
			require.Equal(t, string(geo.Timestamp([]byte(bare))), string(geo.Timestamp(whole)))
			again, err := geo.ParsePosition(whole)
			require.NoError(t, err)
			require.Equal(t, s, again.StaleAfter)
		}
		require.Equal(t, bare, string(geo.CutStaleAfter([]byte(bare)))+"}}")
	}
}

func TestExpectWithin(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"null": 0, "1": time.Second, "12.5": 12500 * time.Millisecond, "86400": 24 * time.Hour,
		"1.0000001": 1001 * time.Millisecond,
	} {
		p, err := geo.ParsePosition([]byte(`{"vehicle_id":"T","lat":1,"lon":2,"expect_within_s":` + value + `}`))
		require.NoError(t, err)
		require.Equal(t, want, p.ExpectWithin, value)
	}
	for _, value := range []string{"0.9", "86401", `"60"`, "true", "-1", "1e999"} {
		refusal := refused(t, `{"vehicle_id":"T","lat":1,"lon":2,"expect_within_s":`+value+`}`)
		require.Equal(t, "expect_within_s", refusal.Field)
		require.Contains(t, refusal.Detail, "it must be a number of seconds from 1 to 86400")
	}
}

func TestTopics(t *testing.T) {
	for name, test := range map[string]struct {
		topics string
		want   []string
	}{
		"absent is as before": {`"x":1`, nil},
		"null is as before":   {`"topics":null`, nil},
		"empty is none":       {`"topics":[]`, []string{}},
		"any characters":      {`"topics":["depot 7/ü%"]`, []string{"depot 7/ü%"}},
		"longest": {`"topics":["` + strings.Repeat("x", 256) + `"]`,
			[]string{strings.Repeat("x", 256)}},
		"most": {`"topics":["0","1","2","3","4","5","6","7","8","9","10","11","12","13","14","15"]`,
			strings.Split("0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", ",")},
		"of a Feature": {`"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},` +
			`"properties":{"vehicle_id":"T","topics":["p"]}`, []string{"p"}},
	} {
		t.Run(name, func(t *testing.T) {
			item := `{"vehicle_id":"T","lat":1,"lon":2,` + test.topics + `}`
			p, err := geo.ParsePosition([]byte(item))
			require.NoError(t, err)
			require.Equal(t, test.want, p.Topics)
			require.NotContains(t, string(p.AppendFeature(nil, arrival)), "topics")
		})
	}
}

func TestRefusal(t *testing.T) {
	item := func(members string) string { return `{"vehicle_id":"T",` + members + `}` }
	at := func(members string) string { return item(`"lat":1,"lon":2,` + members) }
	point := func(coordinates string) string {
		return `{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":` + coordinates + `}}`
	}
	for name, test := range map[string]struct{ item, field, detail string }{
		"lat too large":      {item(`"lat":91,"lon":2`), "lat", "lat is 91; it must be a number from -90 to 90"},
		"lat too small":      {item(`"lat":-90.0000001,"lon":2`), "lat", "-90.0000001"},
		"lat missing":        {item(`"lon":2`), "lat", "lat is missing"},
		"lat null":           {item(`"lat":null,"lon":2`), "lat", "lat is null"},
		"lat string":         {item(`"lat":"52.5","lon":2`), "lat", `lat is "52.5"; it must be a number`},
		"lat true":           {item(`"lat":true,"lon":2`), "lat", "lat is true"},
		"lat 1e999":          {item(`"lat":1e999,"lon":2`), "lat", "lat is 1e999"},
		"lat NaN":            {item(`"lat":NaN,"lon":2`), "lat", "NaN is not a JSON number"},
		"lat -Infinity":      {item(`"lat":-Infinity,"lon":2`), "lat", "from -90 to 90"},
		"lat twice":          {item(`"lat":1,"lon":2,"lat":1`), "lat", "lat appears twice"},
		"lat twice, escaped": {item(`"lat":1,"lon":2,"l\u0061t":1`), "lat", "lat appears twice"},
		"lon too large":      {item(`"lat":1,"lon":180.1`), "lon", "from -180 to 180"},
		"lon missing":        {item(`"lat":1`), "lon", "lon is missing"},
		"long number": {item(`"lat":` + strings.Repeat("9", 500) + `,"lon":2`), "lat",
			"lat is " + strings.Repeat("9", 37) + "…;"},

		"altitude string":    {at(`"altitude":"low"`), "altitude", "finite"},
		"altitude 1e999":     {at(`"altitude":-1e999`), "altitude", "finite"},
		"speed negative":     {at(`"speed_kmh":-1`), "speed_kmh", "from 0 up"},
		"speed string":       {at(`"speed_kmh":"85"`), "speed_kmh", `"85"`},
		"heading beyond 360": {at(`"heading":360.5`), "heading", "from 0 to 360"},
		"heading negative":   {at(`"heading":-1`), "heading", "from 0 to 360"},
		"accuracy negative":  {at(`"accuracy":-0.1`), "accuracy", "from 0 up"},
		"accuracy array":     {at(`"accuracy":[1]`), "accuracy", "an array"},
		"timestamp 1969":     {at(`"timestamp":"1969-12-31t23:59:59Z"`), "timestamp", "before 1980"},
		"timestamp year 1":   {at(`"timestamp":"0001-01-01T00:00:00Z"`), "timestamp", "before 1980"},
		"timestamp negative": {at(`"timestamp":-1`), "timestamp", "before 1980; leave it out"},
		"timestamp -1e12":    {at(`"timestamp":-1e12`), "timestamp", "before 1980"},
		"timestamp beyond":   {at(`"timestamp":9223372037`), "timestamp", "2262"},
		"timestamp 1e999":    {at(`"timestamp":1e999`), "timestamp", "1e999"},
		"timestamp true":     {at(`"timestamp":true`), "timestamp", "true"},
		"timestamp words":    {at(`"timestamp":"yesterday"`), "timestamp", "RFC 3339"},
		"timestamp without zone": {at(`"timestamp":"2026-11-23T10:04:21"`), "timestamp",
			`timestamp is "2026-11-23T10:04:21", which has no time zone; add Z for UTC, or an offset such as +01:00`},
		"timestamp in quotes": {at(`"timestamp":"1795421061x"`), "timestamp", `"1795421061x"`},
		"timestamp surrogate": {at(`"timestamp":"\ud800"`), "timestamp", "RFC 3339"},
		"topics string":       {at(`"topics":"a"`), "topics", "array of strings"},
		"topics number":       {at(`"topics":["a",5]`), "topics", "topics holds 5"},
		"topics null inside":  {at(`"topics":[null]`), "topics", "topics holds null"},
		"topics empty inside": {at(`"topics":[""]`), "topics", "this one is empty"},
		"topics too long": {at(`"topics":["` + strings.Repeat("x", 257) + `"]`), "topics",
			"this one has 257 bytes"},
		"topics control":      {at(`"topics":["a\nb"]`), "topics", "U+000A"},
		"topics surrogate":    {at(`"topics":["\udc00"]`), "topics", "not UTF-8"},
		"topics white space":  {at(`"topics":["a "]`), "topics", "ends in white space"},
		"topics invisible":    {at(`"topics":["a\u00adb"]`), "topics", "U+00AD"},
		"topics wildcard":     {at(`"topics":["depot:*"]`), "topics", `holds "depot:*"; a topic must not end in *`},
		"topics of a vehicle": {at(`"topics":["vehicle:x"]`), "topics", "the hub reserves topics"},
		"topics of the hub":   {at(`"topics":["live_updates:all"]`), "topics", "the hub reserves topics"},
		"topics of a fence":   {at(`"topics":["fence:zone"]`), "topics", `topics that begin with "fence:"`},
		"topics of a source":  {at(`"topics":["source:x"]`), "topics", `reserves topics that begin with "source:"`},
		"topics alarms":       {at(`"topics":["alarms"]`), "topics", `the hub reserves "alarms"`},
		"topics freshness":    {at(`"topics":["freshness"]`), "topics", `the hub reserves "freshness"`},
		"topics too many": {at(`"topics":[` + strings.Repeat(`"a",`, 16) + `"a"]`), "topics",
			"more than 16"},
		"topics far too many": {at(`"topics":[` + strings.Repeat(`"a",`, 9999) + `"a"]`), "topics",
			"more than 16"},
		"another member twice": {at(`"driver":1,"driver":1`), "driver", "twice"},
		"name is no text":      {at(`"\ud800":1`), `"�"`, "not UTF-8"},
		"value is no text":     {at("\"driver\":\"\xff\""), "driver", "driver is not UTF-8"},
		"long name": {at(`"` + strings.Repeat("é", 99) + `":1,"` + strings.Repeat("é", 99) + `":1`),
			`"éééééééééééééééé` + `é"…`, "twice"},
		"unprintable name":        {at(`"a\u0000":1,"a\u0000":1`), `"a\x00"`, "twice"},
		"many members, one twice": {at(`"a":1,` + numbered(100) + `,"m99":1`), "m99", "twice"},

		"geometry missing": {`{"type":"Feature","id":"T"}`, "geometry", "geometry is missing"},
		"geometry null": {`{"type":"Feature","id":"T","geometry":null}`, "geometry",
			"geometry is null"},
		"geometry string": {`{"type":"Feature","id":"T","geometry":"Point"}`, "geometry",
			"must be a Point"},
		"geometry twice": {`{"type":"Feature","id":"T","geometry":null,"geometry":null}`, "geometry",
			"twice"},
		"geometry of no type": {`{"type":"Feature","id":"T","geometry":{"coordinates":[1,2]}}`, "geometry",
			"missing"},
		"LineString": {`{"type":"Feature","id":"T","geometry":{"type":"LineString","coordinates":[` +
			strings.Repeat("[1,2],", 9999) + `[1,2]]}}`, "geometry", `type is "LineString"`},
		"coordinates missing": {`{"type":"Feature","id":"T","geometry":{"type":"Point"}}`,
			"geometry.coordinates", "missing"},
		"coordinates twice": {`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[1,` +
			`2],"coordinates":[1,2]}}`, "coordinates", "twice"},
		"coordinates null":   {point(`null`), "geometry.coordinates", "is null"},
		"coordinates object": {point(`{}`), "geometry.coordinates", "is an object"},
		"coordinates empty":  {point(`[]`), "geometry.coordinates", "0 numbers"},
		"coordinates short":  {point(`[12]`), "geometry.coordinates", "1 number;"},
		"coordinates long":   {point(`[1,2,3,4]`), "geometry.coordinates", "4 numbers"},
		"coordinates very long": {point(`[` + strings.Repeat("1,", 9999) + `1]`), "geometry.coordinates",
			"more than 16 numbers"},
		"coordinates string":       {point(`["1",2]`), "geometry.coordinates", `holds "1"`},
		"coordinates null inside":  {point(`[null,2]`), "geometry.coordinates", "holds null"},
		"coordinates nested":       {point(`[[1,2]]`), "geometry.coordinates", "holds an array"},
		"coordinates NaN":          {point(`[NaN,2]`), "geometry.coordinates", "NaN"},
		"coordinates out of range": {point(`[2,91]`), "lat", "from -90 to 90"},
		"coordinates swapped":      {point(`[1,152.5]`), "lat", "152.5"},
		"coordinates altitude":     {point(`[1,2,1e999]`), "altitude", "finite"},
		"properties array": {`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[1,` +
			`2]},"properties":[]}`, "properties", "must be an object"},
		"properties, one twice": {`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[1,` +
			`2]},"properties":{"a":1,"a":1}}`, "a", "twice"},
		"properties altitude": {`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[1,` +
			`2]},"properties":{"altitude":"low"}}`, "altitude", `altitude is "low"`},
		"latitude": {item(`"latitude":1,"lon":2`), "lat",
			"lat is missing; it must be a number from -90 to 90 (latitude is there; did you mean lat?)"},
		"Lat":       {item(`"Lat":1,"lon":2`), "lat", "Lat is there; did you mean lat?"},
		"lng":       {item(`"lat":1,"lng":2`), "lon", "lng is there; did you mean lon?"},
		"long":      {item(`"lat":1,"long":2`), "lon", "long is there; did you mean lon?"},
		"Longitude": {item(`"lat":1,"x":1,"Longitude":2`), "lon", "Longitude is there; did you mean lon?"},
		"geometry without type": {item(`"geometry":{"type":"Point","coordinates":[1,2]}`), "lat",
			`did you mean a GeoJSON Feature? Its type must be "Feature"`},
		"id for vehicle_id": {`{"id":"T","lat":1,"lon":2}`, "vehicle_id", "id is there; did you mean vehicle_id?"},
		"beside properties": {
			`{"type":"Feature","vehicle_id":"T","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}`,
			"vehicle_id", "vehicle_id of a Feature must be among its properties"},
		"properties heading": {`{"type":"Feature","id":"T","geometry":{"type":"Point","coordinates":[1,` +
			`2]},"properties":{"heading":-1}}`, "heading", "0 to 360"},
		"foreign member is no text": {"{\"type\":\"Feature\",\"id\":\"T\",\"x\":\"\xff\"}", "x", "not UTF-8"},
		"FeatureCollection": {`{"type":"FeatureCollection","features":[],"id":"T"}`, "type",
			"not one position"},

		"too long as a Feature": {at(`"x":"` + strings.Repeat("x", 16<<10) + `"`), "", "more than 16384 bytes"},
		"too many members":      {at(numbered(5000)), "", "more than 4096 members"},
		"too deep": {at(`"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64)), "",
			"nested deeper than 64 levels"},
		"cut off":        {`{"vehicle_id":"T","lat":1`, "", "ends in the middle"},
		"more behind it": {at(`"x":1`) + ` 5`, "", "more text follows"},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := refused(t, test.item)
			require.Equal(t, test.field, refusal.Field, refusal.Detail)
			require.Contains(t, refusal.Detail, test.detail)
			require.Equal(t, "T", refusal.VehicleID)
		})
	}
}

func TestRefusalWithoutVehicle(t *testing.T) {
	id := func(value string) string { return `{"vehicle_id":` + value + `,"lat":1,"lon":2}` }
	for name, test := range map[string]struct{ item, field, detail string }{
		"missing": {`{"lat":1,"lon":2}`, "vehicle_id", "vehicle_id is missing"},
		"null":    {id(`null`), "vehicle_id", "vehicle_id is null"},
		"vehicleId": {`{"vehicleId":"T","lat":1,"lon":2}`, "vehicle_id",
			"vehicleId is there; did you mean vehicle_id?"},
		"device-id": {`{"device-id":"T"}`, "vehicle_id", "device-id is there; did you mean vehicle_id?"},
		"vehicle in properties": {
			`{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"vehicle":"T"}}`,
			"vehicle_id", "vehicle is there; did you mean vehicle_id?"},
		"empty":             {id(`""`), "vehicle_id", "this one is empty"},
		"too long":          {id(`"` + strings.Repeat("x", 129) + `"`), "vehicle_id", "this one has 129 bytes"},
		"too long a number": {id(strings.Repeat("9", 129)), "vehicle_id", "this one has 129 bytes"},
		"fraction":          {id(`42.0`), "vehicle_id", "vehicle_id is 42.0"},
		"exponent":          {id(`1e3`), "vehicle_id", "vehicle_id is 1e3"},
		"object":            {id(`{}`), "vehicle_id", "an object"},
		"line break":        {id(`"a\nb"`), "vehicle_id", "U+000A"},
		"DEL":               {id(`"a\u007f"`), "vehicle_id", "U+007F"},
		"C1 control":        {id(`"a\u0085"`), "vehicle_id", "U+0085"},
		"space before":      {id(`" T"`), "vehicle_id", "this one begins with white space (U+0020)"},
		"space behind":      {id(`"T "`), "vehicle_id", "this one ends in white space (U+0020)"},
		"space alone":       {id(`" "`), "vehicle_id", "white space"},
		"no-break space":    {id(`"T\u00a0"`), "vehicle_id", "this one ends in white space (U+00A0)"},
		"byte order mark":   {id(`"\ufeffT"`), "vehicle_id", "this one holds an invisible character (U+FEFF)"},
		"zero width space":  {id(`"a\u200bb"`), "vehicle_id", "invisible character (U+200B)"},
		"line separator":    {id(`"a\u2028b"`), "vehicle_id", "invisible character (U+2028)"},
		"right to left":     {id("\"a\u202eb\""), "vehicle_id", "invisible character (U+202E)"},
		"half a surrogate":  {id(`"\ud800"`), "vehicle_id", "not UTF-8"},
		"not UTF-8":         {id("\"\xc3\""), "vehicle_id", "not UTF-8"},
		"a Feature's id, invisible": {
			`{"type":"Feature","id":"T\u200d","geometry":{"type":"Point","coordinates":[1,2]}}`, "id", "U+200D"},
		"a Feature's id": {`{"type":"Feature","id":4.2,"geometry":{"type":"Point","coordinates":[1,2]}}`, "id",
			"id is 4.2"},
		"a Feature's none": {`{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}`,
			"vehicle_id", "missing"},
		"cut off at its id":   {`{"vehicle_id":`, "vehicle_id", "ends in the middle"},
		"nothing":             {``, "", "it is empty"},
		"white space":         {" \t", "", "it is empty"},
		"number":              {`5`, "", "5 is not a position"},
		"string":              {`"\u0007"`, "", `"\a" is not a position`},
		"array":               {`[{"vehicle_id":"T"}]`, "", "an array is not a position"},
		"no JSON":             {`vehicle_id=T`, "", "not JSON: invalid character 'v'"},
		"behind a mark":       {"\ufeff" + id(`"T"`), "", "which only the start of a body may have"},
		"UTF-16":              {"\xff\xfe{\x00", "", "not JSON: it is UTF-16 or UTF-32; it must be UTF-8"},
		"UTF-16 without mark": {"{\x00\"\x00", "", "it must be UTF-8"},
		"a million brackets":  {strings.Repeat("[", 1e6), "", "nested deeper than 64 levels (at byte 64)"},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := refused(t, test.item)
			require.Equal(t, test.field, refusal.Field, refusal.Detail)
			require.Contains(t, refusal.Detail, test.detail)
			require.Empty(t, refusal.VehicleID)
		})
	}
}

// refused reads an invalid item and returns its refusal.
func refused(t *testing.T, item string) *geo.Refusal {
	t.Helper()
	p, err := geo.ParsePosition([]byte(item))
	require.Zero(t, p)
	var refusal *geo.Refusal
	require.ErrorAs(t, err, &refusal)
	require.NotEmpty(t, refusal.Detail)
	require.Less(t, len(refusal.Detail), 300)
	require.True(t, utf8.ValidString(refusal.Detail+refusal.Field), refusal.Detail)
	return refusal
}

// numbered returns n members m0, m1 and so on.
func numbered(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	return strings.Join(members, ",")
}

// The largest accepted position fits into MaxFeature, and the parser accepts its Feature again.
func TestLargestFeature(t *testing.T) {
	largest := 0
	for n := geo.MaxFeature - 300; n < geo.MaxFeature; n++ {
		p, err := geo.ParsePosition([]byte(`{"vehicle_id":"T","lat":1,"lon":2,"x":"` + strings.Repeat("x", n) +
			`"}`))
		if err != nil {
			break
		}
		p.StaleAfter = 172800
		line := p.AppendFeature(nil, time.Unix(9223372036, 854775807))
		_, err = geo.ParsePosition(line)
		require.NoError(t, err)
		largest = len(line)
	}
	require.Equal(t, geo.MaxFeature, largest)
}

func TestDepth(t *testing.T) {
	nested := func(n int) string {
		return `{"vehicle_id":"[[[[","lat":1,"lon":2,"x":` + strings.Repeat(`[`, n) + `"\"[[[["` +
			strings.Repeat(`]`, n) + `}`
	}
	feature(t, feature(t, nested(geo.MaxDepth-2)))
	require.Equal(t, "the position as a Feature is nested deeper than 64 levels",
		refused(t, nested(geo.MaxDepth-1)).Detail, "a member is a level deeper in the properties")
	require.Contains(t, refused(t, nested(geo.MaxDepth)).Detail, "64 levels")

	asFeature := func(n int) string {
		return `{"type":"Feature","geometry":{"type":"Point","coordinates":[2,1]},"properties":` + nested(n) + `}`
	}
	feature(t, feature(t, asFeature(geo.MaxDepth-2)))
	require.Contains(t, refused(t, asFeature(geo.MaxDepth-1)).Detail, "64 levels")
	const foreign = geo.MaxDepth - 1 // levels of a member that the Feature does not keep
	feature(t, `{"type":"Feature","geometry":{"type":"Point","coordinates":[2,1]},"properties":`+
		`{"vehicle_id":1},"bbox":`+strings.Repeat(`[`, foreign)+strings.Repeat(`]`, foreign)+`}`)

	// In an array the item itself is a level deeper. One that is too deep refuses none of the others.
	items, err := geo.ParseDocument([]byte(`[`+nested(geo.MaxDepth-2)+`,`+nested(1)+`]`), false)
	require.NoError(t, err)
	require.Nil(t, items[0].Refusal)
	require.Nil(t, items[1].Refusal)
}

func TestCheckNames(t *testing.T) {
	long := strings.Repeat("ü", 64)
	require.NoError(t, geo.CheckVehicleID(long))
	require.NoError(t, geo.CheckTopic(long+long))
	require.NoError(t, geo.CheckTopic("vehicle:x"))
	require.EqualError(t, geo.CheckVehicleID(long+"x"),
		"a vehicle_id is 1 to 128 bytes of UTF-8 without control or invisible characters, and without white space "+
			"around it; this one has 129 bytes")
	require.ErrorContains(t, geo.CheckTopic(long+long+"x"), "this one has 257 bytes")
	require.ErrorContains(t, geo.CheckTopic(""), "this one is empty")
	require.ErrorContains(t, geo.CheckTopic("a\x00"), "U+0000")
	require.ErrorContains(t, geo.CheckTopic("\xed\xa0\x80"), "not UTF-8")
}

// TestInvisibleNames checks every character of Unicode, inside an id and around it.
func TestInvisibleNames(t *testing.T) {
	hidden := []*unicode.RangeTable{
		unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point,
	}
	shown := unicode.Prepended_Concatenation_Mark
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		bad := unicode.IsControl(r) || unicode.In(r, hidden...) && !unicode.Is(shown, r)
		for i, id := range []string{"a" + string(r) + "b", "a" + string(r), string(r) + "b"} {
			allowed := !bad && (i == 0 || !unicode.IsSpace(r))
			for _, check := range []func(string) error{geo.CheckVehicleID, geo.CheckTopic} {
				if err := check(id); (err == nil) != allowed {
					t.Fatalf("%+q: %v", id, err)
				} else if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%U", r)) {
					t.Fatalf("%+q: %v does not name it", id, err)
				}
			}
		}
	}
	for _, id := range []string{"TRUCK 042", "a\u3000b", "é", "e\u0301", "Лада", "卡车", "🚚\ufe0f", "a:*:7",
		"a\u0600b"} {
		require.NoError(t, geo.CheckVehicleID(id), "%+q", id)
		require.NoError(t, geo.CheckTopic(id), "%+q", id)
	}
}

func TestAppendString(t *testing.T) {
	require.Equal(t, `x"\"\\\n\u0001ü"`, string(geo.AppendString([]byte("x"), "\"\\\n\x01ü")))
	require.Equal(t, `"`+"\ufffd"+`"`, string(geo.AppendString(nil, "\xff")))
}

const typical = `{"vehicle_id":"TRUCK-042","lat":52.520008,"lon":13.404954,"speed_kmh":85,"heading":271,` +
	`"fuel_level":72.5,"driver":"M. Meier","timestamp":1795421061}`

func BenchmarkParsePosition(b *testing.B) {
	p, _ := geo.ParsePosition([]byte(typical))
	for name, item := range map[string][]byte{
		"position": []byte(typical),
		"Feature":  p.AppendFeature(nil, p.Time),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(item)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := geo.ParsePosition(item); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendFeature(b *testing.B) {
	p, _ := geo.ParsePosition([]byte(typical))
	dst := make([]byte, 0, geo.MaxFeature)
	b.ReportAllocs()
	for b.Loop() {
		dst = p.AppendFeature(dst[:0], p.Time)
	}
}

func ExampleParsePosition() {
	p, err := geo.ParsePosition([]byte(`{"vehicle_id":"TRUCK-042","lat":52.520008,"lon":13.404954,` +
		`"timestamp":1795421061,"speed_kmh":85}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", p.AppendFeature(nil, time.Unix(1795421061, 0)))

	_, err = geo.ParsePosition([]byte(`{"vehicle_id":"TRUCK-042","lat":152.5,"lon":13.4}`))
	fmt.Println(err)
	// Output:
	// {"type":"Feature","id":"TRUCK-042","geometry":{"type":"Point","coordinates":[13.404954,52.520008]},"properties":{"vehicle_id":"TRUCK-042","speed_kmh":85,"timestamp":1795421061}}
	// lat is 152.5; it must be a number from -90 to 90
}

// The limit of a Feature is exact if the item has a timestamp, and counts escapes that the item has not.
func TestFeatureLimit(t *testing.T) {
	for filler, ok := range map[string]bool{strings.Repeat("\u2028", 2690): true,
		strings.Repeat("\u2028", 2730): false, strings.Repeat("\u0085", 2730): false} {
		_, err := geo.ParsePosition([]byte(`{"vehicle_id":"a","lat":1,"lon":2,"x":"` + filler + `"}`))
		require.Equal(t, ok, err == nil, "%v", err)
	}
	text := func(filler int) []byte {
		return []byte(`{"vehicle_id":"a","lat":1,"lon":2,"timestamp":1795421061,"x":"` +
			strings.Repeat("x", filler) + `"}`)
	}
	p, err := geo.ParsePosition(text(0))
	require.NoError(t, err)
	room := geo.MaxFeature - len(p.AppendFeature(nil, p.Time))
	room -= len(`,"stale_after_s":172800`)
	p, err = geo.ParsePosition(text(room))
	require.NoError(t, err)
	p.StaleAfter = 172800
	require.Len(t, p.AppendFeature(nil, p.Time), geo.MaxFeature)
	_, err = geo.ParsePosition(text(room + 1))
	require.ErrorContains(t, err, "16384 bytes")
}
