package main

import (
	"math"
	"time"
)

// hubClock is the clock of the hub that a tail follows, as of its last ping. Its zero value is the local
// clock.
type hubClock struct {
	ahead     time.Duration // of the local clock
	quietFrom time.Time     // the end of the hub's last pause; zero: none
}

// set takes what a ping or a live event says.
func (c *hubClock) set(a announcement) {
	if a.Time > 0 {
		c.ahead = time.Until(unixTime(a.Time))
	}
	if a.QuietFrom > 0 {
		c.quietFrom = unixTime(a.QuietFrom)
	}
}

func (c hubClock) now() time.Time {
	return time.Now().Add(c.ahead)
}

// silence returns how long nothing has come from a vehicle whose newest fix is from at. The hub's own pause
// does not count.
func (c hubClock) silence(at time.Time) time.Duration {
	if c.quietFrom.After(at) {
		at = c.quietFrom
	}
	return c.now().Sub(at)
}

func unixTime(seconds float64) time.Time {
	return time.UnixMilli(int64(seconds * 1000))
}

// rhythm is the part of a Feature's properties that says how often its vehicle reports. Of another type than
// a number, a member says nothing.
type rhythm struct {
	StaleAfter   any `json:"stale_after_s"`
	ExpectWithin any `json:"expect_within_s"`
}

const (
	movingFrom       = 3 // km/h; GPS noise looks like slower movement
	movingStaleAfter = time.Minute
	parkedStaleAfter = 5 * time.Minute
	leastStaleAfter  = 15 * time.Second
	mostExpected     = 86_400 // seconds
	lostAfter        = 4      // times as long as until a vehicle is stale
)

// staleAfter returns after how long without a fix a vehicle is stale: what the hub has learned, else what the
// publisher expects, else a minute if the vehicle moves and five if not. livemap.js has the same rule.
func (r rhythm) staleAfter(speed *float64) time.Duration {
	if learned, ok := r.StaleAfter.(float64); ok && learned > 0 {
		return durationOf(learned)
	}
	if expected, ok := r.ExpectWithin.(float64); ok && expected >= 1 && expected <= mostExpected {
		return max(leastStaleAfter, durationOf(2*expected))
	}
	if speed != nil && *speed >= movingFrom {
		return movingStaleAfter
	}
	return parkedStaleAfter
}

// durationOf returns a duration, which is at most 292 years.
func durationOf(seconds float64) time.Duration {
	return time.Duration(min(seconds*float64(time.Second), math.MaxInt64/(2*lostAfter)))
}
