package geofence_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/geo/geofence"
)

// fence parses a geometry with properties.
func fence(t testing.TB, geometry, properties string) *geofence.Fence {
	t.Helper()
	f, err := geofence.Parse("f", []byte(fmt.Sprintf(
		`{"type":"Feature","geometry":%s,"properties":{%s}}`, geometry, properties)))
	require.NoError(t, err)
	return f
}

// polygon is the geometry of rings, without their last positions.
func polygon(rings ...[]geo.Point) string {
	var texts []string
	for _, ring := range rings {
		var positions []string
		for _, p := range append(ring, ring[0]) {
			positions = append(positions, fmt.Sprintf("[%v,%v]", p[0], p[1]))
		}
		texts = append(texts, "["+strings.Join(positions, ",")+"]")
	}
	return `{"type":"Polygon","coordinates":[` + strings.Join(texts, ",") + `]}`
}

func square(west, south, east, north float64) []geo.Point {
	return []geo.Point{{west, south}, {east, south}, {east, north}, {west, north}}
}

func TestDistance(t *testing.T) {
	const metre = 1000
	town := square(13, 52, 14, 53)
	for name, test := range map[string]struct {
		geometry, properties string
		at                   geo.Point
		want                 float64 // millimetres
	}{
		"in the middle of a square": {polygon(town), "", geo.Point{13.5, 52.5},
			-33_840 * metre},
		"on its western edge": {polygon(town), "", geo.Point{13, 52.5}, 0},
		"on a corner":         {polygon(town), "", geo.Point{14, 53}, 0},
		"south of it": {polygon(town), "", geo.Point{13.5, 51.99},
			1_111.3 * metre},
		"in a hole": {polygon(town, square(13.4, 52.4, 13.6, 52.6)), "",
			geo.Point{13.5, 52.59}, 1_111.3 * metre},
		"on the edge of a hole": {polygon(town, square(13.4, 52.4, 13.6, 52.6)), "",
			geo.Point{13.5, 52.6}, 0},
		"across the antimeridian": {polygon(square(179, -1, -179, 1)), "",
			geo.Point{-179.5, 0}, -55_566 * metre},
		"on the antimeridian": {polygon(square(179, -1, -179, 1)), "", geo.Point{180,
			0.99}, -1_111.3 * metre},
		"on it, told as its other name": {polygon(square(179, -1, -179, 1)), "", geo.Point{-180,
			0.99}, -1_111.3 * metre},
		"beyond it": {polygon(square(179, -1, -179, 1)), "",
			geo.Point{-178.99, 0}, 1_111.3 * metre},
		"at the pole within a ring": {polygon([]geo.Point{{0, 80}, {90, 80}, {-180, 80},
			{-90, 80}}), "", geo.Point{77, 90}, -1_111_330 * metre},
		"at the other pole": {polygon([]geo.Point{{0, 80}, {90, 80}, {-180, 80},
			{-90, 80}}), "", geo.Point{0, -90}, 18_892_000 * metre},
		"beside a ring round the south": {polygon([]geo.Point{{0, -80}, {90, -80}, {-180, -80},
			{-90, -80}}), "", geo.Point{45, -79}, 111_130 * metre},
		"within a ring round the south": {polygon([]geo.Point{{0, -80}, {90, -80}, {-180, -80},
			{-90, -80}}), "", geo.Point{45, -81}, -111_130 * metre},
		"over the pole from a corner": {polygon([]geo.Point{{0, 89.99}, {1, 89.99}, {1, 89},
			{0, 89}}), "", geo.Point{-180, 89.99}, 2_222.6 * metre},
		"in the middle of a circle": {`{"type":"Point","coordinates":[13,52]}`,
			`"radius_m":100`, geo.Point{13, 52}, -100 * metre},
		"outside of a circle": {`{"type":"Point","coordinates":[13,52]}`,
			`"radius_m":100`, geo.Point{13, 52.001}, 11.13 * metre},
		"a circle at the antimeridian": {`{"type":"Point","coordinates":[180,0]}`,
			`"radius_m":200`, geo.Point{-179.999, 0}, -88.87 * metre},
		"a circle at the pole": {`{"type":"Point","coordinates":[12,90]}`,
			`"radius_m":2000`, geo.Point{-100, 89.99}, -888.7 * metre},
		"beside a line": {
			`{"type":"LineString","coordinates":[[13,52],[13,53]]}`, "", geo.Point{13.001, 52.5}, 42.65 * metre},
		"beyond the end of a line": {
			`{"type":"LineString","coordinates":[[13,52],[13,53]]}`, `"radius_m":50`, geo.Point{13, 53.001},
			61.13 * metre},
		"the second of two lines": {
			`{"type":"MultiLineString","coordinates":[[[0,0],[0,1]],[[13,52],[13,53]]]}`, `"radius_m":50`,
			geo.Point{13, 52.5}, -50 * metre},
		"the second of two areas": {
			`{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],` +
				`[[[13,52],[14,52],[14,53],[13,53],[13,52]]]]}`, "", geo.Point{13.01, 52.5}, -676.5 * metre},
		"an edge along a parallel, not a great circle": {polygon(square(0, 60, 90, 61)), "", geo.Point{45,
			60.001}, -111.13 * metre},
	} {
		t.Run(name, func(t *testing.T) {
			got := fence(t, test.geometry, test.properties).Distance(test.at)
			assert.InDelta(t, test.want, got, max(1, math.Abs(test.want)*0.002))
		})
	}
}

