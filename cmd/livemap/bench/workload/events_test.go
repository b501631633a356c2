package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Unix(1795867200, 0)

func TestVehicleOfEvent(t *testing.T) {
	for _, test := range []struct {
		name   string
		events Events
		want   []int // of events 0, 1, …
	}{
		{"in turn", Events{Vehicles: 3}, []int{0, 1, 2, 0, 1, 2, 0}},
		{"none given", Events{}, []int{0, 0, 0}},
		{"one in four is the last vehicle's", Events{Vehicles: 3, Rare: 4}, []int{2, 1, 0, 1, 2, 1, 0, 1, 2}},
	} {
		for n, want := range test.want {
			assert.Equal(t, want, test.events.vehicle(n), "%s: event %d", test.name, n)
		}
	}
}

func TestAppendPosition(t *testing.T) {
	for _, test := range []struct {
		name   string
		events Events
		n      int
		want   string
	}{
		{"the first", Events{Vehicles: 4}, 0, `{"vehicle_id":"bench-1000000",` +
			`"lat":-59.949999,"lon":-178.949999,` +
			`"speed_kmh":85.5,"heading":270,"n":100000000,"timestamp":1795867200}`},
		{"in a group", Events{Vehicles: 10, Groups: 5, Topics: true}, 7, `{"vehicle_id":"bench-1000007",` +
			`"lat":-59.949922,"lon":-172.949922,` +
			`"speed_kmh":85.5,"heading":270,"n":100000007,"timestamp":1795867200,` +
			`"topics":["group:2"]}`},
	} {
		assert.Equal(t, test.want, string(test.events.AppendPosition(nil, test.n, noon)), test.name)
	}
}

// TestEventsAreAlike: every event of an area has as many bytes, so bytes per delivery compare.
func TestEventsAreAlike(t *testing.T) {
	e := Events{Vehicles: 1000, Groups: 100}
	position, feature := len(e.AppendPosition(nil, 0, noon)), len(e.AppendFeature(nil, 0, noon))
	for n := range 1000 {
		p, f := e.AppendPosition(nil, n, noon), e.AppendFeature(nil, n, noon)
		w, s, east, north := e.Area(e.group(e.vehicle(n)))
		var read struct {
			ID       string
			Geometry struct{ Coordinates [2]float64 }
		}
		require.NoError(t, json.Unmarshal(f, &read))
		require.True(t, json.Valid(p))
		lon, lat := read.Geometry.Coordinates[0], read.Geometry.Coordinates[1]
		require.True(
			t, w < lon && lon < east && s < lat && lat < north, "event %d is outside of its group's area", n,
		)
		require.Equal(t, VehicleID(e.vehicle(n)), read.ID)
		if w == -179 { // elsewhere a longitude may have fewer digits
			require.Len(t, p, position, "event %d", n)
			require.Len(t, f, feature, "event %d", n)
		}
	}
}

// TestAreasAreApart: a box around one group matches no other.
func TestAreasAreApart(t *testing.T) {
	var e Events
	for a := range 200 {
		w, s, east, north := e.Area(a)
		require.True(t, -180 <= w && east <= 180 && -90 <= s && north <= 90)
		for b := range a {
			w2, s2, east2, north2 := e.Area(b)
			require.True(t, east < w2 || east2 < w || north < s2 || north2 < s, "groups %d and %d", a, b)
		}
	}
}

func TestAppendSSE(t *testing.T) {
	natural := len(Events{}.AppendSSE(nil, 5, noon, 0))
	for _, size := range []int{0, natural - 1, natural, natural + 1, 300, 1000} {
		text := string(Events{}.AppendSSE([]byte("before"), 5, noon, size))
		text, found := strings.CutPrefix(text, "before")
		require.True(t, found)
		assert.Len(t, text, max(natural, size))
		assert.True(t, strings.HasPrefix(text, "data: {"), text)
		assert.True(t, strings.HasSuffix(text, "\nid: bench-5\n\n"), text)
		assert.Equal(t, 3, strings.Count(text, "\n"))
	}
}

// numbers returns the events that some JSON values are of.
func numbers(t *testing.T, values []json.RawMessage) (numbers []int) {
	t.Helper()
	for _, value := range values {
		var read struct{ N int }
		require.NoError(t, json.Unmarshal(value, &read))
		numbers = append(numbers, read.N-FirstNumber)
	}
	return numbers
}

func TestAppendArray(t *testing.T) {
	var values []json.RawMessage
	body := Events{Vehicles: 2}.AppendArray(nil, 3, 6, noon)
	require.NoError(t, json.Unmarshal(body, &values))
	assert.Equal(t, []int{3, 4, 5}, numbers(t, values))
}

// writes notes how long each write was.
type writes struct {
	bytes.Buffer
	sizes []int
}

func (w *writes) Write(p []byte) (int, error) {
	w.sizes = append(w.sizes, len(p))
	return w.Buffer.Write(p)
}

// TestWriteLines: every line is written once, in blocks of some 60 KiB.
func TestWriteLines(t *testing.T) {
	for _, lines := range []int{0, 1, 100, 1000} {
		var w writes
		require.NoError(t, Events{Vehicles: 2}.WriteLines(&w, 7, 7+lines, noon))
		var values []json.RawMessage
		for line := range bytes.Lines(w.Bytes()) {
			values = append(values, line)
		}
		got := numbers(t, values)
		require.Len(t, got, lines)
		for i, n := range got {
			require.Equal(t, 7+i, n)
		}
		line := len(Events{Vehicles: 2}.AppendPosition(nil, 0, noon)) + 1
		perBlock := (60<<10 + line - 1) / line
		assert.Len(t, w.sizes, (lines+perBlock-1)/perBlock, "%d lines", lines)
	}
	require.ErrorIs(t, Events{}.WriteLines(full{}, 0, 5, noon), errFull)
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestNames(t *testing.T) {
	assert.Equal(t, "group:12", Events{}.Topic(12))
	assert.Equal(t, "bench-1000042", VehicleID(42))
	assert.Len(t, VehicleID(999_999), len(VehicleID(0)))
	assert.Len(t, fmt.Sprint(FirstNumber+500_000_000), len(fmt.Sprint(FirstNumber)))
}
