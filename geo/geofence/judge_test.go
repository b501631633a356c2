package geofence_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/geo/geofence"
)

// line is a fence of 100 m to each side of the equator; metres north of its edge are easy to tell there.
const equator = `{"type":"LineString","coordinates":[[-1,0],[1,0]]}`

var midnight = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)

// A step is a fix: seconds after midnight, and metres from the edge of the equator's fence,
// negative inside.
type step struct {
	second, metres     float64
	accuracy, altitude float64 // metres; altitude 0: none
}

func (s step) fix() geofence.Fix {
	const degree = 6_367_450 * 3.141592653589793 / 180
	fix := geofence.Fix{
		At:       midnight.Add(time.Duration(s.second * float64(time.Second))),
		Point:    geo.Point{0, (100 + s.metres) / degree},
		Accuracy: int64(s.accuracy * 1000),
		Altitude: geofence.NoAltitude,
	}
	if s.altitude != 0 {
		fix.Altitude = int64(s.altitude * 1000)
	}
	return fix
}

// told judges steps and returns the events as words: type@second.
func told(f *geofence.Fence, steps []step) string {
	var s geofence.Standing
	var events []geofence.Event
	var words []string
	var previous *geofence.Fix
	for _, step := range steps {
		fix := step.fix()
		s, events = f.Judge(events[:0], s, previous, fix)
		for _, e := range events {
			words = append(words, word(e))
		}
		previous = &fix
	}
	return strings.Join(words, " ")
}

