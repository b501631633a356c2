package main

import (
	"net"
	"sync"
	"time"
)

// A peer that is gone without a word is noticed by what was sent and is not
// acknowledged. TCP itself would try for a quarter of an hour, and its user
// timeout (RFC 5482) will not do: Linux also counts the time in which a living
// but slow reader has no room, and would cut it off.
const (
	silentPeer = 30 * time.Second // without an acknowledgement of what was sent
	watchEvery = 5 * time.Second
)

// watchedListener closes connections whose peer is gone.
type watchedListener struct {
	net.Listener
	quit chan struct{}

	mu     sync.Mutex // guards what follows
	conns  map[*watchedConn]struct{}
	closed bool
}

// watch watches the connections of a listener, until it and they are closed.
func watch(listener net.Listener) *watchedListener {
	l := &watchedListener{Listener: listener, quit: make(chan struct{}), conns: map[*watchedConn]struct{}{}}
	go l.look()
	return l
}

// Accept implements net.Listener.
func (l *watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	watched := &watchedConn{Conn: conn, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[watched] = struct{}{}
	return watched, nil
}

// Close implements net.Listener.
func (l *watchedListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.quitIfOver()
	return l.Listener.Close()
}

// quitIfOver ends the watch when there is nothing left to watch. mu is held.
func (l *watchedListener) quitIfOver() {
	if !l.closed || len(l.conns) > 0 {
		return
	}
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
}

func (l *watchedListener) look() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-ticker.C:
			for _, conn := range l.gone() {
				conn.Close()
			}
		}
	}
}

func (l *watchedListener) gone() (gone []*watchedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		if tcp, ok := conn.Conn.(*net.TCPConn); ok && peerIsGone(tcp, silentPeer) {
			gone = append(gone, conn)
		}
	}
	return gone
}

// watchedConn is a connection that tells its listener when it is closed.
type watchedConn struct {
	net.Conn
	listener *watchedListener
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.quitIfOver()
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
