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

// Query is what a subscriber asks for. [Hub.Subscribe] takes it.
type Query struct {
	Topics []string // ids of topics; at least one
	// Only restricts AllTopic to the vehicles that match one of these patterns of topics. A pattern may
	// end with `*`, which stands for any text. Nil: no restriction.
	Only []string
	// Rights are patterns of the topics that the reader may read. They say of which fences AllTopic and
	// VehiclePrefix tell. Nil: of all.
	Rights      []string
	Box         *geo.Box      // restricts AllTopic and topics, but no VehiclePrefix; nil: everywhere
	Interval    time.Duration // at most one position per vehicle in this time; 0: every position
	Ping        time.Duration // longest time between two `ping` events; 0: a ping only after silence
	Tail        bool          // true: no last-known positions at the start
	LastEventID string        // as the client sent it; "": none
	Protocol    string        // of the connection, for `live`: h1, h2 or h3
	Until       time.Time     // when the stream ends; zero: never
	// Revoked reports whether the reader has lost its rights for good: see [Hub.EndRevoked]. Several
	// goroutines may call it. Nil: it never does.
	Revoked func() bool
}

// Reason says why a stream ended. The hub sends it in `bye` when it ends the stream itself.
type Reason string

const (
	Cancelled Reason = "client"   // the client left, or the context of Serve is done
	Failed    Reason = "write"    // a write failed
	Panicked  Reason = "panic"    // the stream panicked; the hub and its other streams continue
	Draining  Reason = "draining" // the hub shuts down: see Hub.Drain
	Outdated  Reason = "expired"  // Query.Until has come, or Query.Revoked
	TooMany   Reason = "too-many" // the stream was not to begin: see TurnedAway
)

// Summary describes a stream that ended.
type Summary struct {
	Reason Reason
	Err    error // the error of the failed write, or a *Panic; nil otherwise
	Events int64 // written events: positions, `late` and `gone`
	Bytes  int64
}

// Subscription is the stream of one reader: a cursor, and the pace, pings and end of what it reads.
// [Hub.Subscribe] makes it. Its owner must call [Subscription.Serve] or [Subscription.Attach], once.
type Subscription struct {
	cursor

	ending atomic.Pointer[Reason] // why the stream is to end; nil: it continues
	probed atomic.Bool            // a ping is due now
	writer atomic.Pointer[writer] // the writer that serves it; nil: none yet

	// The goroutine that writes the stream owns what follows.
	out      Outlet
	onEnd    func(Summary)
	inFlight pendingWrite
	byeSent  bool // the reader was sent `bye`
	// When events, anything, and a ping were last written, on the hub's monotonic clock.
	lastFlush, lastWrite, lastPing time.Duration
	endsAt                         time.Duration // when the stream is to end; 0: never
	frozenSince                    int64         // Hub.frozenSince when the reader was told last
	clockSets                      uint64        // Hub.clockSets when endsAt was calculated
	summary                        Summary

	turn turnState // owned by the goroutine of its writer
}

// pendingWrite is the last write, which may not be on the wire yet.
type pendingWrite struct {
	waits  bool // the outlet has kept a part of it
	paced  bool // it holds events: the flush interval begins
	bytes  int
	events int
	oldest int64 // when the first live event in it was published; 0: it has none
}

// Subscribe registers a reader. Every event that is published from now on and is in the query's
// scope reaches it.
func (h *Hub) Subscribe(q Query) *Subscription {
	s := &Subscription{
		cursor: cursor{hub: h, scope: newScope(q.Topics, q.Box, q.Only...), query: q},
	}
	s.scope.rights = newIDPatterns(q.Rights)
	if !q.Until.IsZero() {
		h.clockOnce.Do(func() {
			zero := h.moment().zero()
			h.running.Go(func() { h.watchClock(zero) })
		})
		s.setEnd()
	}
	h.router.add(s)
	if h.draining.Load() {
		s.end(Draining)
	}
	s.endIfRevoked() // EndRevoked may have been called before the router had the stream
	return s
}

