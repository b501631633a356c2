package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	maxUploads = 1000            // under way of one publisher; each holds 0.1 MB
	maxLine    = 64 << 10        // bytes
	uploadIdle = 5 * time.Minute // without a byte; a blank line is enough
	lineGrace  = 2 * time.Second // to finish a line when the hub drains
	ackEvery   = time.Second
)

// receiveLines publishes each line of an upload as it arrives. It does not publish a line that the
// connection broke off in.
func (a *API) receiveLines(
	w http.ResponseWriter, r *http.Request, positions *ingest.Writer,
) (*problem.Ack, error) {
	release, err := a.acquireUpload(r)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := a.limitRate(r, positions); err != nil {
		return nil, err
	}
	u := &upload{rc: http.NewResponseController(w), body: r.Body, positions: positions, isShort: a.isShort}
	u.stopping, u.endsNow = context.WithCancelCause(r.Context())
	defer u.close()
	// On HTTP/1.1 an answer would wait for the end of the body. HTTP/2 and HTTP/3 do not support
	// the call, and do not need it.
	if err := u.rc.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	defer context.AfterFunc(a.draining, func() { u.stop(stream.Draining) })()
	if ends := endOf(r); !ends.IsZero() {
		go u.endAt(ends, a.Clock, a.revokedOf(r))
	}
	// On HTTP/1.1 the server would read the rest of an unfinished upload as the next request. Acks
	// during the upload need the header before it ends.
	hangUp := func() {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
	}
	if strings.Contains(r.Header.Get("Accept"), typeNDJSON) {
		askForBody(w, r)
		hangUp()
		u.readWithAcks(w)
		return nil, nil
	}
	if whole := u.read(); !whole {
		hangUp()
	}
	return positions.Ack()
}

// askForBody answers Expect: 100-continue. The server does so at the first read of the body, but not once
// an ack was written, which may come first. curl would wait for it as long as acks come.
func askForBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		w.WriteHeader(http.StatusContinue)
	}
}

// clockPoll is how often an upload that ends at a time of day looks at the clock, which may be set, and
// whether its token was revoked.
const clockPoll = 500 * time.Millisecond

// upload is an NDJSON upload.
type upload struct {
	rc   *http.ResponseController
	body io.Reader

	isShort func() bool // memory is short

	mu        sync.Mutex // guards positions, which writeAck reads meanwhile
	positions *ingest.Writer

	partial  atomic.Bool // a line has begun and not ended
	deadline sync.Mutex  // guards closed, and holds close up while stop sets a deadline
	closed   bool

	stopping context.Context // done when the upload must end; an endReason is its cause where the hub ends it
	endsNow  context.CancelCauseFunc
}

// endReason is why the hub ends an upload: it drains, or the upload's token expired or was revoked.
type endReason stream.Reason

// Error implements error.
func (e endReason) Error() string { return string(e) }

// read publishes lines until the upload ends, and reports whether it read the whole body.
func (u *upload) read() (whole bool) {
	defer u.flush()
	buf := make([]byte, 0, len(byteOrderMark)+maxLine+len("\r\n"))
	lines := &lineReader{from: u, buf: buf, partial: &u.partial}
	for {
		line, err := lines.next()
		if err != nil && !errors.Is(err, errTooLong) {
			if err != io.EOF {
				u.noteEnd()
			}
			return err == io.EOF
		}
		u.publishLine(lines.number, line, err)
		if u.noteUnconfirmed() || !u.partial.Load() && u.noteEnd() {
			return false
		}
	}
}

// noteEnd notes in the ack why the hub ends the upload, and reports whether it does. Without the note the
// publisher would believe that the hub read everything.
func (u *upload) noteEnd() bool {
	why, is := errors.AsType[endReason](context.Cause(u.stopping))
	if is {
		u.mu.Lock()
		u.positions.End(string(why))
		u.mu.Unlock()
	}
	return is
}

// noteUnconfirmed notes in the ack that lines are in doubt, and reports whether there are.
func (u *upload) noteUnconfirmed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.positions.Unconfirmed() == nil {
		return false
	}
	u.positions.End("unavailable")
	return true
}

// publishLine publishes a line, at the latest before the next read.
func (u *upload) publishLine(number int, line []byte, err error) {
	if err == nil && len(line) == 0 {
		return // a blank line keeps the upload alive
	}
	var p geo.Position
	if err == nil {
		p, err = geo.ParsePosition(line)
		if refusal, is := errors.AsType[*geo.Refusal](err); is && refusal.Joined {
			refusal.Detail += joinedHint
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.positions.Reject(number, err)
	} else {
		u.positions.Add(number, &p)
	}
}

// flush publishes the lines that are not published yet.
func (u *upload) flush() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.positions.Flush()
}

// Read reads from the body, which may be idle for uploadIdle. It may wait, and therefore publishes
// earlier lines first.
func (u *upload) Read(p []byte) (int, error) {
	u.flush()
	u.positions.Rate.Wait(u.stopping)
	u.waitForMemory()
	if !u.stopped() {
		if err := u.rc.SetReadDeadline(time.Now().Add(uploadIdle)); err != nil {
			return 0, err
		}
		if u.stopped() { // stop came in between, and its deadline counts
			u.shortenDeadline()
		}
	}
	n, err := u.body.Read(p)
	u.positions.Rate.Renew()
	return n, err
}

