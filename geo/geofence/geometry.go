package geofence

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/rtree"

	"livemap/geo"
)

// MaxVertices is how many positions the geometry of a fence may have.
const MaxVertices = 10_000

// Radii of a Point or a line, in metres.
const (
	MinRadius         = 1
	MaxRadius         = 100_000
	defaultLineRadius = 25
)

const geometryForm = "a fence is a Polygon or MultiPolygon, " +
	"or a Point, LineString or MultiLineString with radius_m"

type geometryDocument struct {
	Type        string         `json:"type"`
	Coordinates jsontext.Value `json:"coordinates"`
}

// readShape reads a geometry (RFC 7946, section 3.1). The radius is in metres; nil if there is none.
func readShape(geometry jsontext.Value, radius *float64) (shape, int, error) {
	var d geometryDocument
	if geometry.Kind() != '{' {
		return shape{}, 0, fmt.Errorf("geometry is missing; %s", geometryForm)
	}
	if err := json.Unmarshal(geometry, &d); err != nil {
		return shape{}, 0, fmt.Errorf("geometry%w", placed(err))
	}
	r := geometryReader{}
	s, err := r.read(d, radius)
	if err != nil {
		return shape{}, 0, fmt.Errorf("geometry.coordinates%w", err)
	}
	return s, r.vertices, nil
}

type geometryReader struct{ vertices int }

func (r *geometryReader) read(d geometryDocument, radius *float64) (shape, error) {
	var s shape
	switch d.Type {
	case "Polygon", "MultiPolygon":
		if radius != nil {
			return s, fmt.Errorf(" of a %s are its boundary: radius_m belongs to a Point or a line", d.Type)
		}
		polygons, err := coordinates[[][][][]float64](d, "Polygon")
		for i, polygon := range polygons {
			if err != nil {
				break
			}
			var a area
			a, err = r.area(polygon)
			s.areas = append(s.areas, a)
			err = within(err, i, d.Type == "MultiPolygon")
		}
		if err == nil && len(s.areas) == 0 {
			err = errors.New(" are empty")
		}
		return s, err
	case "Point":
		if radius == nil {
			return s, fmt.Errorf(" of a Point need properties.radius_m, from %d to %d metres", MinRadius, MaxRadius)
		}
		point, err := coordinates[[]float64](d, "Point")
		if err != nil {
			return s, err
		}
		at, err := r.vertex(point)
		s.lines = makePath([]edge{makeEdge(at, at)})
		s.radius = *radius / earthRadius
		return s, err
	case "LineString", "MultiLineString":
		s.radius = defaultLineRadius / float64(earthRadius)
		if radius != nil {
			s.radius = *radius / earthRadius
		}
		lines, err := coordinates[[][][]float64](d, "LineString")
		for i, line := range lines {
			if err != nil {
				break
			}
			var edges []edge
			edges, err = r.line(line)
			s.lines.chunks = append(s.lines.chunks, makePath(edges).chunks...)
			err = within(err, i, d.Type == "MultiLineString")
		}
		if err == nil && len(s.lines.chunks) == 0 {
			err = errors.New(" are empty")
		}
		return s, err
	}
	return s, fmt.Errorf(": the type is %q; %s", shorten(d.Type), geometryForm)
}

// coordinates reads the coordinates of a geometry of type single, or of several of them.
func coordinates[T any](d geometryDocument, single string) (T, error) {
	var all T
	text := d.Coordinates
	if text == nil {
		return all, errors.New(" are missing")
	}
	wrapped := d.Type == single && single != "Point"
	if wrapped { // one is read as several
		text = append(append(jsontext.Value{'['}, text...), ']')
	}
	if err := json.Unmarshal(text, &all, numbersAlone); err != nil {
		where := placed(err).Error()
		if wrapped {
			where = strings.TrimPrefix(where, "[0]")
		}
		return all, errors.New(where)
	}
	return all, nil
}

