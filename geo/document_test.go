package geo_test

import (
	"bytes"
	"strings"
	"testing"

	"livemap/geo"

	"github.com/stretchr/testify/require"
)

const (
	object   = `{"vehicle_id":"A","lat":1,"lon":2}`
	feat     = `{"type":"Feature","id":"B","geometry":{"type":"Point","coordinates":[3,4]},"properties":null}`
	bad      = `{"vehicle_id":"C","lat":91,"lon":2}`
	badUTF8  = "{\"vehicle_id\":\"D\",\"lat\":1,\"lon\":2,\"x\":\"\xff\"}"
	mark     = "\ufeff" // a byte order mark
	anything = false
	geoJSON  = true
)

func TestDocument(t *testing.T) {
	collection := func(features string) string {
		return `{"type":"FeatureCollection","features":[` + features + `]}`
	}
	for name, test := range map[string]struct {
		body string
		want string // per item: its vehicle, or ! and the field
		only bool   // GeoJSON only, as for application/geo+json
	}{
		"position object":         {object, "A", anything},
		"Feature":                 {feat, "B", anything},
		"Feature as GeoJSON":      {" " + feat + "\n", "B", geoJSON},
		"array":                   {"[" + object + "," + feat + "]", "A B", anything},
		"empty array":             {"[ ]", "", anything},
		"FeatureCollection":       {collection(feat + ",\n" + feat), "B B", anything},
		"as GeoJSON":              {collection(feat), "B", geoJSON},
		"empty FeatureCollection": {collection(""), "", geoJSON},
		"features before type": {`{"features":[` + feat + `],"bbox":[],"type":"FeatureCollection"}`, "B",
			geoJSON},
		"some refused": {"[" + object + "," + bad + "," + badUTF8 + "," + feat + "]", "A !lat !x B",
			anything},
		"twice in one item":      {`[{"lat":1,"lat":2},` + object + `]`, "!lat A", anything},
		"items that are none":    {`[5,null,"x",[` + object + `],` + object + `]`, "! ! ! ! A", anything},
		"collection in an array": {`[` + collection(feat) + `,` + object + `]`, "!type A", anything},
		"object in a collection": {collection(object + "," + feat), "!type B", geoJSON},
		"refused object":         {bad, "!lat", anything},
		"behind a mark":          {mark + object, "A", anything},
		"array behind a mark":    {mark + " [" + object + "," + feat + "]", "A B", anything},
		"GeoJSON behind a mark":  {mark + "\n" + collection(feat), "B", geoJSON},
		"refused behind a mark":  {mark + bad, "!lat", anything},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := geo.ParseDocument([]byte(test.body), test.only)
			require.NoError(t, err)
			require.Equal(t, test.want, strings.Join(words(items), " "))
		})
	}
}

func words(items []geo.Item) []string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.Position.VehicleID
		if item.Refusal != nil {
			words[i] = "!" + item.Refusal.Field
		}
	}
	return words
}

