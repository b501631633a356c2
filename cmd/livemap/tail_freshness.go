package main

import (
	"time"

	"livemap/geo"
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

// staleAfter returns after how long without a fix a vehicle is stale: see [geo.StaleAfter].
func (r rhythm) staleAfter(speed *float64) time.Duration {
	learned, _ := r.StaleAfter.(float64)
	expected, _ := r.ExpectWithin.(float64)
	return geo.StaleAfter(learned, expected, speed != nil && *speed >= geo.MovingFrom)
}
