package transport

import (
	"errors"
	"net/http"
	"os"
	"sync"
	"time"
)

// responseWriter writes a stream through its server, and waits for the reader.
type responseWriter struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout WriteTimeout
	http2   bool
	// watch ends a write that takes too long. On HTTP/2 it stands for the write deadline, which
	// costs as much as the write there: another goroutine sets and clears it. Elsewhere it ends
	// a write that outlasts the stream. Nil: neither is needed.
	watch *time.Timer
	conn  *Conn // of an HTTP/2 stream; nil: nothing is known of it

	mu      sync.Mutex // guards what follows
	writing bool
	last    time.Time // when the write must be over, unless timeout is endless
	expired bool      // the write took too long
	fired   int       // how often the watch fired, as far as it counts
	first   int64     // bytes that the reader of conn had taken when it first fired
	before  int64     // and when fired became 1
}

// watchSlices is how often the watch of an HTTP/2 stream fires before a write has taken too long.
// It is the system that knows what a reader took, and it is asked only about writes that take long.
const watchSlices = 4

// NetHTTP returns a function that writes to a stream through its server and flushes. The function
// returns [ErrStalled] when the reader does not take a write in time.
func NetHTTP(w http.ResponseWriter, r *http.Request, timeout WriteTimeout) (write func([]byte) error) {
	return newResponseWriter(w, r, timeout).write
}

func newResponseWriter(w http.ResponseWriter, r *http.Request, timeout WriteTimeout) *responseWriter {
	out := &responseWriter{w: w, rc: http.NewResponseController(w), timeout: timeout, http2: r.ProtoMajor == 2}
	if out.http2 {
		out.conn, _ = r.Context().Value(connKey{}).(*Conn)
	}
	if out.http2 || !timeout.endless() {
		out.watch = time.AfterFunc(time.Hour, out.expire)
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
	if err := o.arm(time.Now()); err != nil {
		return err
	}
	_, err := o.w.Write(p)
	if err == nil {
		err = o.rc.Flush()
	}
	if o.disarm() || errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.Join(ErrStalled, err)
	}
	return err
}

// arm sets the deadline of a write.
func (o *responseWriter) arm(now time.Time) error {
	deadline := o.timeout.deadline(now)
	if o.watch == nil {
		return o.rc.SetWriteDeadline(deadline)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = true
	o.last = now.Add(o.timeout.left(now))
	if o.http2 {
		o.conn.begin()
		o.fired = 0
		o.watch.Reset(min(deadline.Sub(now), o.timeout.Stall/watchSlices))
		return nil
	}
	err := o.rc.SetWriteDeadline(deadline)
	if o.writing = err == nil; o.writing {
		o.watch.Reset(o.last.Sub(now))
	}
	return err
}

// disarm ends the deadline of a write. It reports whether it passed.
func (o *responseWriter) disarm() (expired bool) {
	if o.watch == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = false
	o.watch.Stop()
	if o.http2 {
		o.conn.end()
	}
	return o.expired
}

// expire is called when a write takes long. It ends one that takes too long, unless the stream waits
// for its turn on a connection whose reader is slow.
func (o *responseWriter) expire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.writing {
		return
	}
	now := time.Now()
	left := o.timeout.Stall
	if !o.timeout.endless() {
		left = min(left, o.last.Sub(now))
	}
	if o.fired++; o.fired == 1 {
		o.before = o.conn.taken()
		o.first = o.before
	}
	if !o.http2 || left <= 0 || o.fired == watchSlices && !o.waitsForTurn() {
		o.expired = true
		o.rc.SetWriteDeadline(longAgo)
		return
	}
	o.watch.Reset(min(left, o.timeout.Stall/watchSlices))
}

// waitsForTurn reports whether the reader of the connection took enough for each stream that is
// being written, but not yet so much that this write must have had its turn: then the reader leaves
// this stream out. If so, the next slices count from now on. mu is held.
func (o *responseWriter) waitsForTurn() bool {
	taken, writers := o.conn.taken(), o.conn.writers()
	if taken-o.before < writers*minTaken || taken-o.first >= connBuffers+2*writers*MaxWrite {
		return false
	}
	o.before, o.fired = taken, 1
	return true
}

const (
	// minTaken is how many bytes the reader of a connection must take for each stream, from the first
	// slice of the stall timeout to the last.
	minTaken = MaxWrite * (watchSlices - 1) / watchSlices
	// connBuffers is in bytes: more than there is room for between a stream and its reader.
	connBuffers = 256 << 10
)
