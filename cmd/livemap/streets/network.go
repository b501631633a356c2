package streets

import (
	"fmt"
	"math"
	"slices"
)

// Network is the streets of a city on which cars drive. From each of its nodes a way leads to each other.
type Network struct {
	Nodes   []Point
	Streets []Street
}

// Point is a longitude and a latitude in degrees.
type Point [2]float64

// Street is a street, or a part of one, between two nodes.
type Street struct {
	From, To int32   // nodes
	Line     []Point // from From to To
	Limit    float64 // speed limit, in m/s
	Main     bool    // it leads through traffic
	OneWay   bool    // it may be driven from From to To only
}

// limits are the speed limits in m/s of OpenStreetMap's classes of roads, as they are usual in a city. Cars
// do not drive on roads of other classes.
var limits = map[string]float64{
	"motorway": 90 / 3.6, "motorway_link": 60 / 3.6,
	"trunk": 70 / 3.6, "trunk_link": 50 / 3.6,
	"primary": 50 / 3.6, "primary_link": 40 / 3.6,
	"secondary": 50 / 3.6, "secondary_link": 40 / 3.6,
	"tertiary": 40 / 3.6, "tertiary_link": 40 / 3.6,
	"unclassified": 30 / 3.6, "residential": 30 / 3.6, "living_street": 15 / 3.6, "road": 30 / 3.6,
}

