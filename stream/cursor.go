package stream

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// chunkSize is how many bytes a stream reads at once. A slow reader must be able to receive
	// them within the stall timeout.
	chunkSize = 16 << 10
	// scanLimit is how many records or vehicles a cursor examines under one lock, so that
	// publishers do not wait long.
	scanLimit = 2048
)

// Modes of `live`: how the reader was brought up to date.
const (
	modeSnapshot  = "snapshot"  // the last-known position of every vehicle
	modeTail      = "tail"      // nothing: the reader asked for new events only
	modeReplay    = "replay"    // every event since the reader's id
	modeConflated = "conflated" // the newest positions since the reader's id
	modeResumed   = "resumed"   // nothing: the hub was frozen, and is up to date again
	modeSilent    = ""          // no `live` event is due
)

// cursor is how far a reader has come in the scope of its query, and where its next bytes come
// from. It knows no time and no connection: it returns bytes, and a Subscription writes them. The
// goroutine that writes the stream owns all of it but pending.
type cursor struct {
	hub   *Hub
	scope scope
	query Query

	pending atomic.Uint64 // number of the first event in scope since the last look; 0: none

	pos number // the reader has everything in scope up to this event, or up to this entry of the view
	// ahead: the hub has not applied event pos yet, which the reader has from another hub of the journal:
	// see arrived. aheadSince is when the reader came.
	ahead      bool
	aheadSince time.Time
	more       bool // there may be more to read, although nothing is pending
	behind     bool // the log cannot serve the reader: catchUp must be called
	fenceOver  bool // catchUp must be called since a fence was changed or has ended

	// replayEnd, if not 0, is the number before which the reader catches up from the log. That event
	// need not exist yet. The `live` event with mode follows then.
	replayEnd number
	mode      string

	// apart: the reader has had as many loss-free events as had, and not those up to pos: see lane.
	apart  bool
	had    uint64
	beyond int // how many of the loss-free events among sent are newer than the view
	// idPos is the position of the newest id that the reader was given; idKnown: it was given one.
	idPos   number
	idKnown bool

	viewDue   bool       // the reader was reset: freezeView must be called
	view      *stateView // the view being read; nil: the log is being read
	nextEntry int        // index of the next entry of the view
	base      number     // what the reader held when the view began; 0: nothing
	missed    uint64     // events between base and the view
	// missedKnown: missed is valid.
	missedKnown bool

	// stale: an entry was read newer than the view froze it, because the log had dropped the frozen
	// event. The log after the view would take that vehicle back in time. So another view must
	// follow.
	//
	// withholdID: until a view ends without such an entry, no id may be sent. Resuming from one would
	// take the vehicle back too.
	stale, withholdID bool

	sent        int    // events read since the stream or the view began
	lossUnknown bool   // the number of events that the reader missed is unknown
	oldest      int64  // when the first live event of this read was published; 0: none
	countedAt   uint64 // eventLog.total when backlog was counted
	backlog     uint64 // bytes in scope that the reader was behind at that time
}

// begin places the cursor according to the id that the client sent. The caller writes control, if
// any, and then calls freezeView.
func (c *cursor) begin() (control []byte) {
	h := c.hub
	h.mu.RLock()
	head, dropped, events := h.log.newest, h.log.dropped, h.lane.count
	h.mu.RUnlock()
	given := c.query.LastEventID
	c.query.LastEventID = "" // it may be long, or a part of a long text
	id, had, apart, known := parseLaneID(given)
	switch {
	case given == "":
		return c.reset("new", head)
	case !known || id.Epoch != h.epoch || number(id.Number) > head && h.following == nil:
		return c.reset("epoch", head)
	}
	c.pos = number(id.Number)
	c.idPos, c.idKnown = c.pos, true
	c.apart, c.had = apart, had
	c.mode = modeReplay
	if c.query.Interval > 0 {
		c.mode = modeConflated
	}
	if c.pos <= head {
		c.had = min(c.had, events)
	}
	if c.pos > head {
		c.ahead, c.aheadSince, c.replayEnd = true, time.Now(), c.pos+1
		return nil
	}
	if c.pos < dropped || c.lagging(c.pos) {
		return c.catchUp()
	}
	c.replayEnd, c.more = head+1, true
	return nil
}

// arrived reports whether a cursor that is ahead has waited for long enough: the hub has come as far, or the
// journal has no such event.
func (c *cursor) arrived() bool {
	return number(c.hub.Head().Number) >= c.pos || c.hub.upToDateSince(c.aheadSince)
}

