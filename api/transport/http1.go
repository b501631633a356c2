package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// socket is an HTTP/1.1 stream whose connection was taken over from net/http. The goroutine that
// has something to write calls write(2) itself, and does not wait.
type socket struct {
	conn    net.Conn
	raw     syscall.RawConn
	timeout WriteTimeout
	chunked bool                  // false: the body ends with the connection (HTTP/1.0)
	attempt func(fd uintptr) bool // tries to write what is pending
	hangups *Hangups
	mu      sync.Mutex // guards id
	id      uint64     // in hangups; 0: none
	sends   bool       // the client sends more than its request; the goroutine of hangups owns it

	pending Pending
	err     error // of the last attempt
}

// HTTP1 writes the header of an HTTP/1.1 stream and takes its connection over from net/http (RFC
// 9112). It returns nil where it cannot, as over TLS. hangups reports clients that disconnect.
func HTTP1(w http.ResponseWriter, r *http.Request, hangups *Hangups, timeout WriteTimeout) Connection {
	if r.TLS != nil {
		return nil
	}
	rc := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return nil
	}
	conn, _, err := rc.Hijack()
	if err != nil {
		return nil
	}
	s := &socket{conn: conn, timeout: timeout, hangups: hangups, chunked: r.ProtoAtLeast(1, 1)}
	s.attempt = s.try
	if wire, ok := conn.(syscall.Conn); ok && writesNow {
		s.raw, _ = wire.SyscallConn()
	}
	return s
}

// Write implements stream.Outlet.
func (s *socket) Write(p []byte) (waits bool, err error) {
	s.pending.Rest = s.appendChunk(s.pending.Begin(), p)
	s.err = nil
	if s.raw == nil {
		return true, nil
	}
	if err := s.raw.Write(s.attempt); err != nil {
		s.err = err
	}
	if len(s.pending.Rest) == 0 || s.err != nil {
		s.pending.Drop()
		return false, gone(s.err)
	}
	return true, nil
}

// try writes what the system accepts without waiting.
func (s *socket) try(fd uintptr) bool {
	for {
		n, err := writeNow(int(fd), s.pending.Rest)
		switch {
		case err == syscall.EINTR:
			continue
		case err == nil:
			s.pending.Rest = s.pending.Rest[n:]
		case err != syscall.EAGAIN:
			s.err = err
		}
		return true
	}
}

// Wait implements stream.Outlet.
func (s *socket) Wait() error {
	defer s.pending.Drop()
	if err := s.pending.Deliver(s.conn, s.timeout, 0); err != nil {
		return gone(err)
	}
	return s.conn.SetWriteDeadline(time.Time{})
}

// appendChunk appends p as a chunk of the body (RFC 9112, section 7.1).
func (s *socket) appendChunk(dst, p []byte) []byte {
	if !s.chunked {
		return append(dst, p...)
	}
	dst = strconv.AppendUint(dst, uint64(len(p)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, p...)
	return append(dst, "\r\n"...)
}

// OnGone implements Connection. No client should send anything after its request. For one that
// does, a goroutine reads from then on.
func (s *socket) OnGone(left, halfClosed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw != nil {
		id, err := s.hangups.add(s.raw, func(what hangup) {
			switch {
			case what == hungUp:
				left()
			case what == halfHungUp:
				halfClosed()
			case !s.sends:
				s.sends = true
				go s.discard()
			}
		})
		if err == nil {
			s.id = id
			return
		}
	}
	go func() {
		if s.discard() == io.EOF {
			halfClosed()
		} else {
			left()
		}
	}()
}

// discard reads what the client sends until it sends no more, and returns the error of reading.
func (s *socket) discard() error {
	var nothing [1024]byte
	for {
		if _, err := s.conn.Read(nothing[:]); err != nil {
			return err
		}
	}
}

// Close implements Connection.
func (s *socket) Close(cut bool) {
	if !cut && s.chunked {
		s.writeEnd()
	}
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != 0 {
		s.hangups.remove(s.id)
	}
}

// writeEnd writes the end of the body. Where the system cannot write without waiting, it waits at most
// byeTime. The reader has just taken `bye`, so there is room for the end too.
func (s *socket) writeEnd() {
	const end = "0\r\n\r\n"
	if s.raw != nil {
		// No deadline: it may pass before the write begins.
		s.pending.Rest = []byte(end)
		s.raw.Write(s.attempt)
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(byeTime))
	io.WriteString(s.conn, end)
}

// gone marks the errors of a disconnected client as ErrGone.
func gone(err error) error {
	if slices.ContainsFunc(goneErrors, func(one error) bool { return errors.Is(err, one) }) {
		return errors.Join(ErrGone, err)
	}
	return err
}
