package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIdempotencyKey(t *testing.T) {
	h := start(t)
	keyed := func(key, contentType, body string) answer {
		return h.post(t, contentType, body, "Idempotency-Key", key)
	}
	body := "[" + at("a", 1, 2) + "," + at("b", 1, 2) + ",{}]"
	first := keyed("k", "application/json", body)
	require.Equal(t, 200, first.StatusCode)
	h.put(t, at("a", 7, 7))
	head := h.Head()

	t.Run("repeat", func(t *testing.T) {
		again := keyed("k", "application/json", body)
		require.Equal(t, first.body, again.body)
		require.Equal(t, head, h.Head(), "it was published again")
	})
	t.Run("another body", func(t *testing.T) {
		refused(t, keyed("k", "application/json", at("c", 1, 2)), 422, `"k"`, "another body", "5m")
		require.Equal(t, head, h.Head())
	})
	t.Run("another form", func(t *testing.T) {
		require.Equal(t, 200, keyed("form", "application/json", featureAt("[1,2]")).StatusCode)
		refused(t, keyed("form", "application/geo+json", featureAt("[1,2]")), 422, "another body")
	})
	t.Run("another key, and none", func(t *testing.T) {
		require.NotEqual(t, first.body, keyed("k2", "application/json", body).body)
		require.NotEqual(t, first.body, h.post(t, "application/json", body).body)
	})
	t.Run("failures are not remembered", func(t *testing.T) {
		for _, wrong := range []string{"{", "[{}]", "[" + strings.Repeat("1,", 10_000) + "1]"} {
			require.NotEqual(t, 200, keyed("failed", "application/json", wrong).StatusCode)
		}
		require.Equal(t, 200, keyed("failed", "application/json", at("d", 1, 2)).StatusCode)
	})
	t.Run("length", func(t *testing.T) {
		require.Equal(t, 200, keyed(strings.Repeat("k", 128), "application/json", at("e", 1, 2)).StatusCode)
		refused(t, keyed(strings.Repeat("k", 129), "application/json", at("f", 1, 2)), 400, "Idempotency-Key",
			"129 bytes", "128")
	})
	t.Run("NDJSON", func(t *testing.T) {
		refused(t, keyed("n", "application/x-ndjson", at("g", 1, 2)), 400, "Idempotency-Key", "NDJSON")
	})
	t.Run("dry run", func(t *testing.T) {
		for range 2 {
			got := h.do(t, "POST", h.internal.URL+"/publish?dry_run=true", strings.NewReader(at("h", 1, 2)),
				"Content-Type", "application/json", "Idempotency-Key", "dry")
			require.Equal(t, 1, ackOf(t, got.body).Accepted)
		}
		require.Equal(t, 1, ackOf(t, keyed("dry", "application/json", at("h", 1, 2)).body).Accepted)
		require.Contains(t, h.vehicles(t), "h 1,2")
	})
	for _, vehicle := range []string{"c 1,2", "f 1,2", "g 1,2"} {
		require.NotContains(t, h.vehicles(t), vehicle)
	}
}

// TestConcurrentRepeats publishes the same body many times at once. It is in the log once.
func TestConcurrentRepeats(t *testing.T) {
	h := start(t)
	const when = `"timestamp":900000001`
	body := "[" + strings.Repeat(at("a", 1, 2, when)+","+at("a", 2, 2, when)+",", 2000) +
		at("a", 3, 3, when) + "]"
	answers := make(chan string, 10)
	for range cap(answers) {
		go func() {
			r, _ := http.NewRequestWithContext(t.Context(), "POST", h.internal.URL+"/publish", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "once")
			response, err := h.client.Do(r)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer response.Body.Close()
			text, _ := io.ReadAll(response.Body)
			answers <- string(text)
		}()
	}
	first := <-answers
	require.Equal(t, 4001, ackOf(t, first).Accepted)
	for range cap(answers) - 1 {
		require.Equal(t, first, <-answers)
	}
	require.Equal(t, uint64(4001), h.Head().Number)
}

func TestKeysExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t)
		publish := func(lon int) int {
			r := h.request(t, "POST", "/publish", strings.NewReader(at("a", lon, 2)), "Content-Type",
				"application/json", "Idempotency-Key", "k")
			response, err := h.client.Do(r)
			require.NoError(t, err)
			defer response.Body.Close()
			return response.StatusCode
		}
		require.Equal(t, 200, publish(1))
		time.Sleep(5*time.Minute - time.Second)
		require.Equal(t, 422, publish(2))
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, publish(2), "asking does not keep it")
	})
}

// The hub remembers the ack of a publish, and not its token.
func TestRememberedPublishesAreSmall(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	var vehicles []string
	for i := range 400 {
		vehicles = append(vehicles, fmt.Sprintf("A-VEHICLE-%d-*", i))
	}
	headers := inside("application/json", publisher(t, "me", append(vehicles, "*")...))
	publish := func(key int) {
		got := h.do(t, "POST", h.internal.URL+"/publish", strings.NewReader(at("a", 1, 2)),
			append(headers, "Idempotency-Key", strconv.Itoa(key))...)
		require.Equal(t, 200, got.StatusCode, got.body)
	}
	publish(-1)
	before := heapInUse()
	const count = 500
	for key := range count {
		publish(key)
	}
	require.Less(t, (heapInUse()-before)/count, int64(4<<10), "bytes for each")
}
