package api

import (
	"errors"
	"net/http"
	"os"
	"time"

	"livemap/stream"
)

// How a write to a reader can fail, as far as the log tells it apart.
var (
	ErrStalled = errors.New("the reader does not read") // it did not take one write in time
	ErrGone    = errors.New("the reader went away")
)

// Patience is how long a stream waits for its reader to take a write.
type Patience struct {
	Stall time.Duration // of MaxWrite bytes at most
	Until time.Time     // when the stream is to be over, whatever its reader does; zero: never
}

// lastWords is how long a stream may take to say that it is over.
const lastWords = 500 * time.Millisecond

// isEndless tells that the stream may go on for ever.
func (p Patience) isEndless() bool { return p.Until.IsZero() }

// end is when the stream must be over.
func (p Patience) end() time.Time { return p.Until.Add(lastWords) }

// deadline is for a write that begins now.
func (p Patience) deadline(now time.Time) time.Time {
	deadline := now.Add(p.Stall)
	if !p.isEndless() && p.end().Before(deadline) {
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

// responseWriter writes a stream by way of its server, and waits.
type responseWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	waits Patience
	http2 bool
	// watch ends a write: on HTTP/2 one that takes too long, as a write deadline, there,
	// costs as much as the write, being set and cleared in another goroutine; else one
	// that is not over when the stream must be. Nil: neither is asked for.
	watch *time.Timer
}

func newResponseWriter(w http.ResponseWriter, r *http.Request, waits Patience) *responseWriter {
	out := &responseWriter{w: w, rc: http.NewResponseController(w), waits: waits, http2: r.ProtoMajor == 2}
	if out.http2 || !waits.isEndless() {
		out.watch = time.AfterFunc(time.Hour, func() { out.rc.SetWriteDeadline(longAgo) })
		out.watch.Stop()
	}
	return out
}

func (o *responseWriter) write(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), MaxWrite)
		if err := o.writePiece(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (o *responseWriter) writePiece(p []byte) error {
	began := time.Now()
	deadline := o.waits.deadline(began)
	if err := o.arm(began, deadline); err != nil {
		return err
	}
	_, err := o.w.Write(p)
	if err == nil {
		err = o.rc.Flush()
	}
	if o.watch != nil {
		o.watch.Stop()
	}
	if err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline)) {
		return errors.Join(ErrStalled, err)
	}
	return err
}

// arm sees to it that a write ends.
func (o *responseWriter) arm(now, deadline time.Time) error {
	if o.http2 {
		o.watch.Reset(deadline.Sub(now))
		return nil
	}
	if o.watch != nil {
		o.watch.Reset(o.waits.end().Sub(now))
	}
	return o.rc.SetWriteDeadline(deadline)
}
