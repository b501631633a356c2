// Package transport writes the bytes of an event stream to its reader.
//
// [HTTP1] takes the connection of an HTTP/1.1 stream over from net/http. The stream then costs
// neither a goroutine nor buffers. [NetHTTP] writes through the server instead, and waits. A
// [Connection] for another protocol uses [Pending] and [WriteTimeout] as these two do.
package transport

import (
	"errors"
	"time"

	"livemap/stream"
)

// MaxHeader is the largest request header, in bytes. Set servers to a little more, so that the API
// can answer a larger one with a problem.
const MaxHeader = 16 << 10

// Errors of a write that the log distinguishes. Others are failures of the connection.
var (
	ErrStalled = errors.New("the reader does not read") // one write took longer than its WriteTimeout
	ErrGone    = errors.New("the reader went away")
)

// WriteTimeout is how long a stream waits for its reader to take a write.
type WriteTimeout struct {
	Stall time.Duration // for each MaxWrite bytes
	Until time.Time     // when the stream must end, whatever its reader does; zero: never
}

// byeTime is how long after its end a stream may take to write `bye`, and the least time for a write.
const byeTime = 500 * time.Millisecond

// endless reports that the stream has no end of its own.
func (t WriteTimeout) endless() bool { return t.Until.IsZero() }

// left returns how long from now writes may take, all together. Until is a time of day, and the clock may
// have been set beyond it: the event under way and `bye` have byeTime all the same.
func (t WriteTimeout) left(now time.Time) time.Duration {
	return byeTime + max(0, t.Until.Sub(now))
}

// deadline returns the deadline of a write that begins now.
func (t WriteTimeout) deadline(now time.Time) time.Time {
	if t.endless() {
		return now.Add(t.Stall)
	}
	return now.Add(min(t.Stall, t.left(now)))
}

// longAgo, as a deadline, ends a write that waits. A later deadline might not: a listener may
// postpone it for a reader that is slow but reads.
var longAgo = time.Unix(1, 0)

// hangup is how far a client has disconnected.
type hangup uint8

const (
	notHungUp  hangup = iota // it sent something
	halfHungUp               // it will send no more
	hungUp                   // it has gone
)

// Connection is a stream taken over from its server. Its header is on the wire, and the handler
// may return. The body is written to the Connection.
type Connection interface {
	stream.Outlet
	// OnGone calls left once, when the client disconnects, or at once if it has. It calls halfClosed
	// when the client will send no more: it may have gone, or it may read on (RFC 9112, section 9.6),
	// and writing to it shows which. Both may be called after Close, too.
	OnGone(left, halfClosed func())
	// Close ends the body. A body that was cut ends so that the client notices it.
	Close(cut bool)
}
