package stream

import (
	"container/heap"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// writer serves streams, one after the other, in one goroutine. It never waits for a reader: a
// stream that blocks is parked until it unblocks. The hub has a few writers with many streams each,
// and an idle stream costs them nothing. A stream in a goroutine of its own has a dedicated writer.
type writer struct {
	hub       *Hub
	dedicated bool // it has one stream and waits for its reader
	signaled  chan struct{}
	closed    atomic.Bool // run returns

	mu        sync.Mutex // guards what follows
	woken     []*Subscription
	unblocked []*Subscription // streams that were parked

	// Its goroutine owns what follows.
	ready             []*Subscription // streams to serve next
	spare             []*Subscription
	cooldowns         cooldownQueue
	coolingWithEvents int           // how many streams in cooldowns have events
	cooldownsEnded    time.Duration // when cooldowns were last ended
	deadlines         deadlineHeap
	timer             *time.Timer   // signals
	timerAt           time.Duration // when the timer fires
}

// cooldownPause is the shortest time between two ends of cooldowns. Streams whose cooldowns end
// shortly after each other are then written together.
const cooldownPause = time.Millisecond

// turnState is what a writer knows about one of its streams.
type turnState struct {
	ready       bool // in writer.ready
	parked      bool // blocked or ended
	coolingDown bool // in writer.cooldowns
	hasEvents   bool // in a cooldown with events to write
	deadline    time.Duration
	slot        int // index in writer.deadlines plus 1; 0: not there
}

func newWriter(h *Hub) *writer {
	w := &writer{hub: h, signaled: make(chan struct{}, 1), timerAt: math.MaxInt64}
	w.timer = time.AfterFunc(math.MaxInt64, w.signal)
	return w
}

// startWriters starts the hub's shared writers, one per CPU that Go may use.
func (h *Hub) startWriters() {
	for range runtime.GOMAXPROCS(0) {
		w := newWriter(h)
		h.writers = append(h.writers, w)
		h.running.Go(w.run)
	}
}

// close ends a writer that has no streams.
func (w *writer) close() {
	w.closed.Store(true)
	w.signal()
}

// nextWriter returns the writer for the next attached stream, in turn.
func (h *Hub) nextWriter() *writer {
	return h.writers[h.attached.Add(1)%uint64(len(h.writers))]
}

// add hands a stream to the writer.
func (w *writer) add(s *Subscription) {
	s.writer.Store(w)
	w.wake(s)
}

// wake asks for a turn for the stream, as soon as its cooldown ends.
func (w *writer) wake(s *Subscription) {
	w.mu.Lock()
	w.woken = append(w.woken, s)
	w.mu.Unlock()
	w.signal()
}

// unblock asks for a turn for a stream that was parked.
func (w *writer) unblock(s *Subscription) {
	w.mu.Lock()
	w.unblocked = append(w.unblocked, s)
	w.mu.Unlock()
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.signaled <- struct{}{}:
	default:
	}
}

// run serves streams until the writer is closed.
func (w *writer) run() {
	defer w.timer.Stop()
	for !w.closed.Load() {
		w.wait()
		w.serveReady()
	}
}

// wait returns when there is something to do.
func (w *writer) wait() {
	if len(w.ready) > 0 {
		return
	}
	if next := w.nextDeadline(); next != w.timerAt {
		w.timerAt = next
		w.timer.Reset(next - w.hub.now())
	}
	<-w.signaled
}

// nextDeadline returns when there is something to do if no stream is woken before.
func (w *writer) nextDeadline() time.Duration {
	next := time.Duration(math.MaxInt64)
	if len(w.deadlines) > 0 {
		next = min(next, w.deadlines[0].turn.deadline)
	}
	if first, ok := w.cooldowns.first(); ok && w.coolingWithEvents > 0 {
		next = min(next, max(first.until, w.cooldownsEnded+cooldownPause))
	}
	return next
}

// yieldEvery is after how many turns a writer yields to other goroutines, publishers above all.
const yieldEvery = 64

// serveReady serves each stream that is ready.
func (w *writer) serveReady() {
	w.collectWoken()
	now := w.hub.now()
	w.endCooldowns(now)
	w.fireDeadlines(now)
	batch := w.ready
	w.ready, w.spare = w.spare[:0], batch
	for i, s := range batch {
		w.serve(s)
		batch[i] = nil
		if i%yieldEvery == yieldEvery-1 {
			runtime.Gosched()
		}
	}
}

