package api_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"livemap/api"
	"livemap/stream"
)

// TestPublishingWaitsForMemory: while memory is short, a request is rejected with the time to wait, and an
// upload that is under way is not read.
func TestPublishingWaitsForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var short atomic.Bool
		h := startPiped(t, func(_ *stream.Config, c *api.Config) { c.Short = short.Load })
		u := begin(t, h.client, "http://localhost")
		u.line(t, at("a", 1, 2)+"\n")
		time.Sleep(time.Second)
		assert.Equal(t, 1, h.Stats().Vehicles)
		short.Store(true)
		time.Sleep(time.Second)
		u.line(t, at("b", 1, 2)+"\n") // may be read, since the hub waits in a read already
		time.Sleep(time.Second)
		known := h.Stats().Vehicles
		written := make(chan struct{})
		go func() {
			u.line(t, at("c", 1, 2)+"\n")
			close(written)
		}()
		time.Sleep(time.Minute)
		assert.Equal(t, known, h.Stats().Vehicles)
		got := ask(t, h.client, "POST", "http://localhost/publish", strings.NewReader(at("d", 1, 2)),
			"Content-Type", "application/json")
		refused(t, got, http.StatusServiceUnavailable, "memory is nearly used up", "nothing was published")
		assert.Equal(t, "5", got.Header.Get("Retry-After"))
		short.Store(false)
		time.Sleep(time.Second)
		assert.Equal(t, 3, h.Stats().Vehicles)
		<-written
		u.Close()
		assert.Equal(t, 3, u.ack(t).Accepted)
	})
}
