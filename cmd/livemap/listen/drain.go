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
	newcomerTime = time.Second // from being accepted: for a handshake and a request
	newcomerPoll = 5 * time.Millisecond
)

type connKey struct{}

// tellConn has requests know their connection. It is an http.Server's ConnContext.
func tellConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, watchedOf(conn))
}

// watchedOf gives the connection below TLS; nil where it is not watched.
func watchedOf(conn net.Conn) *watchedConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	watched, _ := conn.(*watchedConn)
	return watched
}

// welcomed notes of connections that they have asked.
func welcomed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _ := r.Context().Value(connKey{}).(*watchedConn); conn != nil {
			conn.asked.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}

// letNewcomersAsk waits until there are none, or ctx is done, and closes those who do not
// ask: the server would wait for them much longer. No more may come.
func (l *webListener) letNewcomersAsk(ctx context.Context) {
	ticker := time.NewTicker(newcomerPoll)
	defer ticker.Stop()
	for waiting := true; waiting && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		waiting = slices.ContainsFunc(l.newcomers(), func(conn *watchedConn) bool { return time.Since(conn.accepted) < newcomerTime })
	}
	for _, conn := range l.newcomers() {
		conn.Close()
	}
}

func (l *webListener) newcomers() (all []*watchedConn) {
	for _, one := range l.all() {
		all = one.(*watchedListener).appendNewcomers(all)
	}
	return all
}

func (l *watchedListener) appendNewcomers(all []*watchedConn) []*watchedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		if !conn.asked.Load() {
			all = append(all, conn)
		}
	}
	return all
}
