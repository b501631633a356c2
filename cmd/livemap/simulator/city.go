package simulator

import (
	"cmp"
	"math"
	"slices"
	"time"

	"livemap/cmd/livemap/streets"
)

// City is a real city, with its own streets.
type City struct {
	Name    string
	Streets *streets.Network
}

// realCity is the home of vehicles that drive in Config.City. It is behind those of cities.
const realCity = int32(math.MaxInt32)

const (
	realLines   = 8     // bus lines in a real city
	stopEvery   = 280.0 // metres between a line's stops, about
	shortestBay = 25.0  // metres of a hop that has room for a bus stop

	signalCycle = 64 * time.Second // of which a direction is red for one half
	stopLine    = 5.0              // metres from a crossing to those who wait there first
	queueStep   = 7.0              // metres from one who waits to the next
)

// addCity adds the streets of a real city. Its hops are as short as its streets are.
func (r *roads) addCity(n *streets.Network) {
	first := int32(len(r.nodes))
	meet := make([]int, len(n.Nodes)) // how many main streets
	for _, p := range n.Nodes {
		r.nodes = append(r.nodes, point(p))
	}
	for _, s := range n.Streets {
		if s.From == s.To {
			continue // a ring, which leads nowhere
		}
		line := make([]point, len(s.Line))
		for i, p := range s.Line {
			line[i] = point(p)
		}
		e := r.addEdge(first+s.From, first+s.To, line...)
		e.limit, e.oneWay = s.Limit, s.OneWay
		r.fastest = max(r.fastest, s.Limit)
		if s.Main {
			meet[s.From]++
			meet[s.To]++
		}
	}
	r.signals = map[int32]bool{}
	var centre point
	for i, p := range n.Nodes {
		node := first + int32(i)
		r.signals[node] = meet[i] >= 3 && chance(uint64(i), 4).IntN(2) == 0
		r.streets[realCity] = append(r.streets[realCity], node)
		centre[0] += p[0] / float64(len(n.Nodes))
		centre[1] += p[1] / float64(len(n.Nodes))
	}
	slices.SortStableFunc(r.streets[realCity], func(a, b int32) int {
		return cmp.Compare(metres(r.nodes[a], centre), metres(r.nodes[b], centre))
	})
}

// anywhere chooses a crossing of the real city.
func (f *Fleet) anywhere(v *vehicle, from int32) int32 {
	crossings := f.roads.streets[realCity]
	for {
		if to := crossings[v.random.IntN(len(crossings))]; to != from {
			return to
		}
	}
}

// addStops adds the stops of a bus line, where other lines do not have them already.
func (f *Fleet) addStops(route []hop) {
	since := 0.0
	for _, h := range route {
		length := f.roads.edge(h).length
		since += length
		if since > stopEvery && length > shortestBay {
			f.busStops[h] = true
		}
		if f.busStops[h] {
			since = 0
		}
	}
}

// upcoming returns a hop behind the one that a vehicle is on: 0 is the next. The route may end before.
func (v *vehicle) upcoming(i int) (h hop, found bool) {
	i += v.next
	if v.kind == bus {
		i %= len(v.route)
	}
	if i >= len(v.route) {
		return nowhere, false
	}
	return v.route[i], true
}

// sight is how far ahead, in metres, a vehicle has to know what it must brake for.
func (v *vehicle) sight() float64 {
	soon := v.speed + traits[v.kind].accelerate
	return soon*soon/(2*traits[v.kind].brake) + soon + 2*stopLine
}

// behind appends the places behind this hop where a vehicle must be slow. left is how far the end of the hop
// is, in metres.
func (f *Fleet) behind(v *vehicle, left float64, list []slow) []slow {
	sight := v.sight()
	for i := 0; left < sight; i++ {
		from, found := v.upcoming(i)
		to, further := v.upcoming(i + 1)
		if !found || !further {
			break
		}
		left += f.roads.edge(from).length
		list = append(list, slow{left, f.passing(v, from, to)})
	}
	return list
}

// planHalts plans the next halt of a vehicle, if there is one in sight.
func (f *Fleet) planHalts(v *vehicle) {
	start := f.roads.edge(v.hop).length // metres from the start of this hop to that of the upcoming one
	for i := 0; v.stop.wait == 0 && start-v.metres < v.sight(); i++ {
		h, found := v.upcoming(i)
		if !found {
			return
		}
		if i >= v.plans {
			v.plans = i + 1
			f.planCityHalt(v, h, i, start)
		}
		start += f.roads.edge(h).length
	}
}

// planCityHalt plans a halt on an upcoming hop, which starts at start. There may be none.
func (f *Fleet) planCityHalt(v *vehicle, h hop, i int, start float64) {
	length := f.roads.edge(h).length
	at := (v.next + i) % len(v.route)
	var s stop
	switch {
	case v.kind != bus && at == len(v.route)-1:
		if s = f.arrival(v, length); f.canBrake(v, start+s.metres) {
			s.metres += start
			f.arrive(v, s)
		}
		return
	case v.kind == bus && (at == len(v.route)-1 || at == len(v.route)/2): // an end of the line
		s = stop{metres: length * 0.7, wait: f.between(v, 2*time.Minute, 6*time.Minute), why: onBreak}
		if v.tank < 0.15 {
			s.wait, s.why = 25*time.Minute, refilling
		}
	case v.kind == bus && f.busStops[h]:
		s = stop{metres: length * 0.7, wait: f.between(v, 12*time.Second, 35*time.Second), why: atStop}
	case f.roads.signals[f.roads.end(h)] && length > stopLine:
		queue := queueStep * float64(v.random.IntN(1+int(min(3, length/queueStep))))
		s = stop{metres: max(length-stopLine-queue, 0), why: waiting}
		arrives := v.at + time.Duration((start+s.metres-v.metres)/max(v.speed, 1)*float64(time.Second))
		s.wait = f.red(h, arrives)
	}
	s.metres += start
	if s.wait > 0 && f.canBrake(v, s.metres) {
		v.stop = s
	}
}

// canBrake reports whether there is room to brake for a place ahead, in metres from the start of the hop.
func (f *Fleet) canBrake(v *vehicle, metres float64) bool {
	const margin = 3
	return metres-v.metres > v.speed*v.speed/(2*traits[v.kind].brake)+margin
}

// red returns how long the light at the end of a hop is red from a time on; 0 if it is green. North and
// south have green while east and west have red.
func (f *Fleet) red(h hop, at time.Duration) time.Duration {
	_, heading := f.roads.place(h, f.roads.edge(h).length)
	offset := time.Duration(f.roads.end(h)%16) * signalCycle / 16
	if across := math.Mod(heading+45, 180) > 90; across {
		offset += signalCycle / 2
	}
	return max(signalCycle/2-(at+offset)%signalCycle, 0)
}
