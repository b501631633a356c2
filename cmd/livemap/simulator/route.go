package simulator

import "container/heap"

// pathfinder finds quickest routes. It reuses its memory from search to search.
type pathfinder struct {
	roads  *roads
	search uint32 // number of the current search; marks of other searches do not count
	marks  []pathMark
	open   pathQueue
}

// pathMark is what a search knows about a node.
type pathMark struct {
	search  uint32
	done    bool
	by      hop     // the last hop of the quickest route so far
	seconds float64 // duration of that route
}

func newPathfinder(r *roads) *pathfinder {
	return &pathfinder{roads: r, marks: make([]pathMark, len(r.nodes))}
}

// quickest is above every vehicle's speed, in m/s. The straight line at this speed is
// therefore a lower bound for the rest of a route (A*: Hart, Nilsson and Raphael, 1968).
const quickest = 130 / 3.6

// find appends the quickest route between two nodes to route. The found route does not begin
// with the hop not, unless there is no other. There always is a route between cities, and
// between crossings of one city.
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

// note records that the search reaches a node by a hop.
func (p *pathfinder) note(node int32, by hop, seconds float64, to int32) {
	mark := &p.marks[node]
	if mark.search == p.search && (mark.done || mark.seconds <= seconds) {
		return
	}
	*mark = pathMark{search: p.search, by: by, seconds: seconds}
	fastest := p.roads.fastest
	if int(to) < len(cities) {
		fastest = quickest
	}
	p.open = append(p.open, pathNode{node, seconds + metres(p.roads.nodes[node], p.roads.nodes[to])/fastest})
	heap.Fix(&p.open, len(p.open)-1)
}

// pop removes the node with the least estimate. Unlike heap.Pop, heap.Fix allocates nothing.
func (p *pathfinder) pop() int32 {
	node, last := p.open[0].node, len(p.open)-1
	p.open[0] = p.open[last]
	p.open = p.open[:last]
	if last > 0 {
		heap.Fix(&p.open, 0)
	}
	return node
}

// trace appends the route that the search found.
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

// pathNode is a node in the queue of a search.
type pathNode struct {
	node     int32
	estimate float64 // seconds from the start to the end through this node, at least
}

type pathQueue []pathNode

func (q pathQueue) Len() int           { return len(q) }
func (q pathQueue) Less(i, j int) bool { return q[i].estimate < q[j].estimate }
func (q pathQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push and Pop complete heap.Interface.
func (q *pathQueue) Push(any) { panic("not used") }
func (q *pathQueue) Pop() any { panic("not used") }
