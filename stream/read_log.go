package stream

import "slices"

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
	if v.seq <= seq {
		return v.seq
	}
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
