//go:build !race

package simulator

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/streets"
)

// florence is the city of these tests.
func florence(t testing.TB) *City {
	t.Helper()
	n, err := streets.Read(streets.Florence)
	require.NoError(t, err)
	return &City{Name: "Firenze", Streets: n}
}

func simulatedIn(city *City, vehicles int, rate float64) *Fleet {
	f := NewFleet(Config{Vehicles: vehicles, Rate: rate, Seed: 1, Start: simulationStart, City: city})
	f.exactGPS = true
	return f
}

// inFlorence reports whether a point is in the real city.
func inFlorence(p point) bool { return p[0] > 11.2 && p[0] < 11.3 && p[1] > 43.75 && p[1] < 43.8 }

// Half of the fleet drives in the real city, for as long as one looks.
func TestCityHasHalfOfTheFleet(t *testing.T) {
	f := simulatedIn(florence(t), 200, 1)
	for minute := range 5 {
		inside := map[string]bool{}
		for _, r := range reports(t, f, time.Duration(minute)*time.Minute) {
			if inFlorence(r.point()) {
				inside[r.VehicleID] = true
			}
			if r.Topics != nil {
				assert.Equal(t, inFlorence(r.point()), r.Topics[0] == "depot:firenze", r)
			}
		}
		if minute > 0 {
			assert.InDelta(t, 100, len(inside), 5)
		}
	}
}

// A fleet of the same config reports the same in the city, in however many steps time passes.
func TestCityIsReproducible(t *testing.T) {
	city := florence(t)
	once := string(simulatedIn(city, 60, 1).Advance(5*time.Minute, nil))
	require.Greater(t, strings.Count(once, "\n"), 10_000)
	f := simulatedIn(florence(t), 60, 1)
	var steps []byte
	for to := time.Duration(0); to < 5*time.Minute; {
		to = min(to+1234*time.Millisecond, 5*time.Minute)
		steps = f.Advance(to, steps)
	}
	assert.True(t, once == string(steps))
}

// Every vehicle is on a street, and drives in a direction in which that street may be driven. It moves as its
// speed says, within its brakes, and not faster than the street allows.
func TestCityVehiclesDriveOnStreets(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	city := florence(t)
	on := newStreetIndex(city.Streets)
	f := simulatedIn(city, 100, 1)
	turns, oneWays, halts := 0, 0, map[string]int{}
	for id, history := range histories(t, f, 12*time.Minute) {
		for i, r := range history {
			if !inFlorence(r.point()) {
				break
			}
			halts[r.Status]++
			found, legal, oneWay, limit := on.at(r.point(), r.Heading)
			require.True(t, found, "%s is on no street: %+v", id, r)
			require.True(t, legal, "%s drives against a one-way: %+v", id, r)
			require.LessOrEqual(t, r.Speed, limit*3.6+0.11, "%s is too fast: %+v", id, r)
			if oneWay {
				oneWays++
			}
			if i == 0 {
				continue
			}
			m := motion{before: history[i-1], after: r}
			m.measure()
			if m.corner = m.corner && m.turned < 100; !m.watched {
				continue
			}
			change := math.Abs(r.Speed-history[i-1].Speed) / 3.6 / m.seconds
			require.LessOrEqual(t, change, 2.03, "%s brakes too hard: %+v, then %+v", id, history[i-1], r)
			require.LessOrEqual(t, m.distance, m.expected+0.5, "%s is further than its speed: %+v", id, r)
			if m.corner {
				turns++
				require.Less(t, min(r.Speed, history[i-1].Speed), 30.0, "%s turns too fast: %+v", id, r)
			}
		}
	}
	assert.Greater(t, turns, 100)
	assert.Greater(t, oneWays, 10_000)
	t.Logf("%d turns, %v", turns, halts)
	for _, status := range []string{"driving", "waiting", "at stop", "delivering", "on site"} {
		assert.Greater(t, halts[status], 100, status)
	}
	assert.Greater(t, halts["driving"], 10_000)
}

