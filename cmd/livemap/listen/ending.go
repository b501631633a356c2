package listen

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
)

// ending is what is known about why a connection ends. net/http does not say which of its time
// limits ended a connection, nor that one did.
type ending struct {
	waits    atomic.Bool // a deadline for reading is set, and had not passed when it was set
	timedOut atomic.Bool // reading has met that deadline, without a request under way
	closed   atomic.Bool // the hub has closed the connection
	left     atomic.Bool // the client had closed it before, or it failed
	idle     atomic.Bool // all that came is answered; over HTTP/2, also before the first request
	busy     atomic.Bool // a request has come and is not answered to its end
	http2    atomic.Bool
	cutOnce  atomic.Bool // why it ends is counted
}

// noteRead notes what a read has returned.
func (c *trackedConn) noteRead(n int, err error) {
	switch {
	case err == nil && n > 0 && !c.http2.Load():
		c.idle.Store(false) // a request begins; over HTTP/2 it may be a PING
	case errors.Is(err, os.ErrDeadlineExceeded):
		// A body that does not come has an answer.
		c.timedOut.Store(c.waits.Load() && !c.busy.Load())
	case err != nil && !c.closed.Load():
		c.left.Store(true)
	}
}

// countCut counts why the hub ends the connection, unless that is counted already.
func (c *trackedConn) countCut(reason cutReason) {
	if c.cutOnce.CompareAndSwap(false, true) {
		c.listener.limiter.cuts.add(reason, c.RemoteAddr().String())
	}
}

// cut closes the connection and counts why.
func (c *trackedConn) cut(reason cutReason) {
	c.countCut(reason)
	c.Close()
}

// countEnd counts a connection that its server has closed without a word: a time was over. conn is
// the connection or the TLS above it. While the hub goes down, it is not of interest.
func (c *trackedConn) countEnd(conn net.Conn) {
	select {
	case <-c.listener.closing:
		return
	default:
	}
	if reason := c.endedFor(conn); reason != "" && !c.left.Load() {
		c.countCut(reason)
	}
}

// endedFor returns why the server has closed the connection; "" if it has answered. Time limits of
// HTTP/2 are none of the connection: a server that ends it while its client stays has met one.
func (c *trackedConn) endedFor(conn net.Conn) cutReason {
	timedOut := c.timedOut.Load()
	isHTTP2 := c.http2.Load()
	if secure, ok := conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		if !state.HandshakeComplete {
			if timedOut {
				return cutHandshake
			}
			return ""
		}
		isHTTP2 = state.NegotiatedProtocol == "h2"
	}
	switch asked := c.asked.Load(); {
	case asked && c.idle.Load() && (timedOut || isHTTP2):
		return cutIdle
	case timedOut, !asked && isHTTP2:
		return cutRequest
	}
	return ""
}

// idleEntry implements idleConn.
func (c *trackedConn) idleEntry() *idleEntry { return &c.entry }

// hasUnread implements idleConn.
func (c *trackedConn) hasUnread() bool {
	bytes, known := unread(c.Conn)
	return known && bytes > 0
}
