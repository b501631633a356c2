package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"livemap/geo"
)

// Query is what a subscriber asks for.
type Query struct {
	Topics      []string      // ids; at least one
	Only        []string      // patterns of topics, `*` at the end only, one of which a vehicle must match for AllTopic; nil: none need
	Box         *geo.Box      // nil: everywhere
	Interval    time.Duration // at most one position per vehicle in this time; 0: every one
	Ping        time.Duration // a `ping` event at least this often; 0: none
	Tail        bool          // no last-known positions at the start
	LastEventID string        // as the client sent it; "": none
	Protocol    string        // told in `live`: h1, h2, h3
	Until       time.Time     // when the stream is ended; zero: never
}

// Reason says why a stream ended.
type Reason string

const (
	Cancelled Reason = "client"   // its context was cancelled: the client went
	Failed    Reason = "write"    // a write failed
	Panicked  Reason = "panic"    // so it did; the hub and its other streams go on
	Draining  Reason = "draining" // the hub is going down
	Outdated  Reason = "expired"  // Query.Until has come
	TooMany   Reason = "too-many" // it was not to begin: see TurnedAway
)

// Summary tells of a stream that ended.
type Summary struct {
	Reason Reason
	Err    error // of the write that failed; a *Panic
	Events int64 // positions, `late` and `gone`
	Bytes  int64
}

// Subscription is one reader's stream: what it asked for, and a cursor. Make it
// with Hub.Subscribe; Serve or Attach must be called, once.
type Subscription struct {
	hub   *Hub
	scope scope
	query Query

	pending atomic.Uint64          // the first event in scope since the cursor last looked; 0: none
	ending  atomic.Pointer[Reason] // the stream is to end; nil: it goes on
	writer  atomic.Pointer[writer] // who gives it its turns; nil: nobody yet

	cursor // of who writes it, like what follows
	out    Outlet
	ended  func(Summary)
	flight flight
	behind bool // the log is no way to go on: the reader must be brought to date
	parted bool // the reader was told `bye`
	// On the hub's monotonic clock: when events were last written, anything
	// was last written, and a ping was last sent.
	flushed, written, pinged time.Duration
	ends                     time.Duration // when it is to end; 0: never
	summary                  Summary

	turns turns // of its writer's goroutine
}

// flight is what was written last, and may not be on the wire yet.
type flight struct {
	waits  bool // the outlet has kept some of it
	paced  bool // the next one waits out the flush interval
	bytes  int
	events int
	oldest int64 // when the first live event in it was published; 0: there is none
}

// Subscribe registers a reader. From here on nothing it asked for escapes it.
func (h *Hub) Subscribe(q Query) *Subscription {
	s := &Subscription{hub: h, scope: newScope(q.Topics, q.Box, q.Only...), query: q, ends: h.moment().until(q.Until)}
	h.audience.join(s)
	if h.draining.Load() {
		s.end(Draining)
	}
	return s
}

// Serve writes the stream, in the caller's goroutine, until ctx is done, a write
// fails, or the hub ends it. write must put all it is given on the wire before
// it returns, and must not keep or change it.
func (s *Subscription) Serve(ctx context.Context, write func([]byte) error) (summary Summary) {
	defer context.AfterFunc(ctx, s.Leave)()
	w := newWriter(s.hub)
	w.patient = true
	s.ended = func(its Summary) {
		summary = its
		w.close()
	}
	s.open(waiting(write))
	w.adopt(s)
	w.run()
	return summary
}

// Attach has the stream written by one of the hub's own few goroutines, which
// never wait for a reader: it costs no goroutine. Attach returns when the stream
// has begun. When it has ended, ended is told, which should not take long, and
// out is used no more. Leave says that the client went.
func (s *Subscription) Attach(out Outlet, ended func(Summary)) {
	s.ended = ended
	s.open(out)
	s.hub.nextWriter().adopt(s)
}

// Leave ends the stream because its client went.
func (s *Subscription) Leave() { s.end(Cancelled) }

// end asks the stream to end; the first reason counts.
func (s *Subscription) end(why Reason) {
	if s.ending.CompareAndSwap(nil, &why) {
		s.wake()
	}
}

// wake has the stream given a turn.
func (s *Subscription) wake() {
	if w := s.writer.Load(); w != nil {
		w.wake(s)
	}
}

// open begins the stream.
func (s *Subscription) open(out Outlet) {
	defer s.shield()
	s.out = out
	s.pinged = s.hub.now()
	retry := time.Second + rand.N(2*time.Second) // so that clients do not come back in one wave
	s.send(appendGreeting(nil, retry.Truncate(time.Millisecond)))
	s.land()
	s.begin()
	s.land()
}

// over tells whether the stream has ended.
func (s *Subscription) over() bool { return s.summary.Reason != "" }

// goesOn tells whether the stream is not to end, and ends it if it is.
func (s *Subscription) goesOn() bool {
	why := s.ending.Load()
	switch {
	case why == nil, s.over():
	case *why == Cancelled, s.parted:
		s.stop(*why, nil)
	default:
		s.parted = true
		s.send(appendBye(nil, *why))
		if !s.flight.waits {
			s.stop(*why, nil)
		}
	}
	return !s.over() && !s.parted
}

// stop notes why the stream ends; the first reason counts.
func (s *Subscription) stop(why Reason, err error) {
	if s.summary.Reason == "" {
		s.summary.Reason, s.summary.Err = why, err
	}
}

