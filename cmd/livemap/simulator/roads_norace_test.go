//go:build !race

package simulator

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allStreets returns every city, for newRoads.
func allStreets() (all []int32) {
	for i := range cities {
		all = append(all, int32(i))
	}
	return all
}

func TestSimulatedCities(t *testing.T) {
	names, depots := map[string]bool{}, map[string]bool{}
	for _, c := range cities {
		assert.False(t, names[c.name], "%s is there twice", c.name)
		assert.False(t, depots[c.depot()], "%s is there twice", c.depot())
		names[c.name], depots[c.depot()] = true, true
		assert.Regexp(t, `^depot:[a-z-]+$`, c.depot())
		inMap := -1 <= c.lon && c.lon <= 21.5 && 43.5 <= c.lat && c.lat <= 54.5
		assert.True(t, inMap, "%s is elsewhere", c.name)
	}
	for _, pair := range noRoad {
		assert.True(t, names[pair[0]] && names[pair[1]], pair)
	}
}

// Roads lead from each city to each other, and streets to each crossing of a city.
func TestSimulatedRoadsConnect(t *testing.T) {
	r := newRoads(allStreets(), nil)
	reached := func(from int32) map[int32]bool {
		seen := map[int32]bool{from: true}
		for queue := []int32{from}; len(queue) > 0; queue = queue[1:] {
			for _, h := range r.leaving(queue[0]) {
				require.Equal(t, queue[0], r.start(h))
				if to := r.end(h); !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
		return seen
	}
	assert.Len(t, reached(0), len(cities))
	for c := range cities {
		crossings := r.streets[int32(c)]
		assert.Greater(t, len(crossings), 30, cities[c].name)
		assert.Len(t, reached(crossings[0]), len(crossings), cities[c].name)
	}
}

// Every edge is the same line in both directions, without a jump. On trunk roads it has no
// corner.
func TestSimulatedRoadsAreLines(t *testing.T) {
	r := newRoads([]int32{0}, nil)
	for i := range r.edges {
		e, h := &r.edges[i], hop(2*i)
		require.Less(t, e.length, 1.1*longestRoad)
		if !e.trunk {
			require.GreaterOrEqual(t, e.length, shortestBlock-1)
		}
		begin, _ := r.place(h, 0)
		require.InDelta(t, 0, metres(begin, r.nodes[r.start(h)]), 0.01)
		end, _ := r.place(h.reversed(), 0)
		require.InDelta(t, 0, metres(end, r.nodes[r.end(h)]), 0.01)
		before, was := r.place(h, 0)
		for at := 50.0; at < e.length; at += 50 {
			here, heading := r.place(h, at)
			there, opposite := r.place(h.reversed(), e.length-at)
			if metres(here, there) > 0.01 || math.Abs(apart(heading, opposite)-180) > 0.01 {
				require.Fail(t, "not the same line back", "edge %d at %v m", i, at)
			}
			if math.Abs(metres(before, here)-50) > 1 || apart(heading, was) > 8 {
				require.Fail(t, "a corner on a road", "edge %d at %v m", i, at)
			}
			before, was = here, heading
		}
		if e.tunnel[1] > 0 {
			require.Less(t, 0.0, e.tunnel[0])
			require.Less(t, e.tunnel[1], e.length)
		}
	}
}

// No road leads through the sea. The page's coasts are those of Natural Earth; a bridge over an
// estuary is as far from land as a road gets.
func TestSimulatedRoadsAreOnLand(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	coast := readCoast(t)
	r := newRoads(allStreets(), nil)
	for i := range r.edges {
		for _, p := range r.points[r.edges[i].line[0]:r.edges[i].line[1]] {
			if !coast.ashore(p) && coast.offshore(p) > 1500 {
				from, to := r.edges[i].ends[0], r.edges[i].ends[1]
				name := "a street"
				if r.edges[i].trunk {
					name = cities[from].name + " – " + cities[to].name
				}
				require.Fail(t, "in the sea", "%s at %v", name, p)
			}
		}
	}
	for name, p := range map[string]point{
		"Kiel Bight":      {10.4, 54.5},
		"English Channel": {0, 50},
		"North Sea":       {3, 52},
	} {
		assert.False(t, coast.ashore(p), "%s is no land", name)
		assert.Greater(t, coast.offshore(p), 1500.0, name)
	}
}

// coast is the outlines of all land, in pieces, by row. A row is a twentieth of a degree
// high.
type coast map[int][][2]point

func row(lat float64) int { return int(math.Floor(lat * 20)) }

func (c coast) add(a, b point) {
	for i := row(min(a[1], b[1])); i <= row(max(a[1], b[1])); i++ {
		c[i] = append(c[i], [2]point{a, b})
	}
}

// ashore reports whether a point is on land: an odd number of pieces is west of it.
func (c coast) ashore(p point) (in bool) {
	for _, piece := range c[row(p[1])] {
		a, b := piece[0], piece[1]
		if (a[1] > p[1]) != (b[1] > p[1]) && p[0] > a[0]+(p[1]-a[1])/(b[1]-a[1])*(b[0]-a[0]) {
			in = !in
		}
	}
	return in
}

// offshore is about the distance from a point to the nearest piece, in metres.
func (c coast) offshore(p point) float64 {
	nearest := math.Inf(1)
	for i := row(p[1]) - 1; i <= row(p[1])+1; i++ {
		for _, piece := range c[i] {
			for part := 0.0; part <= 1; part += 0.125 {
				a, b := piece[0], piece[1]
				nearest = min(nearest, metres(p, point{a[0] + part*(b[0]-a[0]), a[1] + part*(b[1]-a[1])}))
			}
		}
	}
	return nearest
}

// readCoast reads the land of the page's map (TopoJSON).
func readCoast(t *testing.T) coast {
	t.Helper()
	text, err := os.ReadFile("../../../web/node_modules/world-atlas/land-10m.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the page's packages are not installed")
	}
	require.NoError(t, err)
	var atlas struct {
		Transform struct{ Scale, Translate [2]float64 }
		Arcs      [][][2]float64
		Objects   struct {
			Land struct {
				Geometries []struct{ Arcs [][][]int }
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &atlas))
	c := coast{}
	for _, geometry := range atlas.Objects.Land.Geometries {
		for _, polygon := range geometry.Arcs {
			for _, outline := range polygon {
				for _, arc := range outline {
					points := unpackArc(atlas.Arcs, arc, atlas.Transform.Scale, atlas.Transform.Translate)
					for i := range points[1:] {
						c.add(points[i], points[i+1])
					}
				}
			}
		}
	}
	return c
}

// unpackArc sums up the differences of a TopoJSON arc; arc ^i is arc i backwards.
func unpackArc(arcs [][][2]float64, i int, scale, translate [2]float64) []point {
	backwards := i < 0
	if backwards {
		i = ^i
	}
	points := make([]point, len(arcs[i]))
	x, y := 0.0, 0.0
	for k, d := range arcs[i] {
		x, y = x+d[0], y+d[1]
		at := k
		if backwards {
			at = len(points) - 1 - k
		}
		points[at] = point{x*scale[0] + translate[0], y*scale[1] + translate[1]}
	}
	return points
}

func TestSimulatedNamesNeedNoEscapes(t *testing.T) {
	for _, c := range cities {
		text, err := json.Marshal(c.name)
		require.NoError(t, err)
		assert.Equal(t, `"`+c.name+`"`, string(text))
		assert.Equal(t, c.name, strings.TrimSpace(c.name))
	}
}
