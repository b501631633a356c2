package workload

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func TestDueBy(t *testing.T) {
	for _, test := range []struct {
		after  time.Duration // the start
		events int
		want   int
	}{
		{-1, 5, 0},
		{-time.Hour, 5, 0},
		{0, 5, 1},
		{10*ms - 1, 5, 1},
		{10 * ms, 5, 2},
		{25 * ms, 5, 3},
		{40 * ms, 5, 5},
		{time.Second, 5, 5},
		{time.Second, Endless, 101},
	} {
		s := Schedule{time.Unix(100, 0), 10 * ms, test.events}
		assert.Equal(t, test.want, s.dueBy(s.Start.Add(test.after)), "%v of %d", test.after, test.events)
	}
}

// emitted is a call of what Pace emits to.
type emitted struct {
	at       time.Duration // after the start
	from, to int
}

// TestPace: each event is emitted when it is due, or as soon after as the publisher can;
// none is left out, and none is moved because those before it were late.
func TestPace(t *testing.T) {
	const late = time.Minute
	for _, test := range []struct {
		name  string
		after time.Duration         // the start, when pacing begins
		batch time.Duration         //
		takes map[int]time.Duration // how long it takes to emit an event
		want  []emitted
	}{
		{"in time", 0, 0, nil,
			[]emitted{{0, 0, 1}, {10 * ms, 1, 2}, {20 * ms, 2, 3}, {30 * ms, 3, 4}, {40 * ms, 4, 5}}},
		{"before the start", -5 * ms, 0, nil,
			[]emitted{{0, 0, 1}, {10 * ms, 1, 2}, {20 * ms, 2, 3}, {30 * ms, 3, 4}, {40 * ms, 4, 5}}},
		{"after all were due", late, 0, nil,
			[]emitted{{late, 0, 1}, {late, 1, 2}, {late, 2, 3}, {late, 3, 4}, {late, 4, 5}}},
		{"one takes long", 0, 0, map[int]time.Duration{1: 25 * ms},
			[]emitted{{0, 0, 1}, {10 * ms, 1, 2}, {35 * ms, 2, 3}, {35 * ms, 3, 4}, {40 * ms, 4, 5}}},
		{"batches", 0, 15 * ms, nil,
			[]emitted{{15 * ms, 0, 2}, {35 * ms, 2, 4}, {55 * ms, 4, 5}}},
		{"batches, one takes long", 0, 15 * ms, map[int]time.Duration{0: 30 * ms},
			[]emitted{{15 * ms, 0, 2}, {45 * ms, 2, 5}}},
		{"a batch after all were due", late, ms, nil,
			[]emitted{{late, 0, 5}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Schedule{time.Now().Add(-test.after), 10 * ms, 5}
				var got []emitted
				require.NoError(t, s.Pace(t.Context(), test.batch, func(from, to int) error {
					got = append(got, emitted{time.Since(s.Start), from, to})
					time.Sleep(test.takes[from])
					return nil
				}))
				assert.Equal(t, test.want, got)
			})
		})
	}
}

func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*ms)
		defer cancel()
		s, calls := Schedule{time.Now(), 10 * ms, Endless}, 0
		err := s.Pace(ctx, 0, func(int, int) error { calls++; return nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3, calls)
		assert.Equal(t, 25*ms, time.Since(s.Start))

		full := errors.New("full")
		require.ErrorIs(t, s.Pace(t.Context(), 0, func(int, int) error { return full }), full)
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, Sleep(t.Context(), time.Minute))
		assert.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, SleepUntil(t.Context(), began))
		assert.Equal(t, time.Minute, time.Since(began), "a time that is over is not waited for")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, Sleep(ctx, time.Minute), context.Canceled)
		require.ErrorIs(t, SleepUntil(ctx, began), context.Canceled)
	})
}
