package geo_test

import (
	"errors"
	"strings"
	"testing"

	"livemap/geo"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// The scanner agrees with the library on documents, and on their mutations at every place.
func TestWhatIsJSON(t *testing.T) {
	pieces := []string{",", ":", `"`, `\`, "0", "1", "-", "+", ".", "e", "E", "{", "}", "[", "]", "t", " ", "\t",
		"\n", "\r", "\x01", "\x1f", "\x7f", "\xff", "\ufeff", "/", "\v"}
	for _, document := range []string{
		`{"vehicle_id":"T","lat":52.5,"lon":13.4,"timestamp":1795421061,"topics":["a","b"],"x":{"a":[1,` +
			`{"b":null}],"":[],"c":{}}}`,
		`{"type":"Feature","id":7,"geometry":{"type":"Point","coordinates":[-13.4,0.5,7E+0]},` +
			`"properties":{"x":"\u00aF\ud800\n\b\f\r\t\/\\\""}}`,
		`[{"vehicle_id":"A"},-0.5e+7,0,10,1E-2,0e1,true,false,null,"","ü",[ ] , { "a" : [ 1 , 2 ] }]`,
		`{"features":[{"id":"B"}],"type":"FeatureCollection"}`,
	} {
		agree(t, document)
		for i := range len(document) + 1 {
			agree(t, document[:i])
			agree(t, document[i:])
			if i < len(document) {
				agree(t, document[:i]+document[i+1:])
			}
			for _, piece := range pieces {
				agree(t, document[:i]+piece+document[i:])
				if i < len(document) {
					agree(t, document[:i]+piece+document[i+1:])
				}
			}
		}
	}
}

// agree checks that ParseDocument rejects a text as not JSON if and only if the library does. Neither
// checks for UTF-8.
func agree(t *testing.T, text string) {
	t.Helper()
	valid := jsontext.Value(strings.TrimPrefix(text, mark)).IsValid(
		jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	_, err := geo.ParseDocument([]byte(text), anything)
	syntax, refused := errors.AsType[*geo.SyntaxError](err)
	if refused {
		refused = strings.HasPrefix(syntax.Detail, "not JSON")
	}
	if refused == valid {
		require.Failf(t, "not as the library", "%q: valid is %v: %v", text, valid, err)
	}
}

// The depth counts open brackets of both kinds, and no closed ones.
func TestDepthOfAnything(t *testing.T) {
	nested := func(levels int) string {
		text := "[{}]"
		for n := 2; n < levels; n += 2 {
			text = `[[[]],[{}],{"a":{"b":1},"c":` + text + `,"d":[[]]},[]]`
		}
		return text
	}
	for levels, tooDeep := range map[int]bool{geo.MaxDepth: false, geo.MaxDepth + 2: true} {
		_, err := geo.ParseDocument([]byte(nested(levels)), anything)
		require.Equal(t, tooDeep, err != nil, "%v", err)
	}
	_, err := geo.ParseDocument([]byte("["+nested(geo.MaxDepth)+"]"), anything)
	require.ErrorContains(t, err, "64 levels")
}
