package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
)

func someReport() *Report {
	kb := 7.5
	hub := &measure.Result{
		Subject:    "hub",
		Protocol:   "h1",
		Streams:    4000,
		PerSecond:  40_000,
		Deliveries: 1,
		CPU:        &process.CPU{Total: 9, User: 1, System: 8},
		Resident:   &kb,
		Delay:      &client.Delay{P50: 1, P99: 2, P999: 3, Max: 4},
		Bytes:      250,
	}
	floor := &measure.Result{
		Subject: "write(2)",
		Floor:   true,
		Streams: 4000,
		CPU:     &process.CPU{Total: 6, User: 0, System: 6},
	}
	peer := &measure.Result{
		Subject: "<peer> & co",
		Peer:    true,
		Streams: 200,
		CPU:     &process.CPU{Total: 12, User: 2, System: 10},
	}
	good := &Outcome{
		Name:  "good",
		About: "about it",
		Goal:  "≤ 2 ×",
		Runs:  []*measure.Result{hub, floor, peer},
	}
	good.AtMost("CPU", "×", 1.5, 2)
	missed := &Outcome{Name: "slow", About: "about it", Goal: "≥ 10", Figures: []Figure{}}
	missed.AtLeast("rate", "/s", 5, 10)
	missed.Note("a note")
	failed := &Outcome{Name: "broken", About: "about it", Failure: "hub: 1 missing"}
	r := New("", true)
	r.Outcomes = []*Outcome{good, missed, failed}
	return r
}

func TestReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	r := someReport()
	require.NoError(t, r.Save(dir))

	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	var read struct {
		Machine  struct{ Cores int }
		Outcomes []struct {
			Scenario string
			Runs     []struct {
				CPU struct {
					Total float64 `json:"total_us"`
				} `json:"cpu_per_delivery"`
			}
			Figures []struct{ Value, Goal float64 }
			Failure string
		}
	}
	require.NoError(t, json.Unmarshal(text, &read))
	require.Positive(t, read.Machine.Cores)
	require.Equal(t, "good", read.Outcomes[0].Scenario)
	require.Equal(t, 9.0, read.Outcomes[0].Runs[0].CPU.Total)
	require.Equal(t, 2.0, read.Outcomes[0].Figures[0].Goal)
	require.Equal(t, "hub: 1 missing", read.Outcomes[2].Failure)

	picture, err := os.ReadFile(filepath.Join(dir, "results.svg"))
	require.NoError(t, err)
	elements, words := parseXML(t, picture)
	assert.Equal(t, 1+3+3, elements["rect"], "the ground, a bar for each scenario and one for each run")
	for _, word := range []string{
		"good", "slow", "broken", "CPU 1.50× (goal ≤ 2.00)", "<peer> & co: 12.0 µs", "failed",
	} {
		assert.Contains(t, words, word)
	}

	table, err := os.ReadFile(filepath.Join(dir, "table.md"))
	require.NoError(t, err)
	assert.Contains(
		t,
		string(table),
		"| good | hub | 4,000 | 40,000 | 9.00 | 8.00 | 6.00 | 1.50 | 7.50 "+
			"| 1.00 / 2.00 / 3.00 | 250 | ≤ 2 × | met |\n",
	)
	assert.Contains(t, string(table), "| ≥ 10 | missed |\n")
	assert.Contains(t, string(table), "| FAILED |\n")
	assert.Contains(t, string(table), "rate 5.00 /s (goal ≥ 10.0); a note.")
	columns := strings.Count(tableHead[:strings.Index(tableHead, "\n")], "|")
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, "|") {
			assert.Equal(t, columns, strings.Count(line, "|"), line)
		}
	}

	require.ErrorIs(t, r.Err(), ErrFailed)
	require.ErrorContains(t, r.Err(), "broken")
	r.Outcomes = r.Outcomes[:2]
	require.NoError(t, r.Err(), "a goal that was missed is no failure")
}

func parseXML(t *testing.T, text []byte) (elements map[string]int, words string) {
	elements = map[string]int{}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return elements, words
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
		case xml.CharData:
			words += string(token) + "\n"
		}
	}
}

func TestTokensAreLeftOut(t *testing.T) {
	args := []string{"bench", "--token", "secret", "--token=secret", "--token"}
	assert.NotContains(t, strings.Join(withoutSecrets(args), " "), "secret")
	assert.Equal(t, "secret", args[2])
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct {
		x    float64
		want string
	}{
		{0, "0.00"},
		{0.416, "0.42"},
		{9.994, "9.99"},
		{9.996, "10.00"},
		{12.34, "12.3"},
		{99.96, "100.0"},
		{456.7, "457"},
		{999.4, "999"},
		{999.7, "1000"},
		{1000, "1,000"},
		{1234.5, "1,235"},
		{1e6, "1,000,000"},
		{-0.416, "-0.42"},
		{-12.34, "-12.3"},
		{-1234.4, "-1,234"},
	} {
		assert.Equal(t, test.want, Number(test.x), "%g", test.x)
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		figure Figure
		met    bool
	}{
		{Figure{Value: 2, Goal: 2}, true},
		{Figure{Value: 2.1, Goal: 2}, false},
		{Figure{Value: 5}, true},
		{Figure{Value: 2, Goal: 2, Least: true}, true},
		{Figure{Value: 1.9, Goal: 2, Least: true}, false},
		{Figure{Value: 0, Goal: 2, Least: true}, false},
		{Figure{Value: 5, Least: true}, true},
	} {
		assert.Equal(t, test.met, test.figure.met(), "%+v", test.figure)
	}
}
