package stream

import (
	"fmt"
	"slices"
	"strconv"
)

const (
	// chunk is how many bytes a stream takes at once: few enough that a slow
	// reader can take them within the stall timeout.
	chunk = 16 << 10
	// scan is how many records or vehicles are looked at in one go, so that
	// publishers do not wait for a reader with a lot to look through.
	scan = 2048
)

// Modes of `live`: how the reader came to hold the truth.
const (
	bySnapshot   = "snapshot"  // told anew
	byTail       = "tail"      // holds nothing, and asked for that
	byReplay     = "replay"    // every event since its id
	byConflation = "conflated" // newest positions since its id
	silently     = ""          // not to be announced
)

// cursor is how far a reader has come. Serve's goroutine owns it.
type cursor struct {
	pos  uint64 // everything in scope up to this event has been given
	more bool   // there may be more to take, though nothing is pending

	// until, if not 0, is the event before which a catching up with the log
	// ends, which need not be there yet: live is then told with mode.
	until uint64
	mode  string

	round *round // being given; nil: reading the log
	next  int    // the entry to give next
	base  uint64 // what the reader held at the start of the round; 0: nothing

	// stale: an entry was given newer than it was frozen, since its own event
	// had left the log. The events after the round are then no way to go on,
	// as they would take that vehicle back in time; another round is. And until
	// that is done no id may be told, as resuming from it would do the same.
	stale, held bool

	sent    int    // events given since the stream, or the round, began
	losing  bool   // how many events the reader missed is not known
	oldest  int64  // when the first live event taken was published; 0: none was
	counted uint64 // log bytes there had been when backlog was counted
	backlog uint64 // bytes in scope that the reader was behind then
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
		s.mode = byReplay
		if s.query.Interval > 0 {
			s.mode = byConflation
		}
		if s.pos+1 < first || s.lagging(s.pos+1) {
			s.catchUp()
			return
		}
		s.until, s.more = head+1, true
	}
}

// reset tells the reader to forget what it holds, and begins to tell it anew,
// from a state no older than head.
func (s *Subscription) reset(reason string, head uint64) {
	s.losing = reason != "new"
	if s.losing || !s.query.Tail { // who begins with nothing, and asks for nothing, has nothing to forget
		s.send(appendControl(nil, "reset", "", fmt.Sprintf(`{"reason":%q}`, reason)))
	}
	if s.query.Tail {
		s.mode, s.sent = byTail, 0
		s.pos, s.until, s.more = head, head+1, true
		s.stale, s.held = false, false
		return
	}
	s.startRound(s.hub.freeze(&s.scope), 0, bySnapshot)
}

// catchUp brings a reader to date for whom the log is no way, or no longer.
func (s *Subscription) catchUp() {
	s.hub.counters.conflations.Add(1)
	announced := byConflation
	if s.query.Interval > 0 && s.mode == silently {
		announced = silently
	}
	if s.scope.exact() {
		r := s.hub.freeze(&s.scope)
		if s.pos >= r.forgotten {
			s.startRound(r, s.pos, announced)
			return
		}
	}
	s.reset("behind", s.hub.Head().Seq)
}

func (s *Subscription) startRound(r *round, base uint64, mode string) {
	s.round, s.base, s.next = r, base, r.after(base)
	s.mode, s.until, s.more = mode, 0, true
	s.stale, s.sent = false, 0
}

// take gives the next bytes to write and how many events they hold; none when
// the reader has everything. The bytes are valid until the next call.
func (s *Subscription) take(buf []byte) (p []byte, events int) {
	before := s.sent
	// What becomes pending meanwhile is for the next flush.
	for more := s.due(); more && len(buf) == 0; more = s.more {
		s.oldest = 0
		if s.round != nil {
			buf = s.takeRound(buf)
		} else {
			buf = s.takeLog(buf)
		}
		before = min(before, s.sent) // a round begins to count anew
	}
	return buf, s.sent - before
}

