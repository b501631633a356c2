package stream

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"livemap/geo"
	"livemap/geo/geofence"
)

// timerEntry asks for what is due at a fence. It is conditional: if the fence was changed since, or that
// happened already, it does nothing. So any hub proposes it, and twice does no harm.
type timerEntry struct {
	kind    dueKind
	version uint64 // of the fence
	at      int64  // when it is due, Unix nanoseconds
	fence   string // ids
	vehicle string // of a dwell
}

func (d due) entry() timerEntry {
	e := timerEntry{kind: d.kind, version: d.fence.version, at: d.at, fence: d.fence.ID}
	if d.vehicle != nil {
		e.vehicle = d.vehicle.id
	}
	return e
}

// dueAt returns what is due up to a time, at most a number of them. Hub.mu is held.
func (fs *fences) dueAt(now int64, most int) (all []timerEntry) {
	fs.due.Scan(func(d due) bool {
		if d.at > now || len(all) == most {
			return false
		}
		all = append(all, d.entry())
		return true
	})
	return all
}

// timersAtOnce is how many timers are applied under one lock, or proposed at once.
const timersAtOnce = 64

// fireTimers applies what is due, without a journal. It reports whether there may be more.
func (h *Hub) fireTimers() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fences.due.Len() == 0 {
		return false
	}
	now, fired := h.moment(), false
	all := h.fences.dueAt(now.wall.UnixNano(), timersAtOnce)
	for i := range all {
		fired = h.applyNow(Source{}, now).timer(&all[i]) || fired
	}
	if fired {
		h.signalRouter()
	}
	return fired
}

// proposeTimers proposes what is due by the journal's time. It reports whether there may be more.
func (h *Hub) proposeTimers() bool {
	h.mu.RLock()
	all := h.fences.dueAt(h.journaled.time, timersAtOnce)
	h.mu.RUnlock()
	if len(all) == 0 {
		return false
	}
	p := h.newProposal()
	for i := range all {
		p.add(entryTimer, appendTimerBody(nil, &all[i]))
	}
	fired := false
	err := h.proposeFor(p, func(outcomes []outcome) {
		fired = slices.ContainsFunc(outcomes, func(o outcome) bool { return o.existed })
	})
	return fired && err == nil
}

// timer applies what is due at a fence, and reports whether it was.
func (a *applier) timer(e *timerEntry) bool {
	f := a.fences.byID[e.fence]
	switch {
	case f == nil || f.version != e.version || e.at > a.decided():
		return false
	case e.kind == dueDwell:
		return a.fulfilDwell(f, e)
	case e.kind == dueExpiry && !f.Expires.IsZero() && f.Expires.UnixNano() == e.at:
		a.endFence(f, fenceExpired)
		return true
	case e.kind == dueEdge && f.next == e.at:
		if a.tellEdge(f, time.Unix(0, e.at)) {
			a.fences.unschedule(f)
			f.edged, f.next = e.at, maxTime
			a.fences.schedule(f)
		}
		return true
	}
	return false
}

// fulfilDwell tells that the dwell of a vehicle is fulfilled, if it is by time.
func (a *applier) fulfilDwell(f *fence, e *timerEntry) bool {
	v := a.fleet.get(e.vehicle)
	if v == nil || int(v.slot) >= len(a.fences.near) {
		return false
	}
	s := a.fences.near[v.slot].standing(f)
	if s == nil {
		return false
	}
	end, ok := f.DwellEnd(s.Standing)
	fresh := int64(staysFresh(geo.StaleAfterOf(v.feature())))
	if !ok || end.UnixNano() != e.at || end.UnixNano()-v.time > fresh {
		return false
	}
	if a.decided()-max(v.time, a.quiet.until) > fresh+int64(quietAfter) { // of an old fix; others may follow it
		a.fences.clearDue(v, s)
		return false
	}
	a.wait(v, f, end)
	return true
}

// tellEdge tells that a fence's schedule has begun or ended. It reports whether all are told who are inside:
// one entry has room for some thousands.
func (a *applier) tellEdge(f *fence, at time.Time) (all bool) {
	var waiting []*vehicle
	active := f.Active.At(at)
	f.members.Scan(func(v *vehicle) bool {
		if s := a.fences.near[v.slot].standing(f); s.Inside && s.Told != active {
			waiting = append(waiting, v)
		}
		return 2*len(waiting) < mostEvents
	})
	for _, v := range waiting {
		a.wait(v, f, at)
	}
	return 2*len(waiting) < mostEvents
}

