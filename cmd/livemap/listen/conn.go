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

	"livemap/api/transport"
)

// A peer that vanished does not acknowledge what was sent to it. TCP itself would try for a
// quarter of an hour. Its user timeout (RFC 5482) is no help: on Linux it also counts the time
// in which a slow reader has no room, and would cut a living reader off.
const (
	peerSilence       = 30 * time.Second // without an acknowledgement, after which a peer is gone
	peerCheckInterval = 5 * time.Second
)

// trackedListener knows its open connections, and closes those whose peer is gone.
type trackedListener struct {
	net.Listener
	limiter  *connLimiter
	internal bool          // of the internal port
	closing  chan struct{} // closed with the listener
	quit     chan struct{} // closed when its connections are closed too

	accepting atomic.Int32 // calls of Accept under way: one may have a connection that is not in conns yet

	mu     sync.Mutex // guards what follows
	conns  map[*trackedConn]struct{}
	closed bool
	stall  time.Duration // longest write without a deadline; 0: any time
}

// track tracks the connections of a listener, until it and they are closed.
func track(listener net.Listener, internal bool, limiter *connLimiter) *trackedListener {
	l := &trackedListener{Listener: listener, limiter: limiter, internal: internal,
		closing: make(chan struct{}), quit: make(chan struct{}), conns: map[*trackedConn]struct{}{}}
	go l.checkPeers()
	return l
}

// Accept implements net.Listener.
func (l *trackedListener) Accept() (net.Conn, error) {
	l.accepting.Add(1)
	defer l.accepting.Add(-1)
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: conn, listener: l, accepted: time.Now()}
	tracked.waiting = func() (int, bool) { return unsent(conn) }
	tracked.shared.Taken = tracked.taken
	if !l.limiter.add(tracked) {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[tracked] = struct{}{}
	return tracked, nil
}

// Close implements net.Listener.
func (l *trackedListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.closing)
	}
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

// quitIfDone ends checkPeers when there is nothing left to check. The caller holds mu.
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

// checkPeers hangs up on peers that are gone, until quit is closed.
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
			for _, conn := range l.stuckConns() {
				conn.Close()
			}
			l.limiter.sweep()
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

// limitWrites closes connections on which a write without a deadline takes longer than stall. The writes
// of HTTP/2 have none, nor have answers that net/http makes itself. It is noticed at a check.
func (l *trackedListener) limitWrites(stall time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stall = stall
}

func (l *trackedListener) stuckConns() (stuck []*trackedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		if l.stall > 0 && conn.isStuck(time.Now(), l.stall) {
			stuck = append(stuck, conn)
		}
	}
	return stuck
}

// trackedConn is a connection that its listener knows. Its write deadline
// distinguishes a slow reader from one that does not read.
//
// The system wakes a writer when a large part of the send buffer is free, not when 16 KiB are. A
// reader may take many times 16 KiB before a deadline, and the write would time out all the same.
// So the time until the deadline is cut into slices. The deadline is extended if the reader took
// minTaken bytes between the first slice and the last.
type trackedConn struct {
	net.Conn
	listener *trackedListener
	waiting  func() (bytes int, known bool) // bytes written that the reader has not taken yet

	accepted time.Time
	asked    atomic.Bool // whether a request has come

	entry   idleEntry // of the limiter, which guards it
	counted bool      // by the limiter, which guards it

	ending // what is known about why it ends

	hungUp bool // only checkPeers uses it, as what follows
	write  uint64
	since  time.Time // when write was first seen

	writes atomic.Uint64 // without a deadline, begun and ended: odd while one is under way

	shared  transport.Conn // as HTTP/2 streams see it
	written atomic.Int64   // bytes

	slice atomic.Int64                  // part of the time until the deadline, nanoseconds; 0: no deadline
	slot  atomic.Pointer[chan struct{}] // of the admission; nil: none
}

const (
	deadlineSlices = 4
	// minTaken is in bytes, between the first slice and the last.
	minTaken = 16 << 10 * (deadlineSlices - 1) / deadlineSlices
	// minSlice is the shortest slice. Deadlines that are closer, or past, are not cut.
	minSlice = time.Millisecond
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
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Write implements net.Conn. In a handshake, the client's time for its next message begins with what
// the hub has written: the hub may have been late with it.
func (c *trackedConn) Write(p []byte) (n int, err error) {
	if c.waits.Load() && !c.asked.Load() {
		defer c.Conn.SetReadDeadline(time.Now().Add(headerTimeout))
	}
	if c.slice.Load() == 0 {
		c.writes.Add(1)
		defer c.writes.Add(1)
	}
	first, over := 0, 1 // bytes that waited when the first slice was over, and the slices that are over
	for {
		m, err := c.Conn.Write(p[n:])
		n += m
		c.written.Add(int64(m))
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
		if c.slice.Load() != int64(slice) { // another goroutine has just ended the write
			return n, os.ErrDeadlineExceeded
		}
	}
}

// taken returns how many bytes the peer has taken, 0 if the system does not know.
func (c *trackedConn) taken() int64 {
	waiting, known := c.waiting()
	if !known {
		return 0
	}
	return c.written.Load() - int64(waiting)
}

// SetReadDeadline implements net.Conn.
func (c *trackedConn) SetReadDeadline(t time.Time) error {
	c.waits.Store(t.After(time.Now()))
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn. If the client's bytes were there before the deadline, the hub is late,
// not the client: they are read all the same.
func (c *trackedConn) Read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && c.waits.Load() {
		if late, isThere := readNow(c.Conn, p); isThere {
			n, err = late, nil
		}
	}
	c.noteRead(n, err)
	return n, err
}

// isStuck reports whether a write without a deadline has been under way for a time.
func (c *trackedConn) isStuck(now time.Time, stall time.Duration) bool {
	write := c.writes.Load()
	if write%2 == 0 || write != c.write {
		c.write, c.since = write, now
		return false
	}
	return now.Sub(c.since) >= stall
}

// SyscallConn implements syscall.Conn, for writes that do not block.
func (c *trackedConn) SyscallConn() (syscall.RawConn, error) {
	if conn, ok := c.Conn.(syscall.Conn); ok {
		return conn.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// hangUp ends a connection whose peer is gone. A stream that was taken over polls the socket by
// itself and would not notice a close. So the first call makes it look as if the peer had closed
// it, and the next call closes it.
func (c *trackedConn) hangUp() {
	if !c.hungUp {
		c.hungUp = true
		c.countCut(cutGone)
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
	c.closed.Store(true)
	err := c.Conn.Close()
	c.listener.limiter.remove(c) // now that there is a descriptor more
	return err
}
