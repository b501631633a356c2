package bench

import (
	"context"
	"math"
	"time"
)

// schedule says when each of a run's events is due: event n at start + n × period.
// Delays count from there, however late the publisher is (no coordinated omission).
type schedule struct {
	start  time.Time
	period time.Duration
	events int
}

// endless is how many events a schedule without an end has.
const endless = math.MaxInt

func (s schedule) due(n int) time.Time { return s.start.Add(time.Duration(n) * s.period) }

// dueBy gives how many events are due by t.
func (s schedule) dueBy(t time.Time) int {
	since := t.Sub(s.start)
	if since < 0 {
		return 0
	}
	return min(int(since/s.period)+1, s.events) // which may be endless
}

// pace emits events [from, to) as they fall due, none left out, until all were.
// With batch they are collected for as long; without, each is emitted by itself.
func (s schedule) pace(ctx context.Context, batch time.Duration, emit func(from, to int) error) error {
	for next := 0; next < s.events; {
		if err := sleepUntil(ctx, s.due(next).Add(batch)); err != nil {
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

// sleepUntil returns at t, or earlier with ctx's error.
func sleepUntil(ctx context.Context, t time.Time) error {
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

func sleep(ctx context.Context, d time.Duration) error { return sleepUntil(ctx, time.Now().Add(d)) }