// Buses keep to lines, which have stops and lead back to their start.
func TestCityBusLines(t *testing.T) {
	f := simulatedIn(florence(t), 400, 1)
	lines := f.lines[realCity]
	assert.Greater(t, len(lines), 4)
	for _, line := range lines {
		stops := 0
		for i, h := range line.route {
			next := line.route[(i+1)%len(line.route)]
			require.Equal(t, f.roads.end(h), f.roads.start(next), "line %s is a round", line.name)
			require.False(t, h.backwards() && f.roads.edge(h).oneWay, "line %s", line.name)
			if f.busStops[h] {
				stops++
			}
		}
		assert.Greater(t, stops, 5, line.name)
	}
}

// At a crossing, one axis is red while the other is green.
func TestSignals(t *testing.T) {
	f := simulatedIn(florence(t), 2, 1)
	signals := 0
	for node, has := range f.roads.signals {
		if !has {
			continue
		}
		signals++
		for i := range f.roads.edges {
			e, h := &f.roads.edges[i], hop(2*i)
			if e.ends[1] != node {
				continue
			}
			red, green := time.Duration(0), time.Duration(0)
			for at := time.Duration(0); at < 2*signalCycle; at += time.Second {
				if f.red(h, at) > 0 {
					red += time.Second
				} else {
					green += time.Second
				}
			}
			assert.Equal(t, signalCycle, red)
			assert.Equal(t, signalCycle, green)
		}
	}
	assert.Greater(t, signals, 20)
}

// streetIndex finds the streets near a point.
type streetIndex struct {
	network *streets.Network
	cells   map[[2]int][][2]int // of 0.0005 degrees: street and index of a point of its line
}

func cellOf(p point) [2]int {
	return [2]int{int(math.Floor(p[0] / 0.0005)), int(math.Floor(p[1] / 0.0005))}
}

func newStreetIndex(n *streets.Network) *streetIndex {
	x := &streetIndex{n, map[[2]int][][2]int{}}
	for i, s := range n.Streets {
		for k := 1; k < len(s.Line); k++ {
			a, b := point(s.Line[k-1]), point(s.Line[k])
			steps := int(metres(a, b)/20) + 1
			for step := range steps + 1 {
				part := float64(step) / float64(steps)
				cell := cellOf(point{a[0] + part*(b[0]-a[0]), a[1] + part*(b[1]-a[1])})
				if piece := [2]int{i, k}; !slices.Contains(x.cells[cell], piece) {
					x.cells[cell] = append(x.cells[cell], piece)
				}
			}
		}
	}
	return x
}

// at reports whether a point is on a street, whether one there may be driven in a direction, whether all
// there are one-ways, and the highest speed limit there, in m/s.
func (x *streetIndex) at(p point, heading float64) (found, legal, oneWay bool, limit float64) {
	oneWay = true
	centre := cellOf(p)
	for dx := -1; dx <= 1; dx++ {
		for dy := -1; dy <= 1; dy++ {
			for _, piece := range x.cells[[2]int{centre[0] + dx, centre[1] + dy}] {
				s := x.network.Streets[piece[0]]
				a, b := point(s.Line[piece[1]-1]), point(s.Line[piece[1]])
				if away(p, a, b) > 0.3 {
					continue
				}
				along := bearing(a, b)
				found, oneWay, limit = true, oneWay && s.OneWay, max(limit, s.Limit)
				legal = legal || apart(along, heading) < 5 || !s.OneWay && apart(along, heading) > 175
			}
		}
	}
	return found, legal, oneWay, limit
}

// away is the distance of a point from a piece of a line, in metres.
func away(p, a, b point) float64 {
	scale := math.Cos(p[1] * math.Pi / 180)
	x, y := (b[0]-a[0])*scale, b[1]-a[1]
	dx, dy := (p[0]-a[0])*scale, p[1]-a[1]
	part := min(max((dx*x+dy*y)/(x*x+y*y), 0), 1)
	return degree * math.Hypot(dx-part*x, dy-part*y)
}
