package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// TestPositionsFromTheFuture checks in which words a position is refused: a year is not thousands of
// hours, and a whole number of hours may be a time zone.
func TestPositionsFromTheFuture(t *testing.T) {
	const day = 24 * time.Hour
	noon := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	hub := stream.New(stream.Config{Clock: func() time.Time { return noon }})
	defer hub.Close()
	for _, test := range []struct {
		ahead time.Duration
		says  string
		zone  bool
	}{
		{60*time.Second + time.Millisecond, "61 seconds", false},
		{119 * time.Second, "119 seconds", false},
		{4 * time.Minute, "4 minutes", false},
		{15 * time.Minute, "15 minutes", false},
		{30 * time.Minute, "30 minutes", true},
		{59*time.Minute + 58*time.Second, "59 minutes", true},
		{time.Hour + 7*time.Minute, "67 minutes", false},
		{2 * time.Hour, "2 hours", true},
		{5*time.Hour + 45*time.Minute - time.Second, "5 hours", true},
		{14 * time.Hour, "14 hours", true},
		{14*time.Hour + 15*time.Minute, "14 hours", false},
		{47 * time.Hour, "47 hours", false},
		{3 * day, "3 days", false},
		{729 * day, "729 days", false},
		{277777*time.Hour + 45*time.Minute + 50*time.Second, "31 years", false},
		{235 * 365 * day, "234 years", false},
	} {
		_, err := hub.Publish(&geo.Position{VehicleID: "bus-1", Time: noon.Add(test.ahead)})
		require.Error(t, err)
		want := "timestamp is " + test.says + " ahead of the hub's clock; at most 60 seconds are allowed"
		if test.zone {
			want += "; is this local time, written as if it were UTC?"
		}
		assert.Equal(t, want, err.Error(), "%s", test.ahead)
	}
	_, err := hub.Publish(&geo.Position{VehicleID: "bus-1", Time: noon.Add(stream.MaxAhead)})
	assert.NoError(t, err)
}
