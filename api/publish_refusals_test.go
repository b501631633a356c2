package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// item is a position with one mistake, and what its refusal says.
type item struct {
	name  string
	text  string // NDJSON cannot have line breaks in it
	field string
	words []string
}

func featureAt(coordinates string) string {
	return `{"type":"Feature","id":"x","geometry":{"type":"Point","coordinates":` + coordinates + `}}`
}

const (
	latRange = "from -90 to 90"
	lonRange = "from -180 to 180"
)

// wrongItems returns items that are valid JSON and no valid positions.
func wrongItems() []item {
	long := strings.Repeat("x", 200)
	items := []item{
		{"not an object", `7`, "", []string{"7 is not a position"}},
		{"null", `null`, "", []string{"null is not a position"}},
		{"an array in the array", `[]`, "", []string{"an array is not a position"}},
		{"it is empty", `{}`, "vehicle_id", []string{"missing", "1 to 128 bytes"}},
		{"id missing", `{"lat":1,"lon":2}`, "vehicle_id", []string{"missing"}},
		{"id null", `{"vehicle_id":null,"lat":1,"lon":2}`, "vehicle_id", []string{"null"}},
		{"id empty", `{"vehicle_id":"","lat":1,"lon":2}`, "vehicle_id", []string{"empty", "1 to 128 bytes"}},
		{"id too long", `{"vehicle_id":"` + long + `","lat":1,"lon":2}`, "vehicle_id",
			[]string{"200 bytes", "1 to 128"}},
		{"id with a line break", `{"vehicle_id":"a\nb","lat":1,"lon":2}`, "vehicle_id",
			[]string{"U+000A", "control"}},
		{"id with NUL", `{"vehicle_id":"a\u0000","lat":1,"lon":2}`, "vehicle_id", []string{"U+0000"}},
		{"id with NEL", `{"vehicle_id":"a\u0085","lat":1,"lon":2}`, "vehicle_id", []string{"U+0085"}},
		{"id half a surrogate", `{"vehicle_id":"\ud800","lat":1,"lon":2}`, "vehicle_id", []string{"UTF-8"}},
		{"id a fraction", `{"vehicle_id":1.5,"lat":1,"lon":2}`, "vehicle_id", []string{"1.5", "integer"}},
		{"id true", `{"vehicle_id":true,"lat":1,"lon":2}`, "vehicle_id", []string{"true"}},
		{"lat and lon missing", `{"vehicle_id":"x"}`, "lat", []string{"missing", latRange}},
		{"lat null", `{"vehicle_id":"x","lat":null,"lon":2}`, "lat", []string{"null", latRange}},
		{"lat text", `{"vehicle_id":"x","lat":"1","lon":2}`, "lat", []string{`"1"`, latRange}},
		{"lat 91", `{"vehicle_id":"x","lat":91,"lon":2}`, "lat", []string{"91", latRange}},
		{"lat just over", `{"vehicle_id":"x","lat":-90.0000001,"lon":2}`, "lat", []string{latRange}},
		{"lat 1e999", `{"vehicle_id":"x","lat":1e999,"lon":2}`, "lat", []string{"1e999", latRange}},
		{"lat an array", `{"vehicle_id":"x","lat":[1],"lon":2}`, "lat", []string{"an array", latRange}},
		{"lon missing", `{"vehicle_id":"x","lat":1}`, "lon", []string{"missing", lonRange}},
		{"lon null", `{"vehicle_id":"x","lat":1,"lon":null}`, "lon", []string{"null", lonRange}},
		{"lon 181", `{"vehicle_id":"x","lat":1,"lon":181}`, "lon", []string{"181", lonRange}},
		{"lon false", `{"vehicle_id":"x","lat":1,"lon":false}`, "lon", []string{"false", lonRange}},
		{"other names for them", `{"vehicle_id":"x","latitude":1,"longitude":2}`, "lat", []string{"missing"}},
		{"names in capitals", `{"vehicle_id":"x","Lat":1,"Lon":2}`, "lat", []string{"missing"}},
		{"a member twice", `{"vehicle_id":"x","lat":1,"lat":2,"lon":2}`, "lat", []string{"twice"}},
		{"an unknown member twice", `{"vehicle_id":"x","lat":1,"lon":2,"a":1,"a":2}`, "a", []string{"twice"}},
		{"a member twice, escaped", `{"vehicle_id":"x","lat":1,"lon":2,"a":1,"\u0061":2}`, "a", []string{"twice"}},
		{"timestamp negative", at("x", 2, 1, `"timestamp":-1`), "timestamp",
			[]string{"timestamp is -1, before 1980; leave it out where there is none"}},
		{"timestamp 0", at("x", 2, 1, `"timestamp":0`), "timestamp",
			[]string{"timestamp is 0 (1970-01-01T00:00:00Z), before 1980; leave it out where there is none"}},
		{"timestamp 1979", at("x", 2, 1, `"timestamp":"1979-12-31T23:59:59Z"`), "timestamp",
			[]string{"before 1980; leave it out"}},
		{"timestamp words", at("x", 2, 1, `"timestamp":"yesterday"`), "timestamp",
			[]string{"yesterday", "RFC 3339"}},
		{"timestamp without zone", at("x", 2, 1, `"timestamp":"2026-01-01T00:00:00"`), "timestamp",
			[]string{"which has no time zone; add Z for UTC, or an offset such as +01:00"}},
		{"timestamp true", at("x", 2, 1, `"timestamp":true`), "timestamp", []string{"true"}},
		{"timestamp nanoseconds", at("x", 2, 1, `"timestamp":1795421061000000000`), "timestamp",
			[]string{"milliseconds"}},
		{"timestamp ahead", at("x", 2, 1, fmt.Sprintf(`"timestamp":%d`, time.Now().Unix()+90)), "timestamp",
			[]string{"ahead", "60 seconds"}},
		{"speed negative", at("x", 2, 1, `"speed_kmh":-0.1`), "speed_kmh", []string{"-0.1", "from 0 up"}},
		{"speed text", at("x", 2, 1, `"speed_kmh":"fast"`), "speed_kmh", []string{"fast", "number"}},
		{"speed 1e999", at("x", 2, 1, `"speed_kmh":1e999`), "speed_kmh", []string{"1e999"}},
		{"heading 361", at("x", 2, 1, `"heading":361`), "heading", []string{"361", "0 to 360"}},
		{"heading negative", at("x", 2, 1, `"heading":-1`), "heading", []string{"-1", "0 to 360"}},
		{"altitude text", at("x", 2, 1, `"altitude":"high"`), "altitude", []string{"high", "metres"}},
		{"accuracy negative", at("x", 2, 1, `"accuracy":-5`), "accuracy", []string{"-5", "from 0 up"}},
		{"topics text", at("x", 2, 1, `"topics":"depot"`), "topics", []string{"array of strings"}},
		{"topics of numbers", at("x", 2, 1, `"topics":[1]`), "topics", []string{"array of strings"}},
		{"topics 17",
			at("x", 2, 1, `"topics":["0","1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g"]`), "topics",
			[]string{"more than 16"}},
		{"topic empty", at("x", 2, 1, `"topics":[""]`), "topics", []string{"empty", "1 to 256 bytes"}},
		{"topic too long", at("x", 2, 1, `"topics":["`+long+long+`"]`), "topics", []string{"400 bytes"}},
		{"topic with CR", at("x", 2, 1, `"topics":["a\rb"]`), "topics", []string{"U+000D"}},
		{"topic of the hub", at("x", 2, 1, `"topics":["vehicle:y"]`), "topics",
			[]string{"vehicle:", "the hub reserves topics"}},
		{"topic of the hub, all", at("x", 2, 1, `"topics":["live_updates:all"]`), "topics",
			[]string{"live_updates:"}},
		{"too large as a Feature", at("x", 2, 1, `"note":"`+strings.Repeat("x", 16<<10)+`"`), "",
			[]string{"16384 bytes"}},
		{"half a surrogate in a name", `{"vehicle_id":"x","lat":1,"lon":2,"\ud800":1}`, "", []string{"UTF-8"}},
		{"a byte that is not UTF-8", at("x", 2, 1, "\"note\":\"\xff\""), "note", []string{"note is not UTF-8"}},
		{"not UTF-8 in the id", "{\"vehicle_id\":\"\xc3(\",\"lat\":1,\"lon\":2}", "vehicle_id", []string{"UTF-8"}},
		{"a collection as an item", `{"type":"FeatureCollection","features":[]}`, "type",
			[]string{"not one position"}},
	}
	return append(items, wrongFeatures()...)
}

