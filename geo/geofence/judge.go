package geofence

import (
	"math"
	"time"

	"livemap/geo"
)

// Fix is where a vehicle was, as a fence sees it.
type Fix struct {
	At       time.Time
	Point    geo.Point
	Accuracy int64 // millimetres; 0: none was told
	Altitude int64 // millimetres, or [NoAltitude]
}

// NoAltitude is the altitude of a fix that tells none. It enters fences at every altitude.
const NoAltitude = math.MinInt64

// Standing is what is remembered of one vehicle at one fence. Its zero value is outside.
type Standing struct {
	// Inside is where the vehicle is, by the fence's rule. Told is what its readers know: nobody is told
	// outside of the schedule.
	Inside, Told bool

	Dwelt bool // the dwell of this stay was told

	// Since is when the stay began: the first fix inside, or the beginning of the schedule's window.
	Since time.Time

	// Contrary is the time of the first fix since that says otherwise. Zero: none does.
	Contrary time.Time

	// AsOf is when [Fence.Wait] told something last. A fix from before that arrives later takes back
	// nothing, and what it brings about is told as of then: readers see no event older than the one before.
	AsOf time.Time
}

// EventType is what happened at a fence.
type EventType string

// Types of events, as readers see them.
const (
	Enter   EventType = "enter"
	Exit    EventType = "exit"
	Dwell   EventType = "dwell"
	Crossed EventType = "crossed"
)

// By is what brought an event about, if it is not a fix.
type By string

// What brings an event about beside a fix.
const (
	ByTimer    By = "timer"
	BySchedule By = "schedule"
)

// Event is something that happened to one vehicle at one fence.
type Event struct {
	Type EventType
	At   time.Time // of the fix, or of what brought it about
	By   By

	// Distance is from the boundary to the fix, in millimetres: negative inside.
	Distance int64

	Stay time.Duration // of a dwell and an exit: since the stay began
	Gap  bool          // an exit after a gap, which was not waited out
}

// Judge returns the standing of a vehicle after its newest fix, and appends the events that are due, in
// order. previous is the fix before; nil: there was none. A fix is newer than the one before: late ones
// change nothing, and are not judged.
func (f *Fence) Judge(events []Event, s Standing, previous *Fix, fix Fix) (Standing, []Event) {
	distance := f.Distance(fix.Point)
	gap := previous != nil && fix.At.Sub(previous.At) > f.MaxGap
	if gap {
		s.Contrary = time.Time{} // what was before the gap proves nothing now
	}
	was, at := s.Inside, fix.At
	if s.AsOf.After(at) {
		at = s.AsOf
	}
	s = f.move(s, fix, distance, gap)
	if s.Inside == was && !was && previous != nil && !gap && distance > 0 && f.crossedBetween(*previous, fix) {
		events = append(events, Event{Type: Crossed, At: at, Distance: distance})
	}
	by := BySchedule
	if s.Inside != was {
		by = ""
	}
	s, events = f.tell(events, s, Event{At: at, By: by, Distance: distance, Gap: gap && was && !s.Inside})
	if s.Told && !s.Dwelt && s.Contrary.IsZero() && f.dwell > 0 && at.Sub(s.Since) >= f.dwell {
		s.Dwelt = true
		events = append(events, Event{Type: Dwell, At: at, Distance: distance, Stay: at.Sub(s.Since)})
	}
	return s, events
}

