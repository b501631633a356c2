// Package stream fans positions out: a stream is a cursor over one shared log.
//
// Every event is encoded once, when it is published, and appended to the log.
// A subscriber owns no queue, only a cursor and the scope it asked for. What
// there is in scope after the cursor has two answers: every event, from the
// log, while the log reaches back that far and the backlog is bounded; else the
// newest event of each vehicle, from the fleet. State at the start, resume,
// slow readers and intervals are all this one mechanism, and publishing never
// waits for a reader.
//
// The package starts no HTTP; it writes bytes to functions it is given.
package stream

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"livemap/geo"
)

// MaxAhead is how far a position's timestamp may be ahead of the hub's clock.
const MaxAhead = 60 * time.Second

// Config is what can be set on a hub. The zero value of a field is its default.
type Config struct {
	History       int           // bytes of the log, its index included; 64 MiB
	MaxBacklog    int           // bytes a reader may be behind before it gets newest positions; 16 MiB
	FlushInterval time.Duration // longest time an event waits for company; 20 ms
	Heartbeat     time.Duration // silence after which a stream gets a heartbeat; 15 s
	MaxVehicles   int           // vehicles remembered, gone ones included; 200,000
	VehicleTTL    time.Duration // silence after which a vehicle is gone; 0 is never

	// Clock is the wall clock that positions are stamped and compared with.
	// Timeouts do not use it, so that it may jump. Default time.Now.
	Clock func() time.Time
	// Delay, if set, is told how long the oldest event of a live write waited
	// from being published until it was written. It is called often and from
	// many goroutines.
	Delay func(time.Duration)
}