// wrongFeatures returns Features that are no valid positions.
func wrongFeatures() []item {
	return []item{
		{"Feature without geometry", `{"type":"Feature","id":"x","properties":{}}`, "geometry",
			[]string{"missing", "Point"}},
		{"Feature with null geometry", `{"type":"Feature","id":"x","geometry":null}`, "geometry",
			[]string{"null", "Point"}},
		{"Feature of a line",
			`{"type":"Feature","id":"x","geometry":{"type":"LineString","coordinates":[[1,2],[3,4]]}}`, "geometry",
			[]string{"LineString", "Point"}},
		{"Feature without id", `{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}`,
			"vehicle_id", []string{"missing"}},
		{"Feature with null coordinates", featureAt(`null`), "geometry.coordinates",
			[]string{"null", "[longitude, latitude]"}},
		{"Feature without coordinates", `{"type":"Feature","id":"x","geometry":{"type":"Point"}}`,
			"geometry.coordinates", []string{"missing"}},
		{"Feature with no coordinates", featureAt(`[]`), "geometry.coordinates", []string{"0 numbers"}},
		{"Feature with one coordinate", featureAt(`[12]`), "geometry.coordinates", []string{"1 number"}},
		{"Feature with four coordinates", featureAt(`[1,2,3,4]`), "geometry.coordinates", []string{"4 numbers"}},
		{"Feature with nested coordinates", featureAt(`[[1,2]]`), "geometry.coordinates",
			[]string{"an array", "all numbers"}},
		{"Feature with a null coordinate", featureAt(`[1,null]`), "geometry.coordinates",
			[]string{"null", "all numbers"}},
		{"Feature with a text coordinate", featureAt(`["1",2]`), "geometry.coordinates",
			[]string{`"1"`, "all numbers"}},
		{"Feature with a null altitude", featureAt(`[1,2,null]`), "geometry.coordinates", []string{"null"}},
		{"Feature with lat 95", featureAt(`[5,95]`), "lat", []string{"95", latRange}},
		{"Feature with lon 200", featureAt(`[200,5]`), "lon", []string{"200", lonRange}},
		{"Feature whose properties are text",
			`{"type":"Feature","id":"x","geometry":{"type":"Point","coordinates":[1,2]},"properties":"no"}`,
			"properties", []string{"must be an object"}},
		{"Feature with speed negative",
			`{"type":"Feature","id":"x","geometry":{"type":"Point","coordinates":[1,2]},` +
				`"properties":{"speed_kmh":-1}}`, "speed_kmh", []string{"-1"}},
		{"Feature with bad id", `{"type":"Feature","id":{},"geometry":{"type":"Point","coordinates":[1,2]}}`, "id",
			[]string{"an object"}},
	}
}

