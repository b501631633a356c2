package recording

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// outlierGap is how far a time is from those of its recording if it cannot be of it. Receivers that do not
// know the time yet write 1970, a time 1024 weeks ago or one in the next century.
const outlierGap = 365 * 24 * time.Hour

// stampedLine is the timestamp of a record, and its line.
type stampedLine struct {
	at   time.Time
	line int
}

// mainGroup returns the first and last time of the group that has most of the times. In a group, no time is
// further than outlierGap from the next. Where no group has most of them, it returns the first and last of
// all. It sorts stamps, of which there must be one at least.
func mainGroup(stamps []stampedLine) (first, last time.Time) {
	slices.SortStableFunc(stamps, func(a, b stampedLine) int { return a.at.Compare(b.at) })
	start := 0
	for i := range stamps {
		if i+1 < len(stamps) && stamps[i+1].at.Sub(stamps[i].at) <= outlierGap {
			continue
		}
		if 2*(i+1-start) > len(stamps) {
			return stamps[start].at, stamps[i].at
		}
		start = i + 1
	}
	return stamps[0].at, stamps[len(stamps)-1].at
}

// outliersShown is how many outliers of a file are named.
const outliersShown = 3

// outlierErrors names the first outliers of a file, and counts the others.
func outlierErrors(file string, outliers []stampedLine) (errs []error) {
	slices.SortFunc(outliers, func(a, b stampedLine) int { return cmp.Compare(a.line, b.line) })
	for _, o := range outliers[:min(outliersShown, len(outliers))] {
		errs = append(errs, fmt.Errorf("%s:%d: left out: its time %s is over a year from most others; "+
			"--keep-outliers plays it", file, o.line, o.at.UTC().Format(time.RFC3339)))
	}
	if more := len(outliers) - outliersShown; more > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more with such a time", file, more))
	}
	return errs
}
