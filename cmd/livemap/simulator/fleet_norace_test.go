//go:build !race

package simulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// report is a report as it was published.
type report struct {
	VehicleID   string   `json:"vehicle_id"`
	Kind        string   `json:"kind"`
	Driver      string   `json:"driver"`
	Line        string   `json:"line,omitempty"`
	Lat         float64  `json:"lat"`
	Lon         float64  `json:"lon"`
	Timestamp   float64  `json:"timestamp"`
	Speed       float64  `json:"speed_kmh"`
	Heading     float64  `json:"heading"`
	Accuracy    float64  `json:"accuracy"`
	Status      string   `json:"status"`
	EngineOn    bool     `json:"engine_on"`
	Fuel        *float64 `json:"fuel_percent,omitempty"`
	Battery     *float64 `json:"battery_percent,omitempty"`
	Odometer    float64  `json:"odometer_km"`
	Destination string   `json:"destination,omitempty"`
	Temperature *float64 `json:"temperature_c,omitempty"`
	Topics      []string `json:"topics,omitempty"`
}

func (r report) point() point { return point{r.Lon, r.Lat} }

// simulationStart is a whole second, so that timestamps show the simulated time.
var simulationStart = time.Unix(1_800_000_000, 0)

func simulated(vehicles int, rate float64, seed uint64) *Fleet {
	f := NewFleet(Config{Vehicles: vehicles, Rate: rate, Seed: seed, Start: simulationStart})
	f.exactGPS = true
	return f
}

// reports returns what a fleet reports up to a time. It checks each line.
func reports(t testing.TB, f *Fleet, to time.Duration) (list []report) {
	t.Helper()
	for line := range bytes.Lines(f.Advance(to, nil)) {
		var r report
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&r), "%s", line)
		list = append(list, r)
	}
	return list
}

// A fleet of the same config reports the same, in however many steps time passes. A fleet of
// another config reports otherwise.
func TestSimulatedFleetIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	const duration = 10 * time.Minute
	once := string(simulated(150, 1, 7).Advance(duration, nil))
	require.Greater(t, strings.Count(once, "\n"), 50_000)
	for _, step := range []time.Duration{time.Millisecond * 1234, 100 * time.Millisecond, 7 * time.Minute} {
		f := simulated(150, 1, 7)
		var steps []byte
		for to := time.Duration(0); to < duration; {
			to = min(to+step, duration)
			steps = f.Advance(to, steps)
		}
		assert.True(t, once == string(steps), "in steps of %v", step)
	}
	assert.False(t, once == string(simulated(150, 1, 8).Advance(duration, nil)), "another seed")
	assert.False(t, once == string(simulated(151, 1, 7).Advance(duration, nil)), "another size")
}

// No report is from the future, and all vehicles report up to the end.
func TestSimulatedFleetKeepsTime(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	t.Parallel()
	f := simulated(200, 1, 3)
	newest := map[string]float64{}
	var last float64
	for minute := range 11 {
		to := time.Duration(minute) * time.Minute
		for _, r := range reports(t, f, to) {
			if r.Timestamp > float64(simulationStart.Unix())+to.Seconds()+0.001 {
				require.Fail(t, "from the future", "%+v", r)
			}
			newest[r.VehicleID] = max(newest[r.VehicleID], r.Timestamp)
			last = max(last, r.Timestamp)
		}
	}
	assert.Len(t, newest, 200)
	assert.InDelta(t, float64(simulationStart.Unix())+10*60, last, 1)
}

