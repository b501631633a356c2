package geo

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b   Point
		metres float64
	}{
		{Point{13.4, 52.5}, Point{13.4, 52.5}, 0},
		{Point{13.404954, 52.520008}, Point{2.3522, 48.8566}, 878_000}, // Berlin and Paris
		{Point{179.9, 0}, Point{-179.9, 0}, 22_240},
		{Point{-180, 12}, Point{180, 12}, 0},
		{Point{10, 90}, Point{-170, 90}, 0},
		{Point{0, 90}, Point{0, -90}, 20_020_000},
		{Point{33.3, 21.7}, Point{-146.7, -21.7}, 20_020_000}, // the other end of the world
		{Point{0, 60}, Point{1, 60}, 55_600},
	} {
		assert.InDelta(t, test.metres, Distance(test.a, test.b), max(0.001, test.metres*0.005))
		assert.Equal(t, Distance(test.a, test.b), Distance(test.b, test.a))
	}
	for n := range 360 { // rounding must not make a root of a negative number
		p := Point{float64(n) - 180, float64(n)/2 - 90}
		assert.False(t, math.IsNaN(Distance(p, Point{p[0] + 180, -p[1]})), p)
	}
}

func TestParsePoint(t *testing.T) {
	for text, want := range map[string]Point{
		"13.4,52.5": {13.4, 52.5}, "-0,-90": {0, -90}, " 1e1 , 2 ": {10, 2}, "190,1": {-170, 1},
		"-180,1": {-180, 1},
	} {
		got, err := ParsePoint(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	for text, why := range map[string]string{
		"": "1 parts", "1": "1 parts", "1,2,3": "3 parts", "x,2": `longitude is "x"`, "1,NaN": `latitude is "NaN"`,
		"1,": `latitude is ""`, "1,Inf": "latitude", "1e999,1": "longitude",
		"1,90.1": "latitude is 90.1; it must be",
	} {
		_, err := ParsePoint(text)
		require.ErrorContains(t, err, why, text)
		require.ErrorContains(t, err, "longitude,latitude", text)
		require.Less(t, len(err.Error()), 300)
	}
	_, err := ParsePoint(strings.Repeat("1", 9999) + ",x")
	require.Less(t, len(err.Error()), 300)
}

func TestAppendDistance(t *testing.T) {
	p, err := ParsePosition([]byte(`{"vehicle_id":"a","lat":0,"lon":1,"altitude":7,"timestamp":1e9}`))
	require.NoError(t, err)
	feature := string(p.AppendFeature(nil, p.Time))
	got := string(AppendDistance([]byte("x"), []byte(feature), Point{1.001, 0}))
	assert.Equal(t, "x"+strings.TrimSuffix(feature, "}")+`,"distance_m":111.3}`, got)
}