// move decides whether the vehicle is inside after a fix. Between proof of the one and of the other nothing
// changes.
func (f *Fence) move(s Standing, fix Fix, distance int64, gap bool) Standing {
	in := distance <= 0 && fix.Accuracy <= f.maxAccuracy && f.altitudeMisses(fix) <= 0
	out := distance-fix.Accuracy >= f.margin && distance > 0 || f.altitudeMisses(fix) > f.margin
	contrary, delay := in, f.enterAfter
	if s.Inside {
		contrary, delay = out, f.exitAfter
	}
	switch {
	case contrary && s.Contrary.IsZero():
		s.Contrary = fix.At
	case in && s.Inside, out && !s.Inside:
		s.Contrary = time.Time{}
	}
	if !contrary || fix.At.Sub(s.Contrary) < delay && !(gap && s.Inside) {
		return s
	}
	return Standing{Inside: !s.Inside, Told: s.Told, Since: s.since(), Dwelt: s.Dwelt, AsOf: s.AsOf}
}

// since returns when the next stay begins, or when the one that ends began.
func (s *Standing) since() time.Time {
	if s.Inside {
		return s.Since
	}
	return s.Contrary
}

// altitudeMisses returns how far a fix is above or below the fence, in millimetres.
func (f *Fence) altitudeMisses(fix Fix) int64 {
	if fix.Altitude == NoAltitude {
		return 0
	}
	return max(0, f.minAltitude-fix.Altitude, fix.Altitude-f.maxAltitude)
}

// crossedBetween reports whether a vehicle that was outside at two fixes was surely inside between them.
func (f *Fence) crossedBetween(from, to Fix) bool {
	worst := max(from.Accuracy, to.Accuracy)
	if worst > f.maxAccuracy || to.At.Sub(from.At) < f.enterAfter || !f.Active.At(to.At) ||
		max(f.altitudeMisses(from), f.altitudeMisses(to)) > 0 {
		return false
	}
	return f.shape.crosses(from.Point, to.Point, max(f.margin, worst))
}

// tell appends the entry or exit that readers do not know yet. What happened is in due.
func (f *Fence) tell(events []Event, s Standing, due Event) (Standing, []Event) {
	inside := s.Inside && f.Active.At(due.At)
	if inside == s.Told {
		return s, events
	}
	s.Told = inside
	if inside {
		due.Type, due.Gap = Enter, false
		s.Dwelt = false
		if due.By == BySchedule {
			s.Since = due.At
		}
		return s, append(events, due)
	}
	due.Type = Exit
	due.Stay = due.At.Sub(s.Since)
	return s, append(events, due)
}

// Wait returns the standing of a vehicle after time has passed without a fix, and appends the events that
// are due: the beginning or end of a window of the schedule, or a dwell.
func (f *Fence) Wait(events []Event, s Standing, last Fix, now time.Time) (Standing, []Event) {
	due, before := Event{At: now, By: BySchedule, Distance: f.Distance(last.Point)}, len(events)
	s, events = f.tell(events, s, due)
	if end, ok := f.DwellEnd(s); ok && !now.Before(end) {
		s.Dwelt = true
		due.Type, due.By, due.Stay = Dwell, ByTimer, now.Sub(s.Since)
		events = append(events, due)
	}
	if len(events) > before {
		s.AsOf = now
	}
	return s, events
}

// DwellEnd returns when the dwell of a stay is fulfilled, if it can still be.
func (f *Fence) DwellEnd(s Standing) (time.Time, bool) {
	if !s.Told || s.Dwelt || f.dwell == 0 || !s.Contrary.IsZero() {
		return time.Time{}, false
	}
	return s.Since.Add(f.dwell), true
}

// Adopt returns the standing of a vehicle whose fix is its first since the fence was made or changed. It was
// there before, so that its entry is not news: it is an event only if the fence asks for it.
func (f *Fence) Adopt(events []Event, fix Fix) (Standing, []Event) {
	distance := f.Distance(fix.Point)
	s := f.move(Standing{}, fix, distance, false)
	if !s.Inside && s.Contrary.IsZero() {
		return s, events
	}
	s = Standing{Inside: true, Since: fix.At}
	if !f.Active.At(fix.At) {
		return s, events
	}
	s.Told = true
	if f.Initial {
		events = append(events, Event{Type: Enter, At: fix.At, Distance: distance})
	}
	return s, events
}
