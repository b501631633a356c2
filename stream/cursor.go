package stream

import (
	"fmt"
	"strconv"
	"sync/atomic"
)

const (
	// chunkSize is how many bytes a stream takes at once: few enough that a slow
	// reader can take them within the stall timeout.
	chunkSize = 16 << 10
	// scanLimit is how many records or vehicles are looked at in one go, so that
	// publishers do not wait for a reader with a lot to look through.
	scanLimit = 2048
)

// Modes of `live`: how the reader came to hold the truth.
const (
	modeSnapshot  = "snapshot"  // told anew
	modeTail      = "tail"      // holds nothing, and asked for that
	modeReplay    = "replay"    // every event since its id
	modeConflated = "conflated" // newest positions since its id
	modeSilent    = ""          // not to be announced
)

// cursor is how far a reader has come in what it asked for, and what it is given
// next. It knows of no time and no connection: it returns bytes, and a
// Subscription writes them. All but pending is of the goroutine that does so.
type cursor struct {
	hub   *Hub
	scope scope
	query Query

	pending atomic.Uint64 // the first event in scope since the log was last read; 0: none

	pos    uint64 // everything in scope up to this event has been given
	more   bool   // there may be more to read, though nothing is pending
	behind bool   // the log is no way to go on: catchUp must be called

	// replayEnd, if not 0, is the event before which a catching up with the log
	// ends, which need not be there yet: live is then told with mode.
	replayEnd uint64
	mode      string

	viewDue   bool       // the reader was reset: freezeView must be called
	view      *stateView // being given; nil: reading the log
	nextEntry int        // the entry to give next
	base      uint64     // what the reader held at the start of the view; 0: nothing

	// stale: an entry was given newer than it was frozen, since its own event
	// had left the log. The events after the view are then no way to go on,
	// as they would take that vehicle back in time; another view is. And until
	// that is done no id may be told, as resuming from it would do the same.
	stale, withholdID bool

	sent        int    // events given since the stream, or the view, began
	lossUnknown bool   // how many events the reader missed is not known
	oldest      int64  // when the first live event read was published; 0: none was
	countedAt   uint64 // log bytes there had been when backlog was counted
	backlog     uint64 // bytes in scope that the reader was behind then
}

// begin places the cursor by the id that the client brought. What it returns is
// written before freezeView is called.
func (c *cursor) begin() (control []byte) {
	h := c.hub
	h.mu.RLock()
	head, first := h.log.head(), h.log.first()
	h.mu.RUnlock()
	id, known := ParseID(c.query.LastEventID)
	switch {
	case c.query.LastEventID == "":
		return c.reset("new", head)
	case !known || id.Epoch != h.epoch || id.Seq > head:
		return c.reset("epoch", head)
	}
	c.pos = id.Seq
	c.mode = modeReplay
	if c.query.Interval > 0 {
		c.mode = modeConflated
	}
	if c.pos+1 < first || c.lagging(c.pos+1) {
		return c.catchUp()
	}
	c.replayEnd, c.more = head+1, true
	return nil
}

