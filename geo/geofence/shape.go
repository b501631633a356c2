package geofence

import (
	"math"

	"livemap/geo"
)

// shape is where a fence is: areas, or everything within a radius of lines.
type shape struct {
	areas  []area
	lines  path
	radius float64 // radians
}

// area is the inside of a ring without its holes.
type area struct {
	rings []ring // the outer one first
}

// ring is a closed line. It may go round a pole, which is then on its inner side.
type ring struct {
	path
	aroundNorth bool
}

// contains reports whether p is on the inner side of the ring. On its line, the answer is of no use.
func (r *ring) contains(p *place) bool { return r.crossings(p)%2 == 1 != r.aroundNorth }

// distance returns how far p is from the boundary in whole millimetres: negative inside, 0 on it.
func (s *shape) distance(p *place) int64 {
	if len(s.areas) == 0 {
		return millimetres(s.lines.nearest(p, math.Inf(1)) - s.radius)
	}
	nearest := math.Inf(1)
	inside := false
	for i := range s.areas {
		a := &s.areas[i]
		within := a.rings[0].contains(p)
		for j := range a.rings {
			nearest = a.rings[j].nearest(p, nearest)
			if j > 0 && within && a.rings[j].contains(p) {
				within = false
			}
		}
		inside = inside || within
	}
	if inside {
		nearest = -nearest
	}
	return millimetres(nearest)
}

func millimetres(radians float64) int64 { return int64(math.Round(radians * earthRadius * 1000)) }

// Distance returns how far p is from the fence's boundary, in whole millimetres: negative inside, 0 on the
// boundary. A fence's distances are great circles, wrong by at most 0.5 %.
func (f *Fence) Distance(p geo.Point) int64 {
	at := placeOf(p)
	return f.shape.distance(&at)
}

// steps returns into how many parts a segment is cut at most in search of where it is deepest. A corner that
// is narrower than such a part may be missed. They are fewer with many edges: one position must not hold up
// all others.
func (s *shape) steps() float64 {
	edges := len(s.lines.chunks)
	for i := range s.areas {
		for j := range s.areas[i].rings {
			edges += len(s.areas[i].rings[j].chunks)
		}
	}
	const most, least, all = 1000, 100, 1_000_000
	return max(least, min(most, all/float64(edges*chunkSize)))
}

// crosses reports whether the way between two points, straight in longitude and latitude, is somewhere
// deeper inside than depth, in millimetres.
func (s *shape) crosses(from, to geo.Point, depth int64) bool {
	way := makeEdge(from, to)
	// No way is longer than along a meridian and the equator.
	length := float64(millimetres(math.Abs(way.dLat) + math.Abs(way.dLon)))
	if length == 0 {
		return false
	}
	shortest := 1 / s.steps()
	for t := 0.0; t <= 1; {
		var at place
		at.lon, at.lat = wrap(way.lon+float64(t*way.dLon)), way.lat+float64(t*way.dLat)
		at.sinLat, at.cosLat = math.Sincos(at.lat)
		missing := s.distance(&at) + depth
		if missing < 0 {
			return true
		}
		t += max(shortest, float64(missing)/length)
	}
	return false
}

// wrap returns the longitude within ±π.
func wrap(lon float64) float64 { return turn(0, lon) }