// histories returns the reports of each vehicle in the order of their timestamps.
func histories(t testing.TB, f *Fleet, to time.Duration) map[string][]report {
	t.Helper()
	all := map[string][]report{}
	for _, r := range reports(t, f, to) {
		all[r.VehicleID] = append(all[r.VehicleID], r)
	}
	for _, history := range all {
		slices.SortStableFunc(history, func(a, b report) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	}
	return all
}

// motion is the movement of a vehicle between two of its reports.
type motion struct {
	before, after report
	seconds       float64
	distance      float64 // metres, as the crow flies
	expected      float64 // metres, by its speeds
	turned        float64 // degrees
	watched       bool    // no report is missing in between
	straight      bool
	corner        bool
}

func (m *motion) measure() {
	m.seconds = m.after.Timestamp - m.before.Timestamp
	m.distance = metres(m.before.point(), m.after.point())
	m.expected = (m.after.Speed + m.before.Speed) / 2 / 3.6 * m.seconds
	m.turned = apart(m.after.Heading, m.before.Heading)
	m.watched = m.seconds < 1.001
	m.straight = m.watched && m.turned < 3 && m.distance > 3
	m.corner = m.watched && m.turned > 80
}

// judge returns what is impossible about a motion; "" for a possible one.
func (m *motion) judge() string {
	change := math.Abs(m.after.Speed-m.before.Speed) / 3.6 / m.seconds
	driven := (m.after.Odometer - m.before.Odometer) * 1000
	switch {
	case m.seconds > 3*3600:
		return "silent for hours"
	case driven < m.distance*0.999-101, m.distance > m.seconds*131/3.6:
		return "a jump"
	case m.after.Speed > 131:
		return "too fast for any vehicle"
	case !m.watched:
		return ""
	case change > 2+0.03/m.seconds:
		return "harder than the brakes"
	case m.distance > m.expected+0.4:
		return "further than its speed"
	case m.after.Destination != "" && m.after.Speed > 51 && inTown(m.after.point()):
		return "too fast for a town"
	case m.corner && min(m.before.Speed, m.after.Speed) > 25:
		return "too fast for a corner"
	case m.straight && m.distance < m.expected-0.4-0.03*m.distance:
		return "not as far as its speed"
	case m.straight && apart(bearing(m.before.point(), m.after.point()), m.after.Heading) > 8:
		return "heads elsewhere"
	}
	return ""
}

// apart is the angle between two directions.
func apart(a, b float64) float64 { return math.Abs(math.Mod(a-b+540, 360) - 180) }

// inTown reports whether a point is in the inner part of a city.
func inTown(p point) bool {
	for _, c := range cities {
		if metres(p, c.point()) < 1900 {
			return true
		}
	}
	return false
}

func level(r report) float64 {
	if r.Fuel != nil {
		return *r.Fuel
	}
	return *r.Battery
}

// No vehicle reports from within a tunnel. A tunnel takes 20 to 60 s.
func TestSimulatedTunnels(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	r := newRoads(nil, nil)
	tunnels := 0
	for i := range r.edges {
		if e := &r.edges[i]; e.tunnel[1] > 0 {
			tunnels++
			length := e.tunnel[1] - e.tunnel[0]
			assert.Greater(t, length/e.limit, 17.0)
			assert.Less(t, length/(0.9*traits[truck].top), 60.0)
		}
	}
	assert.Greater(t, tunnels, 30)
	f := simulated(500, 1, 1)
	for minute := range 30 {
		f.Advance(time.Duration(minute)*time.Minute, nil)
		for i := range f.vehicles {
			if v := &f.vehicles[i]; f.roads.inTunnel(v.hop, v.metres) {
				assert.Empty(t, f.transmit(v, nil))
				tunnels = -1
			}
		}
	}
	assert.Equal(t, -1, tunnels, "some vehicle drives through one")
}

// At the start most vehicles drive: many in the two towns, the others everywhere.
func TestSimulatedFleetIsMidLife(t *testing.T) {
	f := simulated(1000, 1, 1)
	first := map[string]report{}
	kinds, cells := map[string]int{}, map[string]bool{}
	driving, berlin := 0, 0
	for _, r := range reports(t, f, 2*time.Second) {
		if _, again := first[r.VehicleID]; again {
			continue
		}
		first[r.VehicleID] = r
		kinds[r.Kind]++
		cells[fmt.Sprint(math.Floor(r.Lat), math.Floor(r.Lon))] = true
		if r.Speed > 0 {
			driving++
		}
		if metres(r.point(), cities[0].point()) < 15_000 {
			berlin++
		}
	}
	assert.Len(t, first, 1000, "all report within two seconds")
	assert.Greater(t, driving, 700)
	assert.Greater(t, berlin, 200)
	assert.Less(t, berlin, 400)
	assert.Greater(t, len(cells), 80, "cells of one degree with a vehicle in them")
	for k := range kinds {
		assert.Greater(t, kinds[k], 100, k)
	}
	assert.Len(t, kinds, 4)
}

// The GPS error of a vehicle is some metres, as its reported accuracy says.
func TestSimulatedGPS(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	f := NewFleet(Config{Vehicles: 200, Rate: 1, Seed: 1, Start: simulationStart})
	within, n := 0, 0
	for minute := range 15 {
		f.Advance(time.Duration(minute+1)*time.Minute, nil)
		for i := range f.vehicles {
			v := &f.vehicles[i]
			n++
			var r report
			require.NoError(t, json.Unmarshal(f.appendReport(nil, v), &r))
			if math.Hypot(v.drift[0], v.drift[1]) < r.Accuracy {
				within++
			}
			assert.Less(t, math.Hypot(v.drift[0], v.drift[1]), 40.0)
		}
	}
	assert.InDelta(t, 0.68, float64(within)/float64(n), 0.1, "the reported accuracy")
}

// Every report is what encoding/json would have written, and the hub's own parser accepts
// it.
func TestSimulatedReportsAreJSON(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	start := simulationStart.Add(123 * time.Millisecond)
	f := NewFleet(Config{Vehicles: 1000, Rate: 1, Seed: 5, Start: start})
	for line := range bytes.Lines(f.Advance(10*time.Second, nil)) {
		var r report
		require.NoError(t, json.Unmarshal(line, &r))
		again, err := json.Marshal(r)
		require.NoError(t, err)
		require.Equal(t, sorted(t, again), sorted(t, line))
		p, err := geo.ParsePosition(line)
		require.NoError(t, err, "%s", line)
		require.Equal(t, r.VehicleID, p.VehicleID)
		require.Equal(t, geo.Point(r.point()), p.Point)
		require.True(t, r.Heading >= 0 && r.Heading < 360 && r.Speed >= 0 && r.Accuracy > 0, "%s", line)
		require.True(t, level(r) >= 0 && level(r) <= 100, "%s", line)
		require.Equal(t, r.Kind == "bus", r.Line != "", "%s", line)
		require.LessOrEqual(t, len(line), 400)
	}
}

// sorted returns the members of a JSON object in order, each as it was written.
func sorted(t *testing.T, object []byte) (members []string) {
	t.Helper()
	var raw map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(object, &raw))
	for name, value := range raw {
		members = append(members, name+":"+string(value))
	}
	slices.Sort(members)
	return members
}

