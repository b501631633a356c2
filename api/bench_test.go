package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// nowhere discards an answer.
type nowhere struct {
	header http.Header
	status int // 0: of an answer that is no problem
}

func (n *nowhere) Header() http.Header             { return n.header }
func (n *nowhere) Write(p []byte) (int, error)     { return len(p), nil }
func (n *nowhere) WriteHeader(status int)          { n.status = status }
func (n *nowhere) SetReadDeadline(time.Time) error { return nil }

// typical returns position n of a fleet of a thousand. One in ten names a topic. None is late, and none
// is a duplicate of the one before.
func typical(n int) string {
	topics := ""
	if n%10 == 0 {
		topics = `,"topics":["depot:7"]`
	}
	return fmt.Sprintf(
		`{"vehicle_id":"TRUCK-%05d","lat":52.%06d,"lon":13.404954,"speed_kmh":85,"heading":271,`+
			`"timestamp":1795421061.123,"n":%d%s}`,
		n%1000, n%1_000_000, n, topics)
}

// typicals returns positions from n on, one per line.
func typicals(n, count int) string {
	var lines strings.Builder
	for i := range count {
		lines.WriteString(typical(n+i) + "\n")
	}
	return lines.String()
}

// repeated reads a text several times.
type repeated struct {
	text  string
	times int
	rest  string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.times--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// BenchmarkNDJSON publishes lines through the handler. One operation is one position.
func BenchmarkNDJSON(b *testing.B) {
	const count = 10_000
	h := assemble(b)
	handler, lines := h.api.Internal(), typicals(0, count)
	r := httptest.NewRequest(http.MethodPost, "http://localhost/publish", nil)
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Body = io.NopCloser(&repeated{text: lines, times: b.N/count + 1})
	b.ReportAllocs()
	b.ResetTimer()
	w := &nowhere{header: http.Header{}}
	handler.ServeHTTP(w, r)
	require.Zero(b, w.status, "it was refused")
	require.Equal(b, uint64(b.N/count+1)*count, h.Stats().Accepted+h.Stats().Late+h.Stats().Duplicate)
}

// array returns a JSON array of positions on lines.
func array(lines string) string {
	return "[" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", ",") + "]"
}

// BenchmarkDocument publishes documents of a thousand positions. One operation is one position.
func BenchmarkDocument(b *testing.B) {
	const count = 1000
	h := assemble(b)
	handler := h.api.Internal()
	body := array(typicals(0, count))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N/count + 1 {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/publish", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := &nowhere{header: http.Header{}}
		handler.ServeHTTP(w, r)
		require.Zero(b, w.status, "it was refused")
	}
}

// BenchmarkOnePosition sends a POST per position through the handler.
func BenchmarkOnePosition(b *testing.B) {
	h := assemble(b)
	handler := h.api.Internal()
	body := []byte(typical(1))
	from := bytes.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, "http://localhost/publish", from)
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(body)
		r.Body = io.NopCloser(from)
		w := &nowhere{header: http.Header{}}
		handler.ServeHTTP(w, r)
		if w.status != 0 {
			b.Fatal("it was refused")
		}
	}
}
