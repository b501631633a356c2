package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"livemap/api/problem"
)

// progress shows how far a replay is, in a line at the bottom of a terminal. Without a terminal
// it writes notices only.
type progress struct {
	out      io.Writer
	terminal bool
	total    int // positions; 0 if that is unknown
	started  time.Time
	shown    time.Time // when the line was last written
}

func newProgress(out io.Writer, total int) *progress {
	return &progress{out: out, terminal: isTerminal(out), total: total, started: time.Now()}
}

// progressInterval is the least time between two rewrites of the line.
const progressInterval = 100 * time.Millisecond

// eraseLine returns to the start of the line and empties it (ECMA-48, EL).
const eraseLine = "\r\x1b[K"

// show rewrites the line: how many positions are published, and the timestamp of the last one.
func (p *progress) show(sum problem.Ack, last time.Time) {
	now := time.Now()
	if !p.terminal || now.Sub(p.shown) < progressInterval {
		return
	}
	p.shown = now
	done := sum.Total()
	text := fmt.Sprintf("%d positions", done)
	if p.total > 0 {
		text = fmt.Sprintf("%3d %%  %d of %d positions", min(100, 100*done/p.total), done, p.total)
	}
	if !last.IsZero() {
		text += "  " + last.Local().Format(time.DateTime)
	}
	rate := float64(done) / max(now.Sub(p.started).Seconds(), 0.001)
	fmt.Fprintf(p.out, "%s%s  %.0f/s", eraseLine, text, rate)
}

// notice writes a line above the progress line.
func (p *progress) notice(text string, args ...any) {
	p.clear()
	fmt.Fprintf(p.out, text+"\n", args...)
}

// clear erases the line.
func (p *progress) clear() {
	if p.terminal && !p.shown.IsZero() {
		fmt.Fprint(p.out, eraseLine)
	}
	p.shown = time.Time{}
}

// isTerminal reports whether stream, one of the standard streams, is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
