package geo_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

func TestStaleAfterRule(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		learned, expected float64
		moving            bool
		want              time.Duration
	}{
		{0, 0, false, 5 * time.Minute},
		{0, 0, true, time.Minute},
		{20, 40, true, 20 * time.Second},
		{0, 40, true, 80 * time.Second},
		{0, 1, true, 15 * time.Second},
		{0, 0.5, true, time.Minute},
		{0, 86401, false, 5 * time.Minute},
		{-1, -1, true, time.Minute},
		{nan, nan, true, time.Minute},
	} {
		require.Equal(t, test.want, geo.StaleAfter(test.learned, test.expected, test.moving), "%+v", test)
	}
	require.Positive(t, geo.LostAfter*geo.StaleAfter(math.Inf(1), 0, false), "it does not overflow")
}

func TestStateOf(t *testing.T) {
	fix := time.Unix(1795421000, 0)
	for _, test := range []struct {
		members    string
		staleAfter int
		silence    time.Duration
		want       geo.State
	}{
		{`"speed_kmh":3`, 0, time.Minute, geo.Moving},
		{`"speed_kmh":3`, 0, time.Minute + 1, geo.Stale},
		{`"speed_kmh":3`, 0, 4 * time.Minute, geo.Stale},
		{`"speed_kmh":3`, 0, 4*time.Minute + 1, geo.Lost},
		{`"speed_kmh":2.99`, 0, 5 * time.Minute, geo.Stopped},
		{`"speed_kmh":2.99`, 0, 5*time.Minute + 1, geo.Stale},
		{`"x":{"speed_kmh":50}`, 0, 0, geo.Stopped},
		{`"x":"\"speed_kmh\":50","y":[",",{"speed_kmh":9}],"speed_kmh":7.5`, 0, 0, geo.Moving},
		{`"expect_within_s":10`, 0, 20 * time.Second, geo.Stopped},
		{`"expect_within_s":10`, 0, 20*time.Second + 1, geo.Stale},
		{`"expect_within_s":10`, 15, 15*time.Second + 1, geo.Stale},
		{`"speed_kmh":8`, 172800, 172800 * time.Second, geo.Moving},
		{`"x":1`, 15, -time.Hour, geo.Stopped},
	} {
		item := fmt.Sprintf(`{"vehicle_id":"T","lat":1,"lon":2,"timestamp":1795421000,%s}`, test.members)
		p, err := geo.ParsePosition([]byte(item))
		require.NoError(t, err)
		p.StaleAfter = test.staleAfter
		feature := p.AppendFeature(nil, p.Time)
		got := geo.StateOf(feature, fix.Add(test.silence), time.Time{})
		require.Equal(t, test.want, got, "%+v", test)
		quiet := fix.Add(time.Hour)
		require.Equal(t, test.want, geo.StateOf(feature, quiet.Add(test.silence), quiet), "after a quiet hour")
		require.Equal(t, test.want, geo.StateOf(feature, fix.Add(test.silence), fix.Add(-time.Hour)))
	}
}

func TestParseState(t *testing.T) {
	for _, s := range []geo.State{geo.Moving, geo.Stopped, geo.Stale, geo.Lost} {
		got, err := geo.ParseState(string(s))
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	_, err := geo.ParseState("Parked")
	require.EqualError(t, err, `"Parked" is not a state; it must be moving, stopped, stale or lost`)
}
