package geo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"livemap/geo"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

var seeds = []string{
	typical, object, feat, bad, badUTF8,
	`{"vehicle_id":-42,"lat":5.2e1,"lon":-0,"heading":360.0,"altitude":null,"topics":["a","a"],` +
		`"timestamp":"2026-11-23T10:04:21.25+01:00"}`,
	`{"type":"Feature","id":7,"geometry":{"type":"Point","coordinates":[13.4, 52.5, 0]},` +
		`"properties":{"speed_kmh":null,"x":{"a":[1, null]},"lat":9}}`,
	`{"type":"Feature","id":7,"geometry":{"type":"Point","coordinates":[1,2]},"properties":{"altitude":5}}`,
	`{"l\u0061t":1,"lon":2,"vehicle_id":"\"\\\u00fc","\n":"\ud800","type":"truck","properties":{"topics":[ ]}}`,
	"{\"vehicle_id\":1,\"lat\":1,\"lon\":2,\"x\":[\n\"\\ud800\", 1E2, {\"a\": 1, \"a\": 2}]}",
	`{"vehicle_id":"T","lat":52.5200080000000012345678901234567890,"lon":-0.1234567890123456789,` +
		`"heading":9007199254740993e-15}`,
	`{"vehicle_id":"T","lat":-52.520008000001,"lon":13.40495400000012,"x":"\b\f"}`,
	`[` + object + `,5]`, `{"type":"FeatureCollection","features":[` + feat + `]}`, `{"lat":NaN}`, "\ufeff{}",
	`{"x":[[[{}]]]} 1`,
	"{\"vehicle_id\":\"\u2028\",\"lat\":1,\"lon\":2,\"\u2029\":[\"\u0085\"]}",
}

func FuzzParsePosition(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, item []byte) {
		before := bytes.Clone(item)
		p, err := geo.ParsePosition(item)
		require.Equal(t, before, item, "changed its input")
		if err != nil {
			checkRefusal(t, err)
			checkNotJSON(t, item, err.Error())
			return
		}
		line := p.AppendFeature(nil, timeOf(p))
		require.LessOrEqual(t, len(line), geo.MaxFeature)
		require.False(t, bytes.ContainsAny(line, "\r\n\u0085\u2028\u2029"), "more than one line")
		require.True(t, utf8.Valid(line))

		again, err := geo.ParsePosition(line)
		require.NoError(t, err)
		require.Equal(t, string(line), string(again.AppendFeature(nil, again.Time)))
		require.Equal(t, p.Point, again.Point)
		require.Equal(t, p.VehicleID, again.VehicleID)
		require.True(t, geo.NewSearch(geo.ParseWords(p.VehicleID)).Match(line), "its id does not find it")

		require.Equal(t, expected(t, item, p), decode(t, line))
	})
}

// checkNotJSON checks that a body with the error "not JSON" is not JSON.
func checkNotJSON(t *testing.T, body []byte, detail string) {
	t.Helper()
	if strings.HasPrefix(detail, "not JSON") {
		require.False(t, jsontext.Value(body).IsValid(jsontext.AllowInvalidUTF8(true),
			jsontext.AllowDuplicateNames(true)), detail)
		require.Greater(t, len(detail), len("not JSON: "))
	}
}

// checkRefusal checks the rules that hold for every refusal.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *geo.Refusal
	require.ErrorAs(t, err, &refusal)
	require.NotEmpty(t, refusal.Detail)
	require.Less(t, len(refusal.Detail), 400)
	require.True(t, utf8.ValidString(refusal.Detail+refusal.Field+refusal.VehicleID))
	if refusal.VehicleID != "" {
		require.NoError(t, geo.CheckVehicleID(refusal.VehicleID))
	}
}

// decode reads JSON with the standard library. It keeps numbers as their text.
func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	require.NoError(t, decoder.Decode(&object))
	return object
}