// TestDistanceOfEllipsoid compares short distances with those of WGS 84, by its radii of curvature.
func TestDistanceOfEllipsoid(t *testing.T) {
	const a, e2 = 6378137.0, 0.00669437999014
	for lat := -89.0; lat <= 89; lat += 0.5 {
		circle := fence(t, fmt.Sprintf(`{"type":"Point","coordinates":[10,%v]}`, lat), `"radius_m":1`)
		sin, cos := math.Sincos(lat * math.Pi / 180)
		w := math.Sqrt(1 - e2*sin*sin)
		const step = 0.001 // degrees
		north := a * (1 - e2) / (w * w * w) * step * math.Pi / 180
		east := a / w * cos * step * math.Pi / 180
		assert.InEpsilon(t, north, float64(circle.Distance(geo.Point{10, lat + step}))/1000+1, 0.0052)
		assert.InEpsilon(t, east, float64(circle.Distance(geo.Point{10 + step, lat}))/1000+1, 0.0052)
	}
}

// vector is a point on the unit sphere.
type vector [3]float64

func vectorOf(p geo.Point) vector {
	sinLon, cosLon := math.Sincos(p[0] * math.Pi / 180)
	sinLat, cosLat := math.Sincos(p[1] * math.Pi / 180)
	return vector{cosLat * cosLon, cosLat * sinLon, sinLat}
}

func (v vector) dot(w vector) float64 { return v[0]*w[0] + v[1]*w[1] + v[2]*w[2] }

func (v vector) cross(w vector) vector {
	return vector{v[1]*w[2] - v[2]*w[1], v[2]*w[0] - v[0]*w[2], v[0]*w[1] - v[1]*w[0]}
}

func (v vector) angle(w vector) float64 {
	c := v.cross(w)
	return math.Atan2(math.Sqrt(c.dot(c)), v.dot(w))
}

// sampled returns points along the edges of a ring, n on each, by another way than the package: no edge is
// cut at the antimeridian here, and nothing but points on the sphere is left.
func sampled(ring []geo.Point, n int) []vector {
	var points []vector
	for i, from := range ring {
		to := ring[(i+1)%len(ring)]
		dLon := math.Mod(to[0]-from[0]+540, 360) - 180
		for k := range n {
			t := float64(k) / float64(n)
			points = append(points, vectorOf(geo.Point{from[0] + t*dLon, from[1] + t*(to[1]-from[1])}))
		}
	}
	return points
}

// winds returns how often the bearing from p to the points of a ring goes round, how near they come, and
// the greatest step between two of them, in radians.
func winds(p geo.Point, ring []vector) (turns int, nearest, step float64) {
	at := vectorOf(p)
	sinLon, cosLon := math.Sincos(p[0] * math.Pi / 180)
	east := vector{-sinLon, cosLon, 0}
	north := at.cross(east)
	nearest = math.Inf(1)
	total, before := 0.0, 0.0
	for i := range len(ring) + 1 {
		v := ring[i%len(ring)]
		nearest = min(nearest, at.angle(v))
		bearing := math.Atan2(v.dot(east), v.dot(north))
		if i > 0 {
			step = max(step, v.angle(ring[i-1]))
			total += math.Remainder(bearing-before, 2*math.Pi)
		}
		before = bearing
	}
	return int(math.Round(total / (2 * math.Pi))), nearest, step
}

