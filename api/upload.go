package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"livemap/api/ingest"
	"livemap/api/problem"
	"livemap/geo"
	"livemap/stream"
)

// Limits of an NDJSON upload.
const (
	maxLine    = 64 << 10        // bytes
	uploadIdle = 5 * time.Minute // without a byte; a blank line counts
	lineGrace  = 2 * time.Second // to finish a line when the hub is draining
	ackEvery   = time.Second
	ackTime    = 10 * time.Second // for the publisher to take an ack line
)

// receiveLines publishes each line of an upload as it arrives, for as long as it
// goes on. A line that the connection broke off in is not published.
func (a *API) receiveLines(w http.ResponseWriter, r *http.Request, positions *ingest.Writer) (*problem.Ack, error) {
	if err := a.limitRate(r, positions); err != nil {
		return nil, err
	}
	u := &upload{rc: http.NewResponseController(w), body: r.Body, positions: positions}
	u.stopping, u.endsNow = context.WithCancelCause(r.Context())
	defer u.endsNow(nil)
	// On HTTP/1.1 answering would else wait for the end of the body; HTTP/2 and
	// HTTP/3 need no such permission and say so.
	if err := u.rc.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	defer context.AfterFunc(a.draining, func() { u.stop(stream.Draining) })()
	if positions.Grant != nil {
		defer time.AfterFunc(time.Until(positions.Grant.Ends(time.Now())), func() { u.stop(stream.Outdated) }).Stop()
	}
	// On HTTP/1.1 what else comes of an upload that was not read to its end would be
	// taken for the next request. Acks that are told meanwhile have their header before that.
	hangUp := func() {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
	}
	if strings.Contains(r.Header.Get("Accept"), typeNDJSON) {
		hangUp()
		u.readWithAcks(w)
		return nil, nil
	}
	if whole := u.read(); !whole {
		hangUp()
	}
	return positions.Ack()
}

// upload is an NDJSON upload.
type upload struct {
	rc   *http.ResponseController
	body io.Reader

	mu        sync.Mutex // guards positions while acks are told meanwhile
	positions *ingest.Writer

	partial  atomic.Bool     // there is a line without its end
	stopping context.Context // done when the upload is to end; its cause is an ending where the hub wants that
	endsNow  context.CancelCauseFunc
}

// endReason is why the hub ends an upload: it is draining, or the upload's token expired.
type endReason stream.Reason

func (e endReason) Error() string { return string(e) }

// read publishes lines until the upload ends, and tells whether that was its own end.
func (u *upload) read() (whole bool) {
	defer u.flush()
	lines := &lineReader{from: u, buf: make([]byte, 0, maxLine+len("\r\n")), partial: &u.partial}
	for {
		line, err := lines.next()
		if err != nil && !errors.Is(err, errTooLong) {
			if err != io.EOF {
				u.endedByHub()
			}
			return err == io.EOF
		}
		u.publishLine(lines.number, line, err)
		if !u.partial.Load() && u.endedByHub() {
			return false
		}
	}
}

// endedByHub tells whether the hub ends the upload, and notes why for its publisher, who
// else would take the ack for that of everything.
func (u *upload) endedByHub() bool {
	why, is := errors.AsType[endReason](context.Cause(u.stopping))
	if is {
		u.mu.Lock()
		u.positions.End(string(why))
		u.mu.Unlock()
	}
	return is
}

// publishLine publishes a line, at the latest before more is read.
func (u *upload) publishLine(number int, line []byte, err error) {
	if err == nil && len(line) == 0 {
		return // it keeps the upload alive
	}
	var p geo.Position
	if err == nil {
		p, err = geo.ParsePosition(line)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.positions.Reject(number, err)
	} else {
		u.positions.Add(number, &p)
	}
}

// flush publishes the lines that were taken.
func (u *upload) flush() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.positions.Flush()
}