func word(e geofence.Event) string {
	text := fmt.Sprintf("%s@%v", e.Type, e.At.Sub(midnight).Seconds())
	if e.By != "" {
		text += "-" + string(e.By)
	}
	if e.Gap {
		text += "-gap"
	}
	return text
}

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		properties string
		steps      []step
		want       string
	}{
		"in and out": {``, []step{{0, 50, 0, 0}, {1, -1, 0, 0}, {2, -50, 0, 0}, {3, 25,
			0, 0}}, "enter@1 exit@3"},
		"the first fix is inside": {``, []step{{5, -1, 0, 0}}, "enter@5"},
		"on the boundary":         {``, []step{{0, 50, 0, 0}, {1, 0, 0, 0}}, "enter@1"},
		"not out before the margin": {``, []step{{0, -1, 0, 0}, {1, 19.9, 0, 0}, {2, 20, 0, 0}},
			"enter@0 exit@2"},
		"no margin: the boundary is inside": {`"margin_m":0`, []step{{0, -1, 0, 0}, {1, 0, 0, 0}, {2, 0.001, 0,
			0}}, "enter@0 exit@2"},
		"the whole circle must be out": {``, []step{{0, -1, 0, 0}, {1, 60, 41, 0}, {2, 60, 40, 0}},
			"enter@0 exit@2"},
		"too inaccurate to enter": {``, []step{{0, -1, 200.1, 0}, {1, -1, 200, 0}}, "enter@1"},
		"enter_after_s": {`"enter_after_s":10`, []step{{0, -1, 0, 0}, {9.9, -1, 0, 0}, {10,
			-1, 0, 0}}, "enter@10"},
		"enter_after_s begins anew when it was out": {`"enter_after_s":10`,
			[]step{{0, -1, 0, 0}, {5, 30, 0, 0}, {6, -1, 0, 0}, {15, -1, 0, 0}, {16, -1, 0, 0}}, "enter@16"},
		"enter_after_s goes on between the two": {`"enter_after_s":10`,
			[]step{{0, -1, 0, 0}, {5, 10, 0, 0}, {10, -1, 0, 0}}, "enter@10"},
		"enter_after_s begins anew after a gap": {`"enter_after_s":10,"max_gap_s":60`,
			[]step{{0, -1, 0, 0}, {61, -1, 0, 0}, {71, -1, 0, 0}}, "enter@71"},
		"exit_after_s": {`"exit_after_s":10`,
			[]step{{0, -1, 0, 0}, {1, 30, 0, 0}, {5, -1, 0, 0}, {6, 30, 0, 0}, {15, 30, 0, 0}, {16, 30, 0, 0}},
			"enter@0 exit@16"},
		"a gap is not waited out": {`"exit_after_s":1000`, []step{{0, -1, 0, 0}, {601, 30, 0,
			0}}, "enter@0 exit@601-gap"},
		"no gap": {`"exit_after_s":1000`, []step{{0, -1, 0, 0}, {600, 30, 0,
			0}}, "enter@0"},
		"crossed":                         {``, []step{{0, 50, 0, 0}, {10, -250, 0, 0}}, "crossed@10"},
		"not crossed after a gap":         {`"max_gap_s":9`, []step{{0, 50, 0, 0}, {10, -250, 0, 0}}, ""},
		"not crossed when too inaccurate": {``, []step{{0, 350, 0, 0}, {10, -550, 101, 0}}, ""},
		"crossed when accurate enough":    {``, []step{{0, 350, 0, 0}, {10, -550, 99, 0}}, "crossed@10"},
		"not crossed within the margin":   {`"margin_m":100`, []step{{0, 50, 0, 0}, {10, -250, 0, 0}}, ""},
		"not crossed quicker than enter_after_s": {`"enter_after_s":11`, []step{{0, 50, 0, 0}, {10, -250, 0,
			0}}, ""},
		"dwell by a fix": {`"dwell_s":60`, []step{{0, -1, 0, 0}, {59, -1, 0, 0}, {60,
			10, 0, 0}, {200, -1, 0, 0}}, "enter@0 dwell@60"},
		"dwell counts from the first fix inside": {`"dwell_s":60,"enter_after_s":30`,
			[]step{{0, -1, 0, 0}, {30, -1, 0, 0}, {60, -1, 0, 0}}, "enter@30 dwell@60"},
		"contrary evidence puts a dwell off": {`"dwell_s":60,"exit_after_s":100`,
			[]step{{0, -1, 0, 0}, {60, 30, 0, 0}, {70, -1, 0, 0}}, "enter@0 dwell@70"},
		"each stay may dwell": {`"dwell_s":5`,
			[]step{{0, -1, 0, 0}, {5, -1, 0, 0}, {6, 30, 0, 0}, {7, -1, 0, 0}, {12, -1, 0, 0}},
			"enter@0 dwell@5 exit@6 enter@7 dwell@12"},
		"altitude": {`"min_alt_m":100,"max_alt_m":200`,
			[]step{{0, -1, 0, 50}, {1, -1, 0, 100}, {2, -1, 0, 219}, {3, -1, 0, 221}}, "enter@1 exit@3"},
		"no altitude is any": {`"min_alt_m":100`, []step{{0, -1, 0, 0}}, "enter@0"},
		"schedule": {`"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:02"}]}`,
			[]step{{0, -1, 0, 0}, {59, -1, 0, 0}, {60, -1, 0, 0}, {119, -1, 0, 0}, {120, -1, 0, 0}},
			"enter@60-schedule exit@120-schedule"},
		"schedule: out of its window nothing is told": {
			`"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:02"}]}`,
			[]step{{0, -1, 0, 0}, {5, 30, 0, 0}, {70, -1, 0, 0}, {80, 30, 0, 0}, {130, 50, 0, 0}, {140, -250, 0,
				0}}, "enter@70 exit@80"},
	} {
		t.Run(name, func(t *testing.T) {
			properties := `"radius_m":100`
			if test.properties != "" {
				properties += "," + test.properties
			}
			assert.Equal(t, test.want, told(fence(t, equator, properties), test.steps))
		})
	}
}

// TestNoiseAtTheEdge is a vehicle that stands on the edge for an hour with 15 m of noise.
func TestNoiseAtTheEdge(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	steps := []step{{0, 100, 0, 0}}
	naive, inside := 0, false
	for second := range 3600 {
		noise := random.Float64()*30 - 15
		steps = append(steps, step{float64(second + 1), noise, 0, 0})
		if inside != (noise <= 0) {
			inside = !inside
			naive++
		}
	}
	steps = append(steps, step{3601, 100, 0, 0})
	f := fence(t, equator, `"radius_m":100`)
	assert.Len(t, strings.Fields(told(f, steps)), 2)
	assert.Greater(t, naive, 50)
}

