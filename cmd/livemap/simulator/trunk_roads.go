package simulator

import (
	"math"
	"slices"
)

// Lengths and speed limits of trunk roads.
const (
	longestRoad = 175_000.0 // metres between neighbours that have a road of their own
	pointEvery  = 500.0     // metres between the points of a road's line

	suburbs = 6000.0 // metres from a city's centre; limitSuburb holds within
	inner   = 2000.0 // metres; limitInner holds within

	limitSuburb = 80 / 3.6 // m/s
	limitInner  = 50 / 3.6
)

// newRoads builds the trunk roads, the streets of some cities, and those of a real city, which may be nil.
//
// Two cities are neighbours where no third one lies in the circle between them
// (Gabriel and Sokal, 1969). Such a graph looks much like a road map.
func newRoads(streetsOf []int32, real *City) *roads {
	r := &roads{streets: map[int32][]int32{}, fastest: limitMain}
	for _, c := range cities {
		r.nodes = append(r.nodes, c.point())
	}
	for a := range cities {
		for b := range a {
			if neighbours(a, b) {
				r.addTrunk(int32(b), int32(a))
			}
		}
	}
	for _, c := range streetsOf {
		r.addStreets(c)
	}
	if real != nil {
		r.addCity(real.Streets)
	}
	r.link()
	return r
}

// neighbours reports whether a road leads from one city to the other.
func neighbours(a, b int) bool {
	from, to := cities[a], cities[b]
	apart := metres(from.point(), to.point())
	if apart > longestRoad ||
		slices.Contains(noRoad, [2]string{from.name, to.name}) ||
		slices.Contains(noRoad, [2]string{to.name, from.name}) {
		return false
	}
	for i, c := range cities {
		if i == a || i == b {
			continue
		}
		d, e := metres(c.point(), from.point()), metres(c.point(), to.point())
		if d*d+e*e < apart*apart {
			return false
		}
	}
	return true
}

// addTrunk adds the road between two cities: a line that swings to both sides in long, wide
// waves and in short, narrow ones.
func (r *roads) addTrunk(from, to int32) {
	random := chance(uint64(from)<<32|uint64(to), 1)
	a, b := r.nodes[from], r.nodes[to]
	apart := metres(a, b)
	var waves [14]float64 // metres that the line swings to a side in i+1 half waves
	for i := range waves {
		half := float64(i + 1)
		waves[i] = (2*random.Float64() - 1) * 0.03 * apart / math.Pow(half, 1.35)
	}
	towards := bearing(a, b) * math.Pi / 180
	count := int(apart/pointEvery) + 2
	line := make([]point, count+1)
	for i := range line {
		part, aside := float64(i)/float64(count), 0.0
		for k, swing := range waves {
			aside += swing * math.Sin(float64(k+1)*math.Pi*part)
		}
		chord := point{a[0] + part*(b[0]-a[0]), a[1] + part*(b[1]-a[1])}
		line[i] = moved(chord, aside*math.Cos(towards), -aside*math.Sin(towards))
	}
	e := r.addEdge(from, to, line...)
	e.trunk = true
	e.limit = []float64{100, 110, 120, 120, 130}[random.IntN(5)] / 3.6
	alpine := min(a[1], b[1]) < 47.6 && max(a[1], b[1]) > 45
	if alpine && random.IntN(2) == 0 || random.IntN(6) == 0 {
		e.addTunnel(0.25+0.5*random.Float64(), 650+350*random.Float64())
	}
}

// addTunnel adds a tunnel at a part of a road's length, outside the suburbs. A tunnel of up to
// a kilometre takes 20 to 60 s.
func (e *edge) addTunnel(part, length float64) {
	begin := part * e.length
	if begin > suburbs && begin+length < e.length-suburbs {
		e.tunnel = [2]float64{begin, begin + length}
	}
}
