package simulator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// towns are the two cities with so many vehicles that a close look at them is worth it.
var towns = []struct {
	city  string
	share float64 // of the fleet
}{{"Berlin", 0.30}, {"Paris", 0.10}}

// enroll sets the kind, the home and the name of each vehicle.
func (f *Fleet) enroll() {
	homes := newHomes()
	var numbers [kinds]int
	for i := range f.vehicles {
		v := &f.vehicles[i]
		v.pcg = f.randomOf(i)
		v.random = *rand.New(&v.pcg)
		town := false
		v.home, town = homes.choose(&v.random)
		v.city = f.config.City != nil && i%2 == 0
		if v.city {
			v.home, town = realCity, true
		}
		v.kind = chooseKind(&v.random, town)
		v.far = !v.city && (v.kind == truck || v.kind == car && v.random.IntN(4) == 0)
		v.frost = v.kind == truck && v.random.IntN(10) < 3
		numbers[v.kind]++
		t := &traits[v.kind]
		v.head = fmt.Sprintf(`{"vehicle_id":"%s-%03d","kind":"%s","driver":"%s %s"`,
			t.prefix, numbers[v.kind], t.name,
			firstNames[v.random.IntN(len(firstNames))], lastNames[v.random.IntN(len(lastNames))])
	}
}

// homes chooses cities: the two towns by their share, all others by the square root of their
// inhabitants.
type homes struct {
	towns []int32
	sums  []float64
}

func newHomes() *homes {
	h := &homes{}
	sum := 0.0
	for i, c := range cities {
		for _, t := range towns {
			if t.city == c.name {
				h.towns = append(h.towns, int32(i))
			}
		}
		sum += math.Sqrt(c.people)
		h.sums = append(h.sums, sum)
	}
	return h
}

func (h *homes) choose(random *rand.Rand) (city int32, town bool) {
	share := random.Float64()
	for i, t := range towns {
		if share -= t.share; share < 0 {
			return h.towns[i], true
		}
	}
	at := random.Float64() * h.sums[len(h.sums)-1]
	for i, sum := range h.sums {
		if at < sum {
			return int32(i), false
		}
	}
	return 0, false
}

func chooseKind(random *rand.Rand, town bool) kind {
	share := random.Float64()
	for k := range kinds {
		part := traits[k].share
		if town {
			part = traits[k].inTown
		}
		if share -= part; share < 0 {
			return k
		}
	}
	return car
}

// setOut puts a vehicle somewhere on its way, as if it had driven for a while.
func (f *Fleet) setOut(v *vehicle) {
	v.pace = 0.9 + 0.1*v.random.Float64()
	v.error = 2 + 3*v.random.Float64()
	v.tank = 0.3 + 0.7*v.random.Float64()
	v.metered = 1000 * math.Floor(20_000+400_000*v.random.Float64())
	v.driven = f.between(v, 0, 4*time.Hour)
	v.errands = v.random.IntN(30)
	f.tune(v)
	f.firstRoute(v)
	v.hop, v.next = v.route[v.next], v.next+1
	length := f.roads.edge(v.hop).length
	v.metres = length * (0.02 + 0.9*v.random.Float64())
	switch {
	case v.next < len(v.route):
	case v.kind == bus:
		v.next = 0
	case v.city || !f.planArrival(v):
		f.newRoute(v)
	}
	f.lookAhead(v)
	if v.random.IntN(7) == 0 {
		f.startHalted(v)
		return
	}
	v.speed = f.allowed(v)
	for _, s := range f.ahead(v) {
		v.speed = min(v.speed, math.Sqrt(s.speed*s.speed+2*traits[v.kind].brake*max(s.metres, 0)))
	}
}

// firstRoute chooses a route and how much of it the vehicle has driven already.
func (f *Fleet) firstRoute(v *vehicle) {
	switch {
	case v.kind == bus:
		line := f.line(v)
		v.route = line.route
		v.head += `,"line":"` + line.name + `"`
	case v.far:
		v.dest = f.destination(v, v.home)
		from := v.home
		if v.random.IntN(2) == 0 {
			from, v.dest = v.dest, v.home
		}
		v.route = f.paths.find(from, v.dest, nowhere, nil)
	default:
		crossings := f.roads.streets[v.home]
		from := crossings[v.random.IntN(len(crossings))]
		v.hop = f.roads.leaving(from)[0].reversed()
		v.route = f.paths.find(from, f.address(v, from), nowhere, nil)
	}
	v.next = v.random.IntN(len(v.route))
}

// startHalted parks a vehicle for its first minutes.
func (f *Fleet) startHalted(v *vehicle) {
	v.stop = stop{wait: f.between(v, 70*time.Second, 15*time.Minute), why: onBreak}
	f.halt(v)
}
