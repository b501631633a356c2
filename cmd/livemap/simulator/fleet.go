package simulator

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// Config describes a simulated fleet. Two fleets of the same Config report the same.
type Config struct {
	Vehicles int       // how many there are; at least 1
	Rate     float64   // reports per second of a vehicle that drives; above 0
	Seed     uint64    // another seed makes another fleet of the same size
	Start    time.Time // when simulated time begins
	Topic    string    // a further topic of every vehicle, which needs no escapes in JSON; "": none
	City     *City     // where half of the vehicles drive; nil for none
}

// Fleet is a simulated fleet. Its only clock is the time passed to [Fleet.Advance]: the
// same [Config] makes the same reports, in however many steps the fleet is advanced.
//
// A Fleet must be used by one goroutine at a time.
type Fleet struct {
	config   Config
	exactGPS bool // reports say where vehicles really are
	roads    *roads
	paths    *pathfinder
	lines    map[int32][]busLine // of a city
	busStops map[hop]bool        // hops in Config.City that have one
	depots   []string            // topics of the cities, that of the real city last
	vehicles []vehicle
	due      agenda
	interval time.Duration // between the reports of a vehicle that drives

	moving     int      // vehicles that are not parked
	topicRound int      // how often all vehicles were to report their topics
	slow       [32]slow // memory of ahead
	spare      [][]byte // memory of radios
}

// parkedInterval is the time between reports of a parked vehicle, unless it departs before.
const parkedInterval = 30 * time.Second

// NewFleet returns a fleet that has been on its way for a while: most vehicles drive, some
// are parked. Every vehicle is due to report within the first two seconds, or within the first
// interval where that is shorter.
func NewFleet(config Config) *Fleet {
	f := &Fleet{
		config:     config,
		lines:      map[int32][]busLine{},
		busStops:   map[hop]bool{},
		vehicles:   make([]vehicle, config.Vehicles),
		due:        make(agenda, config.Vehicles),
		interval:   time.Duration(float64(time.Second) / config.Rate),
		moving:     config.Vehicles,
		topicRound: 1,
	}
	for _, c := range cities {
		f.depots = append(f.depots, c.depot())
	}
	if config.City != nil {
		f.depots = append(f.depots, city{name: config.City.Name}.depot())
	}
	f.enroll()
	f.roads = newRoads(f.towns(), config.City)
	f.paths = newPathfinder(f.roads)
	for i := range f.vehicles {
		v := &f.vehicles[i]
		f.setOut(v)
		// All first reports are due within two seconds: the map fills at once.
		f.due[i] = appointment{f.between(v, 0, min(f.interval, 2*time.Second)), int32(i)}
	}
	heap.Init(&f.due)
	return f
}

// depot returns the topic of a vehicle's depot.
func (f *Fleet) depot(v *vehicle) string {
	return f.depots[min(int(v.home), len(f.depots)-1)]
}

// towns returns the cities whose streets the fleet needs.
func (f *Fleet) towns() (towns []int32) {
	for i := range f.vehicles {
		if v := &f.vehicles[i]; !v.far && !v.city && !slices.Contains(towns, v.home) {
			towns = append(towns, v.home)
		}
	}
	slices.Sort(towns)
	return towns
}

// Advance drives the fleet up to a time after [Config].Start and appends the reports that are
// due until then to dst. Each report is a position object of one line, as a hub's POST
// /publish reads it; the lines come in the order in which the vehicles send them.
//
// A time before the one of the last call appends nothing. Advance returns the extended dst.
func (f *Fleet) Advance(to time.Duration, dst []byte) []byte {
	for len(f.due) > 0 && f.due[0].at <= to {
		v := &f.vehicles[f.due[0].vehicle]
		elapsed := f.due[0].at - v.at
		f.drive(v, f.due[0].at)
		if v.radio.end > 0 && v.at >= v.radio.end {
			heap.Pop(&f.due)
			f.retire(v)
			continue
		}
		if !f.exactGPS {
			v.wander(elapsed)
		}
		dst = f.transmit(v, dst)
		f.due[0].at += f.pause(v)
		heap.Fix(&f.due, 0)
	}
	return dst
}

// pause is the time until the next report.
func (f *Fleet) pause(v *vehicle) time.Duration {
	if !v.parked {
		return f.interval
	}
	return max(min(v.until-v.at, max(parkedInterval, f.interval)), time.Millisecond)
}

// retire drops what is kept for a vehicle that has fallen silent for good.
func (f *Fleet) retire(v *vehicle) {
	if !v.parked {
		f.moving--
	}
	v.route, v.radio.kept = nil, nil
}

// Skip moves [Config.Start] to a later time: the fleet has stood still meanwhile.
func (f *Fleet) Skip(d time.Duration) { f.config.Start = f.config.Start.Add(d) }

// Moving returns how many vehicles are not parked.
func (f *Fleet) Moving() int { return f.moving }

// ResendTopics makes every vehicle name its topics in its next report: a hub that has just
// started may not know them.
func (f *Fleet) ResendTopics() { f.topicRound++ }

// appointment is the time of a vehicle's next report.
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

// randomOf returns a vehicle's own source of random numbers. Its behaviour therefore does not
// depend on the other vehicles.
func (f *Fleet) randomOf(i int) rand.PCG {
	return *rand.NewPCG(f.config.Seed, uint64(i))
}