// endAhead places a cursor that has arrived. The caller writes control, if any, and then calls freezeView.
func (c *cursor) endAhead() (control []byte) {
	c.ahead, c.behind = false, false
	head := number(c.hub.Head().Number)
	if head < c.pos {
		return c.reset("epoch", head)
	}
	c.replayEnd, c.more = head+1, true
	return nil
}

// reset returns the event that makes the reader forget what it holds. A view no older than head
// follows, or for a tail only what comes after head.
func (c *cursor) reset(reason string, head number) (control []byte) {
	c.lossUnknown = reason != "new" && reason != "fence"
	if reason == "new" || reason == "epoch" {
		c.hub.mu.RLock()
		c.setApart(c.hub.lane.count)
		c.hub.mu.RUnlock()
		c.idKnown = false
	} else {
		c.leaveLog()
	}
	if reason != "new" || !c.query.Tail { // a new tail holds nothing to forget
		control = appendControl(nil, "reset", "", fmt.Sprintf(`{"reason":%q}`, reason))
	}
	if !c.query.Tail {
		c.viewDue = true
		return control
	}
	c.mode, c.sent = modeTail, 0
	c.pos, c.replayEnd, c.more = head, head+1, true
	c.stale, c.withholdID = false, false
	return control
}

// freezeView freezes the view that a reset promised, if any. It is called after the reset was
// written: writing may take long, and the view must not be older than need be.
func (c *cursor) freezeView() {
	if c.viewDue {
		c.viewDue = false
		c.startView(c.hub.freeze(&c.scope), 0, modeSnapshot)
	}
}

// catchUp brings a reader up to date that the log cannot serve. The caller writes control, if any,
// and then calls freezeView.
func (c *cursor) catchUp() (control []byte) {
	c.behind = false
	if c.fenceOver {
		c.fenceOver = false
		return c.reset("fence", c.pos)
	}
	c.hub.counters.conflations.Add(1)
	c.leaveLog()
	announced := modeConflated
	if c.query.Interval > 0 && c.mode == modeSilent {
		announced = modeSilent
	}
	if c.scope.exact() {
		v := c.hub.freeze(&c.scope)
		if c.pos >= v.forgotten {
			c.startView(v, c.pos, announced)
			return nil
		}
	}
	return c.reset("behind", number(c.hub.Head().Number))
}

func (c *cursor) startView(v *stateView, base number, mode string) {
	c.view, c.base, c.nextEntry = v, base, v.indexAfter(base)
	c.mode, c.replayEnd, c.more = mode, 0, true
	c.stale, c.sent, c.beyond = false, 0, 0
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	held, known := c.hub.eventsUpTo(base)
	c.missed, c.missedKnown = v.events-held, known
}

// due reports whether there may be something to read.
func (c *cursor) due() bool { return c.more || c.pending.Load() != 0 }

// read returns the next bytes to write: appended to buf, or a slice of the log itself. It returns
// none when the reader has everything, or is behind. The bytes hold so many events. The first live
// one was published at oldest, unless that is 0. They are valid until buf is used again.
func (c *cursor) read(buf []byte) (p []byte, events int, oldest int64) {
	c.oldest = 0
	before := c.sent
	// The next call reads what becomes pending during the loop.
	for more := c.due(); more && len(buf) == 0 && !c.behind; more = c.more {
		if c.view != nil {
			buf = c.readView(buf)
		} else {
			buf = c.readLog(buf)
		}
		before = min(before, c.sent) // a view counts from 0 again
	}
	return buf, c.sent - before, c.oldest
}

// readLog reads from the log. It sets behind when the log cannot serve the reader.
func (c *cursor) readLog(buf []byte) []byte {
	after := c.pos
	if !c.more {
		// pending is swapped before the head is read. An event that is routed later is pending
		// again.
		after = max(after+1, number(c.pending.Swap(0))) - 1
	}
	if c.behind = c.stale || c.lagging(after); c.behind {
		return buf
	}
	buf = c.readEvents(buf, after)
	c.behind = c.behind || c.fenceOver
	if c.replayEnd != 0 && !c.more && !c.behind {
		c.replayEnd = 0
		buf = c.appendLive(buf)
	}
	return buf
}

// readEvents reads a chunk of the events after a number, if the log still has them all.
func (c *cursor) readEvents(buf []byte, after number) []byte {
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	if c.behind = c.lost(after); c.behind {
		return buf
	}
	if c.apart {
		c.had = min(c.had, c.hub.lane.count)
		if buf = c.readLane(buf, after); len(buf) > 0 {
			c.more = true
			return buf
		}
	}
	to := c.hub.log.newest
	if c.replayEnd == 0 && c.query.Interval > 0 {
		c.replayEnd = to + 1 // one fixed end for this pass, as a view has
	}
	if c.replayEnd != 0 {
		to = c.replayEnd - 1
	}
	buf = c.readRange(buf, after, to)
	c.more = c.pos < to
	return buf
}

