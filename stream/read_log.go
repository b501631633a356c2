package stream

import "slices"

// readRange appends the events in scope with numbers after one and up to another, up to a chunk, and
// moves the cursor. Hub.mu is held.
func (c *cursor) readRange(buf []byte, after, last number) []byte {
	from, to := c.hub.log.upTo(after)+1, c.hub.log.upTo(last)
	if from > to {
		c.pos = max(c.pos, last)
		c.rejoin()
		return buf
	}
	if c.scope.whole() && c.query.Interval == 0 && !c.apart && c.isPlain(from, to) {
		return c.readRun(from, to)
	}
	looked, full := 0, false
	c.eachEvent(from, to, func(r *record, event frame) bool {
		d := c.delivery(r, to, last)
		if c.wasAhead(r) {
			d = deliverNothing
		}
		if looked == scanLimit || len(buf) > 0 && d != deliverNothing && len(buf)+len(event.text) > chunkSize {
			full = true
			return false
		}
		looked++
		c.pos = r.number
		c.passed(r)
		if d == deliverNothing {
			return true
		}
		c.idPos, c.idKnown = r.number, true
		c.sent++
		if c.oldest == 0 && c.replayEnd == 0 {
			c.oldest = r.published
		}
		if d == deliverGone {
			buf = appendGone(buf, c.hub.epoch, r.number, r.vehicle.id, Left)
		} else {
			buf = append(buf, event.text...)
		}
		buf = c.markApart(buf, r.number)
		if r.kind == kindFenceOver && c.scope.followsFence((*r.before.topics)[0].id) {
			c.fenceOver, full = true, true // those who were inside are told anew
		}
		return !full
	})
	if !full {
		c.pos = last
		c.rejoin()
	}
	return buf
}

// isPlain reports whether the next chunk of events is for the reader as it stands in the log.
func (c *cursor) isPlain(from, to uint64) bool {
	l := c.hub.log
	if l.special == 0 {
		return true
	}
	_, n := l.run(from, chunkSize, to)
	for i := range uint64(n) {
		if r, _ := l.at(from + i); !r.kind.isPlain() && (!r.kind.ofFence() || !c.scope.rights.all) {
			return false
		}
	}
	return true
}

// readRun returns consecutive events as they stand in the log, without a copy.
func (c *cursor) readRun(from, to uint64) []byte {
	events, n := c.hub.log.run(from, chunkSize, to)
	last, _ := c.hub.log.at(from + uint64(n) - 1)
	c.pos = last.number
	c.idPos, c.idKnown = c.pos, true
	c.sent += n
	if c.replayEnd == 0 {
		first, _ := c.hub.log.at(from)
		c.oldest = first.published
	}
	return events
}

// delivery returns what the reader gets of an event, when it reads all events up to the seq to, which
// are those up to the number last.
func (c *cursor) delivery(r *record, to uint64, last number) delivery {
	if c.query.Interval == 0 || r.kind.ofFence() {
		return c.scope.delivery(r)
	}
	if !r.kind.isState() {
		return deliverNothing
	}
	d := c.scope.delivery(r)
	state, at := r.vehicle.number, r.vehicle.here
	if state > last {
		state, at = c.hub.lastState(r.vehicle, to)
	}
	if state == r.number {
		if r.kind == kindMoved && c.scope.contains(r.vehicle.id, r.after) {
			return deliverEvent // the position before was left out
		}
		return d
	}
	// With an interval only the last position counts. A vehicle that went or left and did not come
	// back is reported in its own place. A reader that resumes after it then knows.
	if d == deliverGone || d == deliverEvent && r.kind == kindGone {
		if !c.scope.contains(r.vehicle.id, at) {
			return d
		}
	}
	return deliverNothing
}

// lastState returns the last event up to seq that says where v is, and where that is. The log must
// hold one. Hub.mu is held.
func (h *Hub) lastState(v *vehicle, seq uint64) (number, place) {
	i, found := slices.BinarySearch(v.index.list, seq)
	if !found {
		i--
	}
	for ; ; i-- {
		if r, _ := h.log.at(v.index.list[i]); r.kind.isState() {
			return r.number, r.after
		}
	}
}

// eachEvent calls visit for the events of [from, to] that may be in scope, in order, until visit
// returns false. Hub.mu is held.
func (c *cursor) eachEvent(from, to uint64, visit func(r *record, event frame) bool) {
	if !c.scope.all {
		c.eachIndexed(from, to, visit)
		return
	}
	for seq := from; seq <= to; {
		segment := c.hub.log.find(seq)
		for ; seq <= to && seq < segment.next(); seq++ {
			r := &segment.records[seq-segment.first]
			if !visit(r, segment.event(seq-segment.first)) {
				return
			}
		}
	}
}

// eachIndexed merges the indexes of the vehicles and topics in scope.
func (c *cursor) eachIndexed(from, to uint64, visit func(r *record, event frame) bool) {
	var few [4][]uint64
	lists := c.indexLists(few[:0], from)
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
		r, event := c.hub.log.at(seq)
		if !visit(r, event) {
			return
		}
	}
}

func (c *cursor) indexLists(lists [][]uint64, from uint64) [][]uint64 {
	for _, id := range c.scope.vehicles {
		if v := c.hub.fleet.byID[id]; v != nil {
			lists = append(lists, v.index.from(from))
		}
	}
	for _, id := range c.scope.topics {
		if t := c.hub.topics.byID[id]; t != nil {
			lists = append(lists, t.index.from(from))
		}
	}
	return lists
}
