package stream

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"livemap/geo"
)

// laneBytes is how many bytes of loss-free events are kept.
const laneBytes = 16 << 20

// lane holds the newest loss-free events, those of fences. They are in the log too. A reader that the log
// cannot serve gets newest positions instead of every one, but all of these. Hub.mu guards it.
//
// They are counted: that is part of the state, as which of them are kept.
type lane struct {
	events  []*laneEvent // in rising order of number
	count   uint64       // how many there were: the last of events is the count-th
	bytes   int
	dropped number // of the newest one that is no longer kept; 0: all are
}

// laneEvent is an event of the lane with what says who gets it. It is immutable.
type laneEvent struct {
	record
	frame
}

const laneOverhead = 256 // bytes of an event beside its text

func (l *lane) add(r record, event frame) {
	event.text = bytes.Clone(event.text)
	l.events = append(l.events, &laneEvent{r, event})
	l.count++
	for l.bytes += len(event.text) + laneOverhead; l.bytes > laneBytes; {
		first := l.events[0]
		l.bytes -= len(first.text) + laneOverhead
		l.dropped = first.record.number
		l.events[0] = nil
		l.events = l.events[1:]
	}
}

// before returns how many events there were before those that are kept.
func (l *lane) before() uint64 { return l.count - uint64(len(l.events)) }

// upTo returns how many events have a number up to n. known is false if some of the others are no longer
// kept.
func (l *lane) upTo(n number) (count uint64, known bool) {
	i := sort.Search(len(l.events), func(i int) bool { return l.events[i].record.number > n })
	return l.before() + uint64(i), n >= l.dropped
}

// A cursor that reads the log has all loss-free events up to its position. In a round it gets them ahead of
// positions, and then it is apart: it has had the first c.had of them. Its ids say so, so that a cut neither
// loses nor repeats one.

// setApart says that the reader has had so many loss-free events, whatever its position is. Hub.mu is held.
func (c *cursor) setApart(had uint64) { c.apart, c.had = true, min(had, c.hub.lane.count) }

// leaveLog makes the reader one that is apart, as of its position.
func (c *cursor) leaveLog() {
	c.hub.mu.RLock()
	defer c.hub.mu.RUnlock()
	if c.apart {
		return
	}
	had, known := c.hub.lane.upTo(c.pos)
	if !known {
		had = 0 // how many it had is not known
	}
	c.setApart(had)
}

// rejoin ends that the reader is apart, if its position says how many it had. Hub.mu is held.
func (c *cursor) rejoin() {
	if !c.apart {
		return
	}
	if count, known := c.hub.lane.upTo(c.pos); known && count == c.had {
		c.apart = false
	}
}

// readLane appends a chunk of the loss-free events in scope that the reader has not had, up to a number.
// Hub.mu is held.
func (c *cursor) readLane(buf []byte, last number) []byte {
	l := &c.hub.lane
	if before := l.before(); c.had < before {
		c.more = true
		missed := before - c.had
		c.had = before
		data := fmt.Sprintf(`{"of":"fences","events":%d}`, missed)
		return appendControl(buf, "missed", c.laneID(), data)
	}
	for looked := 0; c.had < l.count && looked < scanLimit; looked++ {
		e := l.events[c.had-l.before()]
		if e.record.number > last {
			break
		}
		if c.scope.delivery(&e.record) == deliverNothing {
			c.had++
			continue
		}
		if len(buf) > 0 && len(buf)+len(e.text) > chunkSize {
			break
		}
		c.had++
		c.sent++
		if c.view != nil && e.record.number > c.view.head {
			c.beyond++
		}
		buf = append(buf, e.text[:len(e.text)-int(e.frame.idSize)]...)
		if id := c.laneID(); id != "" {
			buf = append(append(buf, "\nid: "...), id...)
		}
		buf = append(buf, "\n\n"...)
	}
	return buf
}

// laneID returns the id of what is read from the lane: that of the newest event with one, and how many
// loss-free ones the reader has had. It is "" if there was none.
func (c *cursor) laneID() string {
	if !c.idKnown {
		return ""
	}
	return c.idAt(c.idPos)
}

// idAt returns the id of a position, at which the reader may be apart. Hub.mu is held.
func (c *cursor) idAt(pos number) string {
	id := c.hub.id(pos).String()
	if c.isApartAt(pos) {
		id += "-" + strconv.FormatUint(c.had, 10)
	}
	return id
}

// isApartAt reports whether the id of a position must say how many loss-free events the reader has had.
func (c *cursor) isApartAt(pos number) bool {
	if !c.apart {
		return false
	}
	count, known := c.hub.lane.upTo(pos)
	return !known || count != c.had
}

// markApart adds to the id of event n, which buf ends in, how many loss-free ones the reader has had, if it
// is apart there. Hub.mu is held.
func (c *cursor) markApart(buf []byte, n number) []byte {
	if !c.isApartAt(n) {
		return buf
	}
	buf = strconv.AppendUint(append(buf[:len(buf)-len("\n\n")], '-'), c.had, 10)
	return append(buf, "\n\n"...)
}

// wasAhead reports whether the reader has had an event of the log already. Hub.mu is held.
func (c *cursor) wasAhead(r *record) bool {
	if !c.apart || !r.kind.ofFence() {
		return false
	}
	count, _ := c.hub.lane.upTo(r.number)
	return count <= c.had
}

// passed records that the reader has had an event of the log, which is at pos. Hub.mu is held.
func (c *cursor) passed(r *record) {
	if !c.apart {
		return
	}
	if r.kind.ofFence() {
		count, _ := c.hub.lane.upTo(r.number)
		c.had = max(c.had, count)
	}
	c.rejoin()
}

// parseLaneID reads the id of an event, and how many loss-free events its reader had if it says so.
func parseLaneID(s string) (id ID, had uint64, apart, ok bool) {
	if id, ok = ParseID(s); ok || len(s) > maxIDLength {
		return id, 0, false, ok
	}
	last := strings.LastIndexByte(s, '-')
	if last < 0 {
		return id, 0, false, false
	}
	had, err := strconv.ParseUint(s[last+1:], 10, 64)
	id, ok = ParseID(s[:last])
	return id, had, ok, ok && err == nil && strconv.FormatUint(had, 10) == s[last+1:]
}

// IsID reports whether a text is the id of an event, as [ParseID] reads it, or one that also says how many
// loss-free events its reader had.
func IsID(text string) bool {
	_, _, _, ok := parseLaneID(text)
	return ok
}

// laneRecord returns the record of an event that was saved.
func laneRecord(n number, kind eventKind, vehicleID, topicID string, before, after geo.Point) record {
	alone := &topicSet{&topic{id: topicID}}
	return record{
		number: n, kind: kind, vehicle: &vehicle{id: vehicleID},
		before: place{alone, before}, after: place{alone, after},
	}
}
