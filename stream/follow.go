package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sessionLife = 10 * time.Minute // of the journal's time, without a message
	maxTimeStep = 5 * time.Second  // of the journal's time, in one message
	followAgain = 100 * time.Millisecond
	tickEvery   = time.Second
	// numberBits is how many numbers a message has, entryBits how many of them an entry.
	numberBits, entryBits = 20, 12
	// maxEvictions is how many vehicles one entry makes the hub forget, and mostEvents how many events it
	// has when it begins nothing further. What is left over is for the next entries. So it has numbers for all
	// its events.
	maxEvictions, mostEvents = 4000, 3000
)

// journaled is what a hub with a journal knows beside the fleet. It is part of the state: it depends on
// the messages alone.
type journaled struct {
	place    Place              // of the newest message that was applied
	time     int64              // the journal's time, Unix nanoseconds: see moveTime
	sessions map[uint64]session // of hubs that were heard of in sessionLife
	swept    int64              // time at which sessions were looked through
	digest   uint64             // of all that was applied: see comparison
	checked  int64              // time / checkpointEvery of the newest checkpoint
}

// session is a run of messages of one hub.
type session struct {
	N     uint64 `json:"n"`     // of the newest message that was applied
	Heard int64  `json:"heard"` // when, in the journal's time
}

// following is how a hub applies its journal.
type following struct {
	Journal
	proposer *proposer
	free     sync.Pool  // of proposals
	apply    sync.Mutex // held while a message is applied: a save is of the state between two
	decoded  []byte     // memory for entries
	entries  [maxEntries]entry
	outcomes [maxEntries]outcome
	cancel   context.CancelFunc
	restarts atomic.Uint64 // how often Follow had to be called anew

	mu         sync.Mutex
	comparison comparison
	failed     error         // why the hub follows no more
	moved      chan struct{} // closed when place has moved or failed is set
	fresh      time.Time     // when the newest message of this hub that came back was made
}

// NewWithJournal starts a hub that applies a journal: what is published is posted there, and takes effect
// when it comes back. state is what [Hub.Save] of a hub on this journal wrote; nil: none. It returns when the
// hub has applied what was in the journal at the call. The error wraps [ErrOtherJournal] when the journal
// does not lead on from the state, or begins later than at its first message and there is no state.
func NewWithJournal(ctx context.Context, config Config, j Journal, state io.Reader) (*Hub, Loaded, error) {
	life, err := j.Life(ctx)
	if err != nil {
		return nil, Loaded{}, err
	}
	h := newHub(config)
	h.epoch = life.Epoch
	h.following = &following{Journal: j, moved: make(chan struct{}), comparison: newComparison()}
	h.journaled.sessions, h.settings = map[uint64]session{}, newSettings()
	h.nextNumber = func(newest number) number { return max(newest+1, h.applier.first) }
	var loaded Loaded
	if state != nil {
		if loaded, err = h.Load(state); err != nil {
			return nil, loaded, err
		}
	}
	if state == nil {
		h.journaled.place.Seq = life.Base
	}
	if at := h.journaled.place.Seq; at+1 < life.First || at > life.Last {
		return nil, loaded, fmt.Errorf("%w: it holds messages %d to %d, the state is of message %d",
			ErrOtherJournal, life.First, life.Last, at)
	}
	h.start()
	following, cancel := context.WithCancel(context.Background())
	h.following.cancel = cancel
	h.following.proposer = newProposer(j, life.Local, h.config.Clock, h.Applied)
	h.running.Go(func() { h.follow(following) })
	if err := h.waitApplied(ctx, life.Last); err != nil {
		h.Close()
		return nil, loaded, err
	}
	if err := h.ask(); err != nil {
		h.Close()
		return nil, loaded, err
	}
	h.running.Go(h.tick)
	h.running.Go(h.watchFrozen)
	return h, loaded, nil
}

// Applied returns the seq of the newest message of the journal that the hub has applied.
func (h *Hub) Applied() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.journaled.place.Seq
}