// setEnd calculates when the stream is to end, if that is a time of day.
func (s *Subscription) setEnd() {
	s.clockSets = s.hub.clockSets.Load() // first: the clock may be set meanwhile
	s.endsAt = s.hub.moment().until(s.query.Until)
}

// Serve writes the stream in the caller's goroutine. It returns when ctx is done, a write fails, or
// the hub ends the stream. The function write must put all its bytes on the wire before it returns.
// It must not keep or change them.
func (s *Subscription) Serve(ctx context.Context, write func([]byte) error) (summary Summary) {
	defer context.AfterFunc(ctx, s.Leave)()
	w := newWriter(s.hub)
	w.dedicated = true
	s.onEnd = func(its Summary) {
		summary = its
		w.close()
	}
	s.open(outletFunc(write))
	w.add(s)
	w.run()
	return summary
}

// Attach writes the stream in one of the few goroutines of the hub, and so costs no goroutine of
// its own. It returns when the stream has begun. At the end the hub calls ended once, which must
// not take long; it does not use out any more. [Subscription.Leave] ends the stream when its client
// leaves.
func (s *Subscription) Attach(out Outlet, ended func(Summary)) {
	s.onEnd = ended
	s.open(out)
	s.hub.nextWriter().add(s)
}

// Leave ends the stream because its client left.
func (s *Subscription) Leave() { s.end(Cancelled) }

// probeAgain is when Probe writes its second ping.
const probeAgain = time.Second

// Probe writes a ping at once, and another one soon after, to a client that may have gone. The system
// of one that has gone answers the first with a reset, and the second fails.
func (s *Subscription) Probe() {
	s.pingNow()
	time.AfterFunc(probeAgain, s.pingNow)
}

func (s *Subscription) pingNow() {
	s.probed.Store(true)
	s.wake()
}

// end asks the stream to end. The first reason counts.
func (s *Subscription) end(why Reason) {
	if s.ending.CompareAndSwap(nil, &why) {
		s.wake()
	}
}

// endIfRevoked ends the stream if its reader has lost its rights, and reports whether it has.
func (s *Subscription) endIfRevoked() bool {
	revoked := s.query.Revoked != nil && s.query.Revoked()
	if revoked {
		s.end(Outdated)
	}
	return revoked
}

// wake asks the writer to serve the stream.
func (s *Subscription) wake() {
	if w := s.writer.Load(); w != nil {
		w.wake(s)
	}
}

// open writes what the stream begins with.
func (s *Subscription) open(out Outlet) {
	defer s.recoverPanic()
	s.out = out
	s.lastPing = s.hub.now()
	retry := time.Second + rand.N(2*time.Second) // spreads the clients that come back
	s.send(appendGreeting(nil, retry, s.query.LastEventID, s.hub.config.Clock(), s.hub.quietFrom.Load()))
	s.waitFlushed()
	s.sendAndFreeze(s.cursor.begin())
	s.waitFlushed()
}

// ended reports whether the stream has ended.
func (s *Subscription) ended() bool { return s.summary.Reason != "" }

// checkEnd ends the stream if it is to end, and reports whether it continues.
func (s *Subscription) checkEnd() bool {
	why := s.ending.Load()
	switch {
	case why == nil, s.ended():
	case *why == Cancelled, s.byeSent:
		s.stop(*why, nil)
	default:
		s.byeSent = true
		s.send(appendBye(nil, *why))
		if !s.inFlight.waits {
			s.stop(*why, nil)
		}
	}
	return !s.ended() && !s.byeSent
}

// stop records why the stream ends. The first reason counts.
func (s *Subscription) stop(why Reason, err error) {
	if s.summary.Reason == "" {
		s.summary.Reason, s.summary.Err = why, err
	}
}

