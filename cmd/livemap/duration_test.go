package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestTimesThatWereMeant checks that the error for what is nearly a time names the time.
func TestTimesThatWereMeant(t *testing.T) {
	for text, meant := range map[string]string{
		"10y":                  "87600h",
		"7d":                   "168h",
		"2 weeks":              "336h",
		"1mo":                  "720h",
		"1d12h":                "36h",
		"1 day 30 min":         "24h30m",
		"30":                   "30s",
		"1.5":                  "1.5s",
		"1,5h":                 "1h30m",
		"1 hour":               "1h",
		"15MIN":                "15m",
		" 20 s":                "20s",
		"20 msec":              "20ms",
		"0":                    "0",
		"soon":                 "",
		"5 parsecs":            "",
		"-1d":                  "",
		"1e3s":                 "",
		"99999999999999999999": "",
		"":                     "",
	} {
		_, stderr, status := command(t, "", "tail", "--interval="+text, "--http=3", "http://x")
		if meant == "0" { // Go reads it
			assert.Contains(t, stderr, "--http: 3 needs", "%q", text)
			continue
		}
		assert.Equal(t, 2, status, "%q", text)
		assert.Contains(t, stderr, "is not a time; it must be numbers with the units h, m, s or ms", "%q", text)
		assert.Contains(t, stderr, "--interval is: At most one position", "%q", text)
		if meant == "" {
			assert.NotContains(t, stderr, "did you mean", "%q", text)
			continue
		}
		assert.Contains(t, stderr, "; did you mean "+meant+"?", "%q", text)
		_, err := time.ParseDuration(meant)
		assert.NoError(t, err)
	}
}
