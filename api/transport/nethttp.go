package transport

import (
	"errors"
	"net/http"
	"os"
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
}

// NetHTTP returns a function that writes to a stream through its server and flushes. The function
// returns [ErrStalled] when the reader does not take a write in time.
func NetHTTP(w http.ResponseWriter, r *http.Request, timeout WriteTimeout) (write func([]byte) error) {
	return newResponseWriter(w, r, timeout).write
}

func newResponseWriter(w http.ResponseWriter, r *http.Request, timeout WriteTimeout) *responseWriter {
	out := &responseWriter{w: w, rc: http.NewResponseController(w), timeout: timeout, http2: r.ProtoMajor == 2}
	if out.http2 || !timeout.endless() {
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
	deadline := o.timeout.deadline(began)
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

// arm sets the deadline of a write.
func (o *responseWriter) arm(now, deadline time.Time) error {
	if o.http2 {
		o.watch.Reset(deadline.Sub(now))
		return nil
	}
	if o.watch != nil {
		o.watch.Reset(o.timeout.end().Sub(now))
	}
	return o.rc.SetWriteDeadline(deadline)
}