func TestAppendDecimal(t *testing.T) {
	for _, test := range []struct {
		value  float64
		digits int
		want   string
	}{
		{0, 6, "0"},
		{1, 6, "1"},
		{-1.5, 1, "-1.5"},
		{52.520008, 6, "52.520008"},
		{-0.0000004, 6, "0"},
		{-0.000001, 6, "-0.000001"},
		{13.4, 6, "13.4"},
		{99.95, 1, "100"},
		{359.6, 0, "360"},
		{0.05, 2, "0.05"},
		{123456.75, 1, "123456.8"},
		{-18.04, 1, "-18"},
		{1_800_000_000.123, 3, "1800000000.123"},
	} {
		assert.Equal(t, test.want, string(appendDecimal(nil, test.value, test.digits)), test.value)
	}
}

// Vehicles report their topics once, and again after ResendTopics.
func TestSimulatedFleetResendsTopics(t *testing.T) {
	f := simulated(50, 1, 1)
	count := func(to time.Duration) (n int) {
		for _, r := range reports(t, f, to) {
			if r.Topics != nil {
				n++
			}
		}
		return n
	}
	assert.Equal(t, 50, count(2*time.Second))
	assert.Equal(t, 0, count(4*time.Second))
	f.ResendTopics()
	assert.Equal(t, 50, count(50*time.Second), "parked vehicles report after half a minute")
}

// BenchmarkSimulatedReports measures fleets up to the size that a hub is meant for.
func BenchmarkSimulatedReports(b *testing.B) {
	for _, vehicles := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(vehicles), func(b *testing.B) {
			f := NewFleet(Config{Vehicles: vehicles, Rate: 1, Seed: 1, Start: simulationStart})
			buffer := f.Advance(2*time.Second, nil)
			b.ReportAllocs()
			b.ResetTimer()
			n := 0
			for now := 2 * time.Second; n < b.N; now += 100 * time.Millisecond {
				buffer = f.Advance(now, buffer[:0])
				n += bytes.Count(buffer, []byte("\n"))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/report")
		})
	}
}