// Read reads from the body, which must not be idle for too long. It may wait, so
// what came before is published first.
func (u *upload) Read(p []byte) (int, error) {
	u.flush()
	u.positions.Rate.Wait(u.stopping)
	if !u.stopped() {
		if err := u.rc.SetReadDeadline(time.Now().Add(uploadIdle)); err != nil {
			return 0, err
		}
		if u.stopped() { // stop was in between, and its deadline counts
			u.shortenDeadline()
		}
	}
	n, err := u.body.Read(p)
	u.positions.Rate.Renew()
	return n, err
}

func (u *upload) stopped() bool { return u.stopping.Err() != nil }

// stop has the upload end at the end of a line.
func (u *upload) stop(why stream.Reason) {
	u.endsNow(endReason(why))
	u.shortenDeadline()
}

// shortenDeadline waits no longer for lines, and not much longer for the end of one.
func (u *upload) shortenDeadline() {
	deadline := time.Now()
	if u.partial.Load() {
		deadline = deadline.Add(lineGrace)
	}
	u.rc.SetReadDeadline(deadline)
}

// readWithAcks reads the upload and tells every second how far it has come.
func (u *upload) readWithAcks(w http.ResponseWriter) {
	w.Header().Set("Content-Type", typeNDJSON)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	over, reported := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(reported)
		every := time.NewTicker(ackEvery)
		defer every.Stop()
		for u.writeAck(w) {
			select {
			case <-over:
				u.writeAck(w)
				return
			case <-every.C:
			}
		}
	}()
	// Also after a panic: nobody may write once the handler is done.
	defer func() {
		close(over)
		<-reported
	}()
	u.read()
}

// writeAck writes an ack line, and tells whether that went well.
func (u *upload) writeAck(w http.ResponseWriter) bool {
	u.mu.Lock()
	line, err := json.Marshal(u.positions.Progress())
	u.mu.Unlock()
	if err != nil {
		return false
	}
	u.rc.SetWriteDeadline(time.Now().Add(ackTime))
	defer u.rc.SetWriteDeadline(time.Time{})
	if _, err = w.Write(append(line, '\n')); err == nil {
		err = u.rc.Flush()
	}
	return err == nil
}

// errTooLong is a line over maxLine.
var errTooLong = errors.New("the line is longer than 65536 bytes, the limit")

// lineReader splits what it reads into lines of up to maxLine bytes.
type lineReader struct {
	from    io.Reader
	number  int    // of the line given last, from 1
	buf     []byte // what was read and not given yet, from start on
	start   int
	ended   error
	partial *atomic.Bool // whether that ends in a line without its end
}

// next gives the next line without its end, valid until the next call. After
// errTooLong it can be called again; any other error is the end. A last line
// may lack its newline, but not where the input broke off.
func (l *lineReader) next() ([]byte, error) {
	tooLong := false
	for searched := 0; ; {
		if i := bytes.IndexByte(l.buf[l.start+searched:], '\n'); i >= 0 {
			line := l.buf[l.start : l.start+searched+i]
			l.start += searched + i + 1
			return l.line(line, tooLong)
		}
		if l.ended != nil {
			return l.last(tooLong)
		}
		if searched = len(l.buf) - l.start; searched > maxLine+len("\r") {
			tooLong, searched = true, 0
			l.start = len(l.buf)
		}
		l.fill()
	}
}

func (l *lineReader) line(line []byte, tooLong bool) ([]byte, error) {
	l.number++
	l.partial.Store(l.start < len(l.buf) && bytes.IndexByte(l.buf[l.start:], '\n') < 0)
	line = bytes.TrimSuffix(line, []byte("\r"))
	if tooLong || len(line) > maxLine {
		return nil, errTooLong
	}
	return bytes.TrimSpace(line), nil
}

// last gives what there is after the last newline.
func (l *lineReader) last(tooLong bool) ([]byte, error) {
	line := l.buf[l.start:]
	l.start = len(l.buf)
	if l.ended != io.EOF || len(line) == 0 && !tooLong {
		return nil, l.ended
	}
	return l.line(line, tooLong)
}

func (l *lineReader) fill() {
	l.buf = append(l.buf[:0], l.buf[l.start:]...)
	l.start = 0
	l.partial.Store(len(l.buf) > 0)
	n, err := l.from.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	l.ended = err
}
