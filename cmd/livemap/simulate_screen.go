package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"livemap/cmd/livemap/client"

	"github.com/dustin/go-humanize"
)

// rateLine shows the rates of a simulation. On a terminal it rewrites one line every second;
// otherwise it writes a line every ten seconds.
type rateLine struct {
	every    time.Duration
	vehicles int

	mu      sync.Mutex // guards what follows
	line    *progress
	since   time.Time // when the line was last written
	written int       // positions, until then
}

func newRateLine(out io.Writer, vehicles int) *rateLine {
	r := &rateLine{line: newProgress(out, 0), every: 10 * time.Second, vehicles: vehicles, since: time.Now()}
	if r.line.terminal {
		r.every = time.Second
	}
	return r
}

// show writes the line if it is due: how many vehicles are moving, how many positions were
// written so far, their outcome, and how far the simulation is behind real time.
func (r *rateLine) show(moving, written int, state client.UploadState, behind time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	elapsed := now.Sub(r.since)
	if elapsed < r.every {
		return
	}
	rate := float64(written-r.written) / elapsed.Seconds()
	r.since, r.written = now, written
	connected := "not connected"
	if state.Connected {
		connected = "connected"
	}
	text := fmt.Sprintf(
		"%s vehicles, %s moving · %s positions/s · accepted %s · late %s · rejected %s · %s",
		grouped(r.vehicles), grouped(moving), grouped(int(rate+0.5)),
		grouped(state.Sum.Accepted), grouped(state.Sum.Late), grouped(state.Sum.Rejected), connected)
	if behind > time.Second {
		text += fmt.Sprintf(" · %d s behind", int(behind.Seconds()+0.5))
	}
	if !r.line.terminal {
		fmt.Fprintln(r.line.out, text)
		return
	}
	r.line.shown = now
	fmt.Fprint(r.line.out, eraseLine+text)
}

// notice writes a line of its own above the rates.
func (r *rateLine) notice(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line.notice(format, args...)
}

// clear erases the line.
func (r *rateLine) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line.clear()
}

func grouped(n int) string { return humanize.Comma(int64(n)) }
