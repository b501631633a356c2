package geofence

import (
	"math"

	"livemap/geo"
)

// Rect is a part of the globe, edges included: its south-western and north-eastern corner, each longitude and
// latitude in degrees. The longitudes do not go across the antimeridian.
type Rect [2][2]float64

// aLittle is more than rounding can amount to, in radians. It is 6 mm.
const aLittle = 1e-9

// Bounds returns rectangles that hold the whole fence together, and a little more. There is one for each
// polygon, and for each few edges of a line; those across the antimeridian are two.
func (f *Fence) Bounds() (all []Rect) {
	for i := range f.shape.areas {
		all = f.shape.areas[i].rings[0].bound().appendRects(all, 0)
	}
	for i := range f.shape.lines.chunks {
		all = f.shape.lines.chunks[i].bound.appendRects(all, f.shape.radius)
	}
	return all
}

// Size returns how large the bounds are, to compare fences by.
func (f *Fence) Size() (size float64) {
	for _, r := range f.Bounds() {
		size += float64((r[1][0] - r[0][0]) * (r[1][1] - r[0][1]))
	}
	return size
}

// bound returns the bound of the inside of a ring.
func (r *ring) bound() bound {
	var edges []edge
	round := 0.0
	for i := range r.chunks {
		edges = append(edges, r.chunks[i].edges...)
	}
	for i := range edges {
		round += edges[i].dLon
	}
	b := boundOf(edges)
	switch around := math.Abs(round) > math.Pi; {
	case around && r.aroundNorth:
		b.half, b.north = math.Pi, math.Pi/2
	case around:
		b.half, b.south = math.Pi, -math.Pi/2
	}
	return b
}

// appendRects appends the rectangles that hold everything within a radius of the bound, in radians.
func (b bound) appendRects(all []Rect, radius float64) []Rect {
	const degrees = 180 / math.Pi
	radius += aLittle
	south, north := max(-math.Pi/2, b.south-radius), min(math.Pi/2, b.north+radius)
	half, cos := b.half+aLittle, math.Cos(max(math.Abs(b.south), math.Abs(b.north)))
	if sin := math.Sin(radius); sin < cos && radius < math.Pi/2 {
		half += math.Asin(sin / cos)
	} else {
		half = math.Pi // a pole is within the radius
	}
	rect := func(west, east float64) Rect {
		return Rect{{west * degrees, south * degrees}, {east * degrees, north * degrees}}
	}
	west, east := b.middle-half, b.middle+half
	switch {
	case half >= math.Pi:
		return append(all, rect(-math.Pi, math.Pi))
	case west < -math.Pi:
		return append(all, rect(west+2*math.Pi, math.Pi), rect(-math.Pi, east))
	case east > math.Pi:
		return append(all, rect(west, math.Pi), rect(-math.Pi, east-2*math.Pi))
	}
	return append(all, rect(west, east))
}

// HasAltitudes reports whether altitudes matter to the fence.
func (f *Fence) HasAltitudes() bool {
	return f.minAltitude > -noAltitude*1000 || f.maxAltitude < noAltitude*1000
}

// Always reports whether the schedule is always active.
func (s *Schedule) Always() bool { return s.zone == nil }

// Contains reports whether a point is in the rectangle or on its edge.
func (r *Rect) Contains(p geo.Point) bool {
	return r[0][0] <= p[0] && p[0] <= r[1][0] && r[0][1] <= p[1] && p[1] <= r[1][1]
}
