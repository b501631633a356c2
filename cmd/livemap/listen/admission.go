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
	admissionSlots = 256                  // connections that may be about to begin at once
	admissionQueue = 2048                 // connections that wait for a place, beside those that the system keeps
	slotWait       = time.Millisecond     // for a place; slow clients must not keep others out
	acceptRetry    = 5 * time.Millisecond // after accepting failed, as it does without file descriptors
)

// admission lets connections in some at a time. When all clients come back at
// once, each would else hold the stack and the buffers of a request that has
// begun, ten times what its stream needs, until all have begun.
type admission struct {
	net.Listener
	log     *slog.Logger
	waiting chan arrival
	inside  chan struct{}
}

type arrival struct {
	conn net.Conn
	err  error
}

// admit puts an admission before a listener, until that is closed.
func admit(l net.Listener, log *slog.Logger) *admission {
	a := &admission{l, log, make(chan arrival, admissionQueue), make(chan struct{}, admissionSlots)}
	go a.acceptAll()
	return a
}

// acceptAll takes connections from the system, which drops those it has no room for.
func (a *admission) acceptAll() {
	defer close(a.waiting)
	for failing := false; ; {
		conn, err := a.Listener.Accept()
		if !isTemporary(err) {
			failing = false
			a.waiting <- arrival{conn, err}
			if err != nil {
				return
			}
			continue
		}
		if !failing {
			a.log.Warn("cannot accept connections", "error", cause(err))
		}
		failing = true
		time.Sleep(acceptRetry)
	}
}

// isTemporary tells whether accepting failed for a reason that may pass: there were no
// file descriptors, for one. A server that was told so would pause for up to a
// second each time, and let nobody in for as long as there is such news in line.
func isTemporary(err error) bool {
	for _, reason := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// Accept implements net.Listener.
func (a *admission) Accept() (net.Conn, error) {
	next, more := <-a.waiting
	if !more {
		return nil, net.ErrClosed
	}
	if conn, ok := next.conn.(*trackedConn); ok && a.enter() {
		conn.slot.Store(&a.inside)
	}
	return next.conn, next.err
}

// enter takes a place, if there is one soon.
func (a *admission) enter() bool {
	select {
	case a.inside <- struct{}{}:
		return true
	default:
	}
	select {
	case a.inside <- struct{}{}:
		return true
	case <-time.After(slotWait):
		return false
	}
}

// releaseSlot gives the place of a connection back once its first request has been
// answered or its stream taken over, its HTTP/2 begun, or it was closed. It is an
// http.Server's ConnState.
func releaseSlot(conn net.Conn, state http.ConnState) {
	if state == http.StateNew || state == http.StateActive {
		return
	}
	if watched := trackedOf(conn); watched != nil {
		if inside := watched.slot.Swap(nil); inside != nil {
			<-*inside
		}
	}
}
