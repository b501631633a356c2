package stream

import (
	"container/heap"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// writer gives turns to streams, one after the other, in one goroutine, and
// waits for none of them: one that is stuck goes away until it is not. The hub
// has a few writers with many streams each, which cost nothing while they are
// idle. A stream served in a goroutine of its own has a writer to itself.
type writer struct {
	hub     *Hub
	patient bool // it has one stream, and waits for it
	poked   chan struct{}
	over    atomic.Bool // it has no more to do

	mu    sync.Mutex // guards what follows
	woken []*Subscription
	freed []*Subscription // that were away

	// Of its goroutine.
	ready   []*Subscription // to be given a turn now
	spare   []*Subscription
	resting resting
	wanted  int           // of the resting, how many have something to write
	roused  time.Duration // when rests were last ended
	alarms  alarms
	timer   *time.Timer   // pokes
	rings   time.Duration // when it does
}

// rousePause is how long a writer sleeps, at least, between ending rests: so
// that streams that began to rest one shortly after the other are written in one go.
const rousePause = time.Millisecond

// turns is what a writer knows of one of its streams.
type turns struct {
	ready   bool // in writer.ready
	away    bool // stuck, or over
	resting bool // in writer.resting
	wanted  bool // resting, though it has something to write
	alarm   time.Duration
	slot    int // in writer.alarms, from 1; 0: in none
}

func newWriter(h *Hub) *writer {
	w := &writer{hub: h, poked: make(chan struct{}, 1), rings: math.MaxInt64}
	w.timer = time.AfterFunc(math.MaxInt64, w.poke)
	return w
}

// startWriters starts the hub's own writers: as many as can run at once.
func (h *Hub) startWriters() {
	for range runtime.GOMAXPROCS(0) {
		w := newWriter(h)
		h.writers = append(h.writers, w)
		h.running.Go(w.run)
	}
}

// close ends a writer that has no streams.
func (w *writer) close() {
	w.over.Store(true)
	w.poke()
}

// nextWriter gives the writer who is to take the next stream.
func (h *Hub) nextWriter() *writer {
	return h.writers[h.attached.Add(1)%uint64(len(h.writers))]
}

// adopt has the writer give a stream its turns from now on.
func (w *writer) adopt(s *Subscription) {
	s.writer.Store(w)
	w.wake(s)
}

// wake has the stream given a turn as soon as it has rested.
func (w *writer) wake(s *Subscription) {
	w.mu.Lock()
	w.woken = append(w.woken, s)
	w.mu.Unlock()
	w.poke()
}

// free has a stream that was away given a turn.
func (w *writer) free(s *Subscription) {
	w.mu.Lock()
	w.freed = append(w.freed, s)
	w.mu.Unlock()
	w.poke()
}

func (w *writer) poke() {
	select {
	case w.poked <- struct{}{}:
	default:
	}
}

// run gives turns until the writer is closed.
func (w *writer) run() {
	defer w.timer.Stop()
	for !w.over.Load() {
		w.sleep()
		w.round()
	}
}

// sleep returns when there is something to do.
func (w *writer) sleep() {
	if len(w.ready) > 0 {
		return
	}
	if next := w.next(); next != w.rings {
		w.rings = next
		w.timer.Reset(next - w.hub.now())
	}
	<-w.poked
}

// next tells when there is something to do though nobody is woken.
func (w *writer) next() time.Duration {
	next := time.Duration(math.MaxInt64)
	if len(w.alarms) > 0 {
		next = min(next, w.alarms[0].turns.alarm)
	}
	if first, ok := w.resting.first(); ok && w.wanted > 0 {
		next = min(next, max(first.until, w.roused+rousePause))
	}
	return next
}

// yieldEvery is after how many turns a writer lets others run, publishers above all.
const yieldEvery = 64

// round gives a turn to each stream that is to have one now.
func (w *writer) round() {
	w.listen()
	now := w.hub.now()
	w.endRests(now)
	w.ringAlarms(now)
	batch := w.ready
	w.ready, w.spare = w.spare[:0], batch
	for i, s := range batch {
		w.turn(s)
		batch[i] = nil
		if i%yieldEvery == yieldEvery-1 {
			runtime.Gosched()
		}
	}
}

// listen makes ready who was woken, unless it rests, and who was freed.
func (w *writer) listen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.woken {
		if w.want(s); !s.turns.resting || s.ending.Load() != nil {
			w.prepare(s)
		}
		w.woken[i] = nil
	}
	for i, s := range w.freed {
		s.turns.away = false
		w.prepare(s)
		w.freed[i] = nil
	}
	w.woken, w.freed = w.woken[:0], w.freed[:0]
}

