package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// The rule is that of livemap.js: the cases are those of livemap.test.mjs.
func TestTailMarksStalePositions(t *testing.T) {
	for _, test := range []struct {
		properties string
		limit      int // seconds
	}{
		{``, 300},
		{`"speed_kmh":2.9,`, 300},
		{`"speed_kmh":3,`, 60},
		{`"speed_kmh":50,"expect_within_s":5,`, 15},
		{`"speed_kmh":0,"expect_within_s":40,`, 80},
		{`"expect_within_s":86400,`, 172_800},
		{`"expect_within_s":40,"stale_after_s":20,`, 20},
		{`"speed_kmh":50,"expect_within_s":"40","stale_after_s":null,`, 60},
		{`"expect_within_s":0.5,"stale_after_s":-1,`, 300},
		{`"expect_within_s":86401,"stale_after_s":"x",`, 300},
	} {
		for _, moment := range []struct {
			after, quiet int
			mark         string
		}{
			{test.limit - 5, 0, ""},
			{test.limit + 5, 0, "stale"},
			{4*test.limit - 5, 0, "stale"},
			{4*test.limit + 5, 0, "lost"},
			{4*test.limit + 5, test.limit - 5, ""},
			{-30, 0, ""},
		} {
			t.Run(fmt.Sprint(test.properties, moment), func(t *testing.T) {
				clock := hubClock{ahead: -time.Hour}
				if moment.quiet > 0 {
					clock.quietFrom = clock.now().Add(-time.Duration(moment.quiet) * time.Second)
				}
				at := clock.now().Add(-time.Duration(moment.after) * time.Second)
				feature := fmt.Sprintf(`{"geometry":{"coordinates":[1,2]},"properties":{%s"timestamp":%d}}`,
					test.properties, at.Unix())
				line := clock.textLine([]byte(feature), false)
				if moment.mark == "" {
					assert.NotRegexp(t, "(stale|lost)$", line)
				} else {
					assert.Regexp(t, "  "+moment.mark+"$", line)
				}
			})
		}
	}
}

func TestTailStaleAfterLong(t *testing.T) {
	for _, r := range []rhythm{{StaleAfter: 1e300}, {StaleAfter: 1e18}} {
		limit := r.staleAfter(nil)
		assert.Greater(t, limit, 30*365*24*time.Hour)
		assert.Greater(t, geo.LostAfter*limit, limit, "it does not overflow")
	}
}

// The hub's clock and its last pause come with its pings.
func TestTailTakesTheHubsClock(t *testing.T) {
	moving := func(at int) string {
		return strings.Replace(event(at, "A"), "85.4", "50", 1)
	}
	_, url := newStreamingHub(t, ping(1000)+moving(930)+moving(950)+
		"event: ping\ndata: {\"time\":1000,\"quiet_from\":960}\n\n"+moving(930)+
		"event: live\ndata: {\"mode\":\"replay\",\"time\":1030}\n\n"+moving(930)+
		"event: ping\ndata: {}\n\n"+moving(700)+hang)
	out, stderr, status := command(t, "", "tail", "--count=5", "--format=text", url)
	require.Zero(t, status, stderr)
	var marks []string
	for line := range strings.Lines(out) {
		marks = append(marks, line[strings.LastIndex(line, "km/h  270°")+len("km/h  270°"):])
	}
	require.Len(t, marks, 5, out)
	assert.Regexp(t, `^ +70 s  stale|^ +1 min  stale`, marks[0])
	assert.NotContains(t, marks[1], "stale")
	assert.NotContains(t, marks[2], "stale", "the hub was away until 960")
	assert.Contains(t, marks[3], "stale", "it is 1030")
	assert.Contains(t, marks[4], "stale", "lost would be 240 s after the pause")
}

func TestTailSaysThatTheHubIsFrozen(t *testing.T) {
	_, url := newStreamingHub(t, hello+"event: frozen\ndata: {\"since\":1,\"reason\":\"journal\"}\n\n"+
		event(1, "A")+hang)
	_, stderr, status := command(t, "", "tail", "--count=1", url)
	require.Zero(t, status, stderr)
	assert.Contains(t, stderr, "livemap: frozen: the hub cannot prove that it is up to date (journal)\n")
}
