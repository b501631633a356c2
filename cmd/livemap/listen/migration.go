package listen

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

// migrationPoll is how often it is looked whether clients have moved.
const migrationPoll = time.Second

// migrations counts the HTTP/3 connections whose client goes on from another
// address (RFC 9000, section 9): a laptop that changes networks, a NAT that gave
// it another port. quic-go keeps such connections going and tells of it in
// nothing but a trace of every packet, which costs too much; so their addresses
// are compared now and then. Moves in between count as one.
type migrations struct {
	count func(moves int)
	stop  func()

	mu sync.Mutex // guards what follows
	at map[*quic.Conn]net.Addr
}

// startMigrationCount begins to count, and tells moves until stop is called.
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

// poll looks whether clients have moved, now and then, until it is to quit.
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

// track has a connection looked at until it ends. It is an http3.Server's ConnContext.
func (m *migrations) track(ctx context.Context, conn *quic.Conn) context.Context {
	m.mu.Lock()
	m.at[conn] = conn.RemoteAddr()
	m.mu.Unlock()
	context.AfterFunc(conn.Context(), func() { m.forget(conn) })
	return ctx
}

func (m *migrations) forget(conn *quic.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at[conn] != conn.RemoteAddr() {
		m.count(1)
	}
	delete(m.at, conn)
}

// moved counts the connections that have moved since it was last asked. That an
// address is the same is seen by its pointer, which quic-go changes with it.
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