func TestDocumentSyntax(t *testing.T) {
	deep := strings.Repeat("[", 1e6)
	for name, test := range map[string]struct {
		body   string
		offset int64
		detail string
		only   bool
	}{
		"empty":               {"", 0, "it is empty", anything},
		"white space":         {"\n ", 0, "it is empty", anything},
		"two marks":           {mark + mark + object, 3, "invalid character", anything},
		"mark within":         {"[" + object + "," + mark + object + "]", 36, "invalid character", anything},
		"mark in a list":      {mark + "[" + mark + object + "]", 4, "invalid character", anything},
		"mark behind":         {object + mark, 34, "more text follows", anything},
		"mark alone":          {mark, 3, "it is empty", anything},
		"mark, then cut off":  {mark + `[` + object, 38, "ends in the middle", anything},
		"mark, then number":   {mark + ` 5`, 4, "5 is neither", anything},
		"mark, then too deep": {mark + strings.Repeat("[", 99), 67, "64 levels", anything},
		"UTF-16, big endian":  {"\xfe\xff\x00{", 0, "it is UTF-16 or UTF-32; it must be UTF-8", anything},
		"NaN": {`[` + object + `,{"vehicle_id":"A","lat":NaN}]`, 60, "NaN is not a JSON number",
			anything},
		"cut off":            {`[` + object, 35, "ends in the middle", anything},
		"trailing":           {object + " \n" + object, 36, "more text follows", anything},
		"after other faults": {"[\"\xff\",{\"a\":1,\"a\":1},x]", 19, "invalid character 'x'", anything},
		"trailing comma":     {`[` + object + `,]`, 35, "invalid character ','", anything},
		"missing comma":      {`[` + object + object + `]`, 35, "expecting ','", anything},
		"unquoted":           {`{vehicle_id:1}`, 1, "invalid character 'v'", anything},
		"number":             {` 5`, 1, "5 is neither", anything},
		"null":               {`null`, 0, "null is neither", anything},
		"too deep": {`{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, 68, "64 levels",
			anything},
		"far too deep":        {deep, 64, "64 levels", anything},
		"array as GeoJSON":    {`[` + feat + `]`, 0, "not a GeoJSON", geoJSON},
		"object as GeoJSON":   {object, 0, "not a GeoJSON", geoJSON},
		"geometry as GeoJSON": {`{"type":"Point","coordinates":[1,2]}`, 0, "not a GeoJSON", geoJSON},
		"no features":         {`{"type":"FeatureCollection"}`, 0, "features is missing", geoJSON},
		"features null":       {`{"type":"FeatureCollection","features":null}`, 0, "features is null", geoJSON},
		"features twice": {`{"type":"FeatureCollection","features":[],"features":[]}`, 0,
			"features appears twice", geoJSON},
		"type twice": {`{"type":"FeatureCollection","features":[],"type":"Feature"}`, 0,
			"type appears twice", geoJSON},
		"error after features": {`{"type":"FeatureCollection","features":[` + feat + `],x}`, int64(42 + len(feat)),
			"invalid character 'x'", geoJSON},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := geo.ParseDocument([]byte(test.body), test.only)
			require.Nil(t, items)
			var syntax *geo.SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Contains(t, syntax.Detail, test.detail)
			require.Equal(t, test.offset, syntax.Offset, syntax.Detail)
		})
	}
}

func TestDocumentLimits(t *testing.T) {
	items := strings.Repeat(object+",", geo.MaxItems-1) + object
	most, err := geo.ParseDocument([]byte("["+items+"]"), anything)
	require.NoError(t, err)
	require.Len(t, most, geo.MaxItems)

	for name, body := range map[string]string{
		"array":             "[" + items + "," + object + "]",
		"FeatureCollection": `{"type":"FeatureCollection","features":[` + items + "," + object + "]}",
		"members":           `{"type":"FeatureCollection",` + numbered(5000) + `,"features":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := geo.ParseDocument([]byte(body), anything)
			var limit *geo.LimitError
			require.ErrorAs(t, err, &limit)
			require.Contains(t, limit.Error(), "more than")
		})
	}
}

// One scanner reads all items of a document and carries nothing from one to the next.
func TestDocumentIsAsItsItems(t *testing.T) {
	lines := []string{bad, object, badUTF8, feat, typical, `{"lat":1,"lat":1}`, `{` + numbered(5000) + `}`,
		object}
	items, err := geo.ParseDocument([]byte("["+strings.Join(lines, ",")+"]"), anything)
	require.NoError(t, err)
	require.Len(t, items, len(lines))
	for i, line := range lines {
		want, err := geo.ParsePosition([]byte(line))
		require.Equal(t, want, items[i].Position)
		if err != nil {
			require.Equal(t, err, items[i].Refusal)
		}
	}
}

func TestAppendItems(t *testing.T) {
	before, err := geo.ParseDocument([]byte(object), anything)
	require.NoError(t, err)
	items, err := geo.AppendItems(before, []byte("["+feat+","+bad+"]"), anything)
	require.NoError(t, err)
	require.Equal(t, "A B !lat", strings.Join(words(items), " "))

	for _, wrong := range []string{"[" + feat + ",", "[" + feat + "]]",
		"[" + strings.Repeat(feat+",", geo.MaxItems) + feat + "]"} {
		items, err = geo.AppendItems(before, []byte(wrong), anything)
		require.Error(t, err)
		require.Equal(t, before, items)
	}
}

func BenchmarkParseDocument(b *testing.B) {
	body := []byte("[" + strings.TrimSuffix(strings.Repeat(typical+",", 1000), ",") + "]")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var items []geo.Item
	for b.Loop() {
		var err error
		if items, err = geo.AppendItems(items[:0], body, anything); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseDocumentTooDeep(b *testing.B) {
	body := bytes.Repeat([]byte("["), 1e6)
	for b.Loop() {
		if _, err := geo.ParseDocument(body, anything); err == nil {
			b.Fatal("accepted")
		}
	}
}
