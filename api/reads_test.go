package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/stream"
)

// reading opens n reads whose answers nobody reads, and waits until they are under way.
func (h *piped) reading(t *testing.T, port, path string, n int, headers string) {
	t.Helper()
	for range n {
		fmt.Fprintf(h.dial(t, port), "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers)
	}
	synctest.Wait()
}

// ask makes one request to a port and returns the answer.
func (h *piped) ask(t *testing.T, port, path string, headers ...string) answer {
	t.Helper()
	r := h.request(t, http.MethodGet, path, nil, headers...)
	response, err := h.port(port).client(t).Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response, string(text)}
}

// A client has eight reads under way. The next waits for one of them to end, and is refused after 5 s.
func TestReadsOfAClient(t *testing.T) {
	for _, path := range []string{
		"/snapshot", "/topics/vehicle:a/snapshot", "/vehicles/a", "/vehicles/a/track", "/openapi.yaml",
	} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t, patient)
				h.put(t, at("a", 1, 2, `"filler":"`+strings.Repeat("x", 10_000)+`"`))
				for n := range 500 { // a long track
					h.put(t, at("a", n%90, 2, fmt.Sprintf(`"n":%d`, n)))
				}
				h.put(t, at("a", 1, 2, `"filler":"`+strings.Repeat("x", 10_000)+`"`))
				h.reading(t, "public", path, 8, "")
				began := time.Now()
				got := h.ask(t, "public", path)
				refused(t, got, http.StatusTooManyRequests, "8 snapshots or tracks are under way")
				require.Equal(t, "5", got.Header.Get("Retry-After"))
				require.Equal(t, 5*time.Second, time.Since(began))
				require.Equal(t, http.StatusOK, h.ask(t, "public", "/session").StatusCode, "others are not reads")
				require.Equal(t, http.StatusOK, h.ask(t, "internal", "/snapshot").StatusCode, "others have room")
			})
		})
	}
}

// A read that waits is answered when another ends. That is how a page asks for many tracks at once.
func TestReadsWaitForEachOther(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			got := h.do(t, http.MethodGet, h.public.URL+"/vehicles/a/track", nil)
			if got.StatusCode != http.StatusOK {
				t.Error(got.body)
			}
		})
	}
	all.Wait()
}

// A client is the subject of a token, or else an address. 256 reads are under way in all, and the rest of
// the hub goes on.
func TestReadsOfAllClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, patient, tokens(t), func(_ *stream.Config, c *api.Config) { c.Anonymous = false })
		h.put(t, at("a", 1, 2, `"filler":"`+strings.Repeat("x", 10_000)+`"`))
		token := func(subject int) string {
			return claimed(t, fmt.Sprint(subject), time.Hour, map[string]any{"read": []string{"*"}})
		}
		for subject := range 32 {
			h.reading(t, "public", "/snapshot", 8, "Authorization: Bearer "+token(subject)+"\r\n")
		}
		got := h.ask(t, "public", "/snapshot", "Authorization", "Bearer "+token(1))
		refused(t, got, http.StatusTooManyRequests, "8 snapshots or tracks are under way")
		got = h.ask(t, "public", "/snapshot", "Authorization", "Bearer "+token(100))
		refused(t, got, http.StatusTooManyRequests, "the hub answers 256 snapshots and tracks")
		require.Equal(t, http.StatusOK, h.ask(t, "internal", "/snapshot").StatusCode, "the machine itself has room")
	})
}

// A draining hub refuses those that wait.
func TestReadsThatWaitWhileTheHubDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, patient)
		h.put(t, at("a", 1, 2, `"filler":"`+strings.Repeat("x", 10_000)+`"`))
		h.reading(t, "public", "/snapshot", 8, "")
		time.AfterFunc(time.Second, h.api.Drain)
		began := time.Now()
		refused(t, h.ask(t, "public", "/snapshot"), http.StatusServiceUnavailable, "shutting down")
		require.Equal(t, time.Second, time.Since(began))
	})
}
