package stream

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ErrUnavailable is the error of a change that the journal did not confirm in Config.PublishWait. The change
// may still happen.
var ErrUnavailable = errors.New("stream: the journal does not answer; whether this was taken is unknown")

const (
	proposeWindow = 32        // messages that are posted and not yet applied
	proposeBytes  = 512 << 10 // bytes of entries in a message
	proposeAgain  = 200 * time.Millisecond
	askEvery      = 100 * time.Millisecond // how often a local journal is asked for an answer
	gatherFor     = time.Millisecond       // how long a message waits for callers that may come again
	// lostAfter is how long the oldest message may take before it counts as lost. Each further time in a row
	// it may take twice as long, up to lostAfterMost.
	lostAfter, lostAfterMost = time.Second, 8 * time.Second
	// enoughEntries or enoughBytes make a message that is posted though others are under way.
	enoughEntries, enoughBytes = maxEntries / 2, 64 << 10
	keptBytes                  = 128 << 10 // memory for a message that is larger is not kept
)

// proposer makes messages of proposals and posts them to the journal. A message is done when it came back
// and was applied; that the journal has stored it is not enough. One that may be lost is posted again, with
// all that follow: who applies ignores what came before. So the messages of a session are applied in their
// order, each once.
//
// A message costs the journal as much as dozens of entries. So the busier the hub, the larger they are: one
// is posted while none is under way, or when it is large enough. And it waits a moment for the callers of the
// one before, as Postgres does with commit_siblings: who publishes one by one comes again at once.
type proposer struct {
	journal Journal
	clock   func() time.Time
	seen    func() uint64 // the newest message applied

	mu       sync.Mutex
	wake     sync.Cond // something below has changed
	session  uint64
	n        uint64   // of the newest message
	sources  []Source // of the next message, but the zero one
	entries  []byte
	count    int
	waiting  int       // callers for whose entries the next message has no room
	arrived  time.Time // when the first of them came
	open     []*proposal
	flight   []*flying // posted, not yet applied, in order of n
	failed   bool      // one may be lost: nothing is posted until all of flight are posted again
	again    bool      // that is due
	full     bool      // the journal has no room: only what is in flight is posted, until it is stored
	closed   bool
	posted   time.Time // when something was posted last
	asked    time.Time // when an answer was asked for last; zero: one is asked for each time
	moved    time.Time // since when the oldest message is under way
	patience time.Duration
	callers  int         // who may come again soon, those in open included
	gather   *time.Timer // ends the waiting for them; nil: not running
	newest   uint64      // the newest message of the session that the journal has stored
	resent   uint64      // messages that were posted again
	passed   uint64      // own messages that were not applied when they came back
	pause    time.Duration
	timer    *time.Timer
	idle     []*flying // whose memory is free
	ended    chan struct{}
	running  sync.WaitGroup

	// Used by run alone.
	spare        []byte // memory for entries
	spareSources []Source
	out          []byte // the message that is posted
	writer       messageWriter
}

// flying is a message that is posted and not yet applied.
type flying struct {
	n         uint64
	made      time.Time
	message   []byte
	proposals []*proposal
}

// newProposer starts a proposer. It asks a local journal for few answers: that a message is lost shows when
// it, or the next, does not come back.
func newProposer(j Journal, local bool, clock func() time.Time, seen func() uint64) *proposer {
	p := &proposer{journal: j, clock: clock, seen: seen, session: rand.Uint64(), pause: proposeAgain,
		patience: lostAfter, ended: make(chan struct{})}
	if local {
		p.asked = time.Now()
	}
	p.wake.L = &p.mu
	p.running.Go(p.run)
	p.running.Go(p.watch)
	return p
}