// collectWoken marks woken streams ready, unless they cool down, and unblocked ones.
func (w *writer) collectWoken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.woken {
		if w.markHasEvents(s); !s.turn.coolingDown || s.ending.Load() != nil {
			w.markReady(s)
		}
		w.woken[i] = nil
	}
	for i, s := range w.unblocked {
		s.turn.parked = false
		w.markReady(s)
		w.unblocked[i] = nil
	}
	w.woken, w.unblocked = w.woken[:0], w.unblocked[:0]
}

// startCooldown makes a stream wait until it may write events again.
func (w *writer) startCooldown(s *Subscription) {
	s.turn.coolingDown = true
	w.cooldowns.push(s)
	if s.due() {
		w.markHasEvents(s)
	}
}

// markHasEvents records that a cooling stream has events to write. If none has, the writer sleeps
// through the ends of cooldowns.
func (w *writer) markHasEvents(s *Subscription) {
	if s.turn.coolingDown && !s.turn.hasEvents {
		s.turn.hasEvents = true
		w.coolingWithEvents++
	}
}

// endCooldowns ends cooldowns that are over, and marks the streams with events ready.
func (w *writer) endCooldowns(now time.Duration) {
	for first, ok := w.cooldowns.first(); ok && first.until <= now; first, ok = w.cooldowns.first() {
		w.cooldowns.pop()
		w.cooldownsEnded = now
		s := first.stream
		s.turn.coolingDown = false
		if s.turn.hasEvents {
			s.turn.hasEvents = false
			w.coolingWithEvents--
			w.markReady(s)
		}
	}
}

func (w *writer) fireDeadlines(now time.Duration) {
	for len(w.deadlines) > 0 && w.deadlines[0].turn.deadline <= now {
		w.markReady(heap.Pop(&w.deadlines).(*Subscription))
	}
}

// markReady schedules one turn for a stream. With two in a row, a stream with a long backlog would
// hold up the others for longer.
func (w *writer) markReady(s *Subscription) {
	if !s.turn.ready {
		s.turn.ready = true
		w.ready = append(w.ready, s)
	}
}

// serve gives a stream one turn, and schedules its next one.
func (w *writer) serve(s *Subscription) {
	s.turn.ready = false
	if s.turn.parked {
		return
	}
	flushed := s.lastFlush
	next := s.advance()
	for w.dedicated && s.blocked() && !s.ended() {
		s.unblock()
		next = s.advance()
	}
	switch {
	case s.ended():
		w.remove(s)
	case s.blocked():
		s.turn.parked = true
		w.hub.running.Go(func() {
			s.unblock()
			w.unblock(s)
		})
	case s.more:
		w.markReady(s)
	default:
		if s.lastFlush != flushed && s.query.Interval == 0 && !s.turn.coolingDown && !w.dedicated {
			w.startCooldown(s)
		}
		if s.turn.coolingDown {
			next = s.nextDue()
		}
		w.deadlines.set(s, next)
	}
}

// remove removes a stream that has ended.
func (w *writer) remove(s *Subscription) {
	s.turn.parked = true
	w.deadlines.cancel(s)
	w.hub.router.remove(s)
	s.onEnd(s.summary)
}

// cooldownQueue holds the streams that wrote events less than a flush interval ago, in the order of
// their writes. One timer serves them all.
type cooldownQueue struct {
	list []cooldown
	head int
}

type cooldown struct {
	stream *Subscription
	until  time.Duration
}

func (q *cooldownQueue) push(s *Subscription) {
	if half := len(q.list) / 2; len(q.list) == cap(q.list) && q.head > half {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, cooldown{s, s.nextFlush()})
}

func (q *cooldownQueue) first() (first cooldown, ok bool) {
	if q.head == len(q.list) {
		return cooldown{}, false
	}
	return q.list[q.head], true
}

func (q *cooldownQueue) pop() {
	q.list[q.head] = cooldown{}
	if q.head++; q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
}

// deadlineHeap is a heap of streams by when they must be served even if nothing wakes them. A
// deadline may be too early: a write does not move it, since writes are frequent and pings are
// rare.
type deadlineHeap []*Subscription

func (h *deadlineHeap) set(s *Subscription, at time.Duration) {
	switch t := &s.turn; {
	case t.slot == 0:
		t.deadline = at
		heap.Push(h, s)
	case at < t.deadline:
		t.deadline = at
		heap.Fix(h, t.slot-1)
	}
}

func (h *deadlineHeap) cancel(s *Subscription) {
	if s.turn.slot > 0 {
		heap.Remove(h, s.turn.slot-1)
	}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].turn.deadline < h[j].turn.deadline }

func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].turn.slot, h[j].turn.slot = i+1, j+1
}

func (h *deadlineHeap) Push(s any) {
	*h = append(*h, s.(*Subscription))
	s.(*Subscription).turn.slot = len(*h)
}

func (h *deadlineHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.turn.slot = 0
	return s
}
