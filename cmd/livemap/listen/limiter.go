package listen

import (
	"net/netip"
	"sync"
	"time"
)

// Descriptors that connections do not get.
const (
	// ownDescriptors are for the hub itself: its ports, the log, the state that it saves, keys and
	// certificates that it reads again.
	ownDescriptors = 48
	// internalShare is the part of the rest that the public and the proxy port leave to the internal
	// one, up to maxInternalShare.
	internalShare    = 8
	maxInternalShare = 1024
)

// connLimiter bounds the TCP and Unix connections of a hub, so that descriptors are left for the
// internal port and for the state, whatever clients do. When there is no room, the connection that
// has been without a request for longest is cut. If all have requests, further clients wait in the
// system's queue.
type connLimiter struct {
	trusted []netip.Prefix // whose connections without a request are not limited for each address
	cuts    *cuts

	most, publicMost int // open connections of all ports, and of the public and the proxy port

	mu             sync.Mutex // guards what follows, and the idleEntry of connections
	open           int        // connections of all ports
	openPublic     int
	public, intern idleConns
	changed        chan struct{} // closed when there may be room; nil: nobody waits
}

// newConnLimiter shares a number of descriptors out.
func newConnLimiter(descriptors int, trusted []netip.Prefix, cuts *cuts) *connLimiter {
	most := max(descriptors-ownDescriptors, 2)
	return &connLimiter{trusted: trusted, cuts: cuts,
		most: most, publicMost: most - min(max(most/internalShare, 1), maxInternalShare)}
}

// idleOf returns the idle connections of the ports to which a connection belongs.
func (l *connLimiter) idleOf(c *trackedConn) *idleConns {
	if c.listener.internal {
		return &l.intern
	}
	return &l.public
}

// add counts a connection that was accepted, once there is room for it. It reports false if the
// listener was closed before.
func (l *connLimiter) add(c *trackedConn) bool {
	l.mu.Lock()
	for {
		over, wait, isRoom := l.makeRoom(c)
		if isRoom {
			break
		}
		if over != nil {
			l.mu.Unlock()
			over.cut(cutFull)
			l.mu.Lock()
			continue
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if !awaitRoom(changed, wait, c.listener.closing) {
			return false
		}
		l.mu.Lock()
	}
	l.open++
	if !c.listener.internal {
		l.openPublic++
		c.entry.address = limitedAddress(c.RemoteAddr(), l.trusted)
	}
	c.counted = true
	idle := l.idleOf(c)
	idle.add(c)
	over := idle.takeOver(c.entry.address)
	l.mu.Unlock()
	cutAll(over, cutAddress)
	return true
}

// makeRoom reports whether there is room for a connection, or returns one that must be cut for it.
// Without either it returns how long it will be until there may be one; 0 if that is not known.
func (l *connLimiter) makeRoom(c *trackedConn) (over *trackedConn, wait time.Duration, isRoom bool) {
	from := []*idleConns{&l.public}
	if c.listener.internal {
		from = append(from, &l.intern)
	}
	full := l.open >= l.most || !c.listener.internal && l.openPublic >= l.publicMost
	if !full {
		from = []*idleConns{l.idleOf(c)}
		if from[0].all.Len() < maxIdleTCP {
			return nil, 0, true
		}
	}
	for _, idle := range from {
		longest, until := idle.takeLongest(&idle.all)
		if longest != nil {
			return longest.(*trackedConn), 0, false
		}
		if wait == 0 || until > 0 && until < wait {
			wait = until
		}
	}
	return nil, wait, false
}

// awaitRoom waits until something has changed or a time is over; 0 is no time. It reports false if
// the listener is closed before.
func awaitRoom(changed <-chan struct{}, wait time.Duration, closing <-chan struct{}) bool {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-changed:
	case <-over:
	case <-closing:
		return false
	}
	return true
}

// wakeLocked lets those look again that wait for room.
func (l *connLimiter) wakeLocked() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// remove forgets a connection that is closed.
func (l *connLimiter) remove(c *trackedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.counted {
		return
	}
	c.counted = false
	l.idleOf(c).remove(c)
	l.open--
	if !c.listener.internal {
		l.openPublic--
	}
	l.wakeLocked()
}

// begin notes that a request on a connection has begun.
func (l *connLimiter) begin(c *trackedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.entry.requests++
	l.idleOf(c).remove(c)
	l.wakeLocked()
}

// end notes that the handler of a request has returned. Over HTTP/2 the connection is idle then, if
// it was the last. Over HTTP/1.1 the answer may not be written yet, and idle follows.
func (l *connLimiter) end(c *trackedConn, http2 bool) {
	l.mu.Lock()
	c.entry.requests--
	l.mu.Unlock()
	if http2 {
		l.idle(c)
	}
}

// idle notes that all that was asked on a connection is answered.
func (l *connLimiter) idle(c *trackedConn) {
	l.mu.Lock()
	var over []idleConn
	if c.counted && c.entry.requests == 0 {
		idle := l.idleOf(c)
		idle.add(c)
		over = idle.takeOver(c.entry.address)
		l.wakeLocked()
	}
	l.mu.Unlock()
	cutAll(over, cutAddress)
}

// sweep cuts the connections that are over the limit of an address by now.
func (l *connLimiter) sweep() {
	l.mu.Lock()
	over := l.public.takeAllOver()
	l.mu.Unlock()
	cutAll(over, cutAddress)
}

func cutAll(conns []idleConn, reason cutReason) {
	for _, conn := range conns {
		conn.(*trackedConn).cut(reason)
	}
}
