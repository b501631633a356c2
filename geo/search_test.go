package geo_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

func TestSearch(t *testing.T) {
	item := `{"vehicle_id":"TRUCK-042 \"q\"","lat":52.5,"lon":13.4,"altitude":77,"timestamp":1795421061,` +
		`"speed_kmh":85,"driver":"Zoë Müller","from":"Łódź","to":"\u00c5rhus","street":"GROẞE STRASSE",` +
		`"load":{"goods":["steel","oak, ash"],"kg":1250,"fragile":true,"none":null},"topics":["depot:7"]}`
	p, err := geo.ParsePosition([]byte(item))
	require.NoError(t, err)
	feature := p.AppendFeature(nil, time.Unix(1795421061, 0))
	for _, test := range []struct {
		name, search string
		found        bool
	}{
		{"no words", " \t", true},
		{"the id", "truck-042", true},
		{"a part of the id", "K-04", true},
		{"an escaped quote", `"q"`, true},
		{"words in any order and place", "muller TRUCK zoe", true},
		{"one word of two", "muller nobody", false},
		{"a word twice", "steel steel", true},
		{"an accent in the search", "MÜLLER zöé", true},
		{"decomposed", "mu\u0308ller", true},
		{"no decomposition", "lodz", true},
		{"a ring, escaped", "arhus", true},
		{"sharp s", "grosse strasse", true},
		{"fullwidth", "ＴＲＵＣＫ", true},
		{"nested", "oak", true},
		{"across two texts", "steeloak", false},
		{"a number", "85", true},
		{"a number in depth", "1250", true},
		{"a part of a number", "125", false},
		{"a part of the timestamp", "17954", false},
		{"the timestamp", "1795421061", true},
		{"true", "true", true},
		{"null", "null", true},
		{"a member's name", "driver", false},
		{"a nested member's name", "goods", false},
		{"a topic: readers do not see it", "depot", false},
		{"the geometry", "52.5", false},
		{"altitude, which is geometry", "77", false},
		{"what a Feature is made of", "Feature", false},
		{"what a Feature is made of", "Point", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := geo.NewSearch(geo.ParseWords(test.search))
			for range 2 { // it can be used again
				require.Equal(t, test.found, s.Match(feature))
			}
		})
	}
}

func TestWordsInText(t *testing.T) {
	for _, test := range []struct {
		search, text string
		found        bool
	}{
		{"", "x", true},
		{"depot BER", "depot:berlin", true},
		{"ber depot", "depot:berlin", true},
		{"zurich", "depot:Zürich", true},
		{"depot paris", "depot:berlin", false},
		{"\u0301", "x", true}, // an accent alone is no word
	} {
		require.Equal(t, test.found, geo.ParseWords(test.search).In(test.text), test)
	}
}

func BenchmarkSearch(b *testing.B) {
	p, err := geo.ParsePosition([]byte(`{"vehicle_id":"TRUCK-042","lat":52.5,"lon":13.4,` +
		`"timestamp":1795421061,"speed_kmh":85,"heading":270,"driver":"Zita Müller",` +
		`"status":"driving","engine_on":true}`))
	require.NoError(b, err)
	feature := p.AppendFeature(nil, time.Unix(1795421061, 0))
	s := geo.NewSearch(geo.ParseWords("nobody here"))
	for b.Loop() {
		if s.Match(feature) {
			b.Fatal("found")
		}
	}
}
