package listen

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// maxNewPerAddress is how many QUIC connections without a request an address may have that are too new
// to be cut. An address with more is refused.
const maxNewPerAddress = 4 * maxIdlePerAddress

const quicSweepInterval = time.Second

// errTooMany refuses a QUIC connection. Its client gets CONNECTION_REFUSED.
var errTooMany = errors.New("too many connections without a request")

// quicLimiter bounds the QUIC connections without a request, handshakes included, and how long they
// last. They take no descriptors, but memory. quic-go alone keeps a connection for as long as its
// client sends PING.
type quicLimiter struct {
	trusted     []netip.Prefix // whose connections are not limited for each address
	cuts        *cuts
	idleTimeout time.Duration

	mu   sync.Mutex // guards what follows, and the connections
	idle idleConns
}

// quicConn is a connection that a quicLimiter knows.
type quicConn struct {
	limiter *quicLimiter
	client  net.Addr // when it began
	entry   idleEntry
	conn    *quic.Conn // nil: the handshake has not come so far that it could be cut
	closed  bool
}

// idleEntry implements idleConn.
func (c *quicConn) idleEntry() *idleEntry { return &c.entry }

// hasUnread implements idleConn. A connection that cannot be cut yet ends by itself, within seconds.
func (c *quicConn) hasUnread() bool { return c.conn == nil }

type quicKey struct{}

// quicConnOf returns the connection of a context; nil if there is none.
func quicConnOf(ctx context.Context) *quicConn {
	conn, _ := ctx.Value(quicKey{}).(*quicConn)
	return conn
}

// isCrowded reports whether an address must prove that it is the client's. Otherwise others could
// use up its connections in its name.
func (l *quicLimiter) isCrowded(client net.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle.from(limitedAddress(client, l.trusted)) >= maxIdlePerAddress/2
}

// admit is a quic.Transport's ConnContext.
func (l *quicLimiter) admit(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
	c := &quicConn{limiter: l, client: client.RemoteAddr}
	c.entry.address = limitedAddress(c.client, l.trusted)
	l.mu.Lock()
	over := l.idle.takeOver(c.entry.address)
	reason := cutAddress
	isRoom := l.idle.from(c.entry.address) < maxNewPerAddress
	if isRoom && l.idle.all.Len() >= maxIdleQUIC {
		longest, _ := l.idle.takeLongest(&l.idle.all)
		if isRoom = longest != nil; isRoom {
			over, reason = append(over, longest), cutFull
		}
	}
	if isRoom {
		l.idle.add(c)
	}
	l.mu.Unlock()
	l.cut(over, reason)
	if !isRoom {
		l.cuts.add(reason, c.client.String())
		return nil, errTooMany
	}
	context.AfterFunc(ctx, func() { l.forget(c, context.Cause(ctx)) })
	return context.WithValue(ctx, quicKey{}, c), nil
}

// attach notes that the handshake of a connection has come so far that it can be cut.
func (l *quicLimiter) attach(conn *quic.Conn) {
	if c := quicConnOf(conn.Context()); c != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.conn = conn
	}
}

// forget forgets a connection that has ended, and counts why if its client does not know.
func (l *quicLimiter) forget(c *quicConn, cause error) {
	l.mu.Lock()
	c.closed = true
	l.idle.remove(c)
	l.mu.Unlock()
	if _, slow := errors.AsType[*quic.HandshakeTimeoutError](cause); slow {
		l.cuts.add(cutHandshake, c.client.String())
	}
	if _, silent := errors.AsType[*quic.IdleTimeoutError](cause); silent {
		l.cuts.add(cutGone, c.client.String())
	}
}

// begin notes that a request has begun.
func (c *quicConn) begin() {
	c.limiter.mu.Lock()
	defer c.limiter.mu.Unlock()
	c.entry.requests++
	c.limiter.idle.remove(c)
}

// end notes that a request is answered.
func (c *quicConn) end() {
	l := c.limiter
	l.mu.Lock()
	var over []idleConn
	if c.entry.requests--; c.entry.requests == 0 && !c.closed {
		l.idle.add(c)
		over = l.idle.takeOver(c.entry.address)
	}
	l.mu.Unlock()
	l.cut(over, cutAddress)
}

// noteRequests notes which connections have requests.
func (l *quicLimiter) noteRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn := quicConnOf(r.Context()); conn != nil {
			conn.begin()
			defer conn.end()
		}
		next.ServeHTTP(w, r)
	})
}

// start begins to sweep, until stop is called.
func (l *quicLimiter) start() (stop func()) {
	ticker, quit := time.NewTicker(min(quicSweepInterval, l.idleTimeout)), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				l.sweep()
			}
		}
	})
	return func() {
		close(quit)
		running.Wait()
	}
}

// sweep cuts the connections that have been without a request for too long, or of whose address there
// are too many.
func (l *quicLimiter) sweep() {
	l.mu.Lock()
	over := l.idle.takeAllOver()
	var idle []idleConn
	for first := l.idle.all.Front(); first != nil; first = l.idle.all.Front() {
		longest := first.Value.(*quicConn)
		if longest.conn == nil || time.Since(longest.entry.since) < l.idleTimeout {
			break
		}
		l.idle.remove(longest)
		idle = append(idle, longest)
	}
	l.mu.Unlock()
	l.cut(over, cutAddress)
	l.cut(idle, cutIdle)
}

// cut closes connections and counts why.
func (l *quicLimiter) cut(conns []idleConn, reason cutReason) {
	code := http3.ErrCodeExcessiveLoad
	if reason == cutIdle {
		code = http3.ErrCodeNoError
	}
	for _, one := range conns {
		c := one.(*quicConn)
		l.mu.Lock()
		conn := c.conn
		l.mu.Unlock()
		l.cuts.add(reason, c.client.String())
		conn.CloseWithError(quic.ApplicationErrorCode(code), string(reason))
	}
}