// takeLog takes events from the log.
func (s *Subscription) takeLog(buf []byte) []byte {
	from := s.pos + 1
	if !s.more {
		// Swapped before the head is looked at: what is routed after that is
		// pending again.
		from = max(from, s.pending.Swap(0))
	}
	lagging := s.stale || s.lagging(from)
	s.hub.mu.RLock()
	if lagging || s.lost(from) {
		s.hub.mu.RUnlock()
		s.catchUp()
		return buf
	}
	to := s.hub.log.head()
	if s.until == 0 && s.query.Interval > 0 {
		s.until = to + 1 // frozen, as a round is
	}
	if s.until != 0 {
		to = s.until - 1
	}
	buf = s.gather(buf, from, to)
	s.hub.mu.RUnlock()

	s.more = s.pos < to
	if s.until != 0 && !s.more {
		s.until = 0
		buf = s.appendLive(buf)
	}
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
	if s.counted > 0 && s.backlog+total-s.counted <= limit {
		return false // cannot be more than it was, and all that came since
	}
	s.backlog, s.counted = s.bytesFrom(seq, limit), total
	return s.backlog > limit
}

// bytesFrom counts the bytes in scope from seq on, up to something over limit.
func (s *Subscription) bytesFrom(seq, limit uint64) (bytes uint64) {
	h := s.hub
	for bytes <= limit {
		h.mu.RLock()
		seq = max(seq, h.log.first())
		to := min(h.log.head(), seq+scan-1)
		done := seq > h.log.head()
		s.each(seq, to, func(_ uint64, r *record, event []byte) bool {
			if s.scope.judge(r) != nothing {
				bytes += uint64(len(event))
			}
			return true
		})
		h.mu.RUnlock()
		if done {
			break
		}
		seq = to + 1
	}
	return bytes
}

// gather appends what is in scope of the events in [from, to], as much as a
// chunk takes, and moves the cursor. Hub.mu is held.
func (s *Subscription) gather(buf []byte, from, to uint64) []byte {
	if from > to {
		s.pos = max(s.pos, to)
		return buf
	}
	if s.scope.whole() && s.query.Interval == 0 {
		return s.gatherRun(from, to)
	}
	looked, full := 0, false
	s.each(from, to, func(seq uint64, r *record, event []byte) bool {
		outcome := s.outcome(seq, r, to)
		if full = len(buf) > 0 && outcome != nothing && len(buf)+len(event) > chunk || looked == scan; full {
			return false
		}
		looked++
		s.pos = seq
		if outcome != nothing {
			buf = s.appendOutcome(buf, outcome, seq, r, event)
		}
		return true
	})
	if !full {
		s.pos = to
	}
	return buf
}

// gatherRun gives consecutive events as they stand in the log.
func (s *Subscription) gatherRun(from, to uint64) []byte {
	r, _ := s.hub.log.at(from)
	events, n := s.hub.log.run(from, chunk)
	if over := int(from) + n - 1 - int(to); over > 0 {
		last, _ := s.hub.log.at(to)
		events, n = events[:last.end-r.off:last.end-r.off], n-over
	}
	s.pos = from + uint64(n) - 1
	s.sent += n
	if s.until == 0 {
		s.oldest = r.published
	}
	return events
}

// outcome is what the reader gets of an event, given that it hears of all up
// to the event to.
func (s *Subscription) outcome(seq uint64, r *record, to uint64) outcome {
	if s.query.Interval == 0 {
		return s.scope.judge(r)
	}
	if r.kind == late {
		return nothing
	}
	o := s.scope.judge(r)
	last := s.hub.lastState(r.vehicle, to)
	if last == seq {
		return o
	}
	// Only its last position counts, unless it went or left and did not come
	// back: that is told in its own place, so that one who resumes after it knows.
	if o == leaving || o == verbatim && r.kind == gone {
		if end, _ := s.hub.log.at(last); !s.scope.holds(r.vehicle.id, end.after) {
			return o
		}
	}
	return nothing
}

// lastState gives the last event up to seq that says where v is. There must be
// one in the log. Hub.mu is held.
func (h *Hub) lastState(v *vehicle, seq uint64) uint64 {
	i, found := slices.BinarySearch(v.index.list, seq)
	if !found {
		i--
	}
	for ; ; i-- {
		if r, _ := h.log.at(v.index.list[i]); r.kind != late {
			return v.index.list[i]
		}
	}
}

func (s *Subscription) appendOutcome(buf []byte, o outcome, seq uint64, r *record, event []byte) []byte {
	s.sent++
	if s.oldest == 0 && s.until == 0 {
		s.oldest = r.published
	}
	if o == leaving {
		return appendGone(buf, s.hub.epoch, seq, r.vehicle.id, Left)
	}
	return append(buf, event...)
}

