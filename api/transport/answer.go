package transport

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// Answer is the [http.ResponseWriter] of an answer that ends by itself. Its reader has the stall timeout
// for each MaxWrite bytes. A Write that its reader does not take returns [ErrStalled].
type Answer struct {
	http.ResponseWriter
	rc      *http.ResponseController
	stall   time.Duration
	http2   bool
	written int   // bytes
	err     error // of the first write that failed
	isOver  bool  // a stream has the answer's place
}

// serverBuffer is how many bytes at the beginning of an answer net/http and quic-go keep back at least,
// for its Content-Length. They write them after a flush or once the handler has returned.
const serverBuffer = 2 << 10

// NewAnswer returns the writer of the answer to a request.
func NewAnswer(w http.ResponseWriter, r *http.Request, stall time.Duration) *Answer {
	return &Answer{ResponseWriter: w, rc: http.NewResponseController(w), stall: stall, http2: r.ProtoMajor == 2}
}

// Unwrap is for [http.ResponseController].
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Release returns the writer that a stream may write to and take over. The stream has a timeout of its own.
func (a *Answer) Release() http.ResponseWriter {
	a.isOver = true
	return a.ResponseWriter
}

// Write implements io.Writer.
func (a *Answer) Write(p []byte) (n int, err error) {
	if a.written += len(p); a.written <= serverBuffer {
		return a.ResponseWriter.Write(p)
	}
	for len(p) > 0 && err == nil {
		err = a.do(func() (err error) {
			m, err := a.ResponseWriter.Write(p[:min(len(p), MaxWrite)])
			n, p = n+m, p[m:]
			return err
		})
	}
	return n, err
}

// FlushError is for [http.ResponseController].
func (a *Answer) FlushError() error { return a.do(a.rc.Flush) }

// Flush implements http.Flusher.
func (a *Answer) Flush() { a.FlushError() }

// do lets the reader take one write.
func (a *Answer) do(write func() error) error {
	deadline := time.Now().Add(a.stall)
	a.rc.SetWriteDeadline(deadline)
	err := write()
	if a.http2 {
		a.rc.SetWriteDeadline(time.Time{}) // there it would end an answer that waits for its handler
	}
	if err != nil && (errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline)) {
		err = errors.Join(ErrStalled, err)
	}
	if a.err == nil && !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		a.err = err
	}
	return err
}

// Finish is called when the handler has returned. The server then writes what it has kept back, for which
// the reader has the stall timeout too. Finish returns the error of the first write that failed. The
// caller must then abort the answer, which would look complete otherwise.
func (a *Answer) Finish() error {
	if !a.isOver {
		a.rc.SetWriteDeadline(time.Now().Add(a.stall))
	}
	return a.err
}
