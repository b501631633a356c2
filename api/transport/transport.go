// Package transport writes the bytes of an event stream to its reader.
//
// [HTTP1] takes the connection of an HTTP/1.1 stream over, which then costs neither a
// goroutine nor buffers; [NetHTTP] writes by way of the server. A [Connection] of
// another protocol can use [Pending] and [WriteTimeout] as these two do.
package transport

import (
	"errors"
	"time"

	"livemap/stream"
)

// MaxHeader is the largest request header, in bytes. Servers should be set to a
// little more, so that one over it is told so in words.
const MaxHeader = 16 << 10

// How a write to a reader can fail, as far as the log tells it apart.
var (
	ErrStalled = errors.New("the reader does not read") // it did not take one write in time
	ErrGone    = errors.New("the reader went away")
)

// WriteTimeout is how long a stream waits for its reader to take a write.
type WriteTimeout struct {
	Stall time.Duration // of MaxWrite bytes at most
	Until time.Time     // when the stream is to be over, whatever its reader does; zero: never
}

// lastWords is how long a stream may take to say that it is over.
const lastWords = 500 * time.Millisecond

// endless tells that the stream may go on for ever.
func (p WriteTimeout) endless() bool { return p.Until.IsZero() }

// end is when the stream must be over.
func (p WriteTimeout) end() time.Time { return p.Until.Add(lastWords) }

// deadline is for a write that begins now.
func (p WriteTimeout) deadline(now time.Time) time.Time {
	deadline := now.Add(p.Stall)
	if !p.endless() && p.end().Before(deadline) {
		return p.end()
	}
	return deadline
}

// longAgo, as a deadline, ends a write that waits. Another one does not for certain: a
// listener may put it off for a reader who takes something, if slowly.
var longAgo = time.Unix(1, 0)

// Connection is a stream that was taken over from its server: its header is on
// the wire, the handler may return, and the body is written to it.
type Connection interface {
	stream.Outlet
	// OnGone has left called, once, when the client went away; also where it
	// went before. It may be called after Close too.
	OnGone(left func())
	// Close ends the body: as it should end, or, when it was cut, so that the
	// client sees that it was.
	Close(cut bool)
}
