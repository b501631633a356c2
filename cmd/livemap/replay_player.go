package main

import (
	"context"
	"fmt"

	"io"
	"os"
	"time"

	"golang.org/x/term"

	"livemap/api/problem"
	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/recording"
)

// noticesShown is how many refusals are shown one by one, and how many skipped gaps.
const noticesShown = 10

// player publishes batches of records, shows its progress and sums up the Acks.
type player struct {
	publisher *client.Publisher
	screen    *progress

	sum   problem.Ack
	shown int // refusals shown one by one
	skips int // gaps of which a part was skipped
}

func newPlayer(to client.Hub, screen *progress) *player {
	return &player{publisher: client.NewPublisher(to, screen.notice), screen: screen}
}

// publish publishes the batch. It refuses the records without a body itself.
func (p *player) publish(ctx context.Context, batch []recording.Record) error {
	var sent []recording.Record
	var lines [][]byte
	for _, rec := range batch {
		if rec.Refused != "" {
			p.sum.Rejected++
			p.refuse(rec, rec.Refused)
			continue
		}
		sent, lines = append(sent, rec), append(lines, rec.Body)
	}
	ack, err := p.publisher.Publish(ctx, lines, func(i int, detail string) { p.refuse(sent[i], detail) })
	p.sum = p.sum.Add(ack)
	if err != nil {
		return err
	}
	p.screen.show(p.sum, batch[len(batch)-1].At)
	return nil
}

// refuse shows one refusal, unless there were many already.
func (p *player) refuse(rec recording.Record, why string) {
	if p.shown < noticesShown {
		p.shown++
		p.screen.notice("%s:%d: %s", rec.File, rec.Line, client.Printable(why))
	}
}

// longWait is the shortest wait that is shown.
const longWait = 3 * time.Second

// waits shows for which record the replay waits, if that takes long.
func (p *player) waits(next recording.Record, wait time.Duration) {
	if wait >= longWait {
		p.screen.line("%s  waits %s for %s:%d", p.screen.done(p.sum), age(wait), next.File, next.Line)
	}
}

// skip shows that a part of the gap behind a record is skipped, unless there were many already.
func (p *player) skip(after recording.Record, part time.Duration) {
	p.skips++
	if p.skips <= noticesShown {
		p.screen.notice("livemap: skips %s after %s:%d", age(part), after.File, after.Line)
	}
}

// counts is an Ack in words.
func counts(a problem.Ack) string {
	return fmt.Sprintf("accepted %d, rejected %d, late %d, duplicate %d",
		a.Accepted, a.Rejected, a.Late, a.Duplicate)
}

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
	text := p.done(sum)
	if !last.IsZero() {
		text += "  " + last.Local().Format(time.DateTime)
	}
	p.line("%s  %.0f/s", text, float64(sum.Total())/max(now.Sub(p.started).Seconds(), 0.001))
}

// done says how many positions are published.
func (p *progress) done(sum problem.Ack) string {
	done := sum.Total()
	if p.total > 0 {
		return fmt.Sprintf("%3d %%  %d of %d positions", min(100, 100*done/p.total), done, p.total)
	}
	return fmt.Sprintf("%d positions", done)
}

// line rewrites the line.
func (p *progress) line(text string, args ...any) {
	if p.terminal {
		p.shown = time.Now()
		fmt.Fprintf(p.out, eraseLine+text, args...)
	}
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
