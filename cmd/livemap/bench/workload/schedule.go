// Package workload makes the events of a run: which they are, and when each is due.
//
// Publishers, floors and checks make the same events from the same numbers, so none has to be
// kept.
package workload

import (
	"context"
	"math"
	"time"
)

// Schedule says when each of a run's events is due: event n at start + n × period.
// Delays count from there, however late the publisher is (no coordinated omission).
type Schedule struct {
	Start  time.Time
	Period time.Duration
	Events int
}

// Endless is how many events a schedule without an end has.
const Endless = math.MaxInt

// Due returns when event n is due.
func (s Schedule) Due(n int) time.Time { return s.Start.Add(time.Duration(n) * s.Period) }

// dueBy returns how many events are due by t.
func (s Schedule) dueBy(t time.Time) int {
	since := t.Sub(s.Start)
	if since < 0 {
		return 0
	}
	return min(int(since/s.Period)+1, s.Events) // which may be endless
}

// Pace emits events [from, to) as they fall due, until all were; it leaves none out. With
// batch it collects them for as long; without, it emits each by itself.
func (s Schedule) Pace(ctx context.Context, batch time.Duration, emit func(from, to int) error) error {
	for next := 0; next < s.Events; {
		if err := SleepUntil(ctx, s.Due(next).Add(batch)); err != nil {
			return err
		}
		to := next + 1
		if batch > 0 {
			to = s.dueBy(time.Now())
		}
		if err := emit(next, to); err != nil {
			return err
		}
		next = to
	}
	return nil
}

// SleepUntil returns at t, or earlier with ctx's error.
func SleepUntil(ctx context.Context, t time.Time) error {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sleep returns after d, or earlier with ctx's error.
func Sleep(ctx context.Context, d time.Duration) error { return SleepUntil(ctx, time.Now().Add(d)) }
