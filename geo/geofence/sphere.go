package geofence

import (
	"math"

	"livemap/geo"
)

// earthRadius lies in the middle between the smallest and the greatest radius of curvature of WGS 84, which
// are 6,335 and 6,400 km. So a distance is wrong by at most 0.5 %.
const earthRadius = 6_367_450 // metres

// place is a point on the sphere, in radians, with what its distances need.
type place struct {
	lon, lat       float64
	sinLat, cosLat float64
}

func placeOf(p geo.Point) place {
	var at place
	at.lon, at.lat = p[0]*(math.Pi/180), p[1]*(math.Pi/180)
	at.sinLat, at.cosLat = math.Sincos(at.lat)
	return at
}

// turn returns the angle from one longitude to another the short way round, from −π to π.
func turn(from, to float64) float64 {
	d := to - from
	switch {
	case d > math.Pi:
		return d - 2*math.Pi
	case d < -math.Pi:
		return d + 2*math.Pi
	}
	return d
}

// angle returns the great-circle distance from p to a longitude and latitude, in radians (haversine).
func (p *place) angle(lon, lat float64) float64 {
	sinLat, sinLon := math.Sin((lat-p.lat)/2), math.Sin((lon-p.lon)/2)
	h := float64(sinLat*sinLat) + float64(p.cosLat*math.Cos(lat)*sinLon*sinLon)
	return 2 * math.Asin(math.Sqrt(min(1, h)))
}

// An edge is straight in longitude and latitude (RFC 7946, section 3.1.1) and goes the short way round. The
// longitudes lie within ±π. An edge of length 0 is a point.
type edge struct {
	lon, lat       float64 // radians, where it begins
	endLon, endLat float64 // radians
	dLon, dLat     float64 // radians, from the one to the other
}

func makeEdge(from, to geo.Point) edge {
	a, b := placeOf(from), placeOf(to)
	return edge{a.lon, a.lat, b.lon, b.lat, turn(a.lon, b.lon), b.lat - a.lat}
}

// maxPiece is the length, in radians of longitude and latitude, up to which an edge has one nearest point.
const maxPiece = 5 * math.Pi / 180

// nearest returns the distance from p to the edge, in radians, or more than limit if it is more.
func (e *edge) nearest(p *place, limit float64) float64 {
	best := math.Inf(1)
	pieces := 1 + int(max(math.Abs(e.dLon), math.Abs(e.dLat))/maxPiece)
	step := edge{dLon: e.dLon / float64(pieces), dLat: e.dLat / float64(pieces)}
	for i := range pieces {
		// Longitudes count from p, so that neither the antimeridian nor rounding comes between.
		step.lon = turn(p.lon, e.lon) + float64(float64(i)*step.dLon)
		step.lat = e.lat + float64(float64(i)*step.dLat)
		if pieces > 1 && step.bound().nearest(p) > min(best, limit) {
			continue
		}
		best = min(best, step.nearestOfPiece(p))
	}
	return best
}

// nearestOfPiece returns the distance from p to a short edge whose longitudes count from p. It guesses the
// nearest point in the plane, and improves the guess by Newton's method on the sphere.
func (e *edge) nearestOfPiece(p *place) float64 {
	at := place{lat: p.lat, cosLat: p.cosLat} // at longitude 0
	begin := at.angle(e.lon, e.lat)
	if e.dLon == 0 && e.dLat == 0 {
		return begin
	}
	cos := math.Cos((p.lat + e.lat) / 2)
	x, y := e.dLon*cos, e.dLat
	t := -(float64(float64(e.lon*cos)*x) + float64((e.lat-p.lat)*y)) / (float64(x*x) + float64(y*y))
	for range 3 {
		t = max(0, min(1, t))
		sinLon, cosLon := math.Sincos(e.lon + float64(t*e.dLon))
		sinLat, cosLat := math.Sincos(e.lat + float64(t*e.dLat))
		// The cosine of the distance, and its first and second derivative by t.
		cosine := float64(p.sinLat*sinLat) + float64(p.cosLat*cosLat*cosLon)
		across := float64(p.cosLat * cosLat * sinLon)
		along := float64(p.sinLat*cosLat) - float64(p.cosLat*sinLat*cosLon)
		first := float64(e.dLat*along) - float64(e.dLon*across)
		second := float64(2*e.dLat*e.dLon*p.cosLat*sinLat*sinLon) - float64(e.dLat*e.dLat*cosine) -
			float64(e.dLon*e.dLon*p.cosLat*cosLat*cosLon)
		if second >= 0 {
			break // an end is the nearest
		}
		t -= first / second
	}
	t = max(0, min(1, t))
	inner := at.angle(e.lon+float64(t*e.dLon), e.lat+float64(t*e.dLat))
	return min(begin, inner, at.angle(e.lon+e.dLon, e.lat+e.dLat))
}

