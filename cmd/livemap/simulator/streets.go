package simulator

import (
	"math"
	"math/rand/v2"
)

// Speed limits and lengths of streets.
const (
	limitStreet = 30 / 3.6 // m/s
	limitMain   = 50 / 3.6

	shortestBlock = 85.0  // metres; enough to stop from limitMain with brakes of 2 m/s²
	longestBlock  = 520.0 // metres
)

// streetPlan is the drawing of a city's streets: the crossings, in metres east and north of
// the centre, and the blocks of street that connect them.
type streetPlan struct {
	random    *rand.Rand
	radius    float64 // metres
	spacing   float64 // metres between parallel streets
	crossings [][2]float64
	blocks    []block
}

type block struct {
	ends [2]int
	main bool // a main street
}

// addStreets adds the streets of a city. Large cities, and half of the others, have rings and
// streets that lead outwards; the rest has a crooked grid.
func (r *roads) addStreets(c int32) {
	random := chance(uint64(c), 2)
	p := &streetPlan{random: random, radius: cities[c].radius(), spacing: 170 + 60*random.Float64()}
	if cities[c].people > 1500 || random.IntN(2) == 0 {
		p.drawRings()
	} else {
		p.drawGrid()
	}
	p.bend()
	reached := p.reached(p.keep())
	centre := cities[c].point()
	nodes := make([]int32, len(p.crossings))
	for _, i := range reached {
		nodes[i] = int32(len(r.nodes))
		r.nodes = append(r.nodes, moved(centre, p.crossings[i][0], p.crossings[i][1]))
		r.streets[c] = append(r.streets[c], nodes[i])
	}
	for _, b := range p.blocks {
		from, to := nodes[b.ends[0]], nodes[b.ends[1]]
		if from == 0 || to == 0 { // node 0 is a city: the crossing was not reached
			continue
		}
		e := r.addEdge(from, to, r.nodes[from], r.nodes[to])
		e.limit, e.lights = limitStreet, b.main && random.IntN(2) == 0
		if b.main {
			e.limit = limitMain
		}
	}
}

// radius is how far a city's streets reach from its centre, in metres.
func (c city) radius() float64 { return min(max(148*math.Sqrt(c.people), 1100), 9000) }

// drawGrid draws a grid of streets, every fourth of them a main street.
func (p *streetPlan) drawGrid() {
	n := int(p.radius / p.spacing)
	turned := p.random.Float64() * math.Pi
	at := map[[2]int]int{}
	for i := -n; i <= n; i++ {
		for j := -n; j <= n; j++ {
			x, y := float64(i)*p.spacing, float64(j)*p.spacing
			if math.Hypot(x, y) > p.radius {
				continue
			}
			at[[2]int{i, j}] = len(p.crossings)
			p.crossings = append(p.crossings, [2]float64{
				x*math.Cos(turned) - y*math.Sin(turned), x*math.Sin(turned) + y*math.Cos(turned)})
			if west, ok := at[[2]int{i - 1, j}]; ok {
				p.connect(west, at[[2]int{i, j}], j%4 == 0)
			}
			if south, ok := at[[2]int{i, j - 1}]; ok {
				p.connect(south, at[[2]int{i, j}], i%4 == 0)
			}
		}
	}
}

// drawRings draws rings around the centre, every third of them a main street, and streets that
// lead outwards. Eight of these begin at the centre; more are added further out.
func (p *streetPlan) drawRings() {
	const inmost = 8
	p.crossings = append(p.crossings, [2]float64{})
	first, count := 0, 1 // of the ring within
	for ring := 1; float64(ring)*p.spacing <= p.radius; ring++ {
		at, n := len(p.crossings), inmost
		for 2*math.Pi*float64(ring)*p.spacing/float64(2*n) > 0.9*p.spacing {
			n *= 2
		}
		for i := range n {
			angle := 2 * math.Pi * (float64(i) + 0.25*p.random.Float64()) / float64(n)
			out := (float64(ring) + 0.2*p.random.Float64()) * p.spacing
			p.crossings = append(p.crossings, [2]float64{out * math.Sin(angle), out * math.Cos(angle)})
			p.connect(at+i, at+(i+1)%n, ring%3 == 0)
			switch {
			case ring == 1 && i%2 == 0:
				p.connect(0, at+i, true)
			case ring > 1 && i%(n/count) == 0:
				p.connect(first+i/(n/count), at+i, i%(n/inmost) == 0)
			}
		}
		first, count = at, n
	}
}

func (p *streetPlan) connect(a, b int, main bool) {
	p.blocks = append(p.blocks, block{[2]int{a, b}, main})
}

// bend makes straight streets crooked, in waves that are a few blocks long.
func (p *streetPlan) bend() {
	var phase [4]float64
	for i := range phase {
		phase[i] = 2 * math.Pi * p.random.Float64()
	}
	for i, at := range p.crossings {
		x, y := at[0]/p.spacing, at[1]/p.spacing
		p.crossings[i][0] += p.spacing * (0.6*math.Sin(y/3.1+phase[0]) + 0.2*math.Sin(x/1.7+phase[1]))
		p.crossings[i][1] += p.spacing * (0.6*math.Sin(x/3.7+phase[2]) + 0.2*math.Sin(y/1.3+phase[3]))
	}
}

// keep drops blocks that are too short or too long, and one in eight of the side streets. It
// returns the neighbours of each crossing.
func (p *streetPlan) keep() [][]int {
	connected := make([][]int, len(p.crossings))
	kept := p.blocks[:0]
	for _, b := range p.blocks {
		from, to := p.crossings[b.ends[0]], p.crossings[b.ends[1]]
		length := math.Hypot(to[0]-from[0], to[1]-from[1])
		if length < shortestBlock || length > longestBlock || !b.main && p.random.IntN(8) == 0 {
			continue
		}
		kept = append(kept, b)
		connected[b.ends[0]] = append(connected[b.ends[0]], b.ends[1])
		connected[b.ends[1]] = append(connected[b.ends[1]], b.ends[0])
	}
	p.blocks = kept
	return connected
}

// reached returns the crossings that streets connect with the centre, the fewest blocks away first.
func (p *streetPlan) reached(connected [][]int) []int {
	centre := 0
	for i, at := range p.crossings {
		nearest := p.crossings[centre]
		if math.Hypot(at[0], at[1]) < math.Hypot(nearest[0], nearest[1]) && len(connected[i]) > 1 {
			centre = i
		}
	}
	seen := make([]bool, len(p.crossings))
	seen[centre] = true
	queue := []int{centre}
	for i := 0; i < len(queue); i++ {
		for _, next := range connected[queue[i]] {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return queue
}
