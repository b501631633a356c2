package listen

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"time"

	"livemap/api/transport"
)

// A server that is being shut down drops the requests on connections that were idle so far. Few
// clients repeat a request on a connection that was new. So a port that is shut down waits for
// the first request of new connections.
const (
	firstRequestTime = 3 * time.Second // from being accepted, for a handshake and a request
	firstRequestPoll = 5 * time.Millisecond
)

type connKey struct{}

// withConn adds the connection to the context of its requests. It is an http.Server's ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	tracked := trackedOf(conn)
	if tracked != nil {
		ctx = transport.WithConn(ctx, &tracked.shared)
	}
	return context.WithValue(ctx, connKey{}, tracked)
}

// trackedOf returns the connection below TLS; nil if it is not tracked.
func trackedOf(conn net.Conn) *trackedConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	tracked, _ := conn.(*trackedConn)
	return tracked
}

// noteRequests notes which connections have requests.
func noteRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _ := r.Context().Value(connKey{}).(*trackedConn); conn != nil {
			isHTTP2 := r.ProtoMajor == 2
			conn.http2.Store(isHTTP2)
			conn.busy.Store(true)
			conn.asked.Store(true)
			conn.listener.limiter.begin(conn)
			defer conn.listener.limiter.end(conn, isHTTP2)
		}
		next.ServeHTTP(w, r)
	})
}

// awaitFirstRequests waits for the first requests of new connections, until ctx is done at most.
// Then it closes those without one: the server would wait for them much longer. The port must not
// accept any more.
func (p *httpPort) awaitFirstRequests(ctx context.Context) {
	ticker := time.NewTicker(firstRequestPoll)
	defer ticker.Stop()
	for waiting := true; waiting && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		waiting = p.accepting() || slices.ContainsFunc(p.unusedConns(), func(conn *trackedConn) bool {
			return time.Since(conn.accepted) < firstRequestTime
		})
	}
	for _, conn := range p.unusedConns() {
		conn.cut(cutShutdown)
	}
}

// accepting reports whether a listener may still return a connection. It is closed, so not for long.
func (p *httpPort) accepting() bool {
	return slices.ContainsFunc(p.listeners(), func(one net.Listener) bool {
		return one.(*trackedListener).accepting.Load() > 0
	})
}

// unusedConns returns the connections on which no request has come.
func (p *httpPort) unusedConns() (unused []*trackedConn) {
	for _, one := range p.listeners() {
		l := one.(*trackedListener)
		l.mu.Lock()
		for conn := range l.conns {
			if !conn.asked.Load() {
				unused = append(unused, conn)
			}
		}
		l.mu.Unlock()
	}
	return unused
}