// expected returns the Feature of an accepted item. It is a second implementation of the rules, on top of
// encoding/json.
func expected(t *testing.T, item []byte, p geo.Position) map[string]any {
	t.Helper()
	in := decode(t, item)
	properties, coordinates := in, []any{in["lon"], in["lat"]}
	id := in["vehicle_id"]
	if in["altitude"] != nil {
		coordinates = append(coordinates, in["altitude"])
	}
	if in["type"] == "Feature" {
		properties, _ = in["properties"].(map[string]any)
		coordinates = in["geometry"].(map[string]any)["coordinates"].([]any)
		if altitude := properties["altitude"]; altitude != nil && len(coordinates) == 2 {
			coordinates = append(coordinates, altitude)
		}
		if id = properties["vehicle_id"]; id == nil {
			id = in["id"]
		}
	}
	if number, ok := id.(json.Number); ok {
		id = number.String()
	}
	out := map[string]any{"vehicle_id": id}
	for name, value := range properties {
		switch name {
		case "vehicle_id", "lat", "lon", "altitude", "topics", "timestamp":
		case "stale_after_s":
			if p.StaleAfter > 0 {
				out[name] = json.Number(strconv.Itoa(p.StaleAfter))
			}
		case "time_basis":
			if p.Time.IsZero() || value == "arrival" {
				continue
			}
			out[name] = value
		case "speed_kmh", "accuracy", "heading", "expect_within_s":
			if value == nil {
				continue
			}
			if degrees, _ := value.(json.Number).Float64(); name == "heading" && degrees == 360 {
				value = json.Number("0")
			}
			out[name] = value
		default:
			out[name] = value
		}
	}
	out["timestamp"] = json.Number(geo.AppendTime(nil, timeOf(p)))
	if p.Time.IsZero() || p.Arrival {
		out["time_basis"] = "arrival"
	}
	checkRanges(t, p, coordinates, out)
	return map[string]any{
		"type": "Feature", "id": id, "properties": out,
		"geometry": map[string]any{"type": "Point", "coordinates": coordinates},
	}
}

// checkRanges checks that all numbers of an accepted position are in range.
func checkRanges(t *testing.T, p geo.Position, coordinates []any, properties map[string]any) {
	t.Helper()
	inRange := func(value any, low, high float64) float64 {
		number, err := value.(json.Number).Float64()
		require.NoError(t, err)
		require.True(t, low <= number && number <= high, "%v", value)
		return number
	}
	require.Equal(t, p.Point[0], inRange(coordinates[0], -180, 180))
	require.Equal(t, p.Point[1], inRange(coordinates[1], -90, 90))
	if len(coordinates) > 2 {
		inRange(coordinates[2], -math.MaxFloat64, math.MaxFloat64)
	}
	for name, high := range map[string]float64{"speed_kmh": math.MaxFloat64, "accuracy": math.MaxFloat64,
		"heading": 359.9999999999999999} {
		if value, ok := properties[name]; ok {
			inRange(value, 0, high)
		}
	}
	require.NoError(t, geo.CheckVehicleID(p.VehicleID))
	require.Equal(t, properties["vehicle_id"], p.VehicleID)
	require.LessOrEqual(t, len(p.Topics), geo.MaxTopics)
	for _, topic := range p.Topics {
		require.NoError(t, geo.CheckTopic(topic))
		require.NotRegexp(t, `^((vehicle|live_updates|fence|source):|alarms$|freshness$)`, topic)
	}
}

// The parser accepts everything that the contract allows, and nothing that is out of range.
func FuzzPositionIsAccepted(f *testing.F) {
	f.Add("TRUCK-042", 52.5, 13.4, 85.0, "driver", "M. Meier")
	f.Add("\x00", 91.0, -181.0, -1.0, "lat", "\"\n")
	f.Fuzz(func(t *testing.T, id string, lat, lon, speed float64, name, value string) {
		item, err := json.Marshal(map[string]any{"vehicle_id": id, "lat": lat, "lon": lon, "speed_kmh": speed})
		text := strings.Join([]string{id, name, value}, " ")
		if err != nil || !utf8.ValidString(text) || len(text) > geo.MaxFeature/8 || special[name] {
			t.Skip("what is no position is not to be accepted")
		}
		member, _ := json.Marshal(map[string]string{name: value})
		item = append(append(item[:len(item)-1], ','), member[1:]...)

		p, err := geo.ParsePosition(item)
		valid := geo.CheckVehicleID(id) == nil && math.Abs(lat) <= 90 && math.Abs(lon) <= 180 && speed >= 0
		require.Equal(t, valid, err == nil, "%s: %v", item, err)
		if err == nil {
			require.Equal(t, id, p.VehicleID)
			require.Equal(t, geo.Point{lon, lat}, p.Point)
		}
	})
}