// numbersAlone refuses null where a number belongs: it would be 0.
var numbersAlone = json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, _ *float64) error {
	if d.PeekKind() == 'n' {
		d.ReadToken()
		return &json.SemanticError{JSONPointer: d.StackPointer(), JSONKind: 'n'}
	}
	return errors.ErrUnsupported
}))

// within puts an index before the place that an error names.
func within(err error, i int, indexed bool) error {
	if err == nil || !indexed {
		return err
	}
	return fmt.Errorf("[%d]%w", i, err)
}

func (r *geometryReader) vertex(position []float64) (geo.Point, error) {
	r.vertices++
	if r.vertices > MaxVertices {
		return geo.Point{}, fmt.Errorf(" has more than %d positions", MaxVertices)
	}
	if len(position) < 2 {
		return geo.Point{}, fmt.Errorf(" has %d numbers; a position is [longitude, latitude]", len(position))
	}
	lon, lat := position[0], position[1]
	if !(math.Abs(lon) <= 180) {
		return geo.Point{}, fmt.Errorf(": longitude is %v; it must be from -180 to 180", lon)
	}
	if !(math.Abs(lat) <= 90) {
		return geo.Point{}, fmt.Errorf(": latitude is %v; it must be from -90 to 90", lat)
	}
	return geo.Point{lon, lat}, nil
}

// line reads positions and the edges between them. Positions that repeat the one before are left out.
func (r *geometryReader) line(positions [][]float64) ([]edge, error) {
	if len(positions) < 2 {
		return nil, fmt.Errorf(" has %d positions; a line has two or more", len(positions))
	}
	var edges []edge
	var before geo.Point
	for i, position := range positions {
		at, err := r.vertex(position)
		if err != nil {
			return nil, within(err, i, true)
		}
		if i > 0 && at != before {
			if turn := math.Abs(at[0] - before[0]); turn == 180 || turn == 360 {
				return nil, fmt.Errorf("[%d] is %v degrees of longitude from the position before it, so its edge "+
					"could go either way; add a position between", i, turn)
			}
			edges = append(edges, makeEdge(before, at))
		}
		before = at
	}
	if len(edges) == 0 {
		return nil, errors.New(" is one place; a line has two or more")
	}
	return edges, nil
}

// area reads a polygon: an outer ring and holes inside it.
func (r *geometryReader) area(polygon [][][]float64) (area, error) {
	if len(polygon) == 0 {
		return area{}, errors.New(" has no ring")
	}
	var a area
	var seen rtree.RTreeG[placedEdge]
	for i, positions := range polygon {
		next, err := r.ring(positions, i, &seen)
		if err != nil {
			return area{}, within(err, i, true)
		}
		a.rings = append(a.rings, next)
		if i > 0 {
			if err := inOuter(a.rings[0], next); err != nil {
				return area{}, within(err, i, true)
			}
		}
	}
	return a, nil
}

// placedEdge is an edge with where it stands, for errors.
type placedEdge struct {
	edge
	ring, index int
}

// ring reads a ring and checks that it is closed, encloses something, and crosses neither itself nor the
// rings seen before.
func (r *geometryReader) ring(
	positions [][]float64, index int, seen *rtree.RTreeG[placedEdge],
) (ring, error) {
	if len(positions) < 4 {
		return ring{}, fmt.Errorf(" has %d positions; a ring has four or more, the last equal to the first",
			len(positions))
	}
	edges, err := r.line(positions)
	if err != nil {
		return ring{}, err
	}
	first, last := edges[0], edges[len(edges)-1]
	if first.lon != last.endLon || first.lat != last.endLat {
		return ring{}, fmt.Errorf(" is open: its last position is %v, its first %v",
			positions[len(positions)-1][:2], positions[0][:2])
	}
	out := ring{path: makePath(edges)}
	var round, surface, latitudes float64
	for i := range edges {
		e := &edges[i]
		round += e.dLon
		surface += float64((e.lat + e.dLat/2) * e.dLon)
		latitudes += e.lat
		if other := crossed(e, index, i, len(edges), seen); other != nil {
			return ring{}, fmt.Errorf(" crosses ring %d: its edge %d, from %s, and edge %d, from %s",
				other.ring, i, e.place(), other.index, other.place())
		}
	}
	switch around := math.Round(round / (2 * math.Pi)); {
	case around != 0:
		out.aroundNorth = latitudes > 0
	case math.Abs(surface) < 1e-18:
		return ring{}, errors.New(" encloses nothing")
	}
	return out, nil
}

