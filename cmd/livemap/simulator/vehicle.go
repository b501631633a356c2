package simulator

import (
	"math"
	"math/rand/v2"
	"time"
)

// kind is the kind of a vehicle, as published.
type kind uint8

const (
	truck kind = iota
	van
	bus
	car
	kinds // their number
)

// traits are what all vehicles of a kind have in common.
var traits = [kinds]struct {
	name, prefix  string
	accelerate    float64 // m/s², at most
	brake         float64 // m/s², at most
	top           float64 // m/s
	reach         float64 // metres on a full tank or battery
	electric      bool
	share, inTown float64 // of the fleet: anywhere, and in the two towns
}{
	truck: {"truck", "TRUCK", 0.7, 1.2, 86 / 3.6, 1_100_000, false, 0.52, 0.14},
	van:   {"van", "VAN", 1.8, 2, 120 / 3.6, 240_000, true, 0.22, 0.38},
	bus:   {"bus", "BUS", 1.1, 2, 80 / 3.6, 280_000, true, 0.12, 0.28},
	car:   {"car", "CAR", 2, 2, 130 / 3.6, 600_000, false, 0.14, 0.20},
}

// status is what a vehicle does, as published.
type status uint8

const (
	driving status = iota
	waiting        // at traffic lights
	atStop
	delivering
	loading
	onBreak
	refilling
	onSite
)

var statusNames = [...]string{
	"driving", "waiting", "at stop", "delivering", "loading", "break", "refilling", "on site",
}

// vehicle is the state of one vehicle: where it is and where it is going.
type vehicle struct {
	random rand.Rand
	pcg    rand.PCG

	head  string // the members of its report that never change
	kind  kind
	far   bool  // it drives from city to city, on trunk roads
	city  bool  // it drives in Config.City
	frost bool  // it has a refrigerated body
	home  int32 // city; realCity if it drives in Config.City

	at     time.Duration // the simulated time of this state
	hop    hop
	metres float64 // along hop
	speed  float64 // m/s
	corner float64 // m/s, at the end of hop
	pace   float64 // part of the speed limit that this driver drives

	route []hop // of a bus its whole line, which other buses share
	next  int   // index in route of the hop behind this one
	plans int   // for how many hops behind this one halts are planned, in Config.City
	dest  int32 // the city to which a far vehicle drives
	stop  stop  // the next stop on hop; none where its wait is 0

	status  status
	until   time.Duration // when it departs, while it stands
	parked  bool          // it stands long enough to report seldom
	driven  time.Duration // since the last break
	tank    float64       // 0 to 1, fuel or battery
	metered float64       // metres on the odometer
	errands int           // stops since the last visit to the depot

	radio radio
	drift [2]float64 // the GPS's error: metres east and north
	error float64    // standard deviation of each drift, in metres

	topicRound int // the fleet's when the vehicle last reported its topics
}

// stop is a place at which a vehicle halts.
type stop struct {
	metres float64       // from the start of the vehicle's hop
	wait   time.Duration // 0: there is no stop
	why    status
}

// maxStep is the longest time in which speed is taken to change evenly.
const maxStep = time.Second

// drive advances a vehicle to a later time.
func (f *Fleet) drive(v *vehicle, to time.Duration) {
	for v.at < to {
		if v.until > v.at {
			v.at = min(to, v.until)
			if v.at == v.until {
				f.depart(v)
			}
			continue
		}
		step := min(maxStep, to-v.at)
		v.at += step
		f.step(v, step)
	}
}

// step drives for a moment, during which the speed changes evenly.
func (f *Fleet) step(v *vehicle, step time.Duration) {
	if v.city {
		f.planHalts(v)
	}
	dt := step.Seconds()
	t := &traits[v.kind]
	speed := min(v.speed+t.accelerate*dt, f.allowed(v))
	arrives := false
	for _, b := range f.ahead(v) {
		if b.speed >= max(speed, v.speed) {
			continue
		}
		safe := braking(b.speed, b.metres, v.speed, t.brake, dt)
		arrives = arrives || b.speed == 0 && safe <= 0
		speed = min(speed, safe)
	}
	speed = max(speed, v.speed-t.brake*dt, 0)
	distance := (v.speed + speed) / 2 * dt
	if arrives {
		distance, speed = v.stop.metres-v.metres, 0
	}
	v.speed = speed
	v.driven += step
	f.roll(v, distance)
	if arrives {
		f.halt(v)
	}
}