// shortPoll is how often an upload looks whether there is memory again.
const shortPoll = 100 * time.Millisecond

// waitForMemory waits while memory is short, unless the upload must end.
func (u *upload) waitForMemory() {
	for u.isShort() {
		select {
		case <-u.stopping.Done():
			return
		case <-time.After(shortPoll):
		}
	}
}

func (u *upload) stopped() bool { return u.stopping.Err() != nil }

// stop ends the upload at the end of a line.
func (u *upload) stop(why stream.Reason) {
	u.endsNow(endReason(why))
	u.shortenDeadline()
}

// endAt ends the upload at a time of day, or when its token is revoked; revoked may be nil. It returns when
// the upload has ended.
func (u *upload) endAt(ends time.Time, clock func() time.Time, revoked func() bool) {
	ticker := time.NewTicker(clockPoll)
	defer ticker.Stop()
	for left := ends.Sub(clock()); left > 0; left = ends.Sub(clock()) {
		if revoked != nil && revoked() {
			break
		}
		ticker.Reset(min(left, clockPoll))
		select {
		case <-u.stopping.Done():
			return
		case <-ticker.C:
		}
	}
	u.stop(stream.Outdated)
}

// close ends what stop does. Over HTTP/2 it would panic once the handler has returned.
func (u *upload) close() {
	u.endsNow(nil)
	u.deadline.Lock()
	defer u.deadline.Unlock()
	u.closed = true
}

// shortenDeadline ends the wait for further lines, and leaves lineGrace for the end of one.
func (u *upload) shortenDeadline() {
	u.deadline.Lock()
	defer u.deadline.Unlock()
	if u.closed {
		return
	}
	deadline := time.Now()
	if u.partial.Load() {
		deadline = deadline.Add(lineGrace)
	}
	u.rc.SetReadDeadline(deadline)
}

// readWithAcks reads the upload and writes an ack every second.
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
	// Also after a panic: nothing may write once the handler has returned.
	defer func() {
		close(over)
		<-reported
	}()
	u.read()
}

// writeAck writes an ack line, and reports whether it could.
func (u *upload) writeAck(w http.ResponseWriter) bool {
	u.mu.Lock()
	line, err := json.Marshal(u.positions.Progress())
	u.mu.Unlock()
	if err != nil {
		return false
	}
	if _, err = w.Write(append(geo.EscapeLineBreaks(line), '\n')); err == nil {
		err = u.rc.Flush()
	}
	return err == nil
}

// errTooLong rejects a line longer than maxLine.
var errTooLong = errors.New("the line is longer than 65536 bytes, the limit")

// errOneLine is errTooLong for a body that has no other line.
var errOneLine = fmt.Errorf("%w%s", errTooLong, joinedHint)

// joinedHint helps a publisher whose lines arrived as one.
const joinedHint = "; each position needs a line of its own: " +
	"curl -d removes line breaks, --data-binary keeps them"

// byteOrderMark is U+FEFF in UTF-8, which some editors write at the start of a file.
const byteOrderMark = "\ufeff"

// lineReader splits what it reads into lines of up to maxLine bytes.
type lineReader struct {
	from    io.Reader
	number  int    // of the line returned last, from 1
	buf     []byte // what was read and not returned yet, from start on
	start   int
	ended   error
	partial *atomic.Bool // buf ends in a line without its end
}

// next returns the next line without its end, valid until the next call. After errTooLong it can be
// called again; any other error is the end. A last line may lack its newline, but not where the input
// broke off.
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
		if searched = len(l.buf) - l.start; searched > len(byteOrderMark)+maxLine+len("\r") {
			tooLong, searched = true, 0
			l.start = len(l.buf)
		}
		l.fill()
	}
}

func (l *lineReader) line(line []byte, tooLong bool) ([]byte, error) {
	l.number++
	l.partial.Store(l.start < len(l.buf) && bytes.IndexByte(l.buf[l.start:], '\n') < 0)
	if l.number == 1 {
		line = bytes.TrimPrefix(line, []byte(byteOrderMark))
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if tooLong || len(line) > maxLine {
		return nil, errTooLong
	}
	return bytes.TrimSpace(line), nil
}

// last returns what follows the last newline.
func (l *lineReader) last(tooLong bool) ([]byte, error) {
	line := l.buf[l.start:]
	l.start = len(l.buf)
	if l.ended != io.EOF || len(line) == 0 && !tooLong {
		return nil, l.ended
	}
	text, err := l.line(line, tooLong)
	if err != nil && l.number == 1 {
		err = errOneLine
	}
	return text, err
}

func (l *lineReader) fill() {
	l.buf = append(l.buf[:0], l.buf[l.start:]...)
	l.start = 0
	l.partial.Store(len(l.buf) > 0)
	n, err := l.from.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	l.ended = err
}