// Panic is the error in the [Summary] of a stream that panicked.
type Panic struct {
	Value any    // the value of the panic
	Stack []byte // as debug.Stack returns it
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// recoverPanic turns a panic into the end of this one stream.
func (s *Subscription) recoverPanic() {
	if value := recover(); value != nil {
		s.inFlight.waits, s.behind = false, false
		s.stop(Panicked, &Panic{value, debug.Stack()})
	}
}

// send writes bytes that hold no events.
func (s *Subscription) send(p []byte) { s.write(p, pendingWrite{bytes: len(p)}) }

func (s *Subscription) write(p []byte, w pendingWrite) {
	if s.ended() {
		return
	}
	waits, err := s.out.Write(p)
	s.inFlight = w
	if s.inFlight.waits = waits && err == nil; !s.inFlight.waits {
		s.wrote(err)
	}
}

// waitFlushed waits until the last write is on the wire.
func (s *Subscription) waitFlushed() {
	if s.inFlight.waits {
		s.wrote(s.out.Wait())
	}
}

// sendAndFreeze writes a control event of the cursor, if there is one, and then freezes the view
// that it promises.
func (s *Subscription) sendAndFreeze(control []byte) {
	if len(control) > 0 {
		s.send(control)
	}
	s.cursor.freezeView()
}

// wrote records that the last write is on the wire, or that it failed.
func (s *Subscription) wrote(err error) {
	s.inFlight.waits = false
	if err != nil {
		s.stop(Failed, err)
		return
	}
	s.lastWrite = s.hub.now()
	w := &s.inFlight
	if w.paced {
		s.lastFlush = s.lastWrite
	}
	s.summary.Bytes += int64(w.bytes)
	if w.events == 0 {
		return
	}
	s.summary.Events += int64(w.events)
	s.hub.counters.written.Add(uint64(w.events))
	if delay := s.hub.config.Delay; delay != nil && w.oldest != 0 {
		delay(s.lastWrite - time.Duration(w.oldest))
	}
}

// blocked reports whether the stream must wait before it can go on: for its reader, or for a view
// of the fleet.
func (s *Subscription) blocked() bool { return s.inFlight.waits || s.behind }

// unblock waits for what blocks the stream.
func (s *Subscription) unblock() {
	defer s.recoverPanic()
	s.waitFlushed()
	switch {
	case !s.behind || s.ended():
	case s.ahead:
		s.sendAndFreeze(s.cursor.endAhead())
	default:
		s.sendAndFreeze(s.cursor.catchUp())
	}
}

// advance writes what is due, and returns when to call it again if nothing wakes the stream before.
func (s *Subscription) advance() (next time.Duration) {
	defer s.recoverPanic()
	if s.blocked() || !s.checkEnd() {
		return 0
	}
	if s.endsAt != 0 && s.clockSets != s.hub.clockSets.Load() {
		s.setEnd()
	}
	now := s.hub.now()
	if s.endsAt != 0 && now >= s.endsAt {
		s.end(Outdated)
		s.checkEnd()
		return 0
	}
	s.tellFrozen()
	s.ping(now)
	if s.ahead && !s.blocked() {
		if !s.arrived() {
			return min(now+aheadPoll, s.nextDue())
		}
		s.behind = true // for unblock: a reset takes a view
		return 0
	}
	if s.due() && !s.blocked() && (s.more || s.lastFlush == 0 || now >= s.nextFlush()) {
		s.flush()
	}
	if s.due() {
		return min(s.nextFlush(), s.nextDue())
	}
	return s.nextDue()
}

// aheadPoll is how often a stream looks whether the hub has applied what its reader has from another hub.
const aheadPoll = 20 * time.Millisecond

// nextFlush returns when the stream may write events again.
func (s *Subscription) nextFlush() time.Duration {
	return s.lastFlush + max(s.hub.config.FlushInterval, s.query.Interval)
}

// chunkBuffers lends buffers to streams while they are written.
var chunkBuffers = sync.Pool{New: func() any { return new([chunkSize + 1024]byte) }}

// turnChunks is how many chunks a stream writes in one turn.
const turnChunks = 4

// flush writes what the cursor reads, up to turnChunks chunks.
func (s *Subscription) flush() {
	buffer := chunkBuffers.Get().(*[chunkSize + 1024]byte)
	defer chunkBuffers.Put(buffer)
	for range turnChunks {
		p, events, oldest := s.cursor.read(buffer[:0])
		if len(p) == 0 {
			return
		}
		s.write(p, pendingWrite{paced: true, bytes: len(p), events: events, oldest: oldest})
		if s.blocked() || !s.checkEnd() {
			return
		}
		s.ping(s.lastWrite) // a reader that is always behind is never idle
		if !s.more || s.blocked() {
			return
		}
	}
}

// tellFrozen writes `frozen` when the hub has become frozen, and `live` when that is over. A reader that is
// being brought up to date gets its `live` later.
func (s *Subscription) tellFrozen() {
	since := s.hub.frozenSince.Load()
	if since == s.frozenSince || s.blocked() {
		return
	}
	was := s.frozenSince
	s.frozenSince = since
	if since != 0 {
		data := append(appendWireTime([]byte(`{"since":`), time.UnixMilli(since)), `,"reason":"journal"}`...)
		s.send(appendControl(nil, "frozen", "", string(data)))
		return
	}
	if s.mode == modeSilent && was != 0 {
		s.mode, s.sent = modeResumed, 0
	}
	if s.view == nil && s.replayEnd == 0 && !s.viewDue {
		s.send(s.cursor.appendLive(nil))
	}
}

// ping writes a ping when the stream has been silent for long, or when the reader's time between two
// pings is over. Its id says how far the reader has come, so that the id of a quiet stream does not grow
// old. A browser forgets an id that comes without data.
func (s *Subscription) ping(now time.Duration) {
	if now < s.nextPing() && !s.probed.Load() || s.blocked() {
		return
	}
	s.probed.Store(false)
	s.lastPing = now
	data := appendClock([]byte("{"), s.hub.config.Clock(), s.hub.quietFrom.Load())
	s.send(appendControl(nil, "ping", s.resumeID(), string(data)))
}

// nextPing returns when a ping is due.
func (s *Subscription) nextPing() time.Duration {
	silent := s.lastWrite + s.hub.config.Heartbeat
	if s.query.Ping > 0 {
		return min(silent, s.lastPing+s.query.Ping)
	}
	return silent
}

// nextDue returns when the stream must write or end even if there are no events.
func (s *Subscription) nextDue() time.Duration {
	if s.endsAt != 0 {
		return min(s.nextPing(), s.endsAt)
	}
	return s.nextPing()
}

// EndRevoked ends the streams whose Query.Revoked holds, with `bye`, and returns how many these are. Call
// it whenever readers may have lost their rights. It does not wait for the ends.
func (h *Hub) EndRevoked() (streams int) {
	for _, s := range h.router.list() {
		if s.endIfRevoked() {
			streams++
		}
	}
	return streams
}

// drainEvery is the longest pause between the ends of two streams.
const drainEvery = 5 * time.Millisecond

// Drain ends every stream with `bye`, and new streams at once. It spreads the ends over that time,
// so that clients do not come back in one wave. A stream whose client has left meanwhile takes no
// part of the time. Drain returns when all streams have ended or ctx is done.
func (h *Hub) Drain(ctx context.Context, over time.Duration) {
	h.draining.Store(true)
	streams := h.router.list()
	every := drainEvery
	if n := time.Duration(len(streams)); n > 0 {
		every = min(drainEvery, over/n)
	}
	ticker := time.NewTicker(max(every, time.Microsecond))
	defer ticker.Stop()
	began, asked := time.Now(), time.Duration(0)
	for _, s := range streams {
		if !h.router.has(s) {
			continue
		}
		s.end(Draining)
		asked++
		// A busy machine loses ticks. The last streams must not be cut off for that.
		for ctx.Err() == nil && time.Since(began) < asked*every {
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	}
	select {
	case <-ctx.Done():
	case <-h.router.whenEmpty():
	}
}
