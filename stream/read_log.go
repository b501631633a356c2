package stream

import "slices"

// readRange appends what is in scope of the events in [from, to], as much as a
// chunk takes, and moves the cursor. Hub.mu is held.
func (s *Subscription) readRange(buf []byte, from, to uint64) []byte {
	if from > to {
		s.pos = max(s.pos, to)
		return buf
	}
	if s.scope.whole() && s.query.Interval == 0 {
		return s.readRun(from, to)
	}
	looked, full := 0, false
	s.eachEvent(from, to, func(seq uint64, r *record, event []byte) bool {
		outcome := s.delivery(seq, r, to)
		if full = len(buf) > 0 && outcome != deliverNothing && len(buf)+len(event) > chunkSize || looked == scanLimit; full {
			return false
		}
		looked++
		s.pos = seq
		if outcome != deliverNothing {
			buf = s.appendDelivery(buf, outcome, seq, r, event)
		}
		return true
	})
	if !full {
		s.pos = to
	}
	return buf
}

// readRun gives consecutive events as they stand in the log.
func (s *Subscription) readRun(from, to uint64) []byte {
	r, _ := s.hub.log.at(from)
	events, n := s.hub.log.run(from, chunkSize)
	if over := int(from) + n - 1 - int(to); over > 0 {
		last, _ := s.hub.log.at(to)
		events, n = events[:last.end-r.off:last.end-r.off], n-over
	}
	s.pos = from + uint64(n) - 1
	s.sent += n
	if s.replayEnd == 0 {
		s.oldest = r.published
	}
	return events
}

// delivery is what the reader gets of an event, given that it hears of all up
// to the event to.
func (s *Subscription) delivery(seq uint64, r *record, to uint64) delivery {
	if s.query.Interval == 0 {
		return s.scope.delivery(r)
	}
	if r.kind == kindLate {
		return deliverNothing
	}
	o := s.scope.delivery(r)
	last := s.hub.lastState(r.vehicle, to)
	if last == seq {
		return o
	}
	// Only its last position counts, unless it went or left and did not come
	// back: that is told in its own place, so that one who resumes after it knows.
	if o == deliverGone || o == deliverEvent && r.kind == kindGone {
		if end, _ := s.hub.log.at(last); !s.scope.contains(r.vehicle.id, end.after) {
			return o
		}
	}
	return deliverNothing
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
		if r, _ := h.log.at(v.index.list[i]); r.kind != kindLate {
			return v.index.list[i]
		}
	}
}

func (s *Subscription) appendDelivery(buf []byte, o delivery, seq uint64, r *record, event []byte) []byte {
	s.sent++
	if s.oldest == 0 && s.replayEnd == 0 {
		s.oldest = r.published
	}
	if o == deliverGone {
		return appendGone(buf, s.hub.epoch, seq, r.vehicle.id, Left)
	}
	return append(buf, event...)
}

// eachEvent visits the events in [from, to] that may be in scope, in order, until
// visit says no. Hub.mu is held.
func (s *Subscription) eachEvent(from, to uint64, visit func(seq uint64, r *record, event []byte) bool) {
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
	lists := s.indexLists(few[:0], from)
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

func (s *Subscription) indexLists(lists [][]uint64, from uint64) [][]uint64 {
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
