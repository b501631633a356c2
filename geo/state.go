package geo

import (
	"bytes"
	"fmt"
	"math"
	"time"
)

// State is what a vehicle does, as its newest position tells at a moment.
type State string

// The states. A vehicle that is lost is not called stale, and one that is stale neither moving nor stopped.
const (
	Moving  State = "moving"  // its speed_kmh is at least MovingFrom
	Stopped State = "stopped" // it is less, or unknown
	Stale   State = "stale"   // nothing has come for longer than [StaleAfter]
	Lost    State = "lost"    // nothing has come for LostAfter times as long
)

const (
	MovingFrom = 3 // km/h; GPS noise looks like slower movement
	LostAfter  = 4 // times as long as until a vehicle is stale
)

const (
	movingStaleAfter = time.Minute
	parkedStaleAfter = 5 * time.Minute
	leastStaleAfter  = 15 * time.Second
	mostExpected     = 86_400 // seconds
)

// ParseState reads the name of a state.
func ParseState(name string) (State, error) {
	switch s := State(name); s {
	case Moving, Stopped, Stale, Lost:
		return s, nil
	}
	return "", fmt.Errorf("%s is not a state; it must be moving, stopped, stale or lost", quote(name))
}

// StaleAfter returns after how long without a fix a vehicle is stale: what its hub has learned, else twice
// what its publisher expects and at least 15 s, else a minute if the vehicle moves and five if not. learned
// and expected are seconds; what is no number in range, such as 0 or NaN, says nothing. Clients have the same
// rule.
func StaleAfter(learned, expected float64, moving bool) time.Duration {
	switch {
	case learned > 0:
		return durationOf(learned)
	case expected >= 1 && expected <= mostExpected:
		return max(leastStaleAfter, durationOf(2*expected))
	case moving:
		return movingStaleAfter
	}
	return parkedStaleAfter
}

// durationOf returns a duration, which is at most 292 years.
func durationOf(seconds float64) time.Duration {
	return time.Duration(min(seconds*float64(time.Second), math.MaxInt64/(2*LostAfter)))
}

// StateOf returns the state of a vehicle whose newest Feature [Position.AppendFeature] made. quietFrom is
// when the newest time ended in which no hub took anything, or the zero time: no vehicle is stale for it.
func StateOf(feature []byte, now, quietFrom time.Time) State {
	at, _ := parseUnix(Timestamp(feature))
	if quietFrom.After(at) {
		at = quietFrom
	}
	learned := StaleAfterOf(feature).Seconds()
	speed := parseNumber(property(feature, "speed_kmh"))
	stale := StaleAfter(learned, parseNumber(property(feature, "expect_within_s")), speed >= MovingFrom)
	switch silence := now.Sub(at); {
	case silence > LostAfter*stale:
		return Lost
	case silence > stale:
		return Stale
	case speed >= MovingFrom:
		return Moving
	}
	return Stopped
}

// StaleAfterOf returns the `stale_after_s` of a Feature that [Position.AppendFeature] made, 0 if it has none.
func StaleAfterOf(feature []byte) time.Duration {
	start := CutStaleAfter(feature)
	if len(start)+len(featureEnd) == len(feature) {
		return 0
	}
	text := feature[len(start)+len(staleAfterStart) : len(feature)-len(featureEnd)]
	return time.Duration(digits(text, len(text))) * time.Second
}

// property returns the value of a property of a Feature that [Position.AppendFeature] made; nil: it has none
// of that name.
func property(feature []byte, name string) []byte {
	start := bytes.Index(feature, []byte(propertiesStart)) + len(`]},"properties":{`)
	for i := start; i < len(feature) && feature[i] == '"'; i++ {
		key := i
		i = skipString(feature, i) + 1
		value := i
		i = skipValue(feature, i)
		if string(feature[key+1:value-2]) == name {
			return feature[value:i]
		}
		if feature[i] != ',' {
			break
		}
	}
	return nil
}