func (e *edge) place() string {
	return fmt.Sprintf("[%.6g,%.6g]", e.lon*(180/math.Pi), e.lat*(180/math.Pi))
}

// crossed adds an edge to those seen, and returns one that it crosses. Edges may touch.
func crossed(e *edge, ring, i, n int, seen *rtree.RTreeG[placedEdge]) *placedEdge {
	var found *placedEdge
	low, high := e.box()
	for _, around := range [...]float64{0, -2 * math.Pi, 2 * math.Pi} { // beyond the antimeridian
		from := [2]float64{low[0] + around, low[1]}
		to := [2]float64{high[0] + around, high[1]}
		seen.Search(from, to, func(_, _ [2]float64, other placedEdge) bool {
			neighbours := other.ring == ring && (other.index+1 == i || other.index == 0 && i == n-1)
			if !neighbours && e.cuts(&other.edge) {
				found = &other
			}
			return found == nil
		})
	}
	seen.Insert(low, high, placedEdge{*e, ring, i})
	return found
}

func (e *edge) box() (low, high [2]float64) {
	return [2]float64{min(e.lon, e.lon+e.dLon), min(e.lat, e.endLat)},
		[2]float64{max(e.lon, e.lon+e.dLon), max(e.lat, e.endLat)}
}

// cuts reports whether two edges cross, each from one side of the other to its other side.
func (e *edge) cuts(other *edge) bool {
	return e.sides(other)*e.sides(&edge{lon: other.endLon, lat: other.endLat}) < 0 &&
		other.sides(e)*other.sides(&edge{lon: e.endLon, lat: e.endLat}) < 0
}

// sides tells on which side of the edge another begins: 1 is left, -1 right, 0 neither.
func (e *edge) sides(other *edge) int {
	x, y := turn(e.lon, other.lon), other.lat-e.lat
	switch side := float64(e.dLon*y) - float64(e.dLat*x); {
	case side > 0:
		return 1
	case side < 0:
		return -1
	}
	return 0
}

// inOuter checks that a hole lies in the outer ring, which it does not cross.
func inOuter(outer, hole ring) error {
	for i := range hole.chunks {
		for j := range hole.chunks[i].edges {
			e := &hole.chunks[i].edges[j]
			at := place{lon: e.lon, lat: e.lat}
			at.sinLat, at.cosLat = math.Sincos(at.lat)
			if millimetres(outer.nearest(&at, math.Inf(1))) == 0 {
				continue // touches it: ask the next
			}
			if !outer.contains(&at) {
				return fmt.Errorf(" is a hole outside of the outer ring: at %s", e.place())
			}
			return nil
		}
	}
	return nil
}

// placed turns an error of the JSON library into one that begins with the place, as in "[0][3]: …".
func placed(err error) error {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return fmt.Errorf(": %w", err)
	}
	where := ""
	for token := range semantic.JSONPointer.Tokens() {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			where += "[" + token + "]"
		} else {
			where += "." + token
		}
	}
	return fmt.Errorf("%s: a JSON %s cannot stand here", where, kindName(semantic.JSONKind))
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case '0':
		return "number"
	case 't', 'f':
		return "boolean"
	}
	return "null"
}

// shorten cuts a text for an error.
func shorten(text string) string {
	const limit = 60
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