// wait tells what time brings about for a vehicle at a fence where it has a standing.
func (a *applier) wait(v *vehicle, f *fence, now time.Time) {
	a.keepForSave(v)
	fs, n := &a.fences, &a.fences.near[v.slot]
	a.leaveOver(v, n)
	s := n.standing(f)
	told := s.Told
	fs.clearDue(v, s)
	last := fixOf(v.feature(), v.time, v.here.point)
	s.Standing, fs.events = f.Wait(fs.events[:0], s.Standing, last, now)
	fs.setDue(v, s, v.time, staysFresh(geo.StaleAfterOf(v.feature())))
	n.isFree = false
	before := v.here
	if s.Told != told {
		a.moveAgain(v, a.topicsOf(v, n, a.publishedTopics(v)))
	}
	fs.happened = fs.happened[:0]
	for _, e := range fs.events {
		fs.happened = append(fs.happened, happened{s.fence, e, ""})
	}
	a.tellHappened(v, before)
}

// moveAgain makes the newest position of a vehicle an event again, in other topics.
func (a *applier) moveAgain(v *vehicle, topics *topicSet) {
	n := a.number()
	head := appendName(a.event.text[:0], "")
	a.event = endFrame(append(head, v.feature()...), len(head), a.epoch, n)
	a.commitState(v, n, kindMoved, place{topics, v.here.point})
}

// fenceEvent is what happened to a fence as a whole.
type fenceEvent string

const (
	fenceChanged fenceEvent = "changed" // it is another one
	fenceDeleted fenceEvent = "deleted"
	fenceExpired fenceEvent = "expired"
)

// tellFence appends the event of a fence as a whole. It stands for the exits of all inside.
func (a *applier) tellFence(f *fence, kind eventKind, how fenceEvent) {
	cause := ""
	if kind == kindFenceMade {
		cause = causeCreated
	}
	n := a.number()
	a.event = frameFenceItself(a.event.text, a.epoch, n, f, how, cause, a.decided())
	a.appendEvent(f.nobody, n, kind, place{topics: f.alone}, place{topics: f.alone})
}

// frameFence encodes a `fence` event of a vehicle. It reuses the memory of buf.
func frameFence(buf []byte, epoch string, n number, h *happened, v *vehicle, decided int64) frame {
	head := appendName(buf[:0], "fence")
	text := appendFenceHead(head, string(h.Type), h.fence)
	text = geo.AppendString(append(text, `,"vehicle_id":`...), v.id)
	text = geo.AppendTime(append(text, `,"time":`...), h.At)
	text = appendWireTime(append(text, `,"decided":`...), time.Unix(0, decided))
	text = appendThousandths(append(text, `,"distance_m":`...), h.Distance)
	if h.Type == geofence.Dwell || h.Type == geofence.Exit {
		text = appendThousandths(append(text, `,"dwell_s":`...), h.Stay.Milliseconds())
	}
	if h.Gap {
		text = append(text, `,"gap":true`...)
	}
	if h.cause != "" {
		text = geo.AppendString(append(text, `,"cause":`...), h.cause)
	}
	if h.By != "" {
		text = geo.AppendString(append(text, `,"by":`...), string(h.By))
	}
	text = append(append(append(text, `,"position":`...), v.feature()...), '}')
	return endFrame(text, len(head), epoch, n)
}

// frameFenceItself encodes a `fence` event of the fence as a whole.
func frameFenceItself(
	buf []byte, epoch string, n number, f *fence, how fenceEvent, cause string, decided int64,
) frame {
	head := appendName(buf[:0], "fence")
	text := appendFenceHead(head, string(how), f)
	text = appendWireTime(append(text, `,"time":`...), time.Unix(0, decided))
	text = appendWireTime(append(text, `,"decided":`...), time.Unix(0, decided))
	if cause != "" {
		text = geo.AppendString(append(text, `,"cause":`...), cause)
	}
	return endFrame(append(text, '}'), len(head), epoch, n)
}

