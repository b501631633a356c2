package geo

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/paulmach/orb"
)

// Box is the part of the globe between two meridians and two parallels, edges included. Its zero value
// is the whole world. A Box is immutable.
type Box struct {
	bounds [2]orb.Bound
	n      int // bounds in use; 0: the whole world
}

// boxForm is the form of a box, for errors.
const boxForm = "a box is west,south,east,north in degrees, as in 13.0,52.3,13.8,52.7"

// ParseBox reads "west,south,east,north" in degrees, in the order of RFC 7946, section 5. It wraps
// longitudes into ±180, so that a box with west > east crosses the antimeridian (section 5.2). A width of
// 360 or more covers all longitudes. It clamps latitudes to ±90.
func ParseBox(s string) (Box, error) {
	parts := strings.Split(s, ",")
	if len(parts) != 4 {
		return Box{}, fmt.Errorf("%s has %d parts instead of 4; %s", quote(s), len(parts), boxForm)
	}
	var edges [4]float64
	for i, part := range parts {
		v, err := parseDegrees(strings.TrimSpace(part))
		if err != nil {
			side := [...]string{"west", "south", "east", "north"}[i]
			return Box{}, fmt.Errorf("%s is %s, which is not a finite number; %s", side, quote(part), boxForm)
		}
		edges[i] = v
	}
	west, south, east, north := edges[0], edges[1], edges[2], edges[3]
	if south > north {
		return Box{}, fmt.Errorf("south (%v) is greater than north (%v); %s", south, north, boxForm)
	}
	return makeBox(west, max(-90, min(90, south)), east, max(-90, min(90, north))), nil
}

// parseDegrees reads a finite decimal number. It rejects the other forms that strconv accepts, such as
// 0x1p-2 and Inf.
func parseDegrees(s string) (float64, error) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, errors.New("not a decimal number")
	}
	return strconv.ParseFloat(s, 64)
}

func makeBox(west, south, east, north float64) Box {
	var b Box
	add := func(w, e float64) {
		b.bounds[b.n] = orb.Bound{Min: Point{w, south}, Max: Point{e, north}}
		b.n++
	}
	all := east-west >= 360
	west, east = wrap(west), wrap(east)
	if west == -180 && east == 180 && !all { // the antimeridian alone
		west, east = east, west
	}
	switch {
	case all && south == -90 && north == 90:
	case all:
		add(-180, 180)
	case west > east: // across the antimeridian
		add(west, 180)
		add(-180, east)
	case west == -180: // 180 is the same meridian
		add(west, east)
		add(180, 180)
	case east == 180:
		add(west, east)
		add(-180, -180)
	default:
		add(west, east)
	}
	return b
}

// wrap moves a longitude into ±180 without rounding.
func wrap(longitude float64) float64 {
	if -180 <= longitude && longitude <= 180 {
		return longitude
	}
	return math.Remainder(longitude, 360)
}

// Contains reports whether p is inside the box or on its edge.
func (b Box) Contains(p Point) bool {
	for i := range b.n {
		if b.bounds[i].Contains(p) {
			return true
		}
	}
	return b.n == 0
}

// World reports whether the box holds every point.
func (b Box) World() bool { return b.n == 0 }

// Rects returns one or two rectangles that together hold the same points as the box. Each is a smallest
// and a largest point.
func (b Box) Rects() [][2]Point {
	if b.n == 0 {
		return [][2]Point{{{-180, -90}, {180, 90}}}
	}
	rects := make([][2]Point, b.n)
	for i := range rects {
		rects[i] = [2]Point{b.bounds[i].Min, b.bounds[i].Max}
	}
	return rects
}
