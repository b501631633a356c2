package stream

import (
	"fmt"
	"strconv"
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

// cursor is how far a reader has come. Serve's goroutine owns it.
type cursor struct {
	pos  uint64 // everything in scope up to this event has been given
	more bool   // there may be more to take, though nothing is pending

	// replayEnd, if not 0, is the event before which a catching up with the log
	// ends, which need not be there yet: live is then told with mode.
	replayEnd uint64
	mode      string

	view      *stateView // being given; nil: reading the log
	nextEntry int        // the entry to give next
	base      uint64     // what the reader held at the start of the round; 0: nothing

	// stale: an entry was given newer than it was frozen, since its own event
	// had left the log. The events after the round are then no way to go on,
	// as they would take that vehicle back in time; another round is. And until
	// that is done no id may be told, as resuming from it would do the same.
	stale, withholdID bool

	sent        int    // events given since the stream, or the round, began
	lossUnknown bool   // how many events the reader missed is not known
	oldest      int64  // when the first live event taken was published; 0: none was
	countedAt   uint64 // log bytes there had been when backlog was counted
	backlog     uint64 // bytes in scope that the reader was behind then
}

// begin places the cursor by the id that the client brought.
func (s *Subscription) begin() {
	h := s.hub
	h.mu.RLock()
	head, first := h.log.head(), h.log.first()
	h.mu.RUnlock()
	id, known := ParseID(s.query.LastEventID)
	switch {
	case s.query.LastEventID == "":
		s.reset("new", head)
	case !known || id.Epoch != h.epoch || id.Seq > head:
		s.reset("epoch", head)
	default:
		s.pos = id.Seq
		s.mode = modeReplay
		if s.query.Interval > 0 {
			s.mode = modeConflated
		}
		if s.pos+1 < first || s.lagging(s.pos+1) {
			s.catchUp()
			return
		}
		s.replayEnd, s.more = head+1, true
	}
}

// reset tells the reader to forget what it holds, and begins to tell it anew,
// from a state no older than head.
func (s *Subscription) reset(reason string, head uint64) {
	s.lossUnknown = reason != "new"
	if s.lossUnknown || !s.query.Tail { // who begins with nothing, and asks for nothing, has nothing to forget
		s.send(appendControl(nil, "reset", "", fmt.Sprintf(`{"reason":%q}`, reason)))
	}
	if s.query.Tail {
		s.mode, s.sent = modeTail, 0
		s.pos, s.replayEnd, s.more = head, head+1, true
		s.stale, s.withholdID = false, false
		return
	}
	s.startView(s.hub.freeze(&s.scope), 0, modeSnapshot)
}

// catchUp brings a reader to date for whom the log is no way, or no longer.
func (s *Subscription) catchUp() {
	s.hub.counters.conflations.Add(1)
	announced := modeConflated
	if s.query.Interval > 0 && s.mode == modeSilent {
		announced = modeSilent
	}
	if s.scope.exact() {
		r := s.hub.freeze(&s.scope)
		if s.pos >= r.forgotten {
			s.startView(r, s.pos, announced)
			return
		}
	}
	s.reset("behind", s.hub.Head().Seq)
}

func (s *Subscription) startView(r *stateView, base uint64, mode string) {
	s.view, s.base, s.nextEntry = r, base, r.indexAfter(base)
	s.mode, s.replayEnd, s.more = mode, 0, true
	s.stale, s.sent = false, 0
}

// read gives the next bytes to write and how many events they hold; none when
// the reader has everything, or is behind. The bytes are valid until the next
// call.
func (s *Subscription) read(buf []byte) (p []byte, events int) {
	before := s.sent
	// What becomes pending meanwhile is for the next flush.
	for more := s.due(); more && len(buf) == 0 && !s.behind; more = s.more {
		s.oldest = 0
		if s.view != nil {
			buf = s.readView(buf)
		} else {
			buf = s.readLog(buf)
		}
		before = min(before, s.sent) // a round begins to count anew
	}
	return buf, s.sent - before
}

// readLog takes events from the log.
func (s *Subscription) readLog(buf []byte) []byte {
	from := s.pos + 1
	if !s.more {
		// Swapped before the head is looked at: what is routed after that is
		// pending again.
		from = max(from, s.pending.Swap(0))
	}
	if s.behind = s.stale || s.lagging(from); s.behind {
		return buf
	}
	if buf = s.readEvents(buf, from); s.replayEnd != 0 && !s.more && !s.behind {
		s.replayEnd = 0
		buf = s.appendLive(buf)
	}
	return buf
}

// readEvents takes a chunk of the log's events from seq on, if they are all there.
func (s *Subscription) readEvents(buf []byte, seq uint64) []byte {
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	if s.behind = s.lost(seq); s.behind {
		return buf
	}
	to := s.hub.log.head()
	if s.replayEnd == 0 && s.query.Interval > 0 {
		s.replayEnd = to + 1 // frozen, as a round is
	}
	if s.replayEnd != 0 {
		to = s.replayEnd - 1
	}
	buf = s.readRange(buf, seq, to)
	s.more = s.pos < to
	return buf
}

// lost tells whether events in scope from seq on have left the log; where
// there is no index, whether they may have. Hub.mu is held, and must be until
// the events are taken, or they could leave meanwhile.
func (s *Subscription) lost(seq uint64) bool {
	h := s.hub
	if seq >= h.log.first() || s.scope.all {
		return seq < h.log.first()
	}
	for _, id := range s.scope.vehicles {
		if v := h.fleet.byID[id]; v == nil && h.fleet.forgotten >= seq || v != nil && v.index.dropped >= seq {
			return true
		}
	}
	for _, id := range s.scope.topics {
		if t := h.topics[id]; t == nil || t.index.dropped >= seq {
			return true
		}
	}
	return false
}

// lagging tells whether more bytes than the backlog may have are in scope from
// seq on. With an interval newest-only is the normal state, and cheap.
func (s *Subscription) lagging(seq uint64) bool {
	if s.query.Interval > 0 {
		return false
	}
	limit := uint64(s.hub.config.MaxBacklog)
	s.hub.mu.RLock()
	seq = max(seq, s.hub.log.first())
	distance, total := s.hub.log.distance(seq), s.hub.log.total()
	s.hub.mu.RUnlock()
	if distance <= limit {
		return false
	}
	if s.scope.whole() {
		return true
	}
	if s.countedAt > 0 && s.backlog+total-s.countedAt <= limit {
		return false // cannot be more than it was, and all that came since
	}
	s.backlog, s.countedAt = s.countBacklog(seq, limit), total
	return s.backlog > limit
}

// countBacklog counts the bytes in scope from seq on, up to something over limit.
func (s *Subscription) countBacklog(seq, limit uint64) (bytes uint64) {
	for more := true; more && bytes <= limit; {
		var some uint64
		some, seq, more = s.countBytes(seq)
		bytes += some
	}
	return bytes
}

// countBytes looks at a few of the events, and tells with which one to go on,
// if there are more.
func (s *Subscription) countBytes(seq uint64) (bytes, next uint64, more bool) {
	h := s.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	seq = max(seq, h.log.first())
	to := min(h.log.head(), seq+scanLimit-1)
	s.eachEvent(seq, to, func(_ uint64, r *record, event []byte) bool {
		if s.scope.delivery(r) != deliverNothing {
			bytes += uint64(len(event))
		}
		return true
	})
	return bytes, to + 1, to < h.log.head()
}

// appendLive tells that the reader now holds the truth as of pos.
func (s *Subscription) appendLive(buf []byte) []byte {
	mode := s.mode
	s.mode = modeSilent
	if mode == modeSilent {
		return buf
	}
	data := fmt.Appendf(nil, `{"mode":%q,"events":%d`, mode, s.sent)
	switch {
	case mode == modeReplay, mode != modeConflated && !s.lossUnknown:
		data = append(data, `,"skipped":0`...)
	case mode == modeConflated && s.scope.whole() && s.view != nil:
		data = append(data, `,"skipped":`...)
		data = strconv.AppendUint(data, s.pos-s.base-uint64(s.sent), 10)
	}
	data = fmt.Appendf(data, `,"protocol":%q,"time":%s}`, s.query.Protocol, s.hub.wireTime())
	return appendControl(buf, "live", s.resumeID(), string(data))
}

// resumeID is the id from which the reader could go on now, "" while none may
// be told.
func (s *Subscription) resumeID() string {
	// Loaded before pending: what is routed by now and not pending is not in scope.
	routed := s.hub.routed.Load()
	if s.withholdID {
		return ""
	}
	if s.mode == modeSilent && s.view == nil && !s.more && s.pending.Load() == 0 {
		s.pos = max(s.pos, routed)
	}
	return s.hub.id(s.pos).String()
}