// lost reports whether events in scope after a number have left the log. Without an index it reports
// whether any event has. Hub.mu is held until the events are read, or they could leave meanwhile.
func (c *cursor) lost(after number) bool {
	h := c.hub
	if after >= h.log.dropped || c.scope.all {
		return after < h.log.dropped
	}
	for _, id := range c.scope.vehicles {
		if v := h.fleet.byID[id]; v == nil && h.fleet.forgotten > after || v != nil && v.index.dropped > after {
			return true
		}
	}
	for _, id := range c.scope.topics {
		if t := h.topics.byID[id]; t == nil || t.index.dropped > after {
			return true
		}
	}
	return false
}

// lagging reports whether the reader is more than Config.MaxBacklog bytes in scope behind, counted
// after a number. A reader with an interval never is: it reads only the newest positions anyway.
func (c *cursor) lagging(after number) bool {
	if c.query.Interval > 0 {
		return false
	}
	limit := uint64(c.hub.config.MaxBacklog)
	c.hub.mu.RLock()
	seq := c.hub.log.upTo(after) + 1
	distance, total := c.hub.log.distance(seq), c.hub.log.total()
	c.hub.mu.RUnlock()
	if distance <= limit {
		return false
	}
	if c.scope.whole() {
		return true
	}
	if c.countedAt > 0 && c.backlog+total-c.countedAt <= limit {
		return false // at most what it was, and all bytes since
	}
	c.backlog, c.countedAt = c.countBacklog(seq, limit), total
	return c.backlog > limit
}

// countBacklog counts the bytes in scope from seq on. It stops soon after limit.
func (c *cursor) countBacklog(seq, limit uint64) (bytes uint64) {
	for more := true; more && bytes <= limit; {
		var some uint64
		some, seq, more = c.countBytes(seq)
		bytes += some
	}
	return bytes
}

// countBytes counts the bytes in scope of up to scanLimit events, and returns the seq of the next
// one.
func (c *cursor) countBytes(seq uint64) (bytes, next uint64, more bool) {
	h := c.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	seq = max(seq, h.log.first())
	to := min(h.log.head(), seq+scanLimit-1)
	c.eachEvent(seq, to, func(r *record, event frame) bool {
		if c.scope.delivery(r) != deliverNothing {
			bytes += uint64(len(event.text))
		}
		return true
	})
	return bytes, to + 1, to < h.log.head()
}

// appendLive appends the `live` event, unless none is due: the reader is up to date as of pos. While the hub
// is frozen it stays due.
func (c *cursor) appendLive(buf []byte) []byte {
	mode := c.mode
	if mode == modeSilent || c.hub.frozenSince.Load() != 0 {
		return buf
	}
	c.mode = modeSilent
	data := fmt.Appendf(nil, `{"mode":%q,"events":%d`, mode, c.sent)
	switch {
	case mode == modeReplay, mode == modeResumed, mode != modeConflated && !c.lossUnknown:
		data = append(data, `,"skipped":0`...)
	case mode == modeConflated && c.scope.whole() && c.view != nil && c.missedKnown:
		data = append(data, `,"skipped":`...)
		data = strconv.AppendUint(data, c.missed-uint64(c.sent-c.beyond), 10)
	}
	data = fmt.Appendf(data, `,"protocol":%q,`, c.query.Protocol)
	data = appendClock(data, c.hub.config.Clock(), c.hub.quietFrom.Load())
	return appendControl(buf, "live", c.resumeID(), string(data))
}

// resumeID returns the id from which the reader can resume now, or "" while it must not have one.
func (c *cursor) resumeID() string {
	// routed is loaded before pending. An event that is routed and not pending is not in scope.
	routed := number(c.hub.routed.Load())
	if c.withholdID || c.view != nil && c.nextEntry == 0 && len(c.view.entries) > 0 {
		return "" // after a reset, nothing was read yet from which the reader could resume
	}
	if c.mode == modeSilent && c.view == nil && !c.more && c.pending.Load() == 0 {
		c.pos = max(c.pos, routed)
	}
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	if c.apart && c.mode == modeSilent && c.view == nil && !c.more && c.pos == routed {
		count, _ := c.hub.lane.upTo(c.pos)
		c.had = max(c.had, count) // none of these is in scope, or it would be pending
		c.rejoin()
	}
	c.idPos, c.idKnown = c.pos, true
	return c.idAt(c.pos)
}
