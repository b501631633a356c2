package recording

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	// timeOfDay is hours, minutes, seconds and a zone, as in 08:00:00.5Z or 080000.
	timeOfDay = regexp.MustCompile(`^([0-9]{1,2}):?([0-9]{2})(?::?([0-9]{2})([.,][0-9]+)?)?\s*` +
		`(Z|z|UTC|GMT|[+-][0-9]{2}:[0-9]{2})?$`)

	zoneAtEnd = regexp.MustCompile(`(Z|z|[+-][0-9]{2}:[0-9]{2})$`)

	// Dates whose order is certain: the year comes first, or dots separate them.
	yearFirst = regexp.MustCompile(`^([0-9]{4})([-/.]?)([0-9]{1,2})([-/.]?)([0-9]{1,2})$`)
	dayFirst  = regexp.MustCompile(`^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})$`)
	noCentury = regexp.MustCompile(`^([0-9]{2})([0-9]{2})([0-9]{2})$`)
)

// timestamp adds the time of a row. What it does not understand stays as it is: the hub rejects it.
func (r *csvRow) timestamp(text string) {
	if date := r.field(datePart); date != "" && timeOfDay.MatchString(text) {
		text = date + " " + text
	}
	if at := rfc3339(text, r.file.header.utc, r.file.header.shortYear); at != "" {
		if !zoneAtEnd.MatchString(at) {
			if r.file.zone != nil {
				at = inZone(at, r.file.zone)
			} else {
				r.refused = "timestamp is " + strconv.Quote(text) + ", without a zone; " +
					"name it with --zone, such as --zone UTC or --zone Europe/Berlin"
			}
		}
		r.text("timestamp", at)
		return
	}
	r.number("timestamp", text)
}

// rfc3339 returns a date and a time of day as RFC 3339 has them, or "" for what they may not be. With
// utc a time without a zone is UTC; otherwise the hub says what is missing.
func rfc3339(text string, utc, shortYear bool) string {
	i := max(0, strings.IndexAny(text, " Tt"))
	day := isoDate(text[:i], shortYear)
	c := timeOfDay.FindStringSubmatch(strings.TrimSpace(text[min(i+1, len(text)):]))
	if c == nil || day == "" {
		return ""
	}
	fraction, zone := strings.Replace(c[4], ",", ".", 1), c[5]
	if zone == "UTC" || zone == "GMT" || zone == "" && utc {
		zone = "Z"
	}
	return day + "T" + twoDigits(c[1]) + ":" + c[2] + ":" + twoDigits(c[3]) + fraction + zone
}

// inZone returns a time in a zone as RFC 3339 in UTC. A time that comes twice, as clocks are put back, is the
// first of the two. One that does not exist, as they are put forward, counts on from before, as if they were
// put forward later (as RFC 5545, section 3.3.5, has both). What is no time stays as it is.
func inZone(text string, zone *time.Location) string {
	local, err := time.Parse("2006-01-02T15:04:05", text)
	if err != nil {
		return text
	}
	// at returns the time by the offset that the zone has so long after, and whether it has that then.
	at := func(after time.Duration) (time.Time, bool) {
		_, offset := local.Add(after).In(zone).Zone()
		t := local.Add(-time.Duration(offset) * time.Second)
		_, actual := t.In(zone).Zone()
		return t, actual == offset
	}
	t, ok := at(-24 * time.Hour)
	if later, exists := at(24 * time.Hour); !ok && exists {
		t = later
	}
	return t.Format(time.RFC3339Nano)
}

// isoDate returns a date as in 2026-11-23, or "" for one whose order is not certain.
func isoDate(date string, shortYear bool) string {
	if d := yearFirst.FindStringSubmatch(date); d != nil && d[2] == d[4] && (d[2] != "" || len(date) == 8) {
		return d[1] + "-" + twoDigits(d[3]) + "-" + twoDigits(d[5])
	}
	if d := dayFirst.FindStringSubmatch(date); d != nil {
		return d[3] + "-" + twoDigits(d[2]) + "-" + twoDigits(d[1])
	}
	if d := noCentury.FindStringSubmatch(date); d != nil && shortYear {
		return "20" + d[1] + "-" + d[2] + "-" + d[3]
	}
	return ""
}

// twoDigits fills up with zeros.
func twoDigits(number string) string { return ("00" + number)[len(number):] }