// each visits the events in [from, to] that may be in scope, in order, until
// visit says no. Hub.mu is held.
func (s *Subscription) each(from, to uint64, visit func(seq uint64, r *record, event []byte) bool) {
	if !s.scope.all {
		s.eachIndexed(from, to, visit)
		return
	}
	for seq := from; seq <= to; {
		segment := s.hub.log.find(seq)
		for ; seq <= to && seq < segment.next(); seq++ {
			r := &segment.records[seq-segment.first]
			if !visit(seq, r, segment.event(r)) {
				return
			}
		}
	}
}

// eachIndexed merges the indexes of the vehicles and topics in scope.
func (s *Subscription) eachIndexed(from, to uint64, visit func(seq uint64, r *record, event []byte) bool) {
	var few [4][]uint64
	lists := s.indexes(few[:0], from)
	for {
		seq := to + 1
		for _, list := range lists {
			if len(list) > 0 {
				seq = min(seq, list[0])
			}
		}
		if seq > to {
			return
		}
		for i, list := range lists {
			if len(list) > 0 && list[0] == seq {
				lists[i] = list[1:]
			}
		}
		r, event := s.hub.log.at(seq)
		if !visit(seq, r, event) {
			return
		}
	}
}

func (s *Subscription) indexes(lists [][]uint64, from uint64) [][]uint64 {
	for _, id := range s.scope.vehicles {
		if v := s.hub.fleet.byID[id]; v != nil {
			lists = append(lists, v.index.from(from))
		}
	}
	for _, id := range s.scope.topics {
		if t := s.hub.topics[id]; t != nil {
			lists = append(lists, t.index.from(from))
		}
	}
	return lists
}

// takeRound takes from the round.
func (s *Subscription) takeRound(buf []byte) []byte {
	s.hub.mu.RLock()
	for looked := 0; s.next < len(s.round.entries) && looked < scan; looked++ {
		event, stale := s.hub.resolve(s.round.entries[s.next], &s.scope, s.base > 0)
		if len(buf) > 0 && len(buf)+len(event) > chunk {
			break
		}
		s.next++
		if event == nil {
			continue
		}
		if stale {
			s.stale, s.held = true, true
		}
		if s.held {
			event = withoutID(event)
		}
		buf = append(buf, event...)
		s.sent++
	}
	s.hub.mu.RUnlock()
	if s.next == len(s.round.entries) && len(buf) < chunk {
		buf = s.endRound(buf)
	}
	return buf
}

// resolve gives the event that tells an entry of a round to a reader, nil where
// it is not in scope. A vehicle that went is told to those who may have held it.
// stale: the vehicle has moved on and the log no longer holds the event; what
// is given is newer. Hub.mu is held.
func (h *Hub) resolve(e entry, s *scope, held bool) (event []byte, stale bool) {
	v := e.vehicle
	event, at := v.event, v.here
	if v.seq != e.seq {
		if stale = !h.log.holds(e.seq); !stale {
			var r *record
			r, event = h.log.at(e.seq)
			at = r.after
		}
	}
	switch {
	case s.holds(v.id, at), at.nowhere() && held && s.names(v.id):
		return event, stale
	}
	return nil, false
}

// endRound goes on from the log, or with another round if that cannot be.
func (s *Subscription) endRound(buf []byte) []byte {
	s.pos = s.round.head
	s.held = s.held && s.stale
	buf = s.appendLive(buf)
	s.round, s.more = nil, s.stale
	return buf
}

// appendLive tells that the reader now holds the truth as of pos.
func (s *Subscription) appendLive(buf []byte) []byte {
	mode := s.mode
	s.mode = silently
	if mode == silently {
		return buf
	}
	data := fmt.Appendf(nil, `{"mode":%q,"events":%d`, mode, s.sent)
	switch {
	case mode == byReplay, mode != byConflation && !s.losing:
		data = append(data, `,"skipped":0`...)
	case mode == byConflation && s.scope.whole() && s.round != nil:
		data = append(data, `,"skipped":`...)
		data = strconv.AppendUint(data, s.pos-s.base-uint64(s.sent), 10)
	}
	data = fmt.Appendf(data, `,"protocol":%q,"time":%s}`, s.query.Protocol, s.hub.clock())
	return appendControl(buf, "live", s.restingID(), string(data))
}

// restingID is the id from which the reader could go on now, "" while none may
// be told.
func (s *Subscription) restingID() string {
	// Loaded before pending: what is routed by now and not pending is not in scope.
	routed := s.hub.routed.Load()
	if s.held {
		return ""
	}
	if s.mode == silently && s.round == nil && !s.more && s.pending.Load() == 0 {
		s.pos = max(s.pos, routed)
	}
	return s.hub.id(s.pos).String()
}
