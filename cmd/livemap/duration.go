package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// decodeDuration reads the value of a flag that is a time. An error says which time was meant.
func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		hint := ""
		if meant, ok := meantDuration(text); ok {
			hint = fmt.Sprintf("; did you mean %s?", shortDuration(meant))
		}
		return fmt.Errorf("%q is not a time; it must be numbers with the units h, m, s or ms, "+
			"such as 90s or 1h30m%s", text, hint)
	}
	target.SetInt(int64(d))
	return nil
}

// units are ways to write a unit of time. A number without a unit counts as seconds.
var units = map[string]time.Duration{
	"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second,
	"ms": time.Millisecond, "msec": time.Millisecond, "millisecond": time.Millisecond,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour,
	"d": day, "day": day, "w": 7 * day, "week": 7 * day,
	"mo": 30 * day, "month": 30 * day, "y": 365 * day, "yr": 365 * day, "year": 365 * day,
}

const day = 24 * time.Hour

var (
	numberWithUnit  = regexp.MustCompile(`([0-9]+(?:[.,][0-9]+)?)\s*([a-z]*)\s*`)
	numbersWithUnit = regexp.MustCompile(`^(?:` + numberWithUnit.String() + `)+$`)
)

// meantDuration guesses which time was meant by text, which is none for Go.
func meantDuration(text string) (sum time.Duration, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if !numbersWithUnit.MatchString(text) {
		return 0, false
	}
	for _, part := range numberWithUnit.FindAllStringSubmatch(text, -1) {
		unit, known := units[part[2]]
		if !known {
			unit, known = units[strings.TrimSuffix(part[2], "s")] // the plural
		}
		number, err := strconv.ParseFloat(strings.ReplaceAll(part[1], ",", "."), 64)
		if d := number * float64(unit); !known || err != nil || d+float64(sum) > float64(1<<62) {
			return 0, false
		} else {
			sum += time.Duration(d)
		}
	}
	return sum, true
}

// shortDuration writes a time as it is written by hand: 1h, not 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
