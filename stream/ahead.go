package stream

import (
	"fmt"
	"time"

	"livemap/geo"
)

// checkAhead rejects a position from the future.
func checkAhead(p *geo.Position, now time.Time) error {
	if p.Time.IsZero() || !p.Time.After(now.Add(MaxAhead)) {
		return nil
	}
	ahead := p.Time.Sub(now)
	detail := fmt.Sprintf("timestamp is %s ahead of the hub's clock; at most %s are allowed",
		inWords(ahead), inWords(MaxAhead))
	if isOffset(ahead) {
		detail += "; is this local time, written as if it were UTC?"
	}
	return &geo.Refusal{VehicleID: p.VehicleID, Field: "timestamp", Detail: detail}
}

// inWords writes a duration in its largest unit, of which it has at least two. It rounds down, but
// seconds up: 60.1 s are more than 60.
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"years", 36525 * day / 100}, {"days", day}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if d >= 2*unit.is {
			return fmt.Sprintf("%d %s", d/unit.is, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", (d+time.Second-1)/time.Second)
}

// isOffset reports whether a clock that shows local time would be ahead by as much, give or take two
// minutes. Offsets of time zones are multiples of 15 minutes, up to 14 hours.
func isOffset(ahead time.Duration) bool {
	const step, slack = 15 * time.Minute, 2 * time.Minute
	nearest := ahead.Round(step)
	return nearest >= 30*time.Minute && nearest <= 14*time.Hour && (ahead-nearest).Abs() <= slack
}
