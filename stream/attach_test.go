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

// socket is an Outlet like a connection. It takes all writes at once until its reader blocks, and
// then keeps one write back.
type socket struct {
	sub     *stream.Subscription
	taken   chan error    // ends a Wait, with or without an error
	gone    chan struct{} // closed in the end, which ends every Wait
	summary stream.Summary

	mu      sync.Mutex // guards what follows
	blocked bool
	kept    []byte
	writes  []write     // writes that the reader took
	asked   int         // how many calls of Write and Wait there were
	fails   error       // error of the next writes
	ends    int         // how often the end of the stream was reported
	before  func(n int) // called before call n, if set
	panics  bool        // a Write or Wait panics on purpose
	cause   any         // the panic of the last Wait
}

// attach opens an attached stream, which has begun.
func attach(t testing.TB, h *stream.Hub, q stream.Query) *socket {
	s := newSocket(t, h, q)
	s.attach()
	return s
}

// newSocket only subscribes.
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
	case s.blocked:
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

// block makes the reader take nothing from now on.
func (s *socket) block() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked = true
}

// unblock makes the reader take everything again.
func (s *socket) unblock() {
	s.mu.Lock()
	waits := s.kept != nil
	s.blocked = false
	s.mu.Unlock()
	if waits {
		s.taken <- nil
	}
}

// fail makes all writes fail from now on.
func (s *socket) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// takeWrites waits until all is quiet, and returns the writes since the last call.
func (s *socket) takeWrites() []write {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	writes := s.writes
	s.writes = nil
	return writes
}

// takeEvents returns the events since the last call, in short form: see brief.
func (s *socket) takeEvents() string { return brief(joinText(s.takeWrites())) }

// ended returns how often the end of the stream was reported.
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
