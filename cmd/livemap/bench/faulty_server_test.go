package bench

// Helpers of this package's tests:
//
//	faultyServer   an event server in memory that alters what the first stream gets
//	alteration     what it sends in place of an event: unaltered, replaced, followed
//	littleLoad     47 events on 3 streams, for faultyServer and for floors
//	testLab        a lab whose floors are this test program (see TestMain)
//	requireFigure  one figure of an outcome: its value, its goal and which way that points

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

// faultyServer is an event server in memory that does to a stream what a test wants.
// Inside a synctest bubble its time is the bubble's.
type faultyServer struct {
	http.Server
	accept chan net.Conn // what Dial opened
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	streams  []chan string
	log      []string // what the first stream was sent
	alterAll bool     // alter is for every stream, not only for the first
	refusals int      // how many of the clients that come back with an id get a 503
	// alter returns what a stream gets in place of event n; "" is nothing.
	alter func(n int, event string) string
}

func newFaultyServer(t *testing.T, alter func(n int, event string) string) *faultyServer {
	s := &faultyServer{alter: alter, accept: make(chan net.Conn), closed: make(chan struct{})}
	s.Handler = http.HandlerFunc(s.stream)
	go s.Serve(pipeListener{s})
	t.Cleanup(func() { s.Server.Close() })
	return s
}

func (s *faultyServer) stream(w http.ResponseWriter, r *http.Request) {
	mine := make(chan string, 1000)
	w.Header().Set("Content-Type", "text/event-stream")
	s.mu.Lock()
	s.streams = append(s.streams, mine)
	missed := s.log[indexAfter(r.Header.Get("Last-Event-ID")):]
	refused := s.refusals > 0 && r.Header.Get("Last-Event-ID") != ""
	if refused {
		s.refusals--
	}
	s.mu.Unlock()
	if refused {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, strings.Join(missed, "")+"event: live\ndata: {}\nid: bench--1\n\n")
	http.NewResponseController(w).Flush()
	for {
		select {
		case text := <-mine:
			io.WriteString(w, text)
			http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// indexAfter returns where in the log a client goes on whose last event had this id.
func indexAfter(id string) int {
	number, found := strings.CutPrefix(id, "bench-")
	n, err := strconv.Atoi(number)
	if !found || err != nil {
		return 0
	}
	return n + 1
}

func (s *faultyServer) publish(n int, event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	altered := s.alter(n, event)
	s.log = append(s.log, altered)
	for i, stream := range s.streams {
		if i > 0 && !s.alterAll {
			altered = event
		}
		select {
		case stream <- altered:
		default: // nobody reads it any more
		}
	}
}

// target publishes a load's events on schedule.
func (s *faultyServer) target() *target.Target {
	return &target.Target{
		Name: "faulty",
		URL:  func(_ client.Protocol, path string) string { return "http://localhost" + path },
		Dial: s.dial,
		Publish: func(ctx context.Context, schedule workload.Schedule, e workload.Events) error {
			return schedule.Pace(ctx, 0, func(n, _ int) error {
				s.publish(n, string(e.AppendSSE(nil, n, schedule.Due(n), 0)))
				return nil
			})
		},
	}
}

func (s *faultyServer) dial(context.Context, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.accept <- theirs:
		return ours, nil
	case <-s.closed:
		return nil, errors.New("the server is closed")
	}
}

// pipeListener accepts what dial opens.
type pipeListener struct{ *faultyServer }

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accept:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
