package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSchedule(t *testing.T) {
	s := Schedule{time.Unix(100, 0), 10 * time.Millisecond, 5}
	for at, want := range map[time.Duration]int{-1: 0, 0: 1, 9 * time.Millisecond: 1, 10 * time.Millisecond: 2, time.Second: 5} {
		assert.Equal(t, want, s.dueBy(s.Start.Add(at)), at.String())
	}
	late := Schedule{time.Now().Add(-time.Minute), time.Millisecond, 1000} // nothing is left out, however late
	var got []int
	require.NoError(t, late.Pace(t.Context(), 0, func(from, to int) error {
		require.Equal(t, from+1, to)
		got = append(got, from)
		return nil
	}))
	assert.Len(t, got, 1000)
	got = nil
	require.NoError(t, late.Pace(t.Context(), time.Millisecond, func(from, to int) error {
		got = append(got, from, to)
		return nil
	}))
	assert.Equal(t, []int{0, 1000}, got, "all that is due goes at once")
}
