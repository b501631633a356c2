package main

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// fleetPlan is what makes a simulated fleet the one that it is.
type fleetPlan struct {
	vehicles int
	rate     float64 // reports per second of a vehicle that drives
	seed     uint64
	start    time.Time // of simulated time
	exactGPS bool      // reports say where vehicles really are
}

// fleet is a simulated fleet. It knows no other time than the one it is advanced
// to: the same plan gives the same reports, however it is advanced.
type fleet struct {
	plan     fleetPlan
	roads    *roads
	paths    *pathfinder
	lines    map[int32][]busLine // of a city
	depots   []string            // topics of the cities
	vehicles []vehicle
	due      agenda
	interval time.Duration // between the reports of a vehicle that drives

	moving    int      // vehicles that are not parked
	introduce int      // how often vehicles were to tell their topics
	slow      [4]slow  // memory of ahead
	spare     [][]byte // memory of radios
}

// parkedInterval is how often a parked vehicle reports at most.
const parkedInterval = 30 * time.Second

// newFleet makes a fleet that has been on its way for a while.
func newFleet(plan fleetPlan) *fleet {
	f := &fleet{
		plan:      plan,
		lines:     map[int32][]busLine{},
		vehicles:  make([]vehicle, plan.vehicles),
		due:       make(agenda, plan.vehicles),
		interval:  time.Duration(float64(time.Second) / plan.rate),
		moving:    plan.vehicles,
		introduce: 1,
	}
	for _, c := range cities {
		f.depots = append(f.depots, c.depot())
	}
	f.enroll()
	f.roads = newRoads(f.towns())
	f.paths = newPathfinder(f.roads)
	for i := range f.vehicles {
		v := &f.vehicles[i]
		f.setOut(v)
		// All report within two seconds, so that the map fills at once.
		f.due[i] = appointment{f.between(v, 0, min(f.interval, 2*time.Second)), int32(i)}
	}
	heap.Init(&f.due)
	return f
}

// towns are the cities whose streets are needed.
func (f *fleet) towns() (towns []int32) {
	for i := range f.vehicles {
		if v := &f.vehicles[i]; !v.far && !slices.Contains(towns, v.home) {
			towns = append(towns, v.home)
		}
	}
	slices.Sort(towns)
	return towns
}

// advance appends the reports that are due up to a time after the start, one on a
// line, in the order in which they are sent.
func (f *fleet) advance(to time.Duration, dst []byte) []byte {
	for len(f.due) > 0 && f.due[0].at <= to {
		v := &f.vehicles[f.due[0].vehicle]
		elapsed := f.due[0].at - v.at
		f.drive(v, f.due[0].at)
		if v.radio.end > 0 && v.at >= v.radio.end {
			heap.Pop(&f.due)
			f.retire(v)
			continue
		}
		if !f.plan.exactGPS {
			v.wander(elapsed)
		}
		dst = f.transmit(v, dst)
		f.due[0].at += f.pause(v)
		heap.Fix(&f.due, 0)
	}
	return dst
}

// pause is the time to the next report.
func (f *fleet) pause(v *vehicle) time.Duration {
	if !v.parked {
		return f.interval
	}
	return max(min(v.until-v.at, max(parkedInterval, f.interval)), time.Millisecond)
}

// retire forgets a vehicle that is silent for good.
func (f *fleet) retire(v *vehicle) {
	if !v.parked {
		f.moving--
	}
	v.route, v.radio.kept = nil, nil
}

// introduceAgain has every vehicle tell its topics with its next report: a hub
// that is new may not know them.
func (f *fleet) introduceAgain() { f.introduce++ }

// appointment is when a vehicle reports next.
type appointment struct {
	at      time.Duration
	vehicle int32
}

// agenda is a heap of appointments.
type agenda []appointment

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].vehicle < a[j].vehicle
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// randomOf gives a vehicle random numbers of its own, so that what it does does
// not depend on what others do.
func (f *fleet) randomOf(i int) rand.PCG {
	return *rand.NewPCG(f.plan.seed, uint64(i))
}
