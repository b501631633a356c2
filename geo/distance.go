package geo

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/paulmach/orb"
	orbgeo "github.com/paulmach/orb/geo"
)

const pointForm = "a point is longitude,latitude in degrees, as in 13.4,52.5"

// ParsePoint reads "longitude,latitude" in degrees. It wraps the longitude into ±180, as [ParseBox] does.
func ParsePoint(s string) (Point, error) {
	parts := strings.Split(s, ",")
	if len(parts) != 2 {
		return Point{}, fmt.Errorf("%s has %d parts instead of 2; %s", quote(s), len(parts), pointForm)
	}
	var p Point
	for i, name := range []string{"longitude", "latitude"} {
		v, err := parseDegrees(strings.TrimSpace(parts[i]))
		if err != nil {
			return Point{}, fmt.Errorf("%s is %s, which is not a finite number; %s", name, quote(parts[i]), pointForm)
		}
		p[i] = v
	}
	if math.Abs(p[1]) > 90 {
		return Point{}, fmt.Errorf("latitude is %v; it must be from -90 to 90; %s", p[1], pointForm)
	}
	p[0] = wrap(p[0])
	return p, nil
}

// Distance returns the length of the great circle between two points, in metres. The earth is a sphere here;
// the error is at most 0.7 %.
func Distance(a, b Point) float64 {
	d := orbgeo.DistanceHaversine(a, b)
	if math.IsNaN(d) { // of opposite points: the rounded sine of the half angle is above 1
		return math.Pi * orb.EarthRadius
	}
	return d
}

// AppendDistance appends a Feature that [Position.AppendFeature] made, with its distance from a point as a
// foreign member (RFC 7946, section 6.1).
func AppendDistance(dst, feature []byte, from Point) []byte {
	var p Point
	coordinates := strings.Split(strings.Trim(string(Coordinates(feature)), "[]"), ",")
	for i := range p {
		p[i], _ = strconv.ParseFloat(coordinates[i], 64)
	}
	dst = append(dst, feature[:len(feature)-1]...)
	dst = append(dst, `,"distance_m":`...)
	dst = strconv.AppendFloat(dst, math.Round(Distance(p, from)*10)/10, 'f', -1, 64)
	return append(dst, '}')
}
