package main

import (
	"context"
	"math"
	"time"

	"livemap/cmd/livemap/recording"
)

// timetable decides when each record is due. Its clock starts with the first record that has a
// timestamp.
type timetable struct {
	speed   float64 // 0: everything is due at once
	restamp bool
	queue   <-chan queuedRecord
	pending *queuedRecord // received from the queue, and not due yet

	first time.Time // timestamp of the first record that has one
	start time.Time // when that record was due

	maxGap  time.Duration    // longest wait between two records; 0: none is too long
	newest  recording.Record // so far
	skipped func(after recording.Record, part time.Duration)
	waits   func(next recording.Record, wait time.Duration) // is called before each wait
}

// due waits until the next record is due. It returns that record and those behind it that are due
// as well and already read. It returns none at the end of the recordings or of ctx.
func (t *timetable) due(ctx context.Context) ([]recording.Record, error) {
	var batch []recording.Record
	for size := 0; len(batch) < maxBatch && size < maxBatchBytes; {
		next := t.peek(ctx, len(batch) == 0)
		if next == nil {
			break
		}
		if next.err != nil {
			if len(batch) > 0 {
				break // it is still pending
			}
			return nil, usageError{next.err}
		}
		at := t.when(next.Record)
		if wait := time.Until(at); wait > 0 {
			if len(batch) > 0 {
				break
			}
			t.waits(next.Record, wait)
			if !sleep(ctx, wait) {
				break
			}
		}
		t.pending = nil
		rec := next.Record
		if t.restamp {
			rec = rec.Restamp(at)
		}
		batch = append(batch, rec)
		size += len(next.Body)
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return batch, nil
}

// peek returns the next record without removing it, or nil after the last. Unless wait, it also
// returns nil if the next record is not read yet.
func (t *timetable) peek(ctx context.Context, wait bool) *queuedRecord {
	if t.pending != nil {
		return t.pending
	}
	var next queuedRecord
	var ok bool
	if wait {
		select {
		case next, ok = <-t.queue:
		case <-ctx.Done():
		}
	} else {
		select {
		case next, ok = <-t.queue:
		default:
		}
	}
	if ok {
		t.pending = &next
	}
	return t.pending
}

// when returns the time at which rec is due, which may be long ago.
func (t *timetable) when(rec recording.Record) time.Time {
	now := time.Now()
	if rec.At.IsZero() || t.speed == 0 {
		return now
	}
	if t.first.IsZero() {
		t.first, t.start = rec.At, now
	}
	if !t.newest.At.IsZero() {
		t.skipGap(rec)
	}
	if rec.At.After(t.newest.At) {
		t.newest = rec
	}
	distance := float64(rec.At.Sub(t.first)) / t.speed
	return t.start.Add(time.Duration(max(math.MinInt64/2, min(distance, math.MaxInt64/2))))
}

// skipGap moves the clock forward where the next record is due too long after the newest so far.
func (t *timetable) skipGap(next recording.Record) {
	gap := next.At.Sub(t.newest.At)
	wait := time.Duration(min(float64(gap)/t.speed, math.MaxInt64/2))
	if t.maxGap == 0 || wait <= t.maxGap {
		return
	}
	part := gap - time.Duration(float64(t.maxGap)*t.speed)
	t.first = t.first.Add(part)
	t.skipped(t.newest, part)
}

// sleep waits for d and reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