func (c Config) withDefaults() Config {
	or(&c.History, 64<<20)
	or(&c.MaxBacklog, 16<<20)
	or(&c.FlushInterval, 20*time.Millisecond)
	or(&c.Heartbeat, 15*time.Second)
	or(&c.MaxVehicles, 200_000)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Hub takes positions from publishers and gives them to subscribers.
type Hub struct {
	config Config
	epoch  string
	born   time.Time // the zero of the monotonic clock

	otherClock bool // config.Clock is not time.Now

	mu     sync.RWMutex // guards what follows
	log    *eventLog
	fleet  fleet
	topics topics
	event  []byte // the event being published

	audience audience
	freezer  freezer
	counters counters

	poked    chan struct{} // something was published
	done     chan struct{} // the hub is closed
	draining atomic.Bool
	routed   atomic.Uint64 // events up to this seq have found their subscribers
	running  sync.WaitGroup
}

// New starts a hub with an empty log of a new epoch. Close ends it.
func New(config Config) *Hub {
	h := &Hub{
		config: config.withDefaults(),
		epoch:  newEpoch(),
		born:   time.Now(),

		otherClock: config.Clock != nil,

		fleet:  newFleet(),
		topics: topics{},
		poked:  make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	h.audience.init()
	h.log = newLog(h.config.History, 1)
	h.running.Go(h.route)
	if h.config.VehicleTTL > 0 {
		h.running.Go(h.expire)
	}
	return h
}

// Close ends the hub's own goroutines; nothing may be published after. The
// streams must have ended before.
func (h *Hub) Close() {
	close(h.done)
	h.running.Wait()
}

// now is the hub's monotonic clock.
func (h *Hub) now() time.Duration { return time.Since(h.born) }

// moment is a moment on both clocks.
type moment struct {
	wall time.Time
	mono time.Duration
}

// moment reads both clocks, which are one unless Config.Clock is another.
func (h *Hub) moment() moment {
	now := time.Now()
	m := moment{now, now.Sub(h.born)}
	if h.otherClock {
		m.wall = h.config.Clock()
	}
	return m
}

// id gives the id of event seq.
func (h *Hub) id(seq uint64) ID { return ID{h.epoch, seq} }

// Head gives the id of the newest event.
func (h *Hub) Head() ID {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.id(h.log.head())
}

// Verdict is what became of a position.
type Verdict uint8

const (
	Accepted  Verdict = iota // it is the vehicle's newest
	Late                     // older than the vehicle's newest: delivered as `late`
	Duplicate                // equal to the vehicle's newest: not delivered
)

// Receipt tells what became of a published position.
type Receipt struct {
	Verdict Verdict
	ID      ID // zero for a duplicate
}

// Publish takes a position. When it returns, the position has its id and is in
// the log; p may be reused. The error is a *geo.Refusal when its timestamp is
// more than MaxAhead ahead of the hub's clock.
func (h *Hub) Publish(p *geo.Position) (Receipt, error) {
	now := h.moment()
	if err := ahead(p, now.wall); err != nil {
		return Receipt{}, err
	}
	h.mu.Lock()
	receipt := h.take(p, now)
	h.mu.Unlock()
	h.counters.count(receipt.Verdict)
	if receipt.Verdict != Duplicate {
		h.poke()
	}
	return receipt, nil
}

// Check tells what Publish would answer, and publishes nothing.
func (h *Hub) Check(p *geo.Position) (Verdict, error) {
	now := h.config.Clock()
	if err := ahead(p, now); err != nil {
		return 0, err
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	v := h.fleet.get(p.VehicleID)
	if v == nil {
		return Accepted, nil
	}
	at := arrival(p, v, now)
	return h.verdict(p, v, at.UnixNano(), p.AppendFeature(nil, at)), nil
}

// ahead refuses a position from the future.
func ahead(p *geo.Position, now time.Time) error {
	if p.Time.IsZero() || !p.Time.After(now.Add(MaxAhead)) {
		return nil
	}
	return &geo.Refusal{VehicleID: p.VehicleID, Field: "timestamp", Detail: fmt.Sprintf(
		"timestamp is %s ahead of the hub's clock; at most %s are allowed",
		p.Time.Sub(now).Round(time.Second), MaxAhead)}
}

// arrival gives a position's timestamp: its own, or that of its arrival, which
// is never before the vehicle's newest, so that the marker moves even if
// the hub's clock was set back.
func arrival(p *geo.Position, v *vehicle, now time.Time) time.Time {
	if !p.Time.IsZero() {
		return p.Time
	}
	now = now.Truncate(time.Millisecond)
	if newest := time.Unix(0, v.time); newest.After(now) {
		return newest
	}
	return now
}

// verdict judges a position of the known vehicle v by its Feature. A change of
// topics is not in the Feature, but it is news all the same. The timestamp is: of
// another one the newest Feature need not be looked at.
func (h *Hub) verdict(p *geo.Position, v *vehicle, at int64, data []byte) Verdict {
	switch {
	case at < v.time:
		return Late
	case at > v.time:
		return Accepted
	case !v.present() && v.sum == sum(data):
		return Duplicate
	case v.present() && string(feature(v.event)) == string(data) && (p.Topics == nil || same(*v.here.topics, p.Topics)):
		return Duplicate
	}
	return Accepted
}

// take is Publish under the lock, at the moment now.
func (h *Hub) take(p *geo.Position, now moment) Receipt {
	v := h.fleet.get(p.VehicleID)
	if v == nil {
		v = h.welcome(p.VehicleID)
	}
	h.fleet.touch(v, now.mono)
	at, seq := arrival(p, v, now.wall), h.log.head()+1
	h.event = appendPosition(h.event[:0], h.epoch, seq, p, at)
	switch h.verdict(p, v, at.UnixNano(), feature(h.event)) {
	case Duplicate:
		return Receipt{Verdict: Duplicate}
	case Late:
		h.event = appendLate(h.event[:0], h.epoch, seq, p, at)
		h.record(v, late, v.at(), v.at(), now.mono)
		return Receipt{Late, h.id(seq)}
	}
	topics := v.here.topics
	if topics == nil || p.Topics != nil {
		topics = h.topics.set(p.Topics, topics, h.log.first()-1)
	}
	v.time = at.UnixNano()
	h.move(v, position, place{topics, p.Point}, now.mono)
	return Receipt{Accepted, h.id(seq)}
}

// welcome makes a vehicle known, at the cost of the longest silent when there
// are too many.
func (h *Hub) welcome(id string) *vehicle {
	for h.fleet.size() >= h.config.MaxVehicles {
		v := h.fleet.longestSilent()
		if v.present() {
			h.end(v, Expired)
		}
		h.fleet.forget(v)
	}
	v := h.fleet.add(id, h.log.first()-1)
	v.time = math.MinInt64
	return v
}

// end makes a present vehicle a gone one.
func (h *Hub) end(v *vehicle, reason GoneReason) {
	v.sum = sum(feature(v.event))
	h.event = appendGone(h.event[:0], h.epoch, h.log.head()+1, v.id, reason)
	h.move(v, gone, place{point: v.here.point}, h.now())
}

// move puts h.event at the end of the log as the one that made v's state: to
// be at the place after.
func (h *Hub) move(v *vehicle, k kind, after place, now time.Duration) {
	before := v.here
	h.fleet.move(v, after)
	h.topics.move(v, before.topics, after.topics)
	v.seq = h.log.head() + 1
	v.event = h.record(v, k, before, after, now)
}

// record puts h.event at the end of the log and files it, and drops what the
// log has no room for.
func (h *Hub) record(v *vehicle, k kind, before, after place, now time.Duration) []byte {
	seq, indexed := h.log.head()+1, 0
	filed(v, before.topics, after.topics, func(index *seqs) {
		index.add(seq)
		indexed++
	})
	event := h.log.append(h.event, record{
		kind: k, vehicle: v, before: before, after: after, published: int64(now),
	}, indexed)
	for s := h.log.drop(); s != nil; s = h.log.drop() {
		h.unfile(s)
	}
	return event
}

// unfile lets go of a segment that left the log. A parked vehicle, whose newest
// event was in it, keeps a copy and does not pin the segment.
func (h *Hub) unfile(s *segment) {
	last := s.next() - 1
	for i := range s.records {
		r := &s.records[i]
		if r.vehicle.seq == s.first+uint64(i) {
			r.vehicle.event = slices.Clone(r.vehicle.event)
		}
		filed(r.vehicle, r.before.topics, r.after.topics, func(index *seqs) { index.trim(last) })
		h.fleet.release(r.vehicle)
		h.topics.release(r.before.topics)
		h.topics.release(r.after.topics)
	}
}

// Delete makes a vehicle go (`gone`, `deleted`). It tells whether there was one.
func (h *Hub) Delete(vehicleID string) bool {
	h.mu.Lock()
	v := h.fleet.get(vehicleID)
	found := v != nil && v.present()
	if found {
		h.end(v, Deleted)
	}
	h.mu.Unlock()
	if found {
		h.poke()
	}
	return found
}

// poke wakes the goroutine that finds the subscribers of new events.
func (h *Hub) poke() {
	select {
	case h.poked <- struct{}{}:
	default:
	}
}

// expireEvery is how often vehicles are looked at that may have been silent for
// too long.
const expireEvery = time.Second

// expire ends vehicles that have been silent for too long, until the hub is closed.
func (h *Hub) expire() {
	ticker := time.NewTicker(min(expireEvery, h.config.VehicleTTL))
	defer ticker.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
			for h.expireSome() {
			}
		}
	}
}

// expireSome ends some hundreds of vehicles, so that publishers wait no longer
// than that, and tells whether there may be more.
func (h *Hub) expireSome() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for range 256 {
		v := h.fleet.silentSince(h.now() - h.config.VehicleTTL)
		if v == nil {
			return false
		}
		h.end(v, Expired)
		h.poke()
	}
	return true
}
