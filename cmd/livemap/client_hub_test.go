package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"livemap/api/problem"

	"github.com/stretchr/testify/require"
)

// publishedHub is a hub that accepts publishes and records their lines.
type publishedHub struct {
	*httptest.Server

	// meet, if set, may answer a request itself. n counts the requests from 1.
	meet func(w http.ResponseWriter, r *http.Request, n int) bool

	mu       sync.Mutex
	requests int
	clients  map[string]bool // addresses of connections
	lines    []string
}

func newPublishedHub(t *testing.T) *publishedHub {
	h := &publishedHub{clients: map[string]bool{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *publishedHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	h.clients[r.RemoteAddr] = true
	switch {
	case h.meet != nil && h.meet(w, r, h.requests):
	case r.URL.Path != "/publish" || r.Method != http.MethodPost:
		http.Error(w, "no such thing", http.StatusNotFound)
	case r.Header.Get("Content-Type") != "application/x-ndjson":
		answerProblem(w, http.StatusUnsupportedMediaType, "Content-Type must be application/x-ndjson", nil)
	default:
		h.take(w, r)
	}
}

// take rejects lines without numbers for latitude and longitude.
func (h *publishedHub) take(w http.ResponseWriter, r *http.Request) {
	var answer problem.Ack
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 2<<20)
	for n := 1; lines.Scan(); n++ {
		if why := judge(lines.Bytes()); why != "" {
			answer.Rejected++
			answer.Errors = append(answer.Errors, problem.Refusal{Index: n, Field: "lat", Detail: why})
			continue
		}
		answer.Accepted++
		h.lines = append(h.lines, lines.Text())
	}
	answer.Errors = answer.Errors[:min(100, len(answer.Errors))]
	if answer.Accepted == 0 {
		answerProblem(w, http.StatusUnprocessableEntity, "no position could be taken", answer.Errors)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func judge(line []byte) string {
	var p struct {
		Type      string
		Lat, Lon  any
		Timestamp any
	}
	if err := json.Unmarshal(line, &p); err != nil {
		return "not JSON"
	}
	_, lat := p.Lat.(float64)
	_, lon := p.Lon.(float64)
	if p.Type != "Feature" && (!lat || !lon) {
		return "lat must be a number from -90 to 90"
	}
	if text, ok := p.Timestamp.(string); ok && !strings.Contains(text, "T") {
		return "timestamp must be RFC 3339"
	}
	return ""
}

func answerProblem(w http.ResponseWriter, status int, detail string, errors []problem.Refusal) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(problem.Problem{Title: http.StatusText(status), Detail: detail, Errors: errors})
}

// published returns the lines that the hub has accepted so far.
func (h *publishedHub) published() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.lines...)
}

// console is the output of a command, safe to read while the command runs.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// testLimit is generous: only a test that hangs takes as long.
const testLimit = time.Minute

// command runs livemap to its end.
func command(t *testing.T, stdin string, args ...string) (out, err string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	var stdout, stderr console
	failure := run(ctx, args, streams{strings.NewReader(stdin), &stdout, &stderr})
	require.NoError(t, ctx.Err(), "it did not end; stderr: %s", &stderr)
	status = exitStatus(failure, &stderr)
	return stdout.String(), stderr.String(), status
}

// at returns a position object of a vehicle, with a time in seconds after one in November 2023.
func at(vehicle string, seconds float64) string {
	return fmt.Sprintf(`{"vehicle_id":%q,"lat":52.5,"lon":13.4,"timestamp":%s}`, vehicle,
		strconv.FormatFloat(1.7e9+seconds, 'f', -1, 64))
}
