package listen

import (
	"errors"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A peer that is gone without a word is noticed by what was sent and is not
// acknowledged. TCP itself would try for a quarter of an hour, and its user
// timeout (RFC 5482) will not do: Linux also counts the time in which a living
// but slow reader has no room, and would cut it off.
const (
	peerSilence       = 30 * time.Second // without an acknowledgement of what was sent
	peerCheckInterval = 5 * time.Second
)

// trackedListener closes connections whose peer is gone.
type trackedListener struct {
	net.Listener
	quit chan struct{}

	mu     sync.Mutex // guards what follows
	conns  map[*trackedConn]struct{}
	closed bool
}

// track watches the connections of a listener, until it and they are closed.
func track(listener net.Listener) *trackedListener {
	l := &trackedListener{Listener: listener, quit: make(chan struct{}), conns: map[*trackedConn]struct{}{}}
	go l.checkPeers()
	return l
}

// Accept implements net.Listener.
func (l *trackedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	watched := &trackedConn{Conn: conn, listener: l, accepted: time.Now(), waiting: func() (int, bool) { return unsent(conn) }}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[watched] = struct{}{}
	return watched, nil
}

// Close implements net.Listener.
func (l *trackedListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.quitIfDone()
	return l.Listener.Close()
}

// closeAll closes the connections that are left.
func (l *trackedListener) closeAll() {
	l.mu.Lock()
	left := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, conn := range left {
		conn.Close()
	}
}

// quitIfDone ends the watch when there is nothing left to watch. mu is held.
func (l *trackedListener) quitIfDone() {
	if !l.closed || len(l.conns) > 0 {
		return
	}
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
}

func (l *trackedListener) checkPeers() {
	ticker := time.NewTicker(peerCheckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-ticker.C:
			for _, conn := range l.deadPeers() {
				conn.hangUp()
			}
		}
	}
}

func (l *trackedListener) deadPeers() (gone []*trackedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		if tcp, ok := conn.Conn.(*net.TCPConn); ok && peerIsGone(tcp, peerSilence) {
			gone = append(gone, conn)
		}
	}
	return gone
}

// trackedConn is a connection that tells its listener when it is closed, and
// that does not take a slow reader for one that does not read.
//
// The system lets a writer go on when a good part of the send buffer is free
// again, not when 16 KiB are: a reader may take many times that before the
// deadline of a write and the write still time out. So the deadline is cut in
// slices, and put off when minTaken was taken between the first and the last.
type trackedConn struct {
	net.Conn
	listener *trackedListener
	waiting  func() (bytes int, known bool) // written, and not taken yet

	accepted time.Time
	asked    atomic.Bool // a request has come

	hungUp bool // by hangUp, of which the listener has one at a time

	slice atomic.Int64                  // of the time that the deadline gives, nanoseconds; 0: no deadline
	slot  atomic.Pointer[chan struct{}] // it holds in a admission; nil: none
}

const (
	deadlineSlices = 4
	minTaken       = 16 << 10 * (deadlineSlices - 1) / deadlineSlices // bytes taken between the first and the last slice
	minSlice       = time.Millisecond                                 // slice; deadlines in the past are not cut
)

// SetWriteDeadline implements net.Conn.
func (c *trackedConn) SetWriteDeadline(t time.Time) error {
	slice := time.Until(t) / deadlineSlices
	if t.IsZero() || slice < minSlice {
		slice = 0
	} else {
		t = time.Now().Add(slice)
	}
	c.slice.Store(int64(slice))
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *trackedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.Conn.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Write implements net.Conn.
func (c *trackedConn) Write(p []byte) (n int, err error) {
	first, over := 0, 1 // slices that are over, and the bytes that waited when the first was
	for {
		m, err := c.Conn.Write(p[n:])
		n += m
		slice := time.Duration(c.slice.Load())
		if slice == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		waiting, known := c.waiting()
		taken := first + n - waiting
		switch {
		case !known:
			first = 0
		case over == 1, over == deadlineSlices && taken >= minTaken:
			first, over = waiting-n, 1
		}
		if over == deadlineSlices {
			return n, err
		}
		over++
		if err := c.Conn.SetWriteDeadline(time.Now().Add(slice)); err != nil {
			return n, err
		}
		if c.slice.Load() != int64(slice) { // somebody else ends the write just now
			return n, os.ErrDeadlineExceeded
		}
	}
}

// SyscallConn implements syscall.Conn, for writing without waiting.
func (c *trackedConn) SyscallConn() (syscall.RawConn, error) {
	if conn, ok := c.Conn.(syscall.Conn); ok {
		return conn.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// hangUp ends a connection whose peer is gone. Closing it would tell nobody who
// waits for its socket by a poll of his own, as a stream that was taken over does:
// so it looks as if the peer had closed it. Who does not close it then, has it
// closed the next time.
func (c *trackedConn) hangUp() {
	if !c.hungUp {
		c.hungUp = true
		if shutDown(c) == nil {
			return
		}
	}
	c.Close()
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.quitIfDone()
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
