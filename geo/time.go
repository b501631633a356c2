package geo

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The hub stores times as nanoseconds in an int64, from 1970 to April 2262.
const (
	maxSeconds = math.MaxInt64 / int64(time.Second) // 9223372036

	// milliseconds is the first number of milliseconds. In seconds it is the year 5138.
	milliseconds = 1e11

	timeRule = "Unix seconds from 0 to 9223372036 (the year 2262)" + otherTimes

	otherTimes = ", Unix milliseconds from 1e11 on, or RFC 3339 as in \"2026-11-23T10:00:00Z\""
)

// Earliest is the earliest timestamp that a publisher may give a position, in Unix seconds: 1980-01-01, the
// year in which GPS time begins. Devices without a clock send 0, or times soon after it.
const Earliest = 315532800

const timestampRule = "Unix seconds from 315532800 (the year 1980) to 9223372036 (the year 2262)" + otherTimes

// CheckEarliest refuses a position whose timestamp is before [Earliest]. [ParsePosition] does not: positions
// that were stamped on their arrival may have such times, where the hub's own clock was wrong.
func (p *Position) CheckEarliest() *Refusal {
	if p.Time.IsZero() || p.Time.Unix() >= Earliest {
		return nil
	}
	refusal := refuseEarly(string(AppendTime(nil, p.Time)) + " (" + p.Time.Format(time.RFC3339) + ")")
	refusal.VehicleID = p.VehicleID
	return refusal
}

// refuseEarly refuses a timestamp, shown as its publisher may know it.
func refuseEarly(shown string) *Refusal {
	return refuse("timestamp", "timestamp is %s, before 1980; leave it out where there is none", shown)
}

// ParseTime reads Unix seconds, with or without a fraction, Unix milliseconds (values from 1e11 on), or
// RFC 3339, also with a space in place of the T and with a leap second. It rejects times before
// 1970 and after April 2262.
func ParseTime(s string) (time.Time, error) {
	raw := []byte(s)
	t, ok := parseText(raw)
	switch {
	case ok:
		return t, nil
	case lacksZone(raw):
		return time.Time{}, errors.New(quote(s) + " is not a time; it " + noZone)
	}
	hint := ""
	if bytes.IndexByte(raw, ' ') >= 0 {
		hint = " (write a + in a URL as %2B)"
	}
	return time.Time{}, errors.New(quote(s) + " is not a time; it must be " + timeRule + hint)
}

// parseText reads a time in any of its forms.
func parseText(text []byte) (time.Time, bool) {
	if t, ok := parseDateTime(text); ok {
		return t, true
	}
	n := len(text)
	if n > 0 && isNumber(text[:1]) && isNumber(text[n-1:]) && jsontext.Value(text).IsValid() {
		return parseUnix(text)
	}
	return time.Time{}, false
}

// noZone says why a time without a zone is none: only its publisher knows whether it is UTC or
// the time of some place.
const noZone = "has no time zone; add Z for UTC, or an offset such as +01:00"

// lacksZone reports whether text is a time but for its zone.
func lacksZone(text []byte) bool {
	_, ok := parseDateTime(append(bytes.Clone(text), 'Z'))
	return ok
}

// parseDateTime reads RFC 3339, and what devices and databases write instead: a space in place of the T,
// offsets without a colon or minutes, and 60 seconds. These are a leap second, or a fraction that was rounded
// up; either is the first second of the next minute.
func parseDateTime(text []byte) (time.Time, bool) {
	if t, ok := parseRFC3339(text); ok {
		return t, true
	}
	const date, seconds = len("2006-01-02"), len("2006-01-02T15:04:")
	if len(text) < seconds+len("05Z") {
		return time.Time{}, false
	}
	strict := append(make([]byte, 0, 48), text...)
	if strict[date] == ' ' {
		strict[date] = 'T'
	}
	if sign := bytes.LastIndexAny(strict, "+-"); sign > seconds {
		switch len(strict) - sign {
		case len("+01"):
			strict = append(strict, ":00"...)
		case len("+0100"):
			strict = append(append(strict[:sign+3:sign+3], ':'), strict[sign+3:]...)
		}
	}
	leap := string(strict[seconds:seconds+2]) == "60"
	if leap {
		copy(strict[seconds:], "59")
	}
	t, ok := parseRFC3339(strict)
	if ok && leap {
		t = t.Add(time.Second)
		return inRange(t.Unix(), int64(t.Nanosecond()))
	}
	return t, ok
}

