package listen

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"time"
)

// A newcomer is a connection that has not asked for anything yet. What it asks of a
// server that is being shut down is dropped, and few clients ask again on their own whose
// connection was new. So they get some time for it.
const (
	firstRequestTime = time.Second // from being accepted: for a handshake and a request
	firstRequestPoll = 5 * time.Millisecond
)

type connKey struct{}

// withConn has requests know their connection. It is an http.Server's ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, trackedOf(conn))
}

// trackedOf gives the connection below TLS; nil where it is not watched.
func trackedOf(conn net.Conn) *trackedConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	watched, _ := conn.(*trackedConn)
	return watched
}

// noteRequests notes of connections that they have asked.
func noteRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _ := r.Context().Value(connKey{}).(*trackedConn); conn != nil {
			conn.asked.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}

// awaitFirstRequests waits until there are none, or ctx is done, and closes those who do not
// ask: the server would wait for them much longer. No more may come.
func (p *httpPort) awaitFirstRequests(ctx context.Context) {
	ticker := time.NewTicker(firstRequestPoll)
	defer ticker.Stop()
	for waiting := true; waiting && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		waiting = slices.ContainsFunc(p.unusedConns(), func(conn *trackedConn) bool { return time.Since(conn.accepted) < firstRequestTime })
	}
	for _, conn := range p.unusedConns() {
		conn.Close()
	}
}

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
