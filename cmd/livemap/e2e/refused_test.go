//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const lastVehicle = "LAST" // is published when there is nothing more to come

// follow reads, over as many connections as it takes, until the last vehicle is
// there and the stream live. It comes back at once, whatever ended a stream.
func (w *watcher) follow(ctx context.Context, failed func(error)) {
	id, live := "", false
	for ctx.Err() == nil {
		s, err := w.client.open(ctx, w.url, id)
		if err != nil {
			failed(err)
			continue
		}
		for live = false; !live || w.vehicles[lastVehicle] == 0; {
			e, err := s.next()
			if err != nil {
				break // however it ended
			}
			if err := w.take(e); !assert.NoError(failedWith{failed}, err) {
				break
			}
			live = live || e.name == "live"
		}
		id = s.lastID
		s.close()
		if live && w.vehicles[lastVehicle] != 0 {
			return
		}
	}
}

// failedWith passes on the failure of an assertion.
type failedWith struct{ failed func(error) }

// Errorf implements assert.TestingT.
func (f failedWith) Errorf(format string, args ...any) { f.failed(fmt.Errorf(format, args...)) }

// insistent publishes until it has an Ack, whatever fails meanwhile.
func insistent(client *http.Client, url, key, body string, failed func(error)) {
	for {
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			failed(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
		resp, err := client.Do(req)
		if err != nil {
			failed(err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK && json.Valid(text) {
			return
		}
	}
}

// Hubs follow one another on the same sockets while publishers publish and readers come and go. No
// request fails, and all clients hold the correct state.
func TestNobodyIsRefused(t *testing.T) {
	t.Parallel()
	const restarts, fleet = 3, 25
	p := openPorts(t)
	args := []string{"--state-dir", t.TempDir(), "--drain", "100ms", "--journal", "off"}
	hub := p.start(t, args...)
	ctx, cancel := context.WithTimeout(t.Context(), e2eLimit)
	defer cancel()
	var mu sync.Mutex
	errs := map[string]int{}
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs[err.Error()]++
		assert.NotErrorIs(t, err, syscall.ECONNREFUSED)
		assert.NoError(t, ctx.Err(), "it takes too long")
	}

	truth := map[string]int64{lastVehicle: 1700000000}
	begun, over := make(chan struct{}), make(chan struct{})
	var publishing, reading sync.WaitGroup
	publishing.Go(func() {
		for n := int64(1); ; n++ {
			lines := []string{}
			for i := range fleet {
				id := fmt.Sprintf("BUS-%d", i)
				truth[id] = 1700000000 + n
				lines = append(lines, fmt.Sprintf(`{"vehicle_id":%q,"lat":1,"lon":2,"timestamp":%d}`, id, truth[id]))
			}
			insistent(hub.operator, hub.publish+"/publish", fmt.Sprint(n), "["+strings.Join(lines, ",")+"]", failed)
			if n == 1 {
				close(begun)
			}
			select {
			case <-over:
				insistent(hub.operator, hub.publish+"/publish", "last",
					`{"vehicle_id":"`+lastVehicle+`","lat":1,"lon":2,"timestamp":1700000000}`, failed)
				return
			default:
			}
		}
	})
	<-begun
	var ws []*watcher
	for i := range 12 {
		w := &watcher{client: p.proxyClient(t), url: "http://localhost/stream", vehicles: map[string]int64{}}
		if i%4 > 0 {
			w.client, w.url = hub.client(t, protocolNames[i%4-1]), hub.public+"/stream"
		}
		ws = append(ws, w)
		reading.Go(func() { w.follow(ctx, failed) })
	}
	next := hub
	for range restarts {
		await(t, "streams", func() bool { return next.openStreams(t) == float64(len(ws)) })
		next.stop(t)
		next = p.start(t, args...)
		require.Equal(t, hub.publish, next.publish)
	}
	close(over)
	publishing.Wait()
	reading.Wait()
	for _, w := range ws {
		assert.Equal(t, truth, w.vehicles, "%s over %s", w.url, w.client.protocol)
		assert.GreaterOrEqual(t, len(w.resets), restarts)
	}
	t.Log("errors on the way: ", errs)
}