func TestWait(t *testing.T) {
	inside := step{0, -1, 0, 0}.fix()
	at := func(second int) time.Time { return midnight.Add(time.Duration(second) * time.Second) }
	f := fence(t, equator, `"radius_m":100,"dwell_s":60,"exit_after_s":100`)
	s, _ := f.Judge(nil, geofence.Standing{}, nil, inside)
	end, ok := f.DwellEnd(s)
	require.True(t, ok)
	assert.Equal(t, at(60), end)

	_, events := f.Wait(nil, s, inside, at(59))
	assert.Empty(t, events)
	dwelt, events := f.Wait(nil, s, inside, at(60))
	require.Len(t, events, 1)
	assert.Equal(t, "dwell@60-timer", word(events[0]))
	assert.Equal(t, time.Minute, events[0].Stay)
	_, events = f.Wait(nil, dwelt, inside, at(61))
	assert.Empty(t, events, "once")

	outside := step{30, 50, 0, 0}.fix()
	pending, _ := f.Judge(nil, s, &inside, outside)
	_, events = f.Wait(nil, pending, outside, at(60))
	assert.Empty(t, events, "contrary evidence cancels it")

	f = fence(t, equator,
		`"radius_m":100,"dwell_s":30,"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:02"}]}`)
	s, events = f.Judge(nil, geofence.Standing{}, nil, inside)
	assert.Empty(t, events)
	s, events = f.Wait(nil, s, inside, at(60))
	require.Len(t, events, 1)
	assert.Equal(t, "enter@60-schedule", word(events[0]))
	s, events = f.Wait(nil, s, inside, at(90))
	require.Len(t, events, 1)
	assert.Equal(t, "dwell@90-timer", word(events[0]))
	_, events = f.Wait(nil, s, inside, at(120))
	require.Len(t, events, 1)
	assert.Equal(t, "exit@120-schedule", word(events[0]))
}

// A fix that was on its way while a timer told something takes nothing back.
func TestFixFromBeforeATimer(t *testing.T) {
	f := fence(t, equator,
		`"radius_m":100,"dwell_s":30,"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:02"}]}`)
	at := func(second int) time.Time { return midnight.Add(time.Duration(second) * time.Second) }
	first, second := step{50, -1, 0, 0}.fix(), step{55, -1, 0, 0}.fix()
	s, _ := f.Judge(nil, geofence.Standing{}, nil, first)
	s, events := f.Wait(nil, s, first, at(60))
	require.Len(t, events, 1)
	s, events = f.Judge(nil, s, &first, second)
	assert.Empty(t, events, "it is still within the window")
	s, events = f.Wait(nil, s, second, at(90))
	require.Len(t, events, 1)
	third := step{80, 50, 0, 0}.fix()
	_, events = f.Judge(nil, s, &second, third)
	require.Len(t, events, 1)
	assert.Equal(t, "exit@90", word(events[0]), "the dwell was told as of then")
	assert.Equal(t, 30*time.Second, events[0].Stay)
}

func TestAdopt(t *testing.T) {
	silent, loud := fence(t, equator, `"radius_m":100`), fence(t, equator, `"radius_m":100,"initial":"events"`)
	inside, outside := step{0, -1, 0, 0}.fix(), step{1, 50, 0, 0}.fix()
	s, events := silent.Adopt(nil, inside)
	assert.True(t, s.Inside)
	assert.Empty(t, events)
	_, events = silent.Judge(nil, s, &inside, outside)
	require.Len(t, events, 1, "its exit is news")
	s, events = loud.Adopt(nil, inside)
	assert.True(t, s.Told)
	require.Len(t, events, 1)
	s, events = loud.Adopt(nil, outside)
	assert.Zero(t, s)
	assert.Empty(t, events)
}