// rest has a stream wait until it may write again.
func (w *writer) rest(s *Subscription) {
	s.turns.resting = true
	w.resting.add(s)
	if s.due() {
		w.want(s)
	}
}

// want notes of a resting stream that it has something to write. For the others
// nobody need be woken when their rests are over.
func (w *writer) want(s *Subscription) {
	if s.turns.resting && !s.turns.wanted {
		s.turns.wanted = true
		w.wanted++
	}
}

// endRests makes ready who has rested and has something to write.
func (w *writer) endRests(now time.Duration) {
	for first, ok := w.resting.first(); ok && first.until <= now; first, ok = w.resting.first() {
		w.resting.drop()
		w.roused = now
		s := first.stream
		s.turns.resting = false
		if s.turns.wanted {
			s.turns.wanted = false
			w.wanted--
			w.prepare(s)
		}
	}
}

func (w *writer) ringAlarms(now time.Duration) {
	for len(w.alarms) > 0 && w.alarms[0].turns.alarm <= now {
		w.prepare(heap.Pop(&w.alarms).(*Subscription))
	}
}

// prepare has a stream given one turn in the round that comes next. Given two,
// one with a long backlog would hold up the others for longer.
func (w *writer) prepare(s *Subscription) {
	if !s.turns.ready {
		s.turns.ready = true
		w.ready = append(w.ready, s)
	}
}

// turn lets a stream write, and sees to when it is to have its next turn.
func (w *writer) turn(s *Subscription) {
	s.turns.ready = false
	if s.turns.away {
		return
	}
	flushed := s.flushed
	next := s.advance()
	for w.patient && s.stuck() && !s.over() {
		s.unstick()
		next = s.advance()
	}
	switch {
	case s.over():
		w.leave(s)
	case s.stuck():
		s.turns.away = true
		w.hub.running.Go(func() {
			s.unstick()
			w.free(s)
		})
	case s.more:
		w.prepare(s)
	default:
		if s.flushed != flushed && s.query.Interval == 0 && !s.turns.resting && !w.patient {
			w.rest(s)
		}
		if s.turns.resting {
			next = s.silentUntil()
		}
		w.alarms.set(s, next)
	}
}

// leave lets go of a stream that is over.
func (w *writer) leave(s *Subscription) {
	s.turns.away = true
	w.alarms.cancel(s)
	w.hub.audience.leave(s)
	s.ended(s.summary)
}

// resting is the streams that wrote events less than a flush interval ago, in
// the order in which they did: so one clock does for all.
type resting struct {
	list []rest
	head int
}

type rest struct {
	stream *Subscription
	until  time.Duration
}

func (r *resting) add(s *Subscription) {
	if half := len(r.list) / 2; len(r.list) == cap(r.list) && r.head > half {
		n := copy(r.list, r.list[r.head:])
		clear(r.list[n:])
		r.list, r.head = r.list[:n], 0
	}
	r.list = append(r.list, rest{s, s.rested()})
}

func (r *resting) first() (first rest, ok bool) {
	if r.head == len(r.list) {
		return rest{}, false
	}
	return r.list[r.head], true
}

func (r *resting) drop() {
	r.list[r.head] = rest{}
	if r.head++; r.head == len(r.list) {
		r.list, r.head = r.list[:0], 0
	}
}

// alarms is a heap of streams by when they must be given a turn though nobody
// wakes them. An alarm may ring too early: it is not put off whenever a stream
// is written, since that is often and heartbeats are rare.
type alarms []*Subscription

func (a *alarms) set(s *Subscription, at time.Duration) {
	switch t := &s.turns; {
	case t.slot == 0:
		t.alarm = at
		heap.Push(a, s)
	case at < t.alarm:
		t.alarm = at
		heap.Fix(a, t.slot-1)
	}
}

func (a *alarms) cancel(s *Subscription) {
	if s.turns.slot > 0 {
		heap.Remove(a, s.turns.slot-1)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].turns.alarm < a[j].turns.alarm }

func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].turns.slot, a[j].turns.slot = i+1, j+1
}

func (a *alarms) Push(s any) {
	*a = append(*a, s.(*Subscription))
	s.(*Subscription).turns.slot = len(*a)
}

func (a *alarms) Pop() any {
	last := len(*a) - 1
	s := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	s.turns.slot = 0
	return s
}
