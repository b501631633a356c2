package simulator

import "container/heap"

// pathfinder finds quickest ways, with memory that is used again and again.
type pathfinder struct {
	roads  *roads
	search uint32 // number of the search; what others have noted does not count
	marks  []pathMark
	open   pathQueue
}

// pathMark is what a search knows of a node.
type pathMark struct {
	search  uint32
	done    bool
	by      hop     // the last hop of the quickest way so far
	seconds float64 // that it takes
}

func newPathfinder(r *roads) *pathfinder {
	return &pathfinder{roads: r, marks: make([]pathMark, len(r.nodes))}
}

// Nobody is quicker than this, in m/s, so the straight line at this speed is a
// bound for what is left (A*: Hart, Nilsson and Raphael, 1968).
const quickest = 130 / 3.6

// find appends the quickest way between two nodes to route. It does not begin with
// the hop not, unless there is no other way. There always is a way between
// cities, and between crossings of one city.
func (p *pathfinder) find(from, to int32, not hop, route []hop) []hop {
	p.search++
	p.open = p.open[:0]
	p.note(from, nowhere, 0, to)
	for len(p.open) > 0 {
		node := p.pop()
		mark := &p.marks[node]
		if mark.done {
			continue
		}
		mark.done = true
		if node == to {
			return p.trace(from, to, route)
		}
		for _, h := range p.roads.leaving(node) {
			if h != not {
				p.note(p.roads.end(h), h, mark.seconds+p.roads.edge(h).seconds(), to)
			}
		}
	}
	if not != nowhere {
		return p.find(from, to, nowhere, route)
	}
	return route
}

func (e *edge) seconds() float64 { return e.length / e.limit }

// note notes that the node to which a hop leads is reached by it.
func (p *pathfinder) note(node int32, by hop, seconds float64, to int32) {
	mark := &p.marks[node]
	if mark.search == p.search && (mark.done || mark.seconds <= seconds) {
		return
	}
	*mark = pathMark{search: p.search, by: by, seconds: seconds}
	fastest := limitMain
	if int(to) < len(cities) {
		fastest = quickest
	}
	p.open = append(p.open, pathNode{node, seconds + metres(p.roads.nodes[node], p.roads.nodes[to])/fastest})
	heap.Fix(&p.open, len(p.open)-1)
}

// pop takes the node with the least estimate away. As with heap.Fix, and unlike
// heap.Pop, nothing is allocated.
func (p *pathfinder) pop() int32 {
	node, last := p.open[0].node, len(p.open)-1
	p.open[0] = p.open[last]
	p.open = p.open[:last]
	if last > 0 {
		heap.Fix(&p.open, 0)
	}
	return node
}

// trace appends the way that was found.
func (p *pathfinder) trace(from, to int32, route []hop) []hop {
	first := len(route)
	for node := to; node != from; node = p.roads.start(p.marks[node].by) {
		route = append(route, p.marks[node].by)
	}
	for i, j := first, len(route)-1; i < j; i, j = i+1, j-1 {
		route[i], route[j] = route[j], route[i]
	}
	return route
}

// pathNode is a node that a search has seen.
type pathNode struct {
	node     int32
	estimate float64 // seconds from the start to the end by this node, at least
}

type pathQueue []pathNode

func (q pathQueue) Len() int           { return len(q) }
func (q pathQueue) Less(i, j int) bool { return q[i].estimate < q[j].estimate }
func (q pathQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push and Pop complete heap.Interface.
func (q *pathQueue) Push(any) { panic("not used") }
func (q *pathQueue) Pop() any { panic("not used") }
