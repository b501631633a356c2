package stream_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// socket is an Outlet as a connection is: it takes all it is given at once
// until its reader is stuck, and then keeps one write back.
type socket struct {
	sub     *stream.Subscription
	taken   chan error    // ends a Wait, well or with an error
	gone    chan struct{} // so do all Waits end, in the end
	summary stream.Summary

	mu     sync.Mutex // guards what follows
	stuck  bool
	kept   []byte
	writes []write     // that were taken
	asked  int         // writes and waits there were
	fails  error       // what a write fails with
	ends   int         // how often it was told that the stream ended
	before func(n int) // called before write n, if set
	panics bool        // a write or a Wait is meant to
	cause  any         // what a Wait panics with
}

// attach opens a stream that is attached, and has begun.
func attach(t testing.TB, h *stream.Hub, q stream.Query) *socket {
	s := newSocket(t, h, q)
	s.attach()
	return s
}

// newSocket subscribes, and no more.
func newSocket(t testing.TB, h *stream.Hub, q stream.Query) *socket {
	s := &socket{sub: h.Subscribe(q), taken: make(chan error), gone: make(chan struct{})}
	t.Cleanup(func() {
		s.sub.Leave()
		close(s.gone)
		synctest.Wait()
		require.Equal(t, 1, s.ended(), "how often the stream ended")
	})
	return s
}

func (s *socket) attach() { s.sub.Attach(s, s.end) }

func (s *socket) end(summary stream.Summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if summary.Reason == stream.Panicked && !s.panics {
		panic(summary.Err)
	}
	s.summary = summary
	s.ends++
}

// Write implements stream.Outlet.
func (s *socket) Write(p []byte) (waits bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.before != nil {
		s.before(s.asked)
	}
	switch {
	case s.kept != nil:
		panic("written while it waits")
	case s.ends > 0:
		panic("written after the end")
	case s.fails != nil:
		return true, s.fails
	case s.stuck:
		s.kept = bytes.Clone(p)
		return true, nil
	}
	s.writes = append(s.writes, write{time.Now(), string(p)})
	return false, nil
}

// Wait implements stream.Outlet.
func (s *socket) Wait() error {
	var err error
	select {
	case err = <-s.taken:
	case <-s.gone:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.cause != nil {
		panic(s.cause)
	}
	if err == nil {
		s.writes = append(s.writes, write{time.Now(), string(s.kept)})
	}
	s.kept = nil
	return err
}

// block has the reader take nothing from now on.
func (s *socket) block() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stuck = true
}

// unblock has the reader take everything again.
func (s *socket) unblock() {
	s.mu.Lock()
	waits := s.kept != nil
	s.stuck = false
	s.mu.Unlock()
	if waits {
		s.taken <- nil
	}
}

// takeWrites gives what was taken since it was last asked, when all is quiet.
func (s *socket) takeWrites() []write {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	writes := s.writes
	s.writes = nil
	return writes
}

// takeEvents gives what was taken since it was last asked, in short. See brief.
func (s *socket) takeEvents() string { return brief(joinText(s.takeWrites())) }

// ended tells how often the stream ended.
func (s *socket) ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends
}

func joinText(writes []write) string {
	var all strings.Builder
	for _, w := range writes {
		all.WriteString(w.text)
	}
	return all.String()
}