// TestDistanceOfOracle compares random rings everywhere, also across the antimeridian and round a pole,
// with an oracle that samples them and knows no projection: a point lies on the other side of a ring than its
// antipode if the bearing to the ring goes round an odd number of times.
func TestDistanceOfOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const earth = 6_367_450
	for n := range 60 {
		lat, lon := random.Float64()*180-90, random.Float64()*360-180
		size := math.Pow(10, random.Float64()*3-2) // 0.01 to 10 degrees
		if n%4 == 0 {
			lat = math.Copysign(90-size*random.Float64(), lat) // beside or round a pole
		}
		ring := star(random, lon, lat, size)
		f := fence(t, polygon(ring), "")
		points := sampled(ring, 250)
		for range 6 {
			p := around(lon, lat, size*2*random.Float64(), random.Float64()*360)
			turns, nearest, step := winds(p, points)
			want := nearest * earth * 1000
			got := f.Distance(p)
			if nearest > step {
				require.Equal(t, turns%2 != 0, got < 0, "inside: %v in %v", p, ring)
			}
			// The nearest sample is farther away than the nearest point by half a step aside at most.
			exact := math.Abs(float64(got))
			require.LessOrEqual(t, exact, want*1.00001+1, "%v in %v", p, ring)
			require.LessOrEqual(t, want, math.Hypot(exact, step*earth*1000/2)*1.00001+1, "%v in %v", p, ring)
		}
	}
}

// star returns a ring of 3 to 12 corners that all see its middle.
func star(random *rand.Rand, lon, lat, size float64) []geo.Point {
	var ring []geo.Point
	corners := 3 + random.IntN(10)
	for i := range corners {
		bearing := 360 * (float64(i) + 0.8*random.Float64()) / float64(corners)
		ring = append(ring, around(lon, lat, size*(0.3+0.7*random.Float64()), bearing))
	}
	return ring
}

// around returns the point at a distance, in degrees of a great circle, and bearing from a place.
func around(lon, lat, distance, bearing float64) geo.Point {
	const radian = math.Pi / 180
	sinB, cosB := math.Sincos(bearing * radian)
	sinD, cosD := math.Sincos(distance * radian)
	sinL, cosL := math.Sincos(lat * radian)
	sin := sinL*cosD + cosL*sinD*cosB
	east := math.Atan2(sinB*sinD*cosL, cosD-sinL*sin)
	return geo.Point{math.Remainder(lon+east/radian, 360), math.Asin(max(-1, min(1, sin))) / radian}
}

// jagged returns a ring of so many corners around a place, alternately at two distances in degrees.
func jagged(corners int, inner, outer float64) string {
	var ring []string
	for i := range corners {
		radius := inner
		if i%2 == 1 {
			radius = outer
		}
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(corners))
		ring = append(ring, fmt.Sprintf("[%.9f,%.9f]", radius*cos, radius*sin))
	}
	return `{"type":"Polygon","coordinates":[[` + strings.Join(append(ring, ring[0]), ",") + `]]}`
}

// A way through the middle of a fence with a jagged edge crosses it.
func TestJaggedEdge(t *testing.T) {
	f := fence(t, jagged(9990, 14, 26), "")
	before := geofence.Fix{At: midnight, Point: geo.Point{-40, 3}}
	after := geofence.Fix{At: midnight.Add(time.Second), Point: geo.Point{40, 3}}
	_, events := f.Judge(nil, geofence.Standing{AsOf: midnight}, &before, after)
	require.Len(t, events, 1)
	require.Equal(t, geofence.Crossed, events[0].Type)
}

func BenchmarkJaggedEdge(b *testing.B) {
	f := fence(b, jagged(9990, 14, 26), "")
	before := geofence.Fix{At: midnight, Point: geo.Point{-40, 20}}
	after := geofence.Fix{At: midnight.Add(time.Second), Point: geo.Point{40, 25.9}}
	for b.Loop() {
		f.Judge(nil, geofence.Standing{AsOf: midnight}, &before, after)
	}
}