// special are the names with a meaning, which do not allow any text.
var special = map[string]bool{
	"vehicle_id": true, "lat": true, "lon": true, "altitude": true, "speed_kmh": true,
	"heading": true, "accuracy": true, "timestamp": true, "topics": true, "type": true,
}

func FuzzParseDocument(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, geoJSON bool) {
		items, err := geo.ParseDocument(body, geoJSON)
		var syntax *geo.SyntaxError
		var limit *geo.LimitError
		switch {
		case errors.As(err, &syntax):
			require.True(t, 0 <= syntax.Offset && syntax.Offset <= int64(len(body)))
			require.True(t, utf8.ValidString(syntax.Detail))
			checkNotJSON(t, bytes.TrimPrefix(body, []byte(mark)), syntax.Detail)
			return
		case errors.As(err, &limit):
			return
		}
		require.NoError(t, err)
		body = bytes.TrimPrefix(body, []byte(mark))
		require.True(t, json.Valid(body), "accepted what is not JSON")
		if !utf8.Valid(body) {
			return // encoding/json would replace the bad bytes
		}
		for i, raw := range rawItems(t, body) {
			want, err := geo.ParsePosition(raw)
			if err == nil && items[i].Refusal == nil {
				require.Equal(t, want, items[i].Position)
			} else {
				require.NotNil(t, items[i].Refusal, "%s", raw)
				checkRefusal(t, items[i].Refusal)
			}
		}
	})
}

// rawItems splits a document with the standard library.
func rawItems(t *testing.T, body []byte) []json.RawMessage {
	t.Helper()
	var array []json.RawMessage
	if json.Unmarshal(body, &array) == nil && array != nil {
		return array
	}
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &members))
	var typ string
	if json.Unmarshal(members["type"], &typ) == nil && typ == "FeatureCollection" {
		require.NoError(t, json.Unmarshal(members["features"], &array))
		return array
	}
	return []json.RawMessage{body}
}

func FuzzParseBox(f *testing.F) {
	for _, seed := range []string{"13,52,14,53", "170,-10,-170,10", "-180,-90,180,90", "540,0,180,1",
		"1e300,0,-1e300,1", "NaN,,0x1,", "-180,0,-170,1"} {
		f.Add(seed, 13.5, 52.5)
	}
	f.Fuzz(func(t *testing.T, text string, lon, lat float64) {
		box, err := geo.ParseBox(text)
		if err != nil {
			require.True(t, utf8.ValidString(err.Error()))
			require.Less(t, len(err.Error()), 300)
			return
		}
		lon, lat = math.Mod(lon, 180), math.Mod(lat, 90)
		if lon != lon || lat != lat {
			return
		}
		p := geo.Point{lon, lat}
		require.Equal(t, box.Contains(p), inRects(box, p))
		require.Equal(t, box.Contains(geo.Point{180, lat}), box.Contains(geo.Point{-180, lat}), "the same meridian")
		if box.World() {
			require.True(t, box.Contains(p))
		}
		for _, r := range box.Rects() {
			require.True(t, -180 <= r[0][0] && r[0][0] <= r[1][0] && r[1][0] <= 180)
			require.True(t, -90 <= r[0][1] && r[0][1] <= r[1][1] && r[1][1] <= 90)
			require.True(t, box.Contains(r[0]) && box.Contains(r[1]))
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"0", "1795421061.123456789", "1795421061123.456", "1.8e9",
		"2026-11-23T10:04:21.25+01:00", "-0", "9223372036.854775807", "1e11"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := geo.ParseTime(text)
		if err != nil {
			require.True(t, utf8.ValidString(err.Error()))
			return
		}
		require.False(t, at.Before(time.Unix(0, 0)))
		require.False(t, at.After(time.Unix(0, math.MaxInt64)))
		line := geo.AppendTime(nil, at)
		again, err := geo.ParseTime(string(line))
		require.NoError(t, err)
		require.True(t, again.Equal(at), "%s is %s", text, line)

		var seconds float64
		if json.Unmarshal([]byte(text), &seconds) != nil {
			return
		}
		if seconds >= 1e11 {
			seconds /= 1000
		}
		require.InDelta(t, seconds, float64(at.UnixNano())/1e9, 2e-6)
	})
}