// propose puts the entries of a proposal into the next message. It waits for room until the deadline. The
// error is that of await, if it is known already.
func (p *proposer) propose(what *proposal, deadline time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		what.done <- ErrNoRoom
		return ErrNoRoom
	}
	room := func() bool {
		return p.count == 0 || p.count+what.count <= maxEntries && len(p.sources) < maxSources &&
			len(p.entries)+len(what.entries) <= proposeBytes
	}
	if !room() && !p.closed {
		timer := time.AfterFunc(time.Until(deadline), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.wake.Broadcast()
		})
		defer timer.Stop()
		p.waiting++
		p.wake.Broadcast()
		for !room() && !p.closed && time.Now().Before(deadline) {
			p.wake.Wait()
		}
		p.waiting--
	}
	if p.closed || !room() {
		what.done <- ErrUnavailable
		return ErrUnavailable
	}
	if p.count == 0 {
		p.arrived = p.clock()
	}
	p.addSource(what)
	p.entries, p.count = append(p.entries, what.entries...), p.count+what.count
	p.open = append(p.open, what)
	p.wake.Broadcast()
	return nil
}

// addSource adds the source of a proposal to the next message, and its place there to the entries. p.mu is
// held.
func (p *proposer) addSource(what *proposal) {
	if len(what.sourceAt) == 0 {
		return
	}
	i := slices.Index(p.sources, what.source)
	if i < 0 {
		i, p.sources = len(p.sources), append(p.sources, what.source)
	}
	for _, at := range what.sourceAt {
		what.entries[at] = byte(i + 1)
	}
}

// run posts messages until the proposer is closed. Only it posts, so they are posted in their order.
func (p *proposer) run() {
	for {
		messages, ask := p.next()
		if messages == nil {
			return
		}
		posted := p.stored
		if !ask {
			posted = nil
		}
		for _, m := range messages {
			p.journal.Post(m, posted)
		}
	}
}

// next waits for what is to be posted next; nil: nothing more. It is valid until the next call. ask tells
// whether the journal is to answer.
func (p *proposer) next() (messages [][]byte, ask bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && !p.again && !p.ready() {
		p.wake.Wait()
	}
	if p.closed {
		return nil, false
	}
	p.posted = time.Now()
	if p.again {
		p.failed, p.again, p.moved = false, false, p.posted
		p.patience = min(2*p.patience, lostAfterMost)
		p.resent += uint64(len(p.flight))
		messages := make([][]byte, len(p.flight))
		for i, f := range p.flight {
			messages[i] = slices.Clone(f.message) // it may be renumbered, or done with
		}
		return messages, true
	}
	f := p.makeMessage()
	if p.closed {
		p.refuse(f.proposals)
		return nil, false
	}
	p.n++
	f.n = p.n
	renumberMessage(f.message, p.session, f.n)
	if len(p.flight) == 0 {
		p.moved = f.made
	}
	p.flight = append(p.flight, f)
	if p.failed {
		return [][]byte{}, false // it is posted with those before it
	}
	if ask = p.asked.IsZero(); !ask && f.made.Sub(p.asked) >= askEvery {
		p.asked, ask = f.made, true
	}
	p.out = append(p.out[:0], f.message...) // likewise
	return [][]byte{p.out}, ask
}

// ready reports whether the next message is to be posted.
func (p *proposer) ready() bool {
	switch under := len(p.flight); {
	case p.failed || p.count == 0 || under >= proposeWindow:
		return false
	case p.waiting > 0 || p.count >= enoughEntries || len(p.entries) >= enoughBytes:
		return true
	case under > 0:
		return false
	case len(p.open) >= p.callers:
		return true
	}
	left := gatherFor - time.Since(p.moved)
	if left > 0 && p.gather == nil {
		p.gather = time.AfterFunc(left, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.gather = nil
			p.wake.Broadcast()
		})
	}
	return left <= 0
}