// bound is a range of longitudes around a middle one, and of latitudes, in radians.
type bound struct {
	middle, half float64 // of longitude; half of π or more: all longitudes
	south, north float64
}

func (e *edge) bound() bound {
	return bound{
		middle: e.lon + e.dLon/2, half: math.Abs(e.dLon) / 2,
		south: min(e.lat, e.lat+e.dLat), north: max(e.lat, e.lat+e.dLat),
	}
}

// nearest returns a distance, in radians, that no point of the bound is nearer to p than. The longitudes of
// the bound of a piece count from p.
func (b bound) nearest(p *place) float64 { return b.from(p, 0) }

// from is nearest for a bound whose longitudes count from 0 and a p at longitude lon.
func (b bound) from(p *place, lon float64) float64 {
	gap := max(0, b.south-p.lat, p.lat-b.north)
	aside := math.Abs(turn(b.middle, lon)) - b.half
	switch {
	case aside <= 0:
		return gap
	case aside >= math.Pi/2: // the pole is nearer than any point of that meridian
		return max(gap, math.Pi/2-math.Abs(p.lat))
	}
	return max(gap, math.Asin(p.cosLat*math.Sin(aside)))
}

// chunkSize is how many edges share a bound.
const chunkSize = 16

// path is edges in chunks, each with its bound.
type path struct{ chunks []chunk }

type chunk struct {
	bound bound
	edges []edge
}

func makePath(edges []edge) path {
	var p path
	for len(edges) > 0 {
		n := min(chunkSize, len(edges))
		p.chunks = append(p.chunks, chunk{boundOf(edges[:n]), edges[:n]})
		edges = edges[n:]
	}
	return p
}

// boundOf returns the bound of edges that follow one another.
func boundOf(edges []edge) bound {
	b := edges[0].bound()
	lon := edges[0].lon
	west, east := lon, lon
	for i := range edges {
		lon += edges[i].dLon
		west, east = min(west, lon), max(east, lon)
		own := edges[i].bound()
		b.south, b.north = min(b.south, own.south), max(b.north, own.north)
	}
	b.middle, b.half = math.Remainder((west+east)/2, 2*math.Pi), (east-west)/2
	if b.half >= math.Pi {
		b.half = math.Pi
	}
	return b
}

// nearest returns the distance from p to the nearest edge, in radians.
func (l path) nearest(p *place, limit float64) float64 {
	first, least := 0, math.Inf(1) // where the nearest edge likely is: then few others need a look
	if len(l.chunks) > 1 {
		for i := range l.chunks {
			if from := l.chunks[i].bound.from(p, p.lon); from < least {
				first, least = i, from
			}
		}
	}
	best := limit
	for i := range l.chunks {
		c := &l.chunks[(first+i)%len(l.chunks)]
		if c.bound.from(p, p.lon) > best {
			continue
		}
		for j := range c.edges {
			if len(c.edges) > 1 && c.edges[j].bound().from(p, p.lon) > best {
				continue
			}
			best = min(best, c.edges[j].nearest(p, best))
		}
	}
	return best
}

// crossings returns how many edges cross p's meridian north of p.
func (l path) crossings(p *place) int {
	n := 0
	for i := range l.chunks {
		c := &l.chunks[i]
		if c.bound.north < p.lat || math.Abs(turn(c.bound.middle, p.lon)) > c.bound.half+1e-9 {
			continue
		}
		for j := range c.edges {
			if c.edges[j].crossesNorthOf(p) {
				n++
			}
		}
	}
	return n
}

// crossesNorthOf reports whether an edge crosses p's meridian north of p. One end belongs to the edge and
// the other does not, so that a vertex on the meridian counts once. Each vertex is compared by itself, for
// both of its edges in the same way.
func (e *edge) crossesNorthOf(p *place) bool {
	begin, end := turn(p.lon, e.lon), turn(p.lon, e.endLon)
	if (begin >= 0) == (end >= 0) || math.Abs(begin)+math.Abs(end) > math.Pi { // the other meridian
		return false
	}
	return e.lat+float64(-begin/(end-begin)*e.dLat) > p.lat
}
