package simulator

import (
	"math"
	"math/rand/v2"
)

// roads is the network that vehicles drive on: trunk roads between the cities, and the
// streets of each city that is a vehicle's home. It is immutable once it is built, and does
// not depend on a fleet's seed.
type roads struct {
	nodes []point // the cities first, in their order, then the crossings of streets
	edges []edge
	links []hop   // the hops that leave each node, in the order of the nodes
	from  []int32 // where each node's hops begin in links; one more than nodes

	points   []point   // of the edges' lines, from ends[0] to ends[1]
	marks    []float64 // metres from the line's first point to each point
	headings []float32 // degrees, from each point to the next; the last repeats the one before

	streets map[int32][]int32 // city to its crossings, from the centre outwards
	fastest float64           // the highest speed limit of streets, in m/s
	signals map[int32]bool    // crossings of the real city that have traffic lights
}

// edge is a road or street between two nodes.
type edge struct {
	ends   [2]int32
	line   [2]int32 // its points: the first, and the one behind the last
	length float64  // metres
	limit  float64  // m/s
	trunk  bool
	oneWay bool       // it may be driven from ends[0] to ends[1] only
	lights bool       // there are traffic lights at its ends
	tunnel [2]float64 // metres from ends[0] to its mouths; both 0 without a tunnel
}

// hop is an edge in the direction of driving: twice the edge's index, plus one from ends[1]
// to ends[0].
type hop int32

const nowhere hop = -1

func (h hop) backwards() bool { return h&1 == 1 }
func (h hop) reversed() hop   { return h ^ 1 }

func (r *roads) edge(h hop) *edge { return &r.edges[h>>1] }

// start and end are the nodes from which and to which a hop leads.
func (r *roads) start(h hop) int32 { return r.edge(h).ends[h&1] }
func (r *roads) end(h hop) int32   { return r.edge(h).ends[1-h&1] }

// leaving returns the hops that leave a node.
func (r *roads) leaving(node int32) []hop { return r.links[r.from[node]:r.from[node+1]] }

// along converts metres along a hop to metres along its edge's line, and back.
func (r *roads) along(h hop, metres float64) float64 {
	if h.backwards() {
		return r.edge(h).length - metres
	}
	return metres
}

// place returns the point at a distance along a hop, and the direction of the road there in
// degrees clockwise from north.
func (r *roads) place(h hop, metres float64) (point, float64) {
	e := r.edge(h)
	metres = min(max(r.along(h, metres), 0), e.length)
	marks := r.marks[e.line[0]:e.line[1]]
	i := min(int(metres/e.length*float64(len(marks)-1)), len(marks)-2) // the points are about evenly spaced
	for i > 0 && marks[i] > metres {
		i--
	}
	for i < len(marks)-2 && marks[i+1] < metres {
		i++
	}
	at := int(e.line[0]) + i
	a, b := r.points[at], r.points[at+1]
	part := (metres - marks[i]) / (marks[i+1] - marks[i])
	return point{a[0] + part*(b[0]-a[0]), a[1] + part*(b[1]-a[1])}, r.heading(h, at)
}

// heading is the direction of a hop behind a point of its line.
func (r *roads) heading(h hop, at int) float64 {
	heading := float64(r.headings[at])
	if !h.backwards() {
		return heading
	}
	if heading < 180 {
		return heading + 180
	}
	return heading - 180
}

// turn is the change of direction from the end of one hop to the start of the next, 0 to 180
// degrees.
func (r *roads) turn(from, to hop) float64 {
	last, first := r.edge(from).line[1]-1, r.edge(to).line[0]
	if from.backwards() {
		last = r.edge(from).line[0]
	}
	if to.backwards() {
		first = r.edge(to).line[1] - 1
	}
	turn := math.Abs(r.heading(from, int(last)) - r.heading(to, int(first)))
	return min(turn, 360-turn)
}

// inTunnel reports whether a place along a hop is in a tunnel.
func (r *roads) inTunnel(h hop, metres float64) bool {
	e := r.edge(h)
	metres = r.along(h, metres)
	return e.tunnel[0] < metres && metres < e.tunnel[1]
}

// addEdge adds an edge along a line. The caller sets its properties.
func (r *roads) addEdge(from, to int32, line ...point) *edge {
	first, length := int32(len(r.points)), 0.0
	for i, p := range line {
		if i > 0 {
			length += metres(line[i-1], p)
			r.headings = append(r.headings, float32(bearing(line[i-1], p)))
		}
		r.points, r.marks = append(r.points, p), append(r.marks, length)
	}
	r.headings = append(r.headings, r.headings[len(r.headings)-1])
	r.edges = append(r.edges, edge{
		ends: [2]int32{from, to}, line: [2]int32{first, int32(len(r.points))}, length: length,
	})
	return &r.edges[len(r.edges)-1]
}

// link indexes the hops that leave each node, once all edges are there.
func (r *roads) link() {
	r.from = make([]int32, len(r.nodes)+1)
	for i := range r.edges {
		for direction, end := range r.edges[i].ends {
			if direction == 0 || !r.edges[i].oneWay {
				r.from[end+1]++
			}
		}
	}
	for i := range r.nodes {
		r.from[i+1] += r.from[i]
	}
	r.links = make([]hop, r.from[len(r.nodes)])
	next := append([]int32{}, r.from...)
	for i := range r.edges {
		for direction, end := range r.edges[i].ends {
			if direction == 0 || !r.edges[i].oneWay {
				r.links[next[end]] = hop(2*i + direction)
				next[end]++
			}
		}
	}
}

// point is a longitude and a latitude in degrees.
type point [2]float64

// degree is the length of a degree of latitude in metres.
const degree = 111_195

// metres is the distance between two points that are up to some hundred kilometres apart.
func metres(a, b point) float64 {
	x := (b[0] - a[0]) * math.Cos((a[1]+b[1])/2*math.Pi/180)
	return degree * math.Hypot(x, b[1]-a[1])
}

// bearing is the direction from a to a nearby b, 0 to 360 degrees.
func bearing(a, b point) float64 {
	x := (b[0] - a[0]) * math.Cos((a[1]+b[1])/2*math.Pi/180)
	return math.Mod(math.Atan2(x, b[1]-a[1])*180/math.Pi+360, 360)
}

// moved returns the point that lies east and north of p by the given metres.
func moved(p point, east, north float64) point {
	return point{p[0] + east/(degree*math.Cos(p[1]*math.Pi/180)), p[1] + north/degree}
}

// chance returns a source of random numbers that is the same for the same place and purpose.
// The roads are therefore the same in every fleet.
func chance(place, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(place, purpose))
}