// TestNoEnterWithoutExit walks at random: entries and exits take turns, in the order of the fixes.
func TestNoEnterWithoutExit(t *testing.T) {
	properties := []string{"", `"enter_after_s":5`, `"exit_after_s":5`, `"dwell_s":3`, `"max_gap_s":4`,
		`"margin_m":0`,
		`"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:03"},{"from":"00:04","to":"00:05"}]}`}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		all := `"radius_m":100`
		for _, p := range properties[1:] {
			if random.IntN(3) == 0 {
				all += "," + p
			}
		}
		f := fence(t, equator, all)
		var s geofence.Standing
		var events []geofence.Event
		var previous *geofence.Fix
		inside := false
		at, place := 0.0, 50.0
		for range 100 {
			at += random.Float64() * 6
			place += random.NormFloat64() * 60
			fix := step{at, place, random.Float64() * 60, 0}.fix()
			s, events = f.Judge(events[:0], s, previous, fix)
			for _, e := range events {
				require.Equal(t, fix.At, e.At)
				switch e.Type {
				case geofence.Enter:
					require.False(t, inside, "seed %d, %s", seed, all)
					inside = true
				case geofence.Exit:
					require.True(t, inside, "seed %d, %s", seed, all)
					inside = false
				case geofence.Dwell:
					require.True(t, inside, "seed %d, %s", seed, all)
				case geofence.Crossed:
					require.False(t, inside, "seed %d, %s", seed, all)
				}
			}
			require.Equal(t, inside, s.Told)
			previous = &fix
		}
	}
}

// TestCrossedAlong has ways of all lengths over fences of all kinds, compared with a walk in small steps.
func TestCrossedAlong(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	crossed := 0
	for range 80 {
		lon, lat := random.Float64()*360-180, random.Float64()*170-85
		f := fence(t, polygon(star(random, lon, lat, 0.02)), `"margin_m":50`)
		from := around(lon, lat, 0.03, random.Float64()*360)
		to := around(lon, lat, 0.03, random.Float64()*360)
		if f.Distance(from) <= 0 || f.Distance(to) <= 0 {
			continue
		}
		deepest := int64(0)
		for i := range 501 {
			at := float64(i) / 500
			dLon := to[0] - from[0]
			if dLon > 180 {
				dLon -= 360
			} else if dLon < -180 {
				dLon += 360
			}
			p := geo.Point{from[0] + at*dLon, from[1] + at*(to[1]-from[1])}
			deepest = min(deepest, f.Distance(p))
		}
		first := geofence.Fix{At: midnight, Point: from, Altitude: geofence.NoAltitude}
		second := geofence.Fix{At: midnight.Add(time.Minute), Point: to, Altitude: geofence.NoAltitude}
		_, events := f.Judge(nil, geofence.Standing{}, &first, second)
		if deepest < -55_000 {
			require.Len(t, events, 1, "%v to %v", from, to)
			require.Equal(t, geofence.Crossed, events[0].Type)
			crossed++
		} else if deepest > -50_000 {
			require.Empty(t, events)
		}
	}
	assert.Greater(t, crossed, 20)
}

// TestCrossedFarAway has a way across the equator whose ends lie where meridians are close.
func TestCrossedFarAway(t *testing.T) {
	f := fence(t, `{"type":"Point","coordinates":[0,0]}`, `"radius_m":100000`)
	for _, corner := range []geo.Point{{80, 80}, {-80, 80}, {80, -80}, {-80, -80}} {
		first := geofence.Fix{At: midnight, Point: corner, Altitude: geofence.NoAltitude}
		second := geofence.Fix{
			At: midnight.Add(time.Minute), Point: geo.Point{-corner[0], -corner[1]}, Altitude: geofence.NoAltitude,
		}
		_, events := f.Judge(nil, geofence.Standing{}, &first, second)
		assert.Len(t, events, 1, corner)
	}
}

func BenchmarkJudge(b *testing.B) {
	random := rand.New(rand.NewPCG(7, 8))
	var ring []geo.Point
	for i := range 9999 {
		ring = append(ring, around(13, 52, 0.1+0.001*random.Float64(), 360*float64(i)/9999))
	}
	for name, f := range map[string]*geofence.Fence{
		"square": fence(b, yard, ""), "circle": fence(b, `{"type":"Point","coordinates":[13,52]}`,
			`"radius_m":100`),
		"9999": fence(b, polygon(ring), ""),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var s geofence.Standing
			events := make([]geofence.Event, 0, 4)
			previous := geofence.Fix{At: midnight, Point: geo.Point{13.001, 52.001}, Altitude: geofence.NoAltitude}
			for i := range b.N {
				fix := geofence.Fix{At: previous.At.Add(time.Second), Point: around(13, 52, 0.1, float64(i)),
					Altitude: geofence.NoAltitude}
				s, events = f.Judge(events[:0], s, &previous, fix)
				previous = fix
			}
		})
	}
}
