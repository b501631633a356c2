package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/api/problem"
	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publishServer counts what is published to it, and answers as a hub does.
type publishServer struct {
	*httptest.Server
	mu     sync.Mutex
	types  []string // of each request's content
	got    []int    // events, in the order in which they came
	header http.Header
	answer func(positions int) (status int, ack problem.Ack)
}

func acceptAll(positions int) (int, problem.Ack) {
	return http.StatusOK, problem.Ack{Status: "OK", Accepted: positions}
}

func newPublishServer(t *testing.T) *publishServer {
	s := &publishServer{answer: acceptAll}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *publishServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.types, s.header = append(s.types, r.URL.Path+" "+r.Header.Get("Content-Type")), r.Header
	before := len(s.got)
	for line := range bytes.Lines(body) {
		var position struct{ N int }
		if json.Unmarshal(line, &position) == nil {
			s.got = append(s.got, position.N-workload.FirstNumber)
		}
	}
	status, ack := s.answer(len(s.got) - before)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(ack)
}

// dueNow are events that are all due already.
func dueNow(events int) workload.Schedule {
	return workload.Schedule{Start: time.Now().Add(-time.Minute), Period: time.Microsecond, Events: events}
}

// TestHubPublisher: up to PostRate each event is a request of its own, above it all are one
// upload; either way each is published once and in order.
func TestHubPublisher(t *testing.T) {
	post, upload := "/publish application/json", "/publish application/x-ndjson"
	for _, test := range []struct {
		name string
		rate float64
		want []string
	}{
		{"at most PostRate", PostRate, []string{post, post, post, post, post}},
		{"more", PostRate + 1, []string{upload}},
	} {
		s := newPublishServer(t)
		require.NoError(
			t,
			HubPublisher(s.URL, test.rate)(t.Context(), dueNow(5), workload.Events{Vehicles: 2}),
			test.name,
		)
		assert.Equal(t, test.want, s.types, test.name)
		assert.Equal(t, []int{0, 1, 2, 3, 4}, s.got, test.name)
	}
}

func TestRequireAll(t *testing.T) {
	for _, test := range []struct {
		name string
		ack  problem.Ack
		want string
	}{
		{"all", problem.Ack{Accepted: 5}, ""},
		{"one rejected", problem.Ack{Accepted: 4, Rejected: 1}, "{Accepted:4 Rejected:1 Late:0 Duplicate:0}"},
		{"duplicate", problem.Ack{Accepted: 4, Duplicate: 1}, "{Accepted:4 Rejected:0 Late:0 Duplicate:1}"},
		{"one late", problem.Ack{Accepted: 5, Late: 1}, "{Accepted:5 Rejected:0 Late:1 Duplicate:0}"},
		{"too many", problem.Ack{Accepted: 6}, "{Accepted:6 Rejected:0 Late:0 Duplicate:0}"},
	} {
		err := RequireAll(test.ack, 5)
		if test.want == "" {
			assert.NoError(t, err, test.name)
			continue
		}
		assert.EqualError(t, err, "for 5 positions the hub returned "+test.want, test.name)
	}
}

// TestRefusedPublish: what a server does not accept is an error, so no figure comes of it.
func TestRefusedPublish(t *testing.T) {
	busy := func(int) (int, problem.Ack) { return 429, problem.Ack{Status: "slow down"} }
	draining := func(int) (int, problem.Ack) { return 503, problem.Ack{Status: "draining"} }
	allButOne := func(n int) (int, problem.Ack) { return 200, problem.Ack{Accepted: n - 1, Rejected: 1} }
	for _, test := range []struct {
		name   string
		rate   float64
		answer func(positions int) (int, problem.Ack)
		says   string
	}{
		{"a post", 1, busy, "429 Too Many Requests: {\"status\":\"slow down\""},
		{"an upload", 99, draining, "503 Service Unavailable: {\"status\":\"draining\""},
		{"one of an upload", 99, allButOne, "for 5 positions the hub returned {Accepted:4 Rejected:1"},
	} {
		s := newPublishServer(t)
		s.answer = test.answer
		err := HubPublisher(s.URL, test.rate)(t.Context(), dueNow(5), workload.Events{})
		assert.ErrorContains(t, err, test.says, test.name)
	}
	s := newPublishServer(t)
	s.Close()
	assert.Error(t, HubPublisher(s.URL, 1)(t.Context(), dueNow(5), workload.Events{}))
	assert.Error(t, HubPublisher(s.URL, 99)(t.Context(), dueNow(5), workload.Events{}))
}

func TestPrime(t *testing.T) {
	s := newPublishServer(t)
	h := &Hub{Internal: s.URL}
	require.NoError(t, h.Prime(t.Context(), workload.Events{}, 3, 7))
	assert.Equal(t, []int{3, 4, 5, 6}, s.got)
	s.answer = func(n int) (int, problem.Ack) { return 200, problem.Ack{Accepted: n, Late: 1} }
	require.ErrorContains(t, h.Prime(t.Context(), workload.Events{}, 3, 7), "Late:1")
}

// TestUploadLines: an upload that breaks off is an error.
func TestUploadLines(t *testing.T) {
	s, broken := newPublishServer(t), errors.New("broken")
	_, err := UploadLines(t.Context(), s.URL, func(io.Writer) error { return broken })
	require.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = UploadLines(ctx, s.URL, func(io.Writer) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

func TestPosterHeader(t *testing.T) {
	s := newPublishServer(t)
	p := Poster{URL: s.URL, ContentType: "text/plain", Header: http.Header{"X-Api-Key": {"k"}}}
	require.NoError(t, p.Send(t.Context(), http.DefaultClient, nil))
	assert.Equal(t, "k", s.header.Get("X-Api-Key"))
	assert.Equal(t, "text/plain", s.header.Get("Content-Type"))
	http.DefaultClient.CloseIdleConnections()
}

// TestHubURL: HTTP/1.1 is read behind the proxy's port, without TLS.
func TestHubURL(t *testing.T) {
	h := &Hub{public: "https://public", proxy: "http://proxy"}
	for protocol, want := range map[client.Protocol]string{
		client.H1: "http://proxy/stream",
		client.H2: "https://public/stream",
		client.H3: "https://public/stream",
	} {
		assert.Equal(t, want, h.URL(protocol, "/stream"), protocol)
	}
}