// waitApplied waits until a message was applied.
func (h *Hub) waitApplied(ctx context.Context, seq uint64) error {
	for {
		h.following.mu.Lock()
		moved, failed := h.following.moved, h.following.failed
		h.following.mu.Unlock()
		if failed != nil {
			return failed
		}
		if h.Applied() >= seq {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// follow applies the journal until the hub is closed, or can apply it no further.
func (h *Hub) follow(ctx context.Context) {
	for {
		h.mu.RLock()
		after := h.journaled.place
		h.mu.RUnlock()
		err := h.following.Follow(ctx, after, h.applyMessage)
		if ctx.Err() != nil {
			return
		}
		if stop := (*unfit)(nil); errors.Is(err, ErrOtherJournal) || errors.As(err, &stop) {
			h.following.mu.Lock()
			h.following.failed = err
			h.following.tellMoved()
			h.following.mu.Unlock()
			h.following.proposer.close() // what it posted again would come into another journal
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(followAgain):
			h.following.restarts.Add(1)
		}
	}
}

// unfit is the error of a message that a hub cannot apply.
type unfit struct{ error }

func (u *unfit) Unwrap() error { return u.error }

// tellMoved wakes those who wait for messages. f.mu is held.
func (f *following) tellMoved() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// JournalError returns why the hub applies its journal no more; nil: it does, or has none.
func (h *Hub) JournalError() error {
	if h.following == nil {
		return nil
	}
	h.following.mu.Lock()
	defer h.following.mu.Unlock()
	return h.following.failed
}

// freshFor is for how long a hub may hear nothing of its own messages. It posts one each tickEvery.
const freshFor = 2 * time.Second

// Frozen reports whether the hub cannot prove that it is up to date, and since when: nothing that it posted
// in the last three seconds came back, or it cannot apply the journal. A hub without a journal is never
// frozen.
func (h *Hub) Frozen() (since time.Time, frozen bool) {
	if h.following == nil {
		return time.Time{}, false
	}
	h.following.mu.Lock()
	defer h.following.mu.Unlock()
	f := h.following
	return f.fresh, f.failed != nil || time.Since(f.fresh) > freshFor+tickEvery
}

// upToDateSince reports whether the hub has applied all that the journal had stored at a time.
func (h *Hub) upToDateSince(at time.Time) bool {
	f := h.following
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fresh.After(at)
}

// watchFrozen tells streams when the hub becomes frozen, and when that is over, until the hub is closed.
func (h *Hub) watchFrozen() {
	ticker := time.NewTicker(freshFor / 8)
	defer ticker.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
		}
		since, frozen := h.Frozen()
		now := int64(0)
		if frozen {
			now = max(1, since.UnixMilli())
		}
		if h.frozenSince.Swap(now) == now {
			continue
		}
		for _, s := range h.router.list() {
			s.wake()
		}
	}
}

// applyMessage applies the next message of the journal. Its error says that the hub must not go on with it.
func (h *Hub) applyMessage(at Place, message []byte) error {
	f := h.following
	f.apply.Lock()
	defer f.apply.Unlock()
	if h.journaled.place.Seq+1 != at.Seq {
		return fmt.Errorf("stream: the journal has message %d after %d", at.Seq, h.journaled.place.Seq)
	}
	m, sources, count, entries, err := readMessage(message, &f.decoded)
	if err != nil {
		return &unfit{fmt.Errorf("message %d: %w", at.Seq, err)}
	}
	if m.seen >= at.Seq {
		return &unfit{fmt.Errorf("%w: message %d was posted by a hub that had applied message %d",
			ErrForked, at.Seq,
			m.seen)}
	}
	whole := f.entries[:count]
	if err := cutEntries(entries, sources, whole); err != nil {
		return &unfit{fmt.Errorf("message %d: %w", at.Seq, err)}
	}
	h.mu.Lock()
	last, due := h.beginMessage(at, m)
	h.mu.Unlock()
	own := f.proposer.owns(m.session)
	if due {
		h.applyEntries(at.Seq, m, sources, whole)
		h.signalRouter()
	}
	h.mu.Lock()
	check, isCheckpoint := h.endMessage(at, count)
	h.mu.Unlock()
	var made time.Time
	if own && due {
		for i := range whole {
			if whole[i].kind == entryPosition && !f.outcomes[i].skipped {
				h.counters.count(f.outcomes[i].receipt.Verdict)
			}
		}
		made = f.proposer.applied(m.n, f.outcomes[:count])
		if h.config.Commit != nil && !made.IsZero() {
			h.config.Commit(count, time.Since(made))
		}
	} else if own {
		f.proposer.ignored(m.n, last)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if made.After(f.fresh) {
		f.fresh = made
	}
	if isCheckpoint {
		f.comparison.keep(check)
	}
	f.tellMoved()
	for i := range whole {
		if whole[i].kind != entryTick || !due {
			continue
		}
		if err := f.comparison.tell(m.session, own, whole[i].checkpoint, time.Now()); err != nil {
			return &unfit{err}
		}
	}
	return nil
}

// cutEntries reads all entries of a message, before one of them is applied.
func cutEntries(entries []byte, sources []Source, into []entry) (err error) {
	for i := range into {
		if entries, err = cutEntry(entries, &into[i]); err != nil {
			return err
		}
		if into[i].source > uint64(len(sources)) {
			return errMessage
		}
	}
	if len(entries) > 0 {
		return errMessage
	}
	return checkKeys(into)
}

// beginMessage moves the journal's time, and reports whether the message is the next of its session. last was
// the newest of the session before. Hub.mu is held.
func (h *Hub) beginMessage(at Place, m messageInfo) (last uint64, due bool) {
	j := &h.journaled
	if !j.place.At.IsZero() && at.At.Sub(j.place.At) > quietAfter { // not before the first message
		h.setQuiet(at.At.UnixNano(), j.time)
	}
	if j.moveTime(at) {
		h.quiet.mark = j.time // it does not tell yet when something came
	}
	if j.time-j.swept > int64(sessionLife/10) {
		j.swept = j.time
		for id, s := range j.sessions {
			if j.time-s.Heard > int64(sessionLife) {
				delete(j.sessions, id)
			}
		}
	}
	last = j.sessions[m.session].N
	if m.n != last+1 {
		return last, false
	}
	j.sessions[m.session] = session{m.n, j.time}
	return last, true
}

// moveTime moves the journal's time to that of a message. It never goes back, and moves at most maxTimeStep:
// a clock that was wrong for a moment does not expire the fleet. Each entry has a nanosecond of its own,
// so that no two vehicles were heard of at the same time. behind reports that the time has not caught up.
func (j *journaled) moveTime(at Place) (behind bool) {
	to := at.At.UnixNano()
	if j.time > 0 && to > j.time+int64(maxTimeStep) {
		to, behind = j.time+int64(maxTimeStep), true
	}
	j.time = max(to, j.time+1)
	return behind
}

// applyEntries applies the entries of a message.
func (h *Hub) applyEntries(seq uint64, m messageInfo, sources []Source, entries []entry) {
	arrived, mono := time.Unix(0, m.arrived), int64(h.now())
	for first := 0; first < len(entries); first += publishBatch {
		some := entries[first:min(first+publishBatch, len(entries))]
		h.applySome(seq, first, sources, some, arrived, mono)
	}
}

// applySome applies up to publishBatch entries under one lock.
func (h *Hub) applySome(
	seq uint64, first int, sources []Source, some []entry, arrived time.Time, mono int64,
) {
	var of [publishBatch]*vehicle
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range some {
		of[i] = h.fleet.byID[some[i].vehicle]
	}
	h.fleet.prefetch(of[:len(some)])
	h.fleet.prefetchRecency(of[:len(some)])
	for i := range some {
		n, source := first+i, Source{}
		if at := some[i].source; at > 0 {
			source = sources[at-1]
		}
		if source.Name != "" {
			source.Seq += some[i].item
		}
		h.applier = applier{Hub: h, source: source, first: number(seq<<numberBits | uint64(n)<<entryBits),
			arrived: arrived, heard: h.journaled.time + int64(n), mono: mono}
		h.following.outcomes[n] = h.applier.entry(&some[i], of[i])
	}
}

// entry applies an entry. v is its vehicle as looked up before.
func (a *applier) entry(e *entry, v *vehicle) (o outcome) {
	a.evict(0)
	switch e.kind {
	case entryPosition:
		o.skipped = a.keyed.left > 0 && a.keyed.skip
		o.receipt = a.keyedPosition(&e.position, v)
	case entryKey:
		o = a.key(e)
	case entryDelete:
		if v = a.fleet.get(e.vehicle); v != nil && v.present() {
			a.markGone(v, Deleted)
			o.existed = true
		}
	case entryExpire:
		if v = a.fleet.get(e.vehicle); v != nil && v.present() && a.fleet.lastSeen(v) <= e.heard {
			a.markGone(v, Expired)
		}
	case entryFence:
		o.fence = a.changeFence(e.fence)
	case entryTimer:
		o.existed = a.timer(e.timer)
	case entrySetting:
		if !e.ifUnset || !a.settings.set[e.setting] {
			a.settings.take(Settings{e.setting: e.value})
		}
		a.evict(0)
	case entryTick:
		a.expireKeys()
	}
	return o
}
