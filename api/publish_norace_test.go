//go:build !race

package api_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllocationsPerPosition finds almost none for known vehicles, in an upload and in a document. One
// position in ten has a list of topics.
func TestAllocationsPerPosition(t *testing.T) {
	const count = 1000
	handler := assemble(t).api.Internal()
	for media, body := range map[string]func(lines string) string{
		"application/x-ndjson": func(lines string) string { return lines },
		"application/json":     array,
	} {
		allocations := func(n int) float64 {
			r := httptest.NewRequest(http.MethodPost, "http://localhost/publish",
				strings.NewReader(body(typicals(n, count))))
			r.Header.Set("Content-Type", media)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := &nowhere{header: http.Header{}}
			handler.ServeHTTP(w, r)
			runtime.ReadMemStats(&after)
			require.Zero(t, w.status, "it was refused")
			return float64(after.Mallocs-before.Mallocs) / count
		}
		for n := range 20 { // the hub's lists of a vehicle's events grow at first
			allocations(n * count)
		}
		require.Less(t, allocations(20*count), 0.5, media)
	}
}
