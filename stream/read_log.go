package stream

import "slices"

// readRange appends the events of [from, to] that are in scope, up to a chunk, and moves the
// cursor. Hub.mu is held.
func (c *cursor) readRange(buf []byte, from, to uint64) []byte {
	if from > to {
		c.pos = max(c.pos, to)
		return buf
	}
	if c.scope.whole() && c.query.Interval == 0 {
		return c.readRun(from, to)
	}
	looked, full := 0, false
	c.eachEvent(from, to, func(seq uint64, r *record, event frame) bool {
		d := c.delivery(seq, r, to)
		if looked == scanLimit || len(buf) > 0 && d != deliverNothing && len(buf)+len(event.text) > chunkSize {
			full = true
			return false
		}
		looked++
		c.pos = seq
		if d == deliverNothing {
			return true
		}
		c.sent++
		if c.oldest == 0 && c.replayEnd == 0 {
			c.oldest = r.published
		}
		if d == deliverGone {
			buf = appendGone(buf, c.hub.epoch, seq, r.vehicle.id, Left)
		} else {
			buf = append(buf, event.text...)
		}
		return true
	})
	if !full {
		c.pos = to
	}
	return buf
}

// readRun returns consecutive events as they stand in the log, without a copy.
func (c *cursor) readRun(from, to uint64) []byte {
	r, _ := c.hub.log.at(from)
	events, n := c.hub.log.run(from, chunkSize)
	if over := int(from) + n - 1 - int(to); over > 0 {
		last, _ := c.hub.log.at(to)
		events, n = events[:last.end-r.off:last.end-r.off], n-over
	}
	c.pos = from + uint64(n) - 1
	c.sent += n
	if c.replayEnd == 0 {
		c.oldest = r.published
	}
	return events
}

// delivery returns what the reader gets of an event, when it reads all events up to the event to.
func (c *cursor) delivery(seq uint64, r *record, to uint64) delivery {
	if c.query.Interval == 0 {
		return c.scope.delivery(r)
	}
	if !r.kind.isState() {
		return deliverNothing
	}
	d := c.scope.delivery(r)
	last := c.hub.lastState(r.vehicle, to)
	if last == seq {
		return d
	}
	// With an interval only the last position counts. A vehicle that went or left and did not come
	// back is reported in its own place. A reader that resumes after it then knows.
	if d == deliverGone || d == deliverEvent && r.kind == kindGone {
		if end, _ := c.hub.log.at(last); !c.scope.contains(r.vehicle.id, end.after) {
			return d
		}
	}
	return deliverNothing
}

// lastState returns the last event up to seq that says where v is. The log must hold one. Hub.mu is
// held.
func (h *Hub) lastState(v *vehicle, seq uint64) uint64 {
	if v.seq <= seq {
		return v.seq
	}
	i, found := slices.BinarySearch(v.index.list, seq)
	if !found {
		i--
	}
	for ; ; i-- {
		if r, _ := h.log.at(v.index.list[i]); r.kind.isState() {
			return v.index.list[i]
		}
	}
}

// eachEvent calls visit for the events of [from, to] that may be in scope, in order, until visit
// returns false. Hub.mu is held.
func (c *cursor) eachEvent(from, to uint64, visit func(seq uint64, r *record, event frame) bool) {
	if !c.scope.all {
		c.eachIndexed(from, to, visit)
		return
	}
	for seq := from; seq <= to; {
		segment := c.hub.log.find(seq)
		for ; seq <= to && seq < segment.next(); seq++ {
			r := &segment.records[seq-segment.first]
			if !visit(seq, r, segment.event(r)) {
				return
			}
		}
	}
}

// eachIndexed merges the indexes of the vehicles and topics in scope.
func (c *cursor) eachIndexed(from, to uint64, visit func(seq uint64, r *record, event frame) bool) {
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
		if !visit(seq, r, event) {
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
		if t := c.hub.topics[id]; t != nil {
			lists = append(lists, t.index.from(from))
		}
	}
	return lists
}
