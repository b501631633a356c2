package stream

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"livemap/geo"
)

// Query is what a subscriber asks for.
type Query struct {
	Topics      []string      // ids; at least one
	Box         *geo.Box      // nil: everywhere
	Interval    time.Duration // at most one position per vehicle in this time; 0: every one
	Ping        time.Duration // a `ping` event at least this often; 0: none
	Tail        bool          // no last-known positions at the start
	LastEventID string        // as the client sent it; "": none
	Protocol    string        // told in `live`: h1, h2, h3
}

// Reason says why a stream ended.
type Reason string

const (
	Cancelled Reason = "client"   // its context was cancelled: the client went
	Failed    Reason = "write"    // a write failed
	Draining  Reason = "draining" // the hub is going down
)

// Summary tells of a stream that ended.
type Summary struct {
	Reason Reason
	Err    error // of the write that failed
	Events int64 // positions, `late` and `gone`
	Bytes  int64
}

// Subscription is one reader's stream: what it asked for, and a cursor. Make it
// with Hub.Subscribe; Serve must be called, once.
type Subscription struct {
	hub   *Hub
	scope scope
	query Query

	pending atomic.Uint64 // the first event in scope since the cursor last looked; 0: none
	wake    chan struct{} // pending was set
	bye     chan Reason   // the hub ends the stream

	cursor // of Serve's goroutine, like what follows
	write  func([]byte) error
	timer  *time.Timer
	// On the hub's monotonic clock: when events were last written, anything
	// was last written, and a ping was last sent.
	flushed, written, pinged time.Duration
	summary                  Summary
}

// Subscribe registers a reader. From here on nothing it asked for escapes it.
func (h *Hub) Subscribe(q Query) *Subscription {
	s := &Subscription{
		hub:   h,
		scope: newScope(q.Topics, q.Box),
		query: q,
		wake:  make(chan struct{}, 1),
		bye:   make(chan Reason, 1),
	}
	h.audience.join(s)
	if h.draining.Load() {
		s.end(Draining)
	}
	return s
}

// end asks the stream to end; the first reason counts.
func (s *Subscription) end(why Reason) {
	select {
	case s.bye <- why:
	default:
	}
}

// Serve writes the stream until ctx is done, a write fails, or the hub ends
// it. write must put all it is given on the wire before it returns, and must
// not keep or change it.
func (s *Subscription) Serve(ctx context.Context, write func([]byte) error) Summary {
	defer s.hub.audience.leave(s)
	s.write = write
	s.pinged = s.hub.now()
	s.timer = time.NewTimer(time.Hour)
	defer s.timer.Stop()
	retry := time.Second + rand.N(2*time.Second) // so that clients do not come back in one wave
	s.send(appendGreeting(nil, retry.Truncate(time.Millisecond)))
	for s.begin(); s.goesOn(ctx); s.wait(ctx) {
		s.flush(ctx)
	}
	return s.summary
}

// goesOn tells whether the stream has not ended.
func (s *Subscription) goesOn(ctx context.Context) bool {
	select {
	case why := <-s.bye:
		s.farewell(why)
	default:
		if ctx.Err() != nil {
			s.stop(Cancelled, nil)
		}
	}
	return s.summary.Reason == ""
}

// farewell ends the stream from the hub's side.
func (s *Subscription) farewell(why Reason) {
	s.send(appendControl(nil, "bye", "", fmt.Sprintf(`{"reason":%q}`, why)))
	s.stop(why, nil)
}

// stop notes why the stream ends; the first reason counts.
func (s *Subscription) stop(why Reason, err error) {
	if s.summary.Reason == "" {
		s.summary.Reason, s.summary.Err = why, err
	}
}

// send writes bytes.
func (s *Subscription) send(p []byte) {
	if s.summary.Reason != "" {
		return
	}
	if err := s.write(p); err != nil {
		s.stop(Failed, err)
		return
	}
	s.written = s.hub.now()
	s.summary.Bytes += int64(len(p))
}

// buffers lends out the bytes that a stream needs only while it is written.
var buffers = sync.Pool{New: func() any { return new([chunk + 1024]byte) }}

// flush writes all there is.
func (s *Subscription) flush(ctx context.Context) {
	if !s.due() {
		return
	}
	buffer := buffers.Get().(*[chunk + 1024]byte)
	defer buffers.Put(buffer)
	for s.due() && s.goesOn(ctx) {
		p, n := s.take(buffer[:0])
		if len(p) == 0 {
			break
		}
		oldest := s.oldest
		s.send(p)
		s.flushed = s.written
		s.count(n, oldest)
		s.ping(s.written) // a reader that is always behind never waits
		if !s.more {
			break
		}
	}
}

// count notes that n events were written, the oldest of them, if live, having
// been published at oldest.
func (s *Subscription) count(n int, oldest int64) {
	if n == 0 || s.summary.Reason != "" {
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

// wait returns when there is something to write, or the stream is to end. Until
// then it keeps the connection warm.
func (s *Subscription) wait(ctx context.Context) {
	flush := max(s.hub.config.FlushInterval, s.query.Interval)
	for s.summary.Reason == "" {
		now := s.hub.now()
		next := s.keepWarm(now)
		if s.due() {
			if s.flushed == 0 || now >= s.flushed+flush {
				return
			}
			next = min(next, s.flushed+flush)
		}
		s.timer.Reset(next - now)
		select {
		case <-ctx.Done():
			return
		case why := <-s.bye:
			s.farewell(why)
		case <-s.wake:
		case <-s.timer.C:
		}
	}
}

// keepWarm sends what silence asks for, and tells when to look again.
func (s *Subscription) keepWarm(now time.Duration) (next time.Duration) {
	next = s.ping(now)
	heartbeat := s.hub.config.Heartbeat
	if now >= s.written+heartbeat {
		s.send(appendHeartbeat(nil, s.restingID()))
	}
	return min(next, s.written+heartbeat)
}

// ping sends a ping when it is time, and tells when it is time again.
func (s *Subscription) ping(now time.Duration) (next time.Duration) {
	if s.query.Ping == 0 {
		return math.MaxInt64
	}
	if now >= s.pinged+s.query.Ping {
		s.pinged = now
		s.send(appendControl(nil, "ping", "", fmt.Sprintf(`{"time":%s}`, s.hub.clock())))
	}
	return s.pinged + s.query.Ping
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
	for _, s := range streams {
		s.end(Draining)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	select {
	case <-ctx.Done():
	case <-h.audience.emptied():
	}
}