// makeMessage makes a message of what is open, without session and number. p.mu is held, but not meanwhile.
func (p *proposer) makeMessage() *flying {
	f := &flying{}
	if n := len(p.idle); n > 0 {
		f, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	f.made, f.proposals, p.open = p.posted, p.open, f.proposals[:0]
	if p.gather != nil && p.gather.Stop() {
		p.gather = nil
	}
	sources, entries, count := p.sources, p.entries, p.count
	p.sources, p.entries, p.count = p.spareSources[:0], p.spare[:0], 0
	info := messageInfo{arrived: p.arrived.UnixNano(), seen: p.seen()}
	p.wake.Broadcast()
	p.mu.Unlock()
	defer p.mu.Lock()
	f.message = p.writer.append(f.message[:0], info, sources, count, entries)
	p.spareSources, p.spare = sources, entries
	if cap(entries) > keptBytes {
		p.spare = nil
	}
	return f
}

// stored takes the journal's answer to a message. That is not the end of it: see proposer.
func (p *proposer) stored(seq uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = errors.Is(err, ErrNoRoom)
	if err != nil {
		p.fail()
		return
	}
	p.newest = max(p.newest, seq)
}

// fail lets all messages of the flight be posted again after a pause. p.mu is held.
func (p *proposer) fail() {
	if p.failed || p.closed || len(p.flight) == 0 {
		return
	}
	p.failed = true
	p.timer = time.AfterFunc(p.pause, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.again = true
		p.wake.Broadcast()
	})
}

// watch has all messages posted again when the oldest has been under way for too long.
func (p *proposer) watch() {
	ticker := time.NewTicker(lostAfter / 4)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		if len(p.flight) > 0 && time.Since(p.moved) >= p.patience {
			p.fail()
		}
		p.mu.Unlock()
	}
}

// applied takes the outcomes of the session's own message n, and returns when the message was made.
func (p *proposer) applied(n uint64, outcomes []outcome) (made time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.flight) == 0 || p.flight[0].n != n {
		return
	}
	f := p.flight[0]
	made = f.made
	for _, what := range f.proposals {
		what.outcomes = append(what.outcomes, outcomes[:what.count]...)
		outcomes = outcomes[what.count:]
		what.done <- nil
	}
	p.flight = slices.Delete(p.flight, 0, 1)
	p.full, p.moved, p.patience = false, time.Now(), lostAfter
	p.callers = len(f.proposals) + len(p.open)
	clear(f.proposals)
	if cap(f.message) <= keptBytes {
		p.idle = append(p.idle, f)
	}
	if len(p.flight) == 0 && p.failed && p.timer.Stop() {
		p.failed = false // nothing is left to post again
	}
	p.wake.Broadcast()
	return made
}

// ignored takes that the session's own message n was ignored, since last was the last one that was applied.
func (p *proposer) ignored(n, last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed++
	if n <= last {
		return // it was there before
	}
	if last == 0 && len(p.flight) > 0 && p.flight[0].n > 1 {
		p.renew()
	}
	p.fail()
}

// renew begins another session: the journal has forgotten this one, which was silent for too long. p.mu is
// held.
func (p *proposer) renew() {
	p.session, p.n = rand.Uint64(), 0
	for _, f := range p.flight {
		p.n++
		f.n = p.n
		renumberMessage(f.message, p.session, p.n)
	}
}

// owns reports whether a session is that of this proposer.
func (p *proposer) owns(session uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session == session
}

// idleFor returns for how long nothing was posted.
func (p *proposer) idleFor() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.posted)
}

// close ends the proposer, also again. What was not applied has the error ErrUnavailable.
func (p *proposer) close() {
	p.mu.Lock()
	wasClosed := p.closed
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.gather != nil {
		p.gather.Stop()
	}
	for _, f := range p.flight {
		p.refuse(f.proposals)
	}
	p.refuse(p.open)
	p.flight, p.open = nil, nil
	if !wasClosed {
		close(p.ended)
	}
	p.wake.Broadcast()
	p.mu.Unlock()
	p.running.Wait()
}

// refuse ends proposals that the closed proposer does not see through.
func (p *proposer) refuse(proposals []*proposal) {
	for _, what := range proposals {
		what.done <- ErrUnavailable
	}
}