// braking is the highest speed after dt from which a vehicle can still brake to slow, at a place
// that is metres ahead now. The vehicle drives at speed now.
//
// It solves v² ≤ slow² + 2·brake·(metres − (speed+v)/2·dt) for v. A vehicle that always keeps to
// it never brakes harder than brake. For a place that is reached within dt it is
// at most 0.
func braking(slow, metres, speed, brake, dt float64) float64 {
	half := brake * dt / 2
	left := half*half + slow*slow + brake*(2*metres-speed*dt)
	if left <= 0 {
		return 0
	}
	return math.Sqrt(left) - half
}

// roll moves a vehicle along its route by metres.
func (f *Fleet) roll(v *vehicle, distance float64) {
	v.metered += distance
	v.tank = max(0, v.tank-distance/traits[v.kind].reach)
	v.metres += distance
	for length := f.roads.edge(v.hop).length; v.metres >= length; length = f.roads.edge(v.hop).length {
		v.metres -= length
		v.stop.metres -= length
		f.enter(v)
	}
}

// allowed is the speed at which a vehicle may drive where it is.
func (f *Fleet) allowed(v *vehicle) float64 {
	e := f.roads.edge(v.hop)
	limit := e.limit
	if e.trunk {
		switch centre := min(v.metres, e.length-v.metres); {
		case centre < inner:
			limit = limitInner
		case centre < suburbs:
			limit = limitSuburb
		}
	}
	return min(limit, traits[v.kind].top) * v.pace
}

// slow is a place ahead and the highest speed, in m/s, at which to pass it.
type slow struct{ metres, speed float64 }

// ahead returns the places where a vehicle must be slow: those on this hop, and in a real city also those
// behind it. Other hops are long enough to brake for those of the next hop once it is entered.
func (f *Fleet) ahead(v *vehicle) []slow {
	e := f.roads.edge(v.hop)
	left := e.length - v.metres
	list := append(f.slow[:0], slow{left, v.corner})
	if v.stop.wait > 0 {
		list = append(list, slow{v.stop.metres - v.metres, 0})
	}
	if e.trunk && left > inner {
		list = append(list, slow{left - inner, limitInner * v.pace})
		if left > suburbs {
			list = append(list, slow{left - suburbs, limitSuburb * v.pace})
		}
	}
	if v.city {
		list = f.behind(v, left, list)
	}
	return list
}

// cornering is the highest speed, in m/s, at which a vehicle turns by the given degrees.
func cornering(turn float64) float64 {
	if turn < 12 {
		return math.Inf(1)
	}
	half := math.Cos(turn / 2 * math.Pi / 180)
	return max(15*half*half*half*half, 1.5)
}

// canStop reports whether there is room to brake for a place on the hop.
func (f *Fleet) canStop(v *vehicle, metres float64) bool {
	const margin = 3
	needed := v.speed * v.speed / (2 * traits[v.kind].brake)
	return metres-v.metres > needed+margin && metres < f.roads.edge(v.hop).length-margin
}

// halt stops the vehicle at the stop that it has reached.
func (f *Fleet) halt(v *vehicle) {
	v.status, v.until = v.stop.why, v.at+v.stop.wait
	if v.stop.wait > longHalt {
		v.parked = true
		f.moving--
	}
	if v.stop.why == onBreak || v.stop.why == loading {
		v.driven = 0
	}
	v.stop = stop{}
}

// longHalt is the longest stop during which a vehicle does not count as parked.
const longHalt = time.Minute

// depart ends a halt.
func (f *Fleet) depart(v *vehicle) {
	if v.parked {
		f.moving++
	}
	if v.status == refilling || v.status == loading || v.status == onBreak {
		v.tank = max(v.tank, 0.9+0.1*v.random.Float64())
	}
	v.parked, v.status = false, driving
	if v.next >= len(v.route) {
		f.newRoute(v)
		f.lookAhead(v)
	}
}
