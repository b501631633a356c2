package recording

import (
	"regexp"
	"strconv"
	"strings"
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
	if time := rfc3339(text, r.file.header.utc, r.file.header.shortYear); time != "" {
		if !zoneAtEnd.MatchString(time) {
			r.refused = "timestamp is " + strconv.Quote(text) + ", without a zone; " +
				`write Z (for UTC) or +02:00 behind it, or "time (UTC)" as the name of its column`
		}
		r.text("timestamp", time)
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