// reset returns the event that has the reader forget what it holds. It is told
// anew, from a state no older than head.
func (c *cursor) reset(reason string, head uint64) (control []byte) {
	c.lossUnknown = reason != "new"
	if c.lossUnknown || !c.query.Tail { // who begins with nothing, and asks for nothing, has nothing to forget
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

// freezeView freezes the view that a reset promised, if there was one. It is
// called when the reset is written, so that the view is not older than need be.
func (c *cursor) freezeView() {
	if c.viewDue {
		c.viewDue = false
		c.startView(c.hub.freeze(&c.scope), 0, modeSnapshot)
	}
}

// catchUp brings a reader to date for whom the log is no way, or no longer. What
// it returns is written before freezeView is called.
func (c *cursor) catchUp() (control []byte) {
	c.behind = false
	c.hub.counters.conflations.Add(1)
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
	return c.reset("behind", c.hub.Head().Seq)
}

func (c *cursor) startView(v *stateView, base uint64, mode string) {
	c.view, c.base, c.nextEntry = v, base, v.indexAfter(base)
	c.mode, c.replayEnd, c.more = mode, 0, true
	c.stale, c.sent = false, 0
}

// due reports whether there may be something to read.
func (c *cursor) due() bool { return c.more || c.pending.Load() != 0 }

// read returns the next bytes to write, appended to buf or straight from the log:
// none when the reader has everything, or is behind. They hold so many events, of
// which the first live one was published at oldest, if that is not 0. The bytes
// are valid until buf is used again.
func (c *cursor) read(buf []byte) (p []byte, events int, oldest int64) {
	c.oldest = 0
	before := c.sent
	// What becomes pending meanwhile is for the next call.
	for more := c.due(); more && len(buf) == 0 && !c.behind; more = c.more {
		if c.view != nil {
			buf = c.readView(buf)
		} else {
			buf = c.readLog(buf)
		}
		before = min(before, c.sent) // a view begins to count anew
	}
	return buf, c.sent - before, c.oldest
}

// readLog takes events from the log.
func (c *cursor) readLog(buf []byte) []byte {
	from := c.pos + 1
	if !c.more {
		// Swapped before the head is looked at: what is routed after that is
		// pending again.
		from = max(from, c.pending.Swap(0))
	}
	if c.behind = c.stale || c.lagging(from); c.behind {
		return buf
	}
	if buf = c.readEvents(buf, from); c.replayEnd != 0 && !c.more && !c.behind {
		c.replayEnd = 0
		buf = c.appendLive(buf)
	}
	return buf
}

// readEvents takes a chunk of the log's events from seq on, if they are all there.
func (c *cursor) readEvents(buf []byte, seq uint64) []byte {
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	if c.behind = c.lost(seq); c.behind {
		return buf
	}
	to := c.hub.log.head()
	if c.replayEnd == 0 && c.query.Interval > 0 {
		c.replayEnd = to + 1 // frozen, as a round is
	}
	if c.replayEnd != 0 {
		to = c.replayEnd - 1
	}
	buf = c.readRange(buf, seq, to)
	c.more = c.pos < to
	return buf
}

// lost tells whether events in scope from seq on have left the log; where
// there is no index, whether they may have. Hub.mu is held, and must be until
// the events are taken, or they could leave meanwhile.
func (c *cursor) lost(seq uint64) bool {
	h := c.hub
	if seq >= h.log.first() || c.scope.all {
		return seq < h.log.first()
	}
	for _, id := range c.scope.vehicles {
		if v := h.fleet.byID[id]; v == nil && h.fleet.forgotten >= seq || v != nil && v.index.dropped >= seq {
			return true
		}
	}
	for _, id := range c.scope.topics {
		if t := h.topics[id]; t == nil || t.index.dropped >= seq {
			return true
		}
	}
	return false
}

// lagging tells whether more bytes than the backlog may have are in scope from
// seq on. With an interval newest-only is the normal state, and cheap.
func (c *cursor) lagging(seq uint64) bool {
	if c.query.Interval > 0 {
		return false
	}
	limit := uint64(c.hub.config.MaxBacklog)
	c.hub.mu.RLock()
	seq = max(seq, c.hub.log.first())
	distance, total := c.hub.log.distance(seq), c.hub.log.total()
	c.hub.mu.RUnlock()
	if distance <= limit {
		return false
	}
	if c.scope.whole() {
		return true
	}
	if c.countedAt > 0 && c.backlog+total-c.countedAt <= limit {
		return false // cannot be more than it was, and all that came since
	}
	c.backlog, c.countedAt = c.countBacklog(seq, limit), total
	return c.backlog > limit
}

// countBacklog counts the bytes in scope from seq on, up to something over limit.
func (c *cursor) countBacklog(seq, limit uint64) (bytes uint64) {
	for more := true; more && bytes <= limit; {
		var some uint64
		some, seq, more = c.countBytes(seq)
		bytes += some
	}
	return bytes
}

// countBytes looks at a few of the events, and tells with which one to go on,
// if there are more.
func (c *cursor) countBytes(seq uint64) (bytes, next uint64, more bool) {
	h := c.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	seq = max(seq, h.log.first())
	to := min(h.log.head(), seq+scanLimit-1)
	c.eachEvent(seq, to, func(_ uint64, r *record, event frame) bool {
		if c.scope.delivery(r) != deliverNothing {
			bytes += uint64(len(event.text))
		}
		return true
	})
	return bytes, to + 1, to < h.log.head()
}

// appendLive tells that the reader now holds the truth as of pos.
func (c *cursor) appendLive(buf []byte) []byte {
	mode := c.mode
	c.mode = modeSilent
	if mode == modeSilent {
		return buf
	}
	data := fmt.Appendf(nil, `{"mode":%q,"events":%d`, mode, c.sent)
	switch {
	case mode == modeReplay, mode != modeConflated && !c.lossUnknown:
		data = append(data, `,"skipped":0`...)
	case mode == modeConflated && c.scope.whole() && c.view != nil:
		data = append(data, `,"skipped":`...)
		data = strconv.AppendUint(data, c.pos-c.base-uint64(c.sent), 10)
	}
	data = fmt.Appendf(data, `,"protocol":%q,"time":%s}`, c.query.Protocol, c.hub.wireTime())
	return appendControl(buf, "live", c.resumeID(), string(data))
}

// resumeID is the id from which the reader could go on now, "" while none may
// be told.
func (c *cursor) resumeID() string {
	// Loaded before pending: what is routed by now and not pending is not in scope.
	routed := c.hub.routed.Load()
	if c.withholdID {
		return ""
	}
	if c.mode == modeSilent && c.view == nil && !c.more && c.pending.Load() == 0 {
		c.pos = max(c.pos, routed)
	}
	return c.hub.id(c.pos).String()
}
