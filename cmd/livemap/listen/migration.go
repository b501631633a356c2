package listen

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// migrationPoll is how often the addresses of clients are compared.
const migrationPoll = time.Second

// migrations counts moves of HTTP/3 clients to another address (RFC 9000, section 9): a laptop
// changes networks, or a NAT assigns another port. quic-go keeps such connections going. It
// reports a move in a trace of every packet alone, which costs too much. So migrations compares
// addresses now and then, and several moves in between count as one.
type migrations struct {
	count func(moves int)
	stop  func()

	mu sync.Mutex // guards what follows
	at map[*quic.Conn]net.Addr
}

// startMigrationCount calls count with the number of moves, if there were any, until stop is called.
func startMigrationCount(count func(moves int)) *migrations {
	m := &migrations{count: count, at: map[*quic.Conn]net.Addr{}}
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { m.poll(quit) })
	m.stop = func() {
		close(quit)
		running.Wait()
	}
	return m
}

// poll counts moves until quit is closed.
func (m *migrations) poll(quit <-chan struct{}) {
	ticker := time.NewTicker(migrationPoll)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
			if n := m.moved(); n > 0 {
				m.count(n)
			}
		}
	}
}

// track follows a connection until it ends.
func (m *migrations) track(conn *quic.Conn) {
	m.mu.Lock()
	m.at[conn] = conn.RemoteAddr()
	m.mu.Unlock()
	context.AfterFunc(conn.Context(), func() { m.forget(conn) })
}

// conns returns the open connections, each with the packets that have come from its client.
func (m *migrations) conns() map[*quic.Conn]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	conns := make(map[*quic.Conn]uint64, len(m.at))
	for conn := range m.at {
		conns[conn] = conn.ConnectionStats().PacketsReceived
	}
	return conns
}

// forget ends the tracking of a connection, whose last move may not have been counted yet.
func (m *migrations) forget(conn *quic.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at[conn] != conn.RemoteAddr() {
		m.count(1)
	}
	delete(m.at, conn)
}

// moved returns how many connections have moved since the last call. It compares pointers:
// quic-go makes a new net.Addr when the address changes.
func (m *migrations) moved() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for conn, before := range m.at {
		if now := conn.RemoteAddr(); now != before {
			m.at[conn] = now
			n++
		}
	}
	return n
}
