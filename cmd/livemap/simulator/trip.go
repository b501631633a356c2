package simulator

import (
	"math"
	"time"
)

// enter drives onto the next hop of the route and plans whether to halt on it.
func (f *Fleet) enter(v *vehicle) {
	v.hop = v.route[v.next]
	v.next++
	if v.kind == bus && v.next == len(v.route) {
		v.next = 0 // a line repeats
	}
	v.plans = max(v.plans-1, 0)
	arrives := v.stop.wait > 0 // in a real city that is planned before
	if !v.city && v.next == len(v.route) {
		arrives = f.planArrival(v)
	}
	if v.next == len(v.route) && !arrives {
		f.newRoute(v) // no room to stop: the destination is further on
	}
	if v.stop.wait == 0 && !v.city {
		f.planHalt(v)
	}
	f.lookAhead(v)
}

// lookAhead sets how fast the vehicle may pass the end of this hop.
func (f *Fleet) lookAhead(v *vehicle) {
	v.corner = math.Inf(1)
	if v.next < len(v.route) {
		v.corner = f.passing(v, v.hop, v.route[v.next])
	}
}

// passing is the highest speed, in m/s, at which a vehicle passes from one hop to the next.
func (f *Fleet) passing(v *vehicle, from, to hop) float64 {
	fastest := cornering(f.roads.turn(from, to))
	if e := f.roads.edge(to); !e.trunk {
		fastest = min(fastest, e.limit*v.pace)
	}
	return fastest
}

// planArrival plans the stop at the end of a route: a yard outside the city, or a place in the
// street. It reports whether there is room to brake for it.
func (f *Fleet) planArrival(v *vehicle) bool {
	s := f.arrival(v, f.roads.edge(v.hop).length)
	if !f.canStop(v, s.metres) {
		return false
	}
	f.arrive(v, s)
	return true
}

// arrival returns a stop on the last hop of a route, which is length metres long.
func (f *Fleet) arrival(v *vehicle, length float64) stop {
	s := stop{
		metres: length * (0.3 + 0.6*v.random.Float64()),
		wait:   f.between(v, 25*time.Second, 170*time.Second),
		why:    delivering,
	}
	switch {
	case v.far:
		s = stop{
			metres: length - 1200 - 4500*v.random.Float64(),
			wait:   f.between(v, 20*time.Minute, 50*time.Minute),
			why:    loading,
		}
	case v.kind == car:
		s = stop{metres: s.metres, wait: f.between(v, 3*time.Minute, 12*time.Minute), why: onSite}
	}
	return s
}

// arrive plans a stop of arrival.
func (f *Fleet) arrive(v *vehicle, s stop) {
	v.errands++
	if !v.far && (v.tank < 0.2 || v.errands >= 45) { // the depot, which may be in any street
		v.errands, s.wait, s.why = 0, f.between(v, 25*time.Minute, 45*time.Minute), loading
	}
	v.stop = s
}

// planHalt plans a stop on the way.
func (f *Fleet) planHalt(v *vehicle) {
	e := f.roads.edge(v.hop)
	var s stop
	switch {
	case v.far:
		s = f.serviceArea(v, e)
	case v.kind == bus && (v.next == 0 || v.next == len(v.route)/2): // an end of the line
		s = stop{metres: e.length * 0.7, wait: f.between(v, 2*time.Minute, 6*time.Minute), why: onBreak}
		if v.tank < 0.15 {
			s.wait, s.why = 25*time.Minute, refilling
		}
	case v.kind == bus && (v.hop>>1)%2 == 0:
		s = stop{metres: e.length * 0.7, wait: f.between(v, 12*time.Second, 35*time.Second), why: atStop}
	case e.lights && v.random.IntN(3) == 0:
		s = stop{metres: e.length - 8, wait: f.between(v, 5*time.Second, 32*time.Second), why: waiting}
	default:
		return
	}
	if f.canStop(v, s.metres) {
		v.stop = s
	}
}

// Drivers must take a break (Regulation (EC) 561/2006, article 7). Their daily rest is left out:
// a second driver takes over, so that the map is not empty at night.
const (
	driveAtMost = 4*time.Hour + 30*time.Minute
	restAtLeast = 45 * time.Minute

	areaEvery = 12_000.0 // metres between service areas
)

// serviceArea plans a stop if a break falls due on this road or the tank is low.
func (f *Fleet) serviceArea(v *vehicle, e *edge) (s stop) {
	takes := e.length / (min(e.limit, traits[v.kind].top) * v.pace) // seconds
	switch {
	case v.driven+time.Duration(1.3*takes)*time.Second > driveAtMost:
		s.wait, s.why = restAtLeast+f.between(v, 0, 6*time.Minute), onBreak
	case v.tank < 0.25:
		s.wait, s.why = f.between(v, 10*time.Minute, 16*time.Minute), refilling
	default:
		return stop{}
	}
	areas := math.Floor((e.length - 2*suburbs) / areaEvery)
	if areas < 1 {
		return stop{}
	}
	s.metres = suburbs + areaEvery*(0.5+math.Floor(areas*v.random.Float64())) + 120*v.random.Float64()
	if f.roads.inTunnel(v.hop, s.metres) {
		return stop{}
	}
	return s
}

// between returns a random time from least to most.
func (f *Fleet) between(v *vehicle, least, most time.Duration) time.Duration {
	return least + time.Duration(v.random.Float64()*float64(most-least))
}

// newRoute chooses a route from the end of this hop.
func (f *Fleet) newRoute(v *vehicle) {
	from := f.roads.end(v.hop)
	v.plans = 0
	switch {
	case v.kind == bus:
		return
	case v.far:
		v.dest = f.destination(v, from)
		v.route = f.paths.find(from, v.dest, nowhere, v.route[:0])
	default:
		v.route = f.paths.find(from, f.address(v, from), v.hop.reversed(), v.route[:0])
	}
	v.next = 0
}

// destination chooses a city: every other time the vehicle's home, otherwise one that is
// neither next door nor at the other end of the map.
func (f *Fleet) destination(v *vehicle, from int32) int32 {
	if from != v.home && v.random.IntN(2) == 0 {
		return v.home
	}
	most := 300_000 + 700_000*v.random.Float64()
	for {
		to := int32(v.random.IntN(len(cities)))
		apart := metres(f.roads.nodes[from], f.roads.nodes[to])
		if to != from && apart > 60_000 && apart < most {
			return to
		}
	}
}

// address chooses a crossing some blocks away, mostly straight on.
func (f *Fleet) address(v *vehicle, from int32) int32 {
	if v.city {
		return f.anywhere(v, from)
	}
	to, came := from, v.hop
	for range 6 + v.random.IntN(20) {
		exits := f.roads.leaving(to)
		choice, other := exits[v.random.IntN(len(exits))], exits[v.random.IntN(len(exits))]
		if f.roads.turn(came, other) < f.roads.turn(came, choice) {
			choice = other
		}
		to, came = f.roads.end(choice), choice
	}
	if to == from {
		to = f.roads.end(f.roads.leaving(from)[0])
	}
	return to
}