// Panic is the error of a stream that panicked.
type Panic struct {
	Value any    // what panic was called with
	Stack []byte // as debug.Stack has it
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// shield has a panic end the stream that it came from, and no other.
func (s *Subscription) shield() {
	if value := recover(); value != nil {
		s.flight.waits, s.behind = false, false
		s.stop(Panicked, &Panic{value, debug.Stack()})
	}
}

// send writes bytes.
func (s *Subscription) send(p []byte) { s.fly(p, flight{bytes: len(p)}) }

func (s *Subscription) fly(p []byte, f flight) {
	if s.over() {
		return
	}
	waits, err := s.out.Write(p)
	s.flight = f
	if s.flight.waits = waits && err == nil; !s.flight.waits {
		s.landed(err)
	}
}

// land waits for what was written to be on the wire.
func (s *Subscription) land() {
	if s.flight.waits {
		s.landed(s.out.Wait())
	}
}

// landed notes that what was written is on the wire, or that it failed.
func (s *Subscription) landed(err error) {
	s.flight.waits = false
	if err != nil {
		s.stop(Failed, err)
		return
	}
	s.written = s.hub.now()
	if s.flight.paced {
		s.flushed = s.written
	}
	s.summary.Bytes += int64(s.flight.bytes)
	s.count(s.flight.events, s.flight.oldest)
}

// count notes that n events were written, the oldest of them, if live, having
// been published at oldest.
func (s *Subscription) count(n int, oldest int64) {
	if n == 0 {
		return
	}
	s.summary.Events += int64(n)
	s.hub.counters.written.Add(uint64(n))
	if delay := s.hub.config.Delay; delay != nil && oldest != 0 {
		delay(s.written - time.Duration(oldest))
	}
}

// due tells whether there may be something to take.
func (s *Subscription) due() bool { return s.more || s.pending.Load() != 0 }

// stuck tells whether the stream cannot go on without waiting: for its reader,
// or for the state of the fleet.
func (s *Subscription) stuck() bool { return s.flight.waits || s.behind }

// unstick waits for what the stream is stuck on.
func (s *Subscription) unstick() {
	defer s.shield()
	s.land()
	if s.behind && !s.over() {
		s.behind = false
		s.catchUp()
	}
}

// advance writes what is due, and tells when there is something to do again
// unless the stream is woken before.
func (s *Subscription) advance() (next time.Duration) {
	defer s.shield()
	if s.stuck() || !s.goesOn() {
		return 0
	}
	now := s.hub.now()
	if s.ends != 0 && now >= s.ends {
		s.end(Outdated)
		s.goesOn()
		return 0
	}
	s.keepWarm(now)
	if s.due() && !s.stuck() && (s.more || s.flushed == 0 || now >= s.rested()) {
		s.flush()
	}
	if s.due() {
		return min(s.rested(), s.silentUntil())
	}
	return s.silentUntil()
}

// rested is when the stream may write events again.
func (s *Subscription) rested() time.Duration {
	return s.flushed + max(s.hub.config.FlushInterval, s.query.Interval)
}

// buffers lends out the bytes that a stream needs only while it is written.
var buffers = sync.Pool{New: func() any { return new([chunk + 1024]byte) }}

// inTurn is how many chunks a stream writes in one turn.
const inTurn = 4

// flush writes all there is, as far as a turn goes.
func (s *Subscription) flush() {
	buffer := buffers.Get().(*[chunk + 1024]byte)
	defer buffers.Put(buffer)
	for range inTurn {
		p, n := s.take(buffer[:0])
		if len(p) == 0 {
			return
		}
		s.fly(p, flight{paced: true, bytes: len(p), events: n, oldest: s.oldest})
		if s.stuck() || !s.goesOn() {
			return
		}
		s.ping(s.written) // a reader that is always behind never waits
		if !s.more || s.stuck() {
			return
		}
	}
}

// keepWarm sends what silence asks for.
func (s *Subscription) keepWarm(now time.Duration) {
	s.ping(now)
	if now >= s.written+s.hub.config.Heartbeat && !s.stuck() {
		s.send(appendHeartbeat(nil, s.restingID()))
	}
}

// ping sends a ping when it is time.
func (s *Subscription) ping(now time.Duration) {
	if s.query.Ping > 0 && now >= s.pinged+s.query.Ping {
		s.pinged = now
		s.send(appendControl(nil, "ping", "", fmt.Sprintf(`{"time":%s}`, s.hub.clock())))
	}
}

// silentUntil tells until when nothing need be written if nothing happens.
func (s *Subscription) silentUntil() time.Duration {
	until := s.written + s.hub.config.Heartbeat
	if s.query.Ping > 0 {
		until = min(until, s.pinged+s.query.Ping)
	}
	if s.ends != 0 {
		until = min(until, s.ends)
	}
	return until
}

// clock gives the time of day as the wire has it: Unix seconds, to the millisecond.
func (h *Hub) clock() []byte {
	return geo.AppendTime(nil, h.config.Clock().Truncate(time.Millisecond))
}

// endEvery is how far apart streams are ended, unless they are so many that
// they would take longer than the time there is.
const endEvery = 5 * time.Millisecond

// Drain ends every stream with `bye`, spread over up to the time given so that
// the clients do not come back in one wave; new ones are ended at once. It
// returns when all have ended or ctx is done.
func (h *Hub) Drain(ctx context.Context, over time.Duration) {
	h.draining.Store(true)
	streams := h.audience.list()
	every := endEvery
	if n := time.Duration(len(streams)); n > 0 {
		every = min(endEvery, over/n)
	}
	ticker := time.NewTicker(max(every, time.Microsecond))
	defer ticker.Stop()
	began := time.Now()
	for i, s := range streams {
		s.end(Draining)
		// A machine that is busy loses ticks, for which the last streams must not
		// have to be cut.
		for ctx.Err() == nil && time.Since(began) < time.Duration(i+1)*every {
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	}
	select {
	case <-ctx.Done():
	case <-h.audience.emptied():
	}
}
