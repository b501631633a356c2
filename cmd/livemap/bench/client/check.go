package client

import (
	"fmt"
	"math"

	"livemap/cmd/livemap/bench/workload"
)

// Faults are deliveries that were wrong. One is enough for a scenario to fail.
type Faults struct {
	Missing  int64  `json:"missing"`  // never delivered
	Repeated int64  `json:"repeated"` // delivered twice, or after a newer one
	Foreign  int64  `json:"foreign"`  // delivered to a stream that is due none of them
	Other    int64  `json:"other"`    // resets, byes, gones, late ones and unreadable ones
	Ended    int64  `json:"ended"`    // streams that ended before their time
	Example  string `json:"example,omitempty"`
}

func (f *Faults) add(other Faults) {
	f.Missing += other.Missing
	f.Repeated += other.Repeated
	f.Foreign += other.Foreign
	f.Other += other.Other
	f.Ended += other.Ended
	if f.Example == "" {
		f.Example = other.Example
	}
}

// Any reports whether there is a fault.
func (f *Faults) Any() bool { return f.Missing+f.Repeated+f.Foreign+f.Other+f.Ended > 0 }

func (f *Faults) note(count *int64, by int64, format string, args ...any) {
	*count += by
	if f.Example == "" {
		f.Example = fmt.Sprintf(format, args...)
	}
}

func (f Faults) String() string {
	return fmt.Sprintf("%d missing, %d repeated or out of order, %d foreign, %d other, %d streams ended: %s",
		f.Missing, f.Repeated, f.Foreign, f.Other, f.Ended, f.Example)
}

// Check holds one stream's events against those that are due. One goroutine uses it.
type Check interface {
	// take records event n.
	take(n int, f *Faults)
	// complete reports whether no more is to come.
	complete() bool
	// finish counts what did not come.
	finish(f *Faults)
}

// sequence checks for every event n with n mod stride = offset, below end, once
// and in order.
type sequence struct{ next, stride, end int }

// Every expects all events of a run.
func Every(events int) Check { return &sequence{0, 1, events} }

// EveryOf expects each stride-th event from offset on.
func EveryOf(events, stride, offset int) Check { return &sequence{offset, stride, events} }

// unknown stands for the first event of a run that may begin with any.
const unknown = math.MinInt

// Consecutive expects events without an end, each one more than the last, whatever the
// first is.
func Consecutive() Check { return &sequence{unknown, 1, workload.Endless} }

// None expects no event.
func None(events int) Check { return &sequence{events, events + 1, events} }

func (s *sequence) take(n int, f *Faults) {
	switch {
	case n == s.next && n < s.end:
		s.next += s.stride
	case s.next == unknown:
		s.next = n + s.stride
	case n >= s.end || n < 0 && s.end != workload.Endless || (n-s.next)%s.stride != 0:
		f.note(&f.Foreign, 1, "event %d where %d was due", n, s.next)
	case n < s.next:
		f.note(&f.Repeated, 1, "event %d where %d was due", n, s.next)
	default:
		f.note(&f.Missing, int64((n-s.next)/s.stride), "event %d where %d was due", n, s.next)
		s.next = n + s.stride
	}
}

func (s *sequence) complete() bool { return s.next >= s.end }

func (s *sequence) finish(f *Faults) {
	if s.next == unknown {
		f.note(&f.Missing, 1, "nothing came")
	}
	if !s.complete() && s.end != workload.Endless {
		f.note(&f.Missing, int64((s.end-s.next+s.stride-1)/s.stride), "nothing came from event %d on", s.next)
	}
}

// newest checks a stream that may leave out events, but not a vehicle's last one,
// and must not go back in time. Vehicles report in turn.
type newest struct {
	last     []int // event of each vehicle
	end      int
	vehicles int // that have not come to their last
}

// NewestOf expects the last of the events of each vehicle, and any before it.
func NewestOf(events, vehicles int) Check {
	n := &newest{make([]int, vehicles), events, min(vehicles, events)}
	for i := range n.last {
		n.last[i] = -1
	}
	return n
}

func (c *newest) take(n int, f *Faults) {
	if n < 0 || n >= c.end {
		f.note(&f.Foreign, 1, "event %d of %d", n, c.end)
		return
	}
	vehicle := n % len(c.last)
	if n <= c.last[vehicle] {
		f.note(&f.Repeated, 1, "event %d after %d of the same vehicle", n, c.last[vehicle])
		return
	}
	c.last[vehicle] = n
	if n+len(c.last) >= c.end {
		c.vehicles--
	}
}

func (c *newest) complete() bool { return c.vehicles == 0 }

func (c *newest) finish(f *Faults) {
	if c.vehicles > 0 {
		f.note(&f.Missing, int64(c.vehicles), "the newest event of %d vehicles did not come", c.vehicles)
	}
}

// state checks that the first events come, one of each vehicle, once and in any
// order; later ones may come as well.
type state struct {
	seen []bool
	left int
}

// StateOf expects the first event of each vehicle, and any after these.
func StateOf(vehicles int) Check { return &state{make([]bool, vehicles), vehicles} }

func (c *state) take(n int, f *Faults) {
	switch {
	case n < 0 || n >= len(c.seen):
	case c.seen[n]:
		f.note(&f.Repeated, 1, "event %d twice", n)
	default:
		c.seen[n] = true
		c.left--
	}
}

func (c *state) complete() bool { return c.left == 0 }

func (c *state) finish(f *Faults) {
	if c.left > 0 {
		f.note(&f.Missing, int64(c.left), "%d vehicles did not come", c.left)
	}
}
