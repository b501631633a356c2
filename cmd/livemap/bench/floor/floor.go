// Package floor measures the least that a delivery can cost: a process that does nothing
// but write the same bytes to as many connections, at the same times.
//
// A floor reads lines of JSON on its standard input: one [Setup], to which it answers
// with [Ready], then a [Run] for each schedule. It ends with its input. [Serve] is the
// whole process.
package floor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/workload"
)

// Setup is the first line of a floor's input: which floor it is.
type Setup struct {
	Kind    string        `json:"kind"` // write, tls, quic or chi
	Streams int           `json:"streams"`
	Size    int           `json:"size"`    // bytes of an event
	Chunked bool          `json:"chunked"` // frame each write as HTTP/1.1 does
	Batch   time.Duration `json:"batch"`   // events of so long go out in one write; 0: one write for each
}

// Ready is a floor's answer to its setup.
type Ready struct {
	Address string `json:"address"`
}

// Run is a schedule to write by.
type Run struct {
	Start  time.Duration `json:"start"` // by the clock that the machine's processes share
	Period time.Duration `json:"period"`
	Events int           `json:"events"`
}

// writers write the same to all streams that have been opened.
type writers interface {
	address() string
	// accept waits for the streams.
	accept(ctx context.Context) error
	writeAll(p []byte) error
	Close() error
}

// Serve is what `livemap bench floor` runs: the process that the hub is compared with.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	var setup Setup
	if err := nextLine(lines, &setup); err != nil {
		return err
	}
	if setup.Kind == "chi" {
		return serveChi(lines, out)
	}
	w, err := setup.listen()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := json.NewEncoder(out).Encode(Ready{w.address()}); err != nil {
		return err
	}
	if err := w.accept(ctx); err != nil {
		return err
	}
	for {
		var run Run
		if err := nextLine(lines, &run); err != nil {
			return ignoreEOF(err)
		}
		if err := setup.run(ctx, w, run); err != nil {
			return err
		}
	}
}

func (f Setup) listen() (writers, error) {
	switch f.Kind {
	case "write":
		return listenWrite(f.Streams, f.Chunked)
	case "tls":
		return listenTLS(f.Streams)
	case "quic":
		return listenBareQUIC(f.Streams)
	}
	return nil, fmt.Errorf("unknown floor %q; it must be write, tls, quic or chi", f.Kind)
}

// run writes the events of a schedule.
func (f Setup) run(ctx context.Context, w writers, r Run) error {
	now, err := process.Monotonic()
	if err != nil {
		return err
	}
	s := workload.Schedule{Start: time.Now().Add(r.Start - now), Period: r.Period, Events: r.Events}
	var source workload.Events
	var text, framed []byte
	return s.Pace(ctx, f.Batch, func(from, to int) error {
		text = text[:0]
		for n := from; n < to; n++ {
			text = source.AppendSSE(text, n, s.Due(n), f.Size)
		}
		if !f.Chunked {
			return w.writeAll(text)
		}
		framed = append(fmt.Appendf(framed[:0], "%x\r\n", len(text)), text...)
		return w.writeAll(append(framed, "\r\n"...))
	})
}

// nextLine reads a line of JSON.
func nextLine(lines *bufio.Scanner, into any) error {
	if !lines.Scan() {
		if lines.Err() != nil {
			return lines.Err()
		}
		return io.EOF
	}
	return json.Unmarshal(lines.Bytes(), into)
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// streamHead is how a floor answers a stream's request.
func streamHead(chunked bool) string {
	if chunked {
		return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	}
	return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
}