func appendFenceHead(dst []byte, what string, f *fence) []byte {
	dst = geo.AppendString(append(dst, `{"type":`...), what)
	dst = geo.AppendString(append(dst, `,"fence":{"id":`...), f.ID)
	if f.Fence.Name != "" {
		dst = geo.AppendString(append(dst, `,"name":`...), f.Fence.Name)
	}
	return fmt.Appendf(dst, `,"version":%d}`, f.version)
}

// appendThousandths appends a number of thousandths as a decimal.
func appendThousandths(dst []byte, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	return geo.AppendTime(dst, time.UnixMilli(n))
}

func appendFenceBody(dst []byte, e *fenceEntry) []byte {
	action, limited := byte(1), byte(0)
	if e.fence == nil {
		action = 2
	}
	if e.maker.Limited {
		limited = 1
	}
	dst = binary.AppendUvarint(append(dst, action, byte(e.match.kind)), e.match.version)
	dst = append(geo.AppendText(dst, e.maker.Name), limited)
	dst = binary.AppendUvarint(dst, uint64(len(e.maker.Reads)))
	for _, pattern := range e.maker.Reads {
		dst = geo.AppendText(dst, pattern)
	}
	dst = geo.AppendText(dst, e.id)
	if e.fence != nil {
		dst = append(geo.AppendText(dst, e.fence.Active.Zone()), e.fence.Feature...)
	}
	return dst
}

// cutUvarint cuts a number off the front of b.
func cutUvarint(b []byte) (n uint64, rest []byte, whole bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

// readFenceBody reads what appendFenceBody wrote. It shares no memory with body: fences are kept.
func readFenceBody(body []byte) (*fenceEntry, error) {
	if len(body) < 2 || body[0] < 1 || body[0] > 2 || body[1] >= byte(matchEnd) {
		return nil, errMessage
	}
	isPut, e := body[0] == 1, &fenceEntry{match: Match{kind: matchKind(body[1])}}
	var whole bool
	if e.match.version, body, whole = cutUvarint(body[2:]); !whole {
		return nil, errMessage
	}
	if e.maker.Name, body, whole = cutCopy(body); !whole || len(body) < 1 || body[0] > 1 {
		return nil, errMessage
	}
	e.maker.Limited = body[0] == 1
	count, body, whole := cutUvarint(body[1:])
	if !whole || count > uint64(len(body)) {
		return nil, errMessage
	}
	for ; count > 0; count-- {
		var pattern string
		if pattern, body, whole = cutCopy(body); !whole {
			return nil, errMessage
		}
		e.maker.Reads = append(e.maker.Reads, pattern)
	}
	if e.id, body, whole = cutCopy(body); !whole || !isPut && len(body) > 0 {
		return nil, errMessage
	}
	if !isPut {
		return e, nil
	}
	zone, body, whole := cutCopy(body)
	if !whole {
		return nil, errMessage
	}
	var err error
	if e.fence, err = geofence.Restore(e.id, body, zone); err != nil {
		return nil, errMessage
	}
	return e, nil
}

// cutCopy is [geo.CutText] that shares no memory.
func cutCopy(b []byte) (s string, rest []byte, whole bool) {
	s, rest, whole = geo.CutText(b)
	return strings.Clone(s), rest, whole
}

func appendTimerBody(dst []byte, e *timerEntry) []byte {
	dst = binary.AppendUvarint(append(dst, byte(e.kind)), e.version)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.at))
	return append(geo.AppendText(dst, e.fence), e.vehicle...)
}

// readTimerBody reads what appendTimerBody wrote.
func readTimerBody(body []byte) (*timerEntry, error) {
	if len(body) < 1 || body[0] == 0 || body[0] >= byte(dueEnd) {
		return nil, errMessage
	}
	e := &timerEntry{kind: dueKind(body[0])}
	var whole bool
	if e.version, body, whole = cutUvarint(body[1:]); !whole || len(body) < 8 {
		return nil, errMessage
	}
	e.at = int64(binary.LittleEndian.Uint64(body))
	if e.fence, body, whole = cutCopy(body[8:]); !whole {
		return nil, errMessage
	}
	e.vehicle = string(body)
	return e, nil
}
