package listen

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"
)

const (
	admissionSlots = 256                  // connections that may be in their first request at once
	admissionQueue = maxIdleTCP           // connections that wait for a slot; the system would drop some
	slotWait       = time.Millisecond     // longest wait for a slot; slow clients must not keep others out
	acceptRetry    = 5 * time.Millisecond // pause after a failure to accept
)

// admission is a listener that lets connections in a few at a time. A request that begins needs
// ten times the memory of its stream, for stacks and buffers. Without admission, all clients that
// come back at once would hold that memory together.
type admission struct {
	net.Listener
	log     *slog.Logger
	waiting chan arrival
	inside  chan struct{} // one element for each slot that is taken
}

// arrival is what a listener's Accept returned.
type arrival struct {
	conn net.Conn
	err  error
}

// admit puts an admission in front of a listener. It ends when the listener is closed.
func admit(l net.Listener, log *slog.Logger) *admission {
	a := &admission{l, log, make(chan arrival, admissionQueue), make(chan struct{}, admissionSlots)}
	go a.acceptAll()
	return a
}

// acceptAll accepts connections as they come: the system drops those that it has no room for.
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

// isTemporary reports whether accepting failed for a reason that may pass, such as a lack of
// file descriptors. An http.Server that gets such an error pauses for up to a second, each time.
func isTemporary(err error) bool {
	return slices.ContainsFunc(temporaryErrors, func(reason error) bool { return errors.Is(err, reason) })
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

// enter takes a slot. It reports false if none becomes free soon.
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

// connState frees a connection's slot when its first request was answered, its stream was taken
// over, its HTTP/2 began or it was closed. It notes which connections are idle, and why one ends. It
// is an http.Server's ConnState.
func connState(conn net.Conn, state http.ConnState) {
	tracked := trackedOf(conn)
	if tracked == nil || state == http.StateNew {
		return
	}
	tracked.idle.Store(state == http.StateIdle || state == http.StateClosed && tracked.idle.Load())
	switch state {
	case http.StateActive:
		return
	case http.StateIdle:
		tracked.busy.Store(false)
		if !tracked.asked.Load() {
			tracked.http2.Store(true) // without a request, HTTP/1.1 is not idle
		}
		tracked.listener.limiter.idle(tracked)
	case http.StateClosed:
		tracked.countEnd(conn)
	}
	if inside := tracked.slot.Swap(nil); inside != nil {
		<-*inside
	}
}