// parseRFC3339 accepts the forms of RFC 3339, section 5.6, including lower case. ISO 8601 has more forms.
// It cuts off digits beyond nanoseconds.
func parseRFC3339(text []byte) (time.Time, bool) {
	var t time.Time
	if t.UnmarshalText(text) != nil && t.UnmarshalText(bytes.ToUpper(text)) != nil {
		return time.Time{}, false
	}
	// Package time also accepts T9:04 and a comma before the fraction (go.dev/issue/54580).
	if text[len("2006-01-02T15")] != ':' || bytes.IndexByte(text, ',') >= 0 {
		return time.Time{}, false
	}
	return inRange(t.Unix(), int64(t.Nanosecond()))
}

// parseUnix reads a JSON number. It reads decimals exactly and cuts them off beyond nanoseconds. It
// rounds numbers with an exponent to the microsecond, as float64s hold no more.
func parseUnix(number []byte) (time.Time, bool) {
	if bytes.IndexByte(number, 'e') >= 0 || bytes.IndexByte(number, 'E') >= 0 {
		return parseUnixFloat(number)
	}
	const most = 16 // digits; no time in range has more
	number, negative := bytes.CutPrefix(number, []byte{'-'})
	whole, fraction, _ := bytes.Cut(number, []byte{'.'})
	if len(whole) > most {
		return time.Time{}, false
	}
	n := digits(whole, len(whole))
	if negative && (n != 0 || len(bytes.Trim(fraction, "0")) > 0) {
		return time.Time{}, false
	}
	if n >= milliseconds {
		return inRange(n/1000, n%1000*1e6+digits(fraction, 6))
	}
	return inRange(n, digits(fraction, 9))
}

func parseUnixFloat(number []byte) (time.Time, bool) {
	v, err := strconv.ParseFloat(string(number), 64)
	if err != nil || v < 0 || v > float64(maxSeconds)*1000 {
		return time.Time{}, false
	}
	if v >= milliseconds {
		v /= 1000
	}
	whole, fraction := math.Modf(v)
	return inRange(int64(whole), int64(math.Round(fraction*1e6))*1000)
}

// digits returns the first n digits as a whole number. It fills up with zeros.
func digits(text []byte, n int) int64 {
	v := int64(0)
	for i := range n {
		v *= 10
		if i < len(text) {
			v += int64(text[i] - '0')
		}
	}
	return v
}

// beforeUnix reports whether text is a time before 1970, which the other functions reject: a negative number
// or RFC 3339.
func beforeUnix(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		return true
	}
	var t time.Time
	return t.UnmarshalText(bytes.ToUpper(text)) == nil && t.Unix() < 0
}

// inRange returns a time in UTC and reports whether an int64 holds its nanoseconds.
func inRange(seconds, nanoseconds int64) (time.Time, bool) {
	t := time.Unix(seconds, nanoseconds).UTC()
	if seconds < 0 || seconds > maxSeconds || t.UnixNano() < 0 { // it overflowed
		return time.Time{}, false
	}
	return t, true
}

// AppendTime appends t as Unix seconds, such as 1795421061 or 1795421061.123. The number is a plain
// decimal with up to nine digits behind the point, without trailing zeros.
func AppendTime(dst []byte, t time.Time) []byte {
	seconds, nanoseconds := t.Unix(), int64(t.Nanosecond())
	if seconds < 0 && nanoseconds > 0 { // Unix rounds down; the text counts from zero
		seconds, nanoseconds = seconds+1, 1e9-nanoseconds
		if seconds == 0 {
			dst = append(dst, '-')
		}
	}
	dst = strconv.AppendInt(dst, seconds, 10)
	if nanoseconds == 0 {
		return dst
	}
	end := len(dst)
	dst = strconv.AppendInt(dst, 1e9+nanoseconds, 10) // ten digits, the first in place of the point
	dst[end] = '.'
	return bytes.TrimRight(dst, "0")
}
