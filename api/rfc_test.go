package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rfcCase is a document at an edge of a standard and its result. The result is the vehicle's coordinates
// and properties without the timestamp, or the status and words of a problem.
type rfcCase struct{ name, body, want string }

const ordinary = `[2,1] {"vehicle_id":"T"}`

// with is a position object with one more member.
func with(member string) string { return `{"vehicle_id":"T","lat":1,"lon":2,` + member + `}` }

// kept is the result of a position object with one more member.
func kept(member string) string { return `[2,1] {"vehicle_id":"T",` + member + `}` }

// TestRFC8259 publishes JSON, and what resembles it, section by section.
func TestRFC8259(t *testing.T) {
	latitude := func(number string) string { return `{"vehicle_id":"T","lat":` + number + `,"lon":2}` }
	id := func(text string) string { return `{"vehicle_id":"` + text + `","lat":1,"lon":2}` }
	checkRFC(t, "application/json", []rfcCase{
		{"2: white space around every token",
			"\t\r\n { \"vehicle_id\" : \"T\" ,\r\n\"lat\"\t:\t1 , \"lon\" : 2 }\n", ordinary},
		{"2: no-break space", "\u00a0" + id("T"), "400 not JSON"},
		{"2: line separator", id("T") + "\u2028", "400 not JSON"},
		{"2: form feed", "{\f\"vehicle_id\":1}", "400 not JSON"},
		{"2: a comment behind it", id("T") + " // T", "400 more text follows"},
		{"3: literals", with(`"a":[true,false,null]`), kept(`"a":[true,false,null]`)},
		{"3: True", with(`"a":True`), "400 not JSON"},
		{"3: nul", with(`"a":nul`), "400 not JSON"},
		{"3: undefined", with(`"a":undefined`), "400 not JSON"},
		{"4: empty name", with(`"":1`), kept(`"":1`)},
		{"4: empty name twice", with(`"":1,"":1`), `422 appears twice`},
		{"4: a name twice within a value", with(`"a":{"b":1,"b":2}`), kept(`"a":{"b":1,"b":2}`)},
		{"4: names that only look the same", with("\"\u00e9\":1,\"e\u0301\":2"),
			kept("\"\u00e9\":1,\"e\u0301\":2")},
		{"4: names differ in case", with(`"Lat":91,"LON":null`), kept(`"Lat":91,"LON":null`)},
		{"4: order means nothing", `{"lon":2,"x":1,"lat":1,"vehicle_id":"T"}`, kept(`"x":1`)},
		{"4: no name", with(`:1`), "400 not JSON"},
		{"4: a name without quotes", with(`a:1`), "400 not JSON"},
		{"4: a comma too many", with(``), "400 not JSON"},
		{"5: nothing between commas", with(`"a":[1,,2]`), "400 not JSON"},
		{"5: mixed", with(`"a":[1,"1",[],{},null]`), kept(`"a":[1,"1",[],{},null]`)},
		{"5: brackets that do not match", with(`"a":[1}`), "400 not JSON"},
		{"6: minus zero", latitude("-0"), `[2,-0] {"vehicle_id":"T"}`},
		{"6: minus zero with an exponent", latitude("-0.0E+00"), `[2,-0.0E+00] {"vehicle_id":"T"}`},
		{"6: exponents", latitude("9.0e1"), `[2,9.0e1] {"vehicle_id":"T"}`},
		{"6: too small for a double", latitude("1e-400"), `[2,1e-400] {"vehicle_id":"T"}`},
		{"6: smallest double", latitude("5e-324"), `[2,5e-324] {"vehicle_id":"T"}`},
		{"6: an exponent of many digits", latitude("0e99999999999999999999"),
			`[2,0e99999999999999999999] {"vehicle_id":"T"}`},
		{"6: too large for a double", latitude("1e309"), "422 lat is 1e309"},
		{"6: more digits than a double has", latitude("52.5200080000000000000000000000000001"),
			`[2,52.5200080000000000000000000000000001] {"vehicle_id":"T"}`},
		{"6: beyond the range by less than a double shows", latitude("90.00000000000000001"),
			`[2,90.00000000000000001] {"vehicle_id":"T"}`},
		{"6: beyond the range by what a double shows", latitude("90.00000000000002"), "422 from -90 to 90"},
		{"6: a thousand digits", latitude("1." + strings.Repeat("0", 1000)), `[2,1.` + strings.Repeat("0", 1000) +
			`] {"vehicle_id":"T"}`},
		{"6: integers beyond 2^53 are kept", with(`"a":[9007199254740993,-1e999,123456789012345678901234567890]`),
			kept(`"a":[9007199254740993,-1e999,123456789012345678901234567890]`)},
		{"6: leading zero", latitude("01"), "400 not JSON"},
		{"6: leading zero behind minus", latitude("-01"), "400 not JSON"},
		{"6: plus", latitude("+1"), "400 not JSON"},
		{"6: no digit before the point", latitude(".5"), "400 not JSON"},
		{"6: no digit behind the point", latitude("1."), "400 not JSON"},
		{"6: no digit in the exponent", latitude("1e+"), "400 not JSON"},
		{"6: a fraction in the exponent", latitude("1e1.5"), "400 not JSON"},
		{"6: minus alone", latitude("-"), "400 not JSON"},
		{"6: two minuses", latitude("--1"), "400 not JSON"},
		{"6: separators", latitude("1_0"), "400 not JSON"},
		{"6: a decimal comma", latitude("1,5"), "400 not JSON"},
		{"6: digits of another script", latitude("१"), "400 not JSON"},
		{"6: -NaN", latitude("-NaN"), "400 NaN is not a JSON number"},
		{"7: every escape", with(`"a":"\"\\\/\b\f\n\r\t\u00Af"`), kept(`"a":"\"\\\/\b\f\n\r\t\u00Af"`)},
		{"7: escapes in an id", id(`\u0054`), ordinary},
		{"7: a surrogate pair in an id", id(`\ud83D\ude9A`), `[2,1] {"vehicle_id":"🚚"}`},
		{"7: the pair the wrong way round", id(`\ude9A\ud83D`), "422 not UTF-8"},
		{"7: a surrogate before a letter", id(`\ud83Dx`), "422 not UTF-8"},
		{"7: half a pair in another member", with(`"a":"\ud83D"`), kept(`"a":"\ud83D"`)},
		{"7: NUL in another member", with(`"a":"\u0000"`), kept(`"a":"\u0000"`)},
		{"7: NUL as it is", with("\"a\":\"\x00\""), "400 not JSON"},
		{"7: tab as it is", with("\"a\":\"\t\""), "400 not JSON"},
		{"7: unit separator as it is", with("\"a\":\"\x1f\""), "400 not JSON"},
		{"7: DEL in another member", with("\"a\":\"\x7f\""), kept("\"a\":\"\x7f\"")},
		{"7: line separators as they are", with("\"a\":\"\u2028\u2029\u0085\""), kept(`"a":"\u2028\u2029\u0085"`)},
		{"7: a zero width space", id("\u200b"), "422 invisible character (U+200B)"},
		{"7: a byte order mark within", id("\ufeffT"), "422 invisible character (U+FEFF)"},
		{"7: invisible in another member", with("\"a\":\" \ufeff\u200b\""), kept("\"a\":\" \ufeff\u200b\"")},
		{"7: a noncharacter", id(`\uffff`), "[2,1] {\"vehicle_id\":\"\uffff\"}"},
		{"7: escape of three digits", with(`"a":"\u004"`), "400 not JSON"},
		{"7: hexadecimal escape", with(`"a":"\x41"`), "400 not JSON"},
		{"7: escaped apostrophe", with(`"a":"\'"`), "400 not JSON"},
		{"7: U in capitals", with(`"a":"\U0041"`), "400 not JSON"},
		{"7: never ended", with(`"a":"\"`), "400 ends in the middle"},
		{"8.1: byte order mark", "\ufeff" + id("T"), ordinary},
		{"8.1: two byte order marks", "\ufeff\ufeff" + id("T"), "400 not JSON"},
		{"8.1: UTF-16", "\xff\xfe{\x00", "400 it must be UTF-8"},
		{"8.1: UTF-32", "{\x00\x00\x00", "400 it must be UTF-8"},
		{"8.1: Latin-1", with("\"a\":\"\xfc\""), "422 a is not UTF-8"},
		{"8.1: overlong", with("\"a\":\"\xc0\x80\""), "422 a is not UTF-8"},
		{"8.1: surrogates in UTF-8", with("\"a\":\"\xed\xa0\xbd\xed\xba\x9a\""), "422 a is not UTF-8"},
		{"8.1: beyond U+10FFFF", with("\"a\":\"\xf4\x90\x80\x80\""), "422 a is not UTF-8"},
		{"8.1: cut in a character", with("\"a\":\"\xe2\x82\""), "422 a is not UTF-8"},
		{"8.1: in a name", with("\"\xff\":1"), "422 not UTF-8"},
		{"9: a NUL behind it", id("T") + "\x00", "400 more text follows"},
		{"9: 64 levels as a Feature", with(`"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62)),
			kept(`"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62))},
		{"9: 65 levels as a Feature", with(`"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63)),
			"422 as a Feature is nested deeper than 64 levels"},
		{"9: 65 levels", with(`"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64)),
			"400 deeper than 64 levels"},
		{"9: 65 levels of objects", with(`"a":` + strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)),
			"400 deeper than 64 levels"},
		{"2: a string alone", `"T"`, "400 neither a position object"},
		{"2: true alone", `true`, "400 neither a position object"},
		{"2: an array of none", `[]`, ""},
	})
}

// TestRFC7946 publishes GeoJSON, and what resembles it, section by section.
func TestRFC7946(t *testing.T) {
	feature := func(more, geometry, properties string) string {
		return `{"type":"Feature",` + more + `"geometry":` + geometry + `,"properties":` + properties + `}`
	}
	const id, point = `"id":"T",`, `{"type":"Point","coordinates":[2,1]}`
	at := func(coordinates string) string {
		return feature(id, `{"type":"Point","coordinates":`+coordinates+`}`, `null`)
	}
	collection := func(features, more string) string {
		return `{"type":"FeatureCollection","features":` + features + more + `}`
	}
	whole := feature(id, point, `{}`)
	cases := []rfcCase{
		{"2: order means nothing",
			`{"properties":{},"geometry":{"coordinates":[2,1],"type":"Point"},"id":"T","type":"Feature"}`, ordinary},
		{"3: type in other case", `{"type":"feature","id":"T","geometry":` + point + `}`,
			"400 not a GeoJSON Feature"},
		{"3: type with escapes", `{"type":"\u0046eature","id":"T","geometry":` + point + `}`, ordinary},
		{"3: type null", `{"type":null,"id":"T","geometry":` + point + `}`, "400 not a GeoJSON Feature"},
		{"3: type an array", `{"type":["Feature"],"id":"T","geometry":` + point + `}`, "400 not a GeoJSON Feature"},
		{"3: no type", `{"id":"T","geometry":` + point + `}`, "400 not a GeoJSON Feature"},
		{"3: type twice", `{"type":"Feature","type":"Feature","id":"T","geometry":` + point + `}`,
			"422 type appears twice"},
		{"3.1: a geometry alone", point, "400 not a GeoJSON Feature"},
		{"3.1: type of the geometry in other case", feature(id, `{"type":"point","coordinates":[2,1]}`, `{}`),
			`422 must be "Point"`},
		{"3.1: geometry an array", feature(id, `[2,1]`, `{}`), "422 must be a Point"},
		{"3.1: geometry empty", feature(id, `{}`, `{}`), "422 type is missing"},
		{"3.1.1: altitude", at(`[2,1,34.5]`), `[2,1,34.5] {"vehicle_id":"T"}`},
		{"3.1.1: altitude below the sea", at(`[2,1,-0.5e1]`), `[2,1,-0.5e1] {"vehicle_id":"T"}`},
		{"3.1.1: altitude null", at(`[2,1,null]`), "422 all numbers"},
		{"3.1.1: altitude too large", at(`[2,1,1e999]`), "422 altitude"},
		{"3.1.1: a measure as fourth", at(`[2,1,3,4]`), "422 4 numbers"},
		{"3.1.1: one number", at(`[2]`), "422 1 number"},
		{"3.1.1: none", at(`[]`), "422 0 numbers"},
		{"3.1.1: null", at(`null`), "422 null"},
		{"3.1.1: numbers in quotes", at(`["2","1"]`), "422 all numbers"},
		{"3.1.1: true", at(`[true,1]`), "422 all numbers"},
		{"3.1.1: an object", at(`{"lon":2,"lat":1}`), "422 an object"},
		{"3.1.1: nested", at(`[[2,1]]`), "422 all numbers"},
		{"3.1.1: latitude first, and seen", at(`[1,152]`), "422 lat is 152"},
		{"3.1.1: spelling is kept", at(`[ 2.0e0 , 1.50 ]`), `[2.0e0,1.50] {"vehicle_id":"T"}`},
		{"3.1.2: poles and antimeridian", at(`[-180,90]`), `[-180,90] {"vehicle_id":"T"}`},
		{"3.1.2: beyond the antimeridian", at(`[180.5,0]`), "422 from -180 to 180"},
		{"3.2: null geometry", feature(id, `null`, `{}`), "422 geometry is null"},
		{"3.2: no geometry", `{"type":"Feature","id":"T","properties":{}}`, "422 geometry is missing"},
		{"3.2: no properties", `{"type":"Feature","id":"T","geometry":` + point + `}`, ordinary},
		{"3.2: null properties", feature(id, point, `null`), ordinary},
		{"3.2: properties an array", feature(id, point, `[]`), "422 must be an object"},
		{"3.2: id a number", feature(`"id":7,`, point, `{}`), `[2,1] {"vehicle_id":"7"}`},
		{"3.2: id minus zero", feature(`"id":-0,`, point, `{}`), `[2,1] {"vehicle_id":"-0"}`},
		{"3.2: id beyond 2^53", feature(`"id":9007199254740993,`, point, `{}`),
			`[2,1] {"vehicle_id":"9007199254740993"}`},
		{"3.2: id a fraction", feature(`"id":7.5,`, point, `{}`), "422 7.5"},
		{"3.2: id null", feature(`"id":null,`, point, `{}`), "422 vehicle_id is missing"},
		{"3.2: id true", feature(`"id":true,`, point, `{}`), "422 true"},
		{"3.2: vehicle_id wins over id", feature(`"id":"other",`, point, `{"vehicle_id":"T"}`), ordinary},
		{"3.2: vehicle_id null, so id", feature(id, point, `{"vehicle_id":null}`), ordinary},
		{"3.2: vehicle_id wrong, though id is right", feature(id, point, `{"vehicle_id":{}}`),
			"422 vehicle_id is an object"},
		{"3.2: lat and lon in properties say nothing", feature(id, point, `{"lat":91,"lon":"x"}`), ordinary},
		{"3.2: altitude in properties becomes the third coordinate", feature(id, point, `{"altitude":5.0}`),
			`[2,1,5.0] {"vehicle_id":"T"}`},
		{"3.2: altitude in properties wrong", feature(id, point, `{"altitude":[]}`), "422 altitude is an array"},
		{"3.2: the third coordinate wins over it",
			feature(id, `{"type":"Point","coordinates":[2,1,3]}`, `{"altitude":"x"}`), `[2,1,3] {"vehicle_id":"T"}`},
		{"3.2: topics, timestamp and the rest in properties",
			feature(id, point, `{"topics":["a"],"timestamp":900000001,"speed_kmh":5,"x":[1, 2]}`),
			kept(`"speed_kmh":5,"x":[1,2]`)},
		{"3.2: those of a Feature itself are foreign",
			feature(id+`"speed_kmh":-5,"timestamp":"x","topics":7,`, point, `{}`), ordinary},
		{"3.3: a collection", collection(`[`+whole+`]`, ``), ordinary},
		{"3.3: an empty one", collection(`[]`, ``), ""},
		{"3.3: features an object", collection(`{}`, ``), "400 must be an array"},
		{"3.3: null in it", collection(`[null]`, ``), "422 null is not a position"},
		{"3.3: a collection in it", collection(`[`+collection(`[]`, ``)+`]`, ``), "422 not one position"},
		{"3.3: a position object in it", collection(`[{"vehicle_id":"T","lat":1,"lon":2}]`, ``),
			"422 must be a Feature"},
		{"4: crs is not listened to", feature(id+`"crs":{"type":"name","properties":{"name":"EPSG:3857"}},`, point,
			`{}`), ordinary},
		{"4: metres are out of range", at(`[1492232,6894701]`), "422 lat is 6894701"},
		{"4: crs of a collection", collection(`[`+whole+`]`, `,"crs":null`), ordinary},
		{"5: bbox says nothing", feature(id+`"bbox":[9,9,9,9],`, `{"type":"Point","bbox":"x","coordinates":[2,1]}`,
			`{}`), ordinary},
		{"5: bbox of a collection", collection(`[`+whole+`]`, `,"bbox":[0]`), ordinary},
		{"6.1: foreign members go", feature(id+`"title":"x","@context":{},`,
			`{"type":"Point","coordinates":[2,1],"m":[1]}`, `{}`), ordinary},
		{"6.1: foreign members twice", feature(id+`"a":1,"a":1,`, point, `{}`), "422 a appears twice"},
		{"6.1: in the geometry twice", feature(id, `{"type":"Point","coordinates":[2,1],"a":1,"a":1}`, `{}`),
			"422 a appears twice"},
		{"7.1: coordinates outside of a geometry", feature(id+`"coordinates":[9,9],"features":[],`, point, `{}`),
			ordinary},
		{"7.1: a collection that is a Feature too", collection(`[`+whole+`]`, `,"geometry":null,"properties":7`),
			ordinary},
		{"RFC 8259, 8.1: byte order mark", "\ufeff" + whole, ordinary},
		{"RFC 8142: a text sequence", "\x1e" + whole + "\n", "400 not JSON"},
	}
	for _, other := range []string{"MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon",
		"GeometryCollection", "Feature", "Circle"} {
		cases = append(cases, rfcCase{"3.1: " + other,
			feature(id, `{"type":"`+other+`","coordinates":[[2,1]],"geometries":[]}`, `{}`), `422 must be "Point"`})
	}
	checkRFC(t, "application/geo+json", cases)
}

// arrivedAt matches the timestamp that the hub adds.
var arrivedAt = regexp.MustCompile(`,"timestamp":[0-9.]+(,"time_basis":"arrival")?}$`)

func checkRFC(t *testing.T, contentType string, cases []rfcCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := assemble(t)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/publish", strings.NewReader(c.body))
			r.Header.Set("Content-Type", contentType)
			got := serve(h.api.Internal(), r)
			status, words, refused := strings.Cut(c.want, " ")
			if refused = refused && status[0] != '['; refused {
				require.Equal(t, status, fmt.Sprint(got.Code), got.Body)
				var p wireProblem
				require.NoError(t, json.Unmarshal(got.Body.Bytes(), &p))
				require.Contains(t, p.Detail, words)
			} else {
				require.Equal(t, http.StatusOK, got.Code, got.Body)
			}
			require.Equal(t, refused || c.want == "", h.Head().Number == 0, "published")
			if h.Head().Number > 0 {
				require.Equal(t, c.want, onlyVehicle(t, h))
			}
		})
	}
}

// onlyVehicle returns coordinates and properties of the only vehicle.
func onlyVehicle(t *testing.T, h *hub) string {
	t.Helper()
	got := serve(h.api.Internal(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/snapshot", nil))
	var collection struct {
		Features []struct {
			ID         string
			Geometry   struct{ Coordinates json.RawMessage }
			Properties json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &collection), got.Body)
	require.Len(t, collection.Features, 1)
	one := collection.Features[0]
	return string(one.Geometry.Coordinates) + " " + arrivedAt.ReplaceAllString(string(one.Properties), "}")
}
