// Package report holds a benchmark's results: what came of each scenario, against its
// goals, and how that is written as a table, as JSON and as a picture.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
)

// ErrFailed is a scenario that could not be run, or in which deliveries were not as
// they have to be.
var ErrFailed = errors.New("a scenario failed")

// Report is all of a benchmark's results.
type Report struct {
	Date     time.Time  `json:"date"`
	Machine  machine    `json:"machine"`
	Commit   string     `json:"commit"`
	Quick    bool       `json:"quick"`
	Args     []string   `json:"args"`
	Outcomes []*Outcome `json:"outcomes"`
}

// New begins a report of the program hub, "" for this one.
func New(hub string, quick bool) *Report {
	return &Report{
		Date:    time.Now().UTC().Truncate(time.Second),
		Machine: thisMachine(),
		Commit:  commit(hub),
		Quick:   quick,
		Args:    withoutSecrets(os.Args[1:]),
	}
}

// withoutSecrets leaves out the token.
func withoutSecrets(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if strings.HasPrefix(arg, "--token=") {
			args[i] = "--token=…"
		}
		if arg == "--token" && i+1 < len(args) {
			args[i+1] = "…"
		}
	}
	return args
}

// Err returns ErrFailed with the names of the scenarios that failed; nil if none did.
func (r *Report) Err() error {
	var failed []string
	for _, o := range r.Outcomes {
		if o.Failure != "" {
			failed = append(failed, o.Name)
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrFailed, strings.Join(failed, ", "))
}

// Save writes the report into a folder.
func (r *Report) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{
		"results.json": r.json,
		"table.md":     r.Table,
		"results.svg":  r.svg,
	} {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(file)
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

func (r *Report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

const tableHead = "| scenario | server | streams | deliveries/s | µs CPU each | of it system " +
	"| floor µs | × floor | KB/stream | p50 / p99 / p99.9 ms | bytes each | goal | |\n" +
	"|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"

// Table writes the results as a Markdown table.
func (r *Report) Table(w io.Writer) error {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, o := range r.Outcomes {
		o.rows(&b)
	}
	b.WriteString("\n")
	for _, o := range r.Outcomes {
		o.remarks(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict says in a word how it went.
func (o *Outcome) verdict() string {
	switch {
	case o.Failure != "":
		return "FAILED"
	case o.Unclear != "":
		return "unclear"
	case !o.met():
		return "missed"
	case o.Goal == "":
		return ""
	}
	return "met"
}

// rows are the table's rows of a scenario: the hub's, floors aside, then peers'.
func (o *Outcome) rows(b *strings.Builder) {
	verdict := o.verdict()
	if len(o.Runs) == 0 {
		fmt.Fprintf(b, "| %s | | | | | | | | | | | %s | %s |\n", o.Name, o.Goal, verdict)
		return
	}
	name, goal := o.Name, o.Goal
	for _, run := range o.Runs {
		if run.Floor {
			continue
		}
		fmt.Fprintf(
			b,
			"| %s | %s | %s | %s | %s | %s | %s |\n",
			name,
			run.Subject,
			cells(run, o.floorOf(run)),
			delayCell(run.Delay),
			Number(run.Bytes),
			goal,
			verdict,
		)
		name, goal, verdict = "", "", ""
	}
}

// floorOf returns the floor of as many streams, nil if there is none.
func (o *Outcome) floorOf(run *measure.Result) *measure.Result {
	for _, other := range o.Runs {
		if other.Floor && other.Streams == run.Streams {
			return other
		}
	}
	return nil
}

// cells are those from streams to memory.
func cells(r, floor *measure.Result) string {
	cells := []string{Thousands(int64(r.Streams)), Number(r.PerSecond), "", "", "", "", ""}
	if r.CPU != nil {
		cells[2], cells[3] = Number(r.CPU.Total), Number(r.CPU.System)
	}
	if floor != nil && floor.CPU != nil && r.CPU != nil {
		cells[4], cells[5] = Number(floor.CPU.Total), Number(r.CPU.Total/floor.CPU.Total)
	}
	if r.Resident != nil {
		cells[6] = Number(*r.Resident)
	}
	return strings.Join(cells, " | ")
}

func delayCell(d *client.Delay) string {
	if d == nil {
		return ""
	}
	return Number(d.P50) + " / " + Number(d.P99) + " / " + Number(d.P999)
}

// remarks writes a scenario's figures, notes and failure as a list item.
func (o *Outcome) remarks(b *strings.Builder) {
	var parts []string
	for _, f := range o.Figures {
		parts = append(parts, f.String())
	}
	parts = append(parts, o.Notes...)
	for _, run := range o.Runs {
		if run.Connect.CPU != nil {
			parts = append(
				parts,
				fmt.Sprintf(
					"%s: connected in %s s, %s µs CPU each",
					run.Subject,
					Number(run.Connect.Seconds),
					Number(run.Connect.CPU.Total),
				),
			)
		}
	}
	if o.Unclear != "" {
		parts = append(parts, "unclear: "+o.Unclear)
	}
	if o.Failure != "" {
		parts = append(parts, "FAILED: "+o.Failure)
	}
	fmt.Fprintf(b, "* %s (%s): %s.\n", o.Name, o.About, strings.Join(parts, "; "))
}

// Thousands writes a number with commas between its thousands.
func Thousands(n int64) string { return humanize.Comma(n) }

// line is a run in one line.
func line(r *measure.Result) string {
	text := fmt.Sprintf(
		"%-16s %5d %s streams, %s deliveries/s", r.Subject, r.Streams, r.Protocol, Number(r.PerSecond),
	)
	if r.CPU != nil {
		text += fmt.Sprintf(", %s µs each (%s in the system)", Number(r.CPU.Total), Number(r.CPU.System))
	}
	if r.Resident != nil {
		text += fmt.Sprintf(", %s KB/stream", Number(*r.Resident))
	}
	if r.Delay != nil {
		text += fmt.Sprintf(
			", p50 %s p99 %s p99.9 %s ms", Number(r.Delay.P50), Number(r.Delay.P99), Number(r.Delay.P999),
		)
	}
	text += fmt.Sprintf(", %s bytes, connected in %s s", Number(r.Bytes), Number(r.Connect.Seconds))
	if r.Connect.CPU != nil {
		text += fmt.Sprintf(" (%s µs each)", Number(r.Connect.CPU.Total))
	}
	return text
}

// Number writes a number with about three digits.
func Number(x float64) string {
	switch a := math.Abs(x); {
	case a >= 1000:
		return Thousands(int64(math.Round(x)))
	case a >= 100:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