// TestWrongItems publishes each wrong item in each form between two good ones. The hub accepts those,
// says why it refuses the wrong one, and publishes nothing of it.
func TestWrongItems(t *testing.T) {
	h := start(t)
	n := 0
	good := func() string { // another place each time, so that it is no duplicate
		n++
		return at("good", n%180, n/180)
	}
	for _, wrong := range wrongItems() {
		for _, form := range []struct {
			name, contentType, open, between, close string
			index                                   int
		}{
			{"JSON", "application/json", "[", ",", "]", 1},
			{"NDJSON", "application/x-ndjson", "", "\n", "\n", 2},
		} {
			t.Run(form.name+"/"+wrong.name, func(t *testing.T) {
				body := strings.Join([]string{good(), wrong.text, good()}, form.between)
				got := h.post(t, form.contentType, form.open+body+form.close)
				require.Equal(t, http.StatusOK, got.StatusCode, got.body)
				a := ackOf(t, got.body)
				require.Equal(t, []any{"PARTIAL", 2, 1}, []any{a.Status, a.Accepted, a.Rejected}, got.body)
				require.Len(t, a.Errors, 1)
				wrong.check(t, a.Errors[0], form.index)
				require.Equal(t, []string{fmt.Sprintf("good %d,%d", n%180, n/180)}, h.vehicles(t)[:1])
			})
		}
	}
	require.Len(t, h.vehicles(t), 1, "one of the wrong ones was published")
}

func (i item) check(t *testing.T, refused refusal, index int) {
	t.Helper()
	require.Equal(t, index, refused.Index)
	if i.field != "" || !strings.Contains(i.name, "surrogate") {
		require.Equal(t, i.field, refused.Field, refused.Detail)
	}
	for _, word := range i.words {
		require.Contains(t, refused.Detail, word)
	}
	if strings.Contains(i.text, `"vehicle_id":"x"`) {
		require.Equal(t, "x", refused.VehicleID)
	}
}

// TestWrongAlone publishes each wrong item as a document of its own. The answer is 422.
func TestWrongAlone(t *testing.T) {
	h := start(t)
	for _, wrong := range wrongItems() {
		if wrong.text[0] != '{' || strings.Contains(wrong.text, "FeatureCollection") {
			continue // a document of another form
		}
		t.Run(wrong.name, func(t *testing.T) {
			got := h.post(t, "application/json", wrong.text)
			p := refused(t, got, http.StatusUnprocessableEntity,
				append([]string{"the hub rejected the position"}, wrong.words...)...)
			require.Len(t, p.Errors, 1)
			wrong.check(t, p.Errors[0], 0)
		})
	}
	for _, wrong := range wrongFeatures() {
		t.Run("collection of "+wrong.name, func(t *testing.T) {
			got := h.post(t, "application/geo+json", `{"type":"FeatureCollection","features":[`+wrong.text+`]}`)
			p := refused(t, got, http.StatusUnprocessableEntity, wrong.words...)
			wrong.check(t, p.Errors[0], 0)
		})
	}
	got := h.post(t, "application/geo+json",
		`{"type":"FeatureCollection","features":[{"type":"Point","coordinates":[1,2]}]}`)
	refused(t, got, http.StatusUnprocessableEntity, "Point", "must be a Feature")
	require.Empty(t, h.vehicles(t))
}

