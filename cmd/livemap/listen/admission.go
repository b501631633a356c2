package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	places    = 256                  // connections that may be about to begin at once
	queue     = 2048                 // connections that wait for a place, beside those that the system keeps
	placeWait = time.Millisecond     // for a place; slow clients must not keep others out
	acceptGap = 5 * time.Millisecond // after accepting failed, as it does without file descriptors
)

// turnstile lets connections in some at a time. When all clients come back at
// once, each would else hold the stack and the buffers of a request that has
// begun, ten times what its stream needs, until all have begun.
type turnstile struct {
	net.Listener
	log     *slog.Logger
	waiting chan arrival
	inside  chan struct{}
}

type arrival struct {
	conn net.Conn
	err  error
}

// letIn puts a turnstile before a listener, until that is closed.
func letIn(l net.Listener, log *slog.Logger) *turnstile {
	t := &turnstile{l, log, make(chan arrival, queue), make(chan struct{}, places)}
	go t.line()
	return t
}

// line takes connections from the system, which drops those it has no room for.
func (t *turnstile) line() {
	defer close(t.waiting)
	for failing := false; ; {
		conn, err := t.Listener.Accept()
		if !passes(err) {
			failing = false
			t.waiting <- arrival{conn, err}
			if err != nil {
				return
			}
			continue
		}
		if !failing {
			t.log.Warn("cannot accept connections", "error", cause(err))
		}
		failing = true
		time.Sleep(acceptGap)
	}
}

// passes tells whether accepting failed for a reason that may pass: there were no
// file descriptors, for one. A server that was told so would pause for up to a
// second each time, and let nobody in for as long as there is such news in line.
func passes(err error) bool {
	for _, reason := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// Accept implements net.Listener.
func (t *turnstile) Accept() (net.Conn, error) {
	next, more := <-t.waiting
	if !more {
		return nil, net.ErrClosed
	}
	if conn, ok := next.conn.(*watchedConn); ok && t.enter() {
		conn.place.Store(&t.inside)
	}
	return next.conn, next.err
}

// enter takes a place, if there is one soon.
func (t *turnstile) enter() bool {
	select {
	case t.inside <- struct{}{}:
		return true
	default:
	}
	select {
	case t.inside <- struct{}{}:
		return true
	case <-time.After(placeWait):
		return false
	}
}

// settled gives the place of a connection back once its first request has been
// answered or its stream taken over, its HTTP/2 begun, or it was closed. It is an
// http.Server's ConnState.
func settled(conn net.Conn, state http.ConnState) {
	if state == http.StateNew || state == http.StateActive {
		return
	}
	if watched := watchedOf(conn); watched != nil {
		if inside := watched.place.Swap(nil); inside != nil {
			<-*inside
		}
	}
}