// Read reads the network from the finest tiles of an archive, given by its contents.
func Read(content string) (*Network, error) {
	a, err := openArchive(content)
	if err != nil {
		return nil, err
	}
	g := graph{at: map[cell]int32{}, known: map[[2]int32]bool{}}
	err = a.eachTile(a.header.MaxZoom, func(at tile, content []byte) error {
		roads, extent, err := parseRoads(content)
		g.width = float64(extent) * math.Exp2(float64(at.zoom))
		for _, r := range roads {
			g.addRoad(r, at, extent)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	g.keepLargest()
	if len(g.segments) == 0 {
		return nil, fmt.Errorf("no streets in the %d. zoom of the archive", a.header.MaxZoom)
	}
	return g.network(), nil
}

// cell is a place in units of a tile, from the world's north-west corner.
type cell [2]int64

// graph is the streets as straight segments between cells. Where two streets cross without a common vertex,
// one is a bridge.
type graph struct {
	width    float64 // of the world, in units
	cells    []cell
	at       map[cell]int32 // index in cells
	segments []segment
	known    map[[2]int32]bool // pairs of ends that have a segment
}

// segment is a straight piece of street between two vertices. If it is oneWay, it leads from ends[0] to
// ends[1].
type segment struct {
	ends   [2]int32
	class  string
	oneWay bool
}

// addRoad adds the part of a road that lies in its tile. Tiles hold roads a little beyond their edges, where
// the next tile has them too.
func (g *graph) addRoad(r road, at tile, extent int32) {
	class, forth, back := r.class(), true, true
	if limits[class] == 0 || r.tags["access"] == "no" || r.tags["access"] == "private" {
		return
	}
	switch r.tags["oneway"] {
	case "yes", "true", "1":
		back = false
	case "-1", "reverse":
		forth = false
	}
	corner := cell{int64(at.x) * int64(extent), int64(at.y) * int64(extent)}
	for _, line := range r.lines {
		for i := 1; i < len(line); i++ {
			a, b, inside := clip(line[i-1], line[i], extent)
			if !inside || a == b {
				continue
			}
			if !forth {
				a, b = b, a
			}
			g.add(segment{
				ends:  [2]int32{g.vertex(corner, a), g.vertex(corner, b)},
				class: class, oneWay: !forth || !back,
			})
		}
	}
}

// vertex returns the index of a place in a tile.
func (g *graph) vertex(corner cell, at [2]int32) int32 {
	c := cell{corner[0] + int64(at[0]), corner[1] + int64(at[1])}
	i, known := g.at[c]
	if !known {
		i = int32(len(g.cells))
		g.cells, g.at[c] = append(g.cells, c), i
	}
	return i
}

// add adds a segment, unless there is one between its ends: one on the edge of two tiles is in both.
func (g *graph) add(s segment) {
	pair := [2]int32{min(s.ends[0], s.ends[1]), max(s.ends[0], s.ends[1])}
	if !g.known[pair] {
		g.known[pair] = true
		g.segments = append(g.segments, s)
	}
}

// clip returns the part of a straight line in a tile (Liang and Barsky, 1984).
func clip(a, b [2]int32, extent int32) (from, to [2]int32, inside bool) {
	enter, leave := 0.0, 1.0
	for axis := range 2 {
		start, change := float64(a[axis]), float64(b[axis]-a[axis])
		if change == 0 {
			if a[axis] < 0 || a[axis] > extent {
				return a, b, false
			}
			continue
		}
		first, last := -start/change, (float64(extent)-start)/change
		enter, leave = max(enter, min(first, last)), min(leave, max(first, last))
	}
	if enter > leave {
		return a, b, false
	}
	at := func(part float64) (p [2]int32) {
		for axis := range 2 {
			p[axis] = a[axis] + int32(math.Round(part*float64(b[axis]-a[axis])))
		}
		return p
	}
	return at(enter), at(leave), true
}

// next returns the segments that may be driven from each vertex, or driven backwards.
func (g *graph) next(backwards bool) [][]int32 {
	next := make([][]int32, len(g.cells))
	for _, s := range g.segments {
		from, to := s.ends[0], s.ends[1]
		if backwards {
			from, to = to, from
		}
		next[from] = append(next[from], to)
		if !s.oneWay {
			next[to] = append(next[to], from)
		}
	}
	return next
}

// keepLargest keeps the largest part in which a way leads from each vertex to each other: a vehicle never
// enters a dead end of one-way streets, nor a piece that the archive's edge cuts off.
func (g *graph) keepLargest() {
	part := components(g.next(false), g.next(true))
	sizes := map[int32]int{}
	for _, p := range part {
		sizes[p]++
	}
	largest := int32(0)
	for p, size := range sizes {
		if size > sizes[largest] || size == sizes[largest] && p < largest {
			largest = p
		}
	}
	g.segments = slices.DeleteFunc(g.segments, func(s segment) bool {
		return part[s.ends[0]] != largest || part[s.ends[1]] != largest
	})
}

// components numbers the strongly connected components of a graph (Kosaraju and Sharir, 1981).
func components(forth, back [][]int32) []int32 {
	done := make([]bool, len(forth))
	var order []int32 // of leaving a vertex
	for root := range forth {
		visit(int32(root), forth, done, func(v int32) { order = append(order, v) })
	}
	part := make([]int32, len(forth))
	clear(done)
	for _, root := range slices.Backward(order) {
		visit(root, back, done, func(v int32) { part[v] = root })
	}
	return part
}

// visit calls leave for each vertex that is not done and can be reached from root, once all behind it are.
func visit(root int32, next [][]int32, done []bool, leave func(int32)) {
	if done[root] {
		return
	}
	type step struct {
		vertex int32
		tried  int // of its next
	}
	done[root] = true
	for stack := []step{{root, 0}}; len(stack) > 0; {
		top := &stack[len(stack)-1]
		if top.tried == len(next[top.vertex]) {
			leave(top.vertex)
			stack = stack[:len(stack)-1]
			continue
		}
		to := next[top.vertex][top.tried]
		top.tried++
		if !done[to] {
			done[to] = true
			stack = append(stack, step{to, 0})
		}
	}
}

// network joins the segments to streets that lead from node to node.
func (g *graph) network() *Network {
	touching := make([][]int32, len(g.cells)) // segments at each vertex
	for i, s := range g.segments {
		for _, end := range s.ends {
			touching[end] = append(touching[end], int32(i))
		}
	}
	isNode := make([]bool, len(g.cells))
	for v, segments := range touching {
		isNode[v] = len(segments) > 0 && (len(segments) != 2 || !g.joins(segments[0], segments[1], int32(v)))
	}
	n := &Network{}
	nodes := map[int32]int32{}
	node := func(v int32) int32 {
		i, known := nodes[v]
		if !known {
			i = int32(len(n.Nodes))
			nodes[v], n.Nodes = i, append(n.Nodes, g.point(g.cells[v]))
		}
		return i
	}
	used := make([]bool, len(g.segments))
	for i, s := range g.segments {
		if used[i] {
			continue
		}
		chain := g.chain(int32(i), touching, isNode, used)
		for _, part := range g.bends(chain) {
			street := Street{
				From: node(part[0]), To: node(part[len(part)-1]),
				Limit: limits[s.class], OneWay: s.oneWay,
				Main: limits[s.class] > limits["tertiary"],
			}
			for _, v := range part {
				street.Line = append(street.Line, g.point(g.cells[v]))
			}
			n.Streets = append(n.Streets, street)
		}
	}
	return n
}

// joins reports whether one street leads over both segments at a vertex.
func (g *graph) joins(a, b, at int32) bool {
	s, t := g.segments[a], g.segments[b]
	return s.class == t.class && s.oneWay == t.oneWay &&
		(!s.oneWay || (s.ends[1] == at) != (t.ends[1] == at))
}

// chain returns the vertices of the street that leads over a segment, in the segment's direction.
func (g *graph) chain(first int32, touching [][]int32, isNode, used []bool) []int32 {
	used[first] = true
	ends := g.segments[first].ends
	follow := func(v int32) (vertices []int32) {
		for !isNode[v] {
			vertices = append(vertices, v)
			i := touching[v][0]
			if used[i] {
				i = touching[v][1]
			}
			if used[i] {
				break // a ring without a node
			}
			used[i] = true
			other := g.segments[i].ends
			v = other[0] + other[1] - v
		}
		return append(vertices, v)
	}
	behind := follow(ends[1])
	before := follow(ends[0])
	slices.Reverse(before)
	return append(before, behind...)
}

// Properties of a street's line, in metres and degrees.
const (
	roughly    = 0.8  // how far the line may be from the vertices of the map
	sharpBend  = 14.0 // from which a bend is a node
	degree     = 111_195.0
	fullCircle = 360
)

// bends splits a street at its sharp bends, after leaving out vertices that hardly bend it.
func (g *graph) bends(chain []int32) (parts [][]int32) {
	chain = g.simplify(chain)
	first := 0
	for i := 1; i < len(chain)-1; i++ {
		before := g.heading(chain[i-1], chain[i])
		turn := math.Abs(math.Mod(g.heading(chain[i], chain[i+1])-before+1.5*fullCircle, fullCircle) - fullCircle/2)
		if turn > sharpBend {
			parts, first = append(parts, chain[first:i+1]), i
		}
	}
	return append(parts, chain[first:])
}

// simplify leaves out vertices that are nearly on the line (Douglas and Peucker, 1973).
func (g *graph) simplify(chain []int32) []int32 {
	if len(chain) < 3 {
		return chain
	}
	from, to := g.cells[chain[0]], g.cells[chain[len(chain)-1]]
	unit := g.unit(from)
	furthest, at := roughly/unit, 0
	for i := 1; i < len(chain)-1; i++ {
		if d := distance(g.cells[chain[i]], from, to); d > furthest {
			furthest, at = d, i
		}
	}
	if at == 0 {
		return []int32{chain[0], chain[len(chain)-1]}
	}
	before := g.simplify(chain[: at+1 : at+1])
	return append(before[:len(before)-1:len(before)-1], g.simplify(chain[at:])...)
}

// distance is the distance of a cell from a line between two others, in units.
func distance(c, from, to cell) float64 {
	x, y := float64(to[0]-from[0]), float64(to[1]-from[1])
	dx, dy := float64(c[0]-from[0]), float64(c[1]-from[1])
	part := 0.0
	if length := x*x + y*y; length > 0 {
		part = min(max((dx*x+dy*y)/length, 0), 1)
	}
	return math.Hypot(dx-part*x, dy-part*y)
}

// heading is the direction from one vertex to another, in degrees clockwise from north.
func (g *graph) heading(from, to int32) float64 {
	a, b := g.cells[from], g.cells[to]
	return math.Atan2(float64(b[0]-a[0]), float64(a[1]-b[1])) * 180 / math.Pi
}

// point converts a cell to degrees (Web Mercator).
func (g *graph) point(c cell) Point {
	north := math.Pi * (1 - 2*float64(c[1])/g.width)
	return Point{360*float64(c[0])/g.width - 180, math.Atan(math.Sinh(north)) * 180 / math.Pi}
}

// unit is the length of a unit at a cell, in metres.
func (g *graph) unit(c cell) float64 {
	return fullCircle * degree / g.width * math.Cos(g.point(c)[1]*math.Pi/180)
}