// The hub publishes nothing of a document that does not parse, not even the items before the mistake.
func TestBrokenDocuments(t *testing.T) {
	h := start(t)
	first := at("first", 1, 2) + ","
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, contentType, body string
		offset                  int64
		words                   []string
	}{
		{"nothing", "application/json", "", 0, []string{"it is empty"}},
		{"white space", "application/json", " \n", 0, []string{"it is empty"}},
		{"cut off", "application/json", "[" + first + `{"vehicle_id":`, int64(len(first)) + 15,
			[]string{"ends in the middle"}},
		{"NaN", "application/json", "[" + first + `{"vehicle_id":"x","lat":NaN,"lon":1}]`, int64(len(first)) + 25,
			[]string{"NaN is not a JSON number", "/1/lat"}},
		{"Infinity", "application/json", "[" + first + `{"vehicle_id":"x","lat":-Infinity,"lon":1}]`, -1,
			[]string{"Infinity is not a JSON number"}},
		{"single quotes", "application/json", "[" + first + `{'vehicle_id':1}]`, int64(len(first)) + 2,
			[]string{"not JSON"}},
		{"trailing comma", "application/json", "[" + first + "]", -1, []string{"not JSON"}},
		{"a comment", "application/json", "[" + first + "/* */]", -1, []string{"not JSON"}},
		{"two documents", "application/json", at("a", 1, 2) + at("b", 1, 2), int64(len(at("a", 1, 2))),
			[]string{"more text follows"}},
		{"NDJSON as JSON", "application/json", at("a", 1, 2) + "\n" + at("b", 1, 2), -1,
			[]string{"more text follows"}},
		{"two byte order marks", "application/json", "\ufeff\ufeff" + at("a", 1, 2), 3, []string{"not JSON"}},
		{"UTF-16", "application/json", "[\x00{\x00", -1, []string{"not JSON"}},
		{"a line break in a string", "application/json", "[" + first + "\"\n\"]", -1, []string{"not JSON"}},
		{"leading zero", "application/json", "[" + first + `{"vehicle_id":01}]`, -1, []string{"not JSON"}},
		{"hex", "application/json", `{"vehicle_id":"x","lat":0x10,"lon":1}`, -1, []string{"not JSON"}},
		{"text", "application/json", `"position"`, 0, []string{"neither a position object nor an array"}},
		{"number", "application/json", `0`, 0, []string{"neither a position object nor an array"}},
		{"65 levels", "application/json", "[" + first + deep(64) + "]", -1, []string{"deeper than 64 levels"}},
		{"a million levels", "application/json", strings.Repeat("[", 1_000_000), 64,
			[]string{"deeper than 64 levels"}},
		{"a million objects", "application/json", strings.Repeat(`{"a":`, 1_000_000), 64 * 5,
			[]string{"deeper than 64 levels"}},
		{"a million levels of GeoJSON", "application/geo+json", strings.Repeat("[", 1_000_000), 64,
			[]string{"deeper than 64 levels"}},
		{"a position as GeoJSON", "application/geo+json", at("a", 1, 2), 0,
			[]string{"not a GeoJSON Feature or FeatureCollection"}},
		{"an array as GeoJSON", "application/geo+json", "[" + featureAt("[1,2]") + "]", 0,
			[]string{"not a GeoJSON Feature or FeatureCollection"}},
		{"a geometry as GeoJSON", "application/geo+json", `{"type":"Point","coordinates":[1,2]}`, 0,
			[]string{"not a GeoJSON"}},
		{"features missing", "application/geo+json", `{"type":"FeatureCollection"}`, 0,
			[]string{"features is missing", "array"}},
		{"features null", "application/json", `{"type":"FeatureCollection","features":null}`, 0,
			[]string{"features is null", "array"}},
		{"features twice", "application/json", `{"type":"FeatureCollection","features":[],"features":[]}`, 0,
			[]string{"twice"}},
		{"cut off in the features", "application/geo+json", `{"type":"FeatureCollection","features":[` +
			featureAt("[1,2]"), -1, []string{"ends in the middle"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := refused(t, h.post(t, c.contentType, c.body), http.StatusBadRequest, c.words...)
			require.NotNil(t, p.Offset)
			if c.offset >= 0 {
				require.Equal(t, c.offset, *p.Offset)
			}
			require.Contains(t, p.Detail, fmt.Sprintf("byte %d", *p.Offset))
		})
	}
	require.Empty(t, h.vehicles(t))
}
