package report

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
)

// wholeReport has a run of every sort and an outcome of every verdict.
func wholeReport() *Report {
	kb, small := 7.5, 0.4564
	hub := &measure.Result{
		Subject: "hub", Protocol: "h1", Streams: 4000, Rate: 10,
		Deliveries: 480_000, PerSecond: 40_000.4, CPU: &process.CPU{Total: 9.046, User: 1, System: 8.046},
		Busy: 0.36, LoadBusy: 0.8, Others: 0.02, Bytes: 250.4, EventBytes: 245, Chunked: true,
		Delay:    &client.Delay{P50: 1, P99: 2.345, P999: 13.45, Max: 40},
		Connect:  measure.Connect{Seconds: 0.5, CPU: &process.CPU{Total: 30, User: 10, System: 20}},
		Resident: &kb, MemoryAfter: 3,
	}
	floor := &measure.Result{
		Subject: "write(2)", Floor: true, Protocol: "h1", Streams: 4000, Rate: 10,
		CPU: &process.CPU{Total: 6, System: 6}, Delay: &client.Delay{P50: 0.1, P99: 0.2, P999: 0.3, Max: 0.4},
	}
	peer := &measure.Result{
		Subject: "<peer> & co", Peer: true, Protocol: "h1", Streams: 200,
		CPU:      &process.CPU{Total: 12, User: 2, System: 10},
		Resident: &small, Faults: &client.Faults{Missing: 3, Example: "event 5 where 4 was due"},
	}
	good := &Outcome{
		Name:  "good",
		About: "about it",
		Goal:  "≤ 2 ×",
		Runs:  []*measure.Result{hub, floor, peer},
	}
	good.AtMost("CPU against write(2)", "×", 1.5, 2)
	good.AtMost("each", "µs", 123.4, 0)
	slow := NewOutcome("slow", "about it", "≥ 10")
	slow.AtLeast("rate", "/s", 5, 10)
	slow.Note("a %s", "note")
	unclear := &Outcome{Name: "busy", About: "about it", Goal: "≤ 1,000", Unclear: "hub was behind"}
	unclear.AtMost("much", "", 12345.6, 1000)
	failed := NewOutcome("broken", "about it", "")
	failed.Failure = "hub: 1 missing"
	custom := NewOutcome("custom", "no goal", "")
	custom.Runs = []*measure.Result{{Subject: "hub", Protocol: "h3", Streams: 7, PerSecond: 1234.56}}
	return &Report{
		Date: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
		Machine: machine{
			CPU:    "A <CPU>",
			Cores:  2,
			Kernel: "6.1",
			Go:     "go1.25 linux/amd64",
			Load:   "0.1 0.2 0.3",
		},
		Commit: "0123456789ab", Quick: true, Args: []string{"bench", "--token", "…"},
		Outcomes: []*Outcome{good, slow, unclear, failed, custom},
	}
}

// TestGolden compares what a report writes with files that were read by eye, to the byte.
func TestGolden(t *testing.T) {
	r := wholeReport()
	for _, test := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"table.md", r.Table},
		{"results.json", r.json},
		{"results.svg", r.svg},
		{"progress.txt", func(w io.Writer) error {
			for _, o := range r.Outcomes {
				o.Print(w)
			}
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", test.name))
			require.NoError(t, err)
			var got bytes.Buffer
			require.NoError(t, test.write(&got))
			assert.Equal(t, string(want), got.String())
		})
	}
}
