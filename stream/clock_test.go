package stream_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// A stream ends at a time of day, and the clock may be set. An hour forward ends it within a second, with
// `bye`; an hour back lets it go on for that hour. A stream without an end notices nothing.
func TestEndsFollowTheWallClock(t *testing.T) {
	for name, test := range map[string]struct{ jump, until, ends time.Duration }{
		"beyond the end": {time.Hour, 50 * time.Minute, time.Minute},
		"to before it":   {time.Hour, 2 * time.Hour, time.Hour},
		"back":           {-time.Hour, 10 * time.Minute, 70 * time.Minute},
		"hardly":         {time.Millisecond, 10 * time.Minute, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var jump atomic.Int64
				h := start(t, stream.Config{Heartbeat: time.Hour, Clock: func() time.Time {
					return time.Now().Add(time.Duration(jump.Load())).Round(0)
				}})
				began := time.Now()
				q := fleetQuery
				endless := listen(t, h, q)
				q.Until = began.Add(test.until).Round(0)
				limited := listen(t, h, q)
				time.Sleep(time.Minute)
				jump.Store(int64(test.jump))
				<-limited.ended
				require.Equal(t, stream.Outdated, limited.summary.Reason)
				require.InDelta(t, test.ends.Seconds(), time.Since(began).Seconds(), 1)
				require.Contains(t, limited.takeEvents(), "bye expired")
				require.NotContains(t, endless.takeEvents(), "bye")
			})
		})
	}
}
