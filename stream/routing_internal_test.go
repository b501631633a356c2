package stream

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Publishing may be ahead of the router by more than the log holds. Then every subscriber must look
// for itself.
func TestPublishingOutrunsRouting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{History: 256 << 10})
		defer h.Close()
		publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2,"topics":["x"]}`)
		publish(t, h, `{"vehicle_id":"b","lat":1,"lon":2,"topics":["y"]}`)
		var streams sync.WaitGroup
		var mu sync.Mutex
		received := map[string]*bytes.Buffer{}
		for _, id := range []string{"x", "y", "vehicle:a", "vehicle:b", AllTopic} {
			s, text := h.Subscribe(Query{Topics: []string{id}}), new(bytes.Buffer)
			received[id] = text
			streams.Go(func() {
				s.Serve(t.Context(), func(p []byte) error {
					mu.Lock()
					defer mu.Unlock()
					text.Write(p)
					return nil
				})
			})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		mu.Lock()
		for _, text := range received {
			text.Reset()
		}
		mu.Unlock()

		h.router.mu.Lock()
		publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2,"n":1}`)
		filler := strings.Repeat("x", 8000)
		for n := range 60 {
			publish(t, h, `{"vehicle_id":"f","lat":1,"lon":2,"n":%d,"filler":%q}`, n, filler)
		}
		require.False(t, h.log.holds(3))
		h.router.mu.Unlock()
		synctest.Wait()
		h.Drain(t.Context(), 0)
		streams.Wait()
		require.Contains(t, received["x"].String(), `{"reason":"behind"}`)
		require.Contains(t, received["x"].String(), `"n":1,`)
		require.Contains(t, received["vehicle:a"].String(), `"n":1,`)
		require.Contains(t, received["vehicle:a"].String(), `"conflated"`)
		require.Contains(t, received[AllTopic].String(), `"conflated"`)
		for _, quiet := range []string{"y", "vehicle:b"} {
			require.Equal(t, "event: bye\ndata: {\"reason\":\"draining\"}\n\n", received[quiet].String(), quiet)
		}
	})
}

// Publishers do not wait for a reader that must examine many events. It examines some, releases the
// lock, and goes on.
func TestScanningManyEventsReleasesTheLock(t *testing.T) {
	h, s, more := newDelivery(t, Query{Topics: []string{AllTopic}}, "170,80,175,85")
	from := h.Head().Number
	more(3 * scanLimit)
	rewind(s, from)
	for n := range uint64(3) {
		require.Empty(t, s.readLog(nil))
		require.EqualValues(t, from+scanLimit*(n+1), s.pos)
	}
	require.False(t, s.more)
}
