package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watcher keeps a map of a stream, as the page does, and comes back when the
// stream ends.
type watcher struct {
	client *wireClient
	url    string
	truth  map[string]int64 // vehicle to timestamp, at the end

	vehicles map[string]int64
	repeated map[string]bool // since the reset
	resets   []string
	byes     []string
}

// watch reads until a `live`. It returns when the stream that follows has ended.
func (w *watcher) watch(id string, live func()) (lastID string, err error) {
	s, err := w.client.open(context.Background(), w.url, id)
	if err != nil {
		return id, err
	}
	defer s.close()
	for {
		e, err := s.next()
		if err != nil {
			return s.lastID, nil // however it ended
		}
		if err := w.take(e); err != nil {
			return s.lastID, err
		}
		if e.name == "live" {
			live()
		}
	}
}

func (w *watcher) take(e wireEvent) error {
	switch e.name {
	case "reset":
		reset, err := decode[struct{ Reason string }](e.data)
		w.resets, w.repeated = append(w.resets, reset.Reason), map[string]bool{}
		return err
	case "live":
		for id := range w.vehicles {
			if !w.repeated[id] {
				delete(w.vehicles, id)
			}
		}
		return nil
	case "bye":
		w.byes = append(w.byes, e.data)
		return nil
	}
	s, err := sightOf(e)
	if err != nil || s.what != "" {
		return fmt.Errorf("%+v: %w", s, err)
	}
	if s.at < w.vehicles[s.vehicle] {
		return fmt.Errorf("%s goes back in time", s.vehicle)
	}
	w.vehicles[s.vehicle] = s.at
	w.repeated[s.vehicle] = true
	return nil
}

const fleetSize = 300

// parkedFleet returns positions of vehicles, every third of them in the box.
func parkedFleet() (lines []string, all, boxed map[string]int64) {
	all, boxed = map[string]int64{}, map[string]int64{}
	for i := range int64(fleetSize) {
		id, lat := fmt.Sprintf("BUS-%03d", i), 10+float64(i%3)
		lines = append(lines, fmt.Sprintf(`{"vehicle_id":%q,"lat":%v,"lon":20,"timestamp":%d,`+
			`"topics":["depot:%d"]}`, id, lat, 1700000000+i, i%3))
		if all[id] = 1700000000 + i; i%3 == 0 {
			boxed[id] = all[id]
		}
	}
	return lines, all, boxed
}

// watchers makes three dozen, over all protocols and of all kinds of streams.
func watchers(t *testing.T, hub *runningHub, all, boxed map[string]int64) (made []*watcher) {
	one := map[string]int64{"BUS-042": all["BUS-042"]}
	for i := range 36 {
		w := &watcher{client: hub.client(t, protocolNames[i%3]), vehicles: map[string]int64{}}
		switch i / 3 % 4 {
		case 0:
			w.url, w.truth = hub.public+"/stream", all
		case 1:
			w.url, w.truth = hub.public+"/stream?bbox=19,9.5,21,10.5", boxed
		case 2:
			w.url, w.truth = hub.public+"/topics/depot:0/stream", boxed
		case 3:
			w.url, w.truth = hub.public+"/topics/"+url.PathEscape("vehicle:BUS-042")+"/stream", one
		}
		made = append(made, w)
	}
	return made
}

// restarted starts the watchers on a hub, restarts it, and requires that all come back and hold the
// correct state.
func restarted(t *testing.T, hub *runningHub, again func() *runningHub) []*watcher {
	t.Helper()
	lines, all, boxed := parkedFleet()
	hub.publishLines(t, lines...)
	ws := watchers(t, hub, all, boxed)
	var live, watching sync.WaitGroup
	live.Add(len(ws))
	back := make(chan struct{})
	done := make(chan struct{}, len(ws))
	for _, w := range ws {
		watching.Go(func() {
			id, err := w.watch("", live.Done)
			assert.NoError(t, err)
			<-back
			_, err = w.watch(id, func() { done <- struct{}{}; w.client.reset() })
			assert.NoError(t, err)
		})
	}
	live.Wait()
	next := again()
	require.Equal(t, hub.public, next.public)
	began := time.Now()
	for _, w := range ws {
		if w.client.protocol == "h3" {
			w.client.speak(hub.public)
		}
	}
	close(back)
	for range ws {
		select {
		case <-done:
		case <-time.After(e2eLimit):
			require.FailNow(t, "not all came back")
		}
	}
	t.Logf("all were back after %s", time.Since(began).Round(time.Millisecond))
	watching.Wait()
	for _, w := range ws {
		assert.Equal(t, []string{"new", "epoch"}, w.resets, "%s over %s", w.url, w.client.protocol)
		assert.Equal(t, w.truth, w.vehicles, "%s over %s", w.url, w.client.protocol)
	}
	await(t, "streams to be closed", func() bool { return next.openStreams(t) == 0 })
	return ws
}

func TestRestart(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", freePort(t), "--state-dir", t.TempDir(), "--journal", "off"}
	hub := startHub(t, args...)
	ws := restarted(t, hub, func() *runningHub {
		hub.stop(t)
		return startHub(t, args...)
	})
	for _, w := range ws {
		assert.Equal(t, []string{`{"reason":"draining"}`}, w.byes)
	}
}

func TestRestartAfterKill(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", freePort(t), "--state-dir", t.TempDir(), "--journal", "off"}
	hub := startHub(t, args...)
	restarted(t, hub, func() *runningHub {
		await(t, "the vehicles to be saved", func() bool {
			saved, err := os.ReadFile(filepath.Join(hub.stateDir, vehiclesFile))
			return err == nil && bytes.Count(saved, []byte(`"vehicle_id"`)) == fleetSize
		})
		hub.kill()
		return startHub(t, args...)
	})
}

// A client over HTTP/3 sends into the void after its hub was killed. The next hub, which has the
// same keys, answers with a stateless reset, long before the client's idle timeout.
func TestKillIsNoticedOverHTTP3(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", freePort(t), "--state-dir", t.TempDir()}
	hub := startHub(t, args...)
	client := hub.client(t, "h3")
	s := client.mustOpen(t, hub.public+"/stream", "")
	s.until(t, "live")
	hub.kill()
	startHub(t, args...)
	began := time.Now()
	client.speak(hub.public)
	_, err := s.next()
	t.Logf("after %s: %v", time.Since(began).Round(time.Millisecond), err)
	assert.ErrorAs(t, err, new(*quic.StatelessResetError), "not its idle timeout")
}

// Clients that dial over HTTP/3 while the hub goes down get no connection that stays unserved until
// its timeout. The next hub answers them.
func TestDialsWhileTheHubGoesDown(t *testing.T) {
	t.Parallel()
	args := []string{"--listen", freePort(t), "--state-dir", t.TempDir()}
	hub := drainingHub(t, args...)
	hub.interrupt()
	<-hub.log.seen("the hub is going down")
	var dialling sync.WaitGroup
	for range 8 {
		dialling.Go(func() {
			client := hub.client(t, "h3")
			for {
				connected := false
				ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
					GetConn: func(string) { connected = false }, // again, after a refusal
					GotConn: func(httptrace.GotConnInfo) { connected = true },
				})
				s, err := client.open(ctx, hub.public+"/stream", "")
				if err == nil {
					var e wireEvent
					for err == nil && e.name != "live" { // or the end of a hub that goes down
						e, err = s.next()
					}
					s.close()
				}
				if err == nil {
					return
				}
				if errors.As(err, new(*quic.IdleTimeoutError)) && !assert.False(t, connected, "nobody serves it") {
					return
				}
				client.reset()
			}
		})
	}
	<-hub.ended
	next := startHub(t, args...)
	dialling.Wait()
	await(t, "streams to be closed", func() bool { return next.openStreams(t) == 0 })
}

func TestTornState(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--journal", "off")
	lines, _, _ := parkedFleet()
	hub.publishLines(t, lines...)
	hub.stop(t)
	path := filepath.Join(hub.stateDir, vehiclesFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	lineEnds := bytes.LastIndexByte(whole[:len(whole)/2], '\n') + 1
	footer := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for name, torn := range map[string][]byte{
		"in a line":          whole[:len(whole)/2],
		"at a line's end":    whole[:lineEnds],
		"before its footer":  whole[:footer],
		"empty":              {},
		"zeros after a half": append(bytes.Clone(whole[:lineEnds]), make([]byte, 4096)...),
		"no state at all":    []byte("hello\n"),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, vehiclesFile), torn, 0o600))
			// of a save that was killed
			require.NoError(t, os.WriteFile(filepath.Join(dir, vehiclesFile+".new-1"), torn, 0o600))
			hub := startHub(t, "--state-dir", dir, "--journal", "off")
			aside := filepath.Join(dir, vehiclesFile+".unreadable")
			line := hub.log.await(t, "cannot read the saved vehicles; starting without them")
			assert.Equal(t, aside, line["kept_as"])
			kept, err := os.ReadFile(aside)
			assert.NoError(t, err)
			assert.Equal(t, torn, kept)
			assert.Zero(t, hub.metric(t, `livemap_vehicles{state="present"}`))
			hub.publishLines(t, lines[7])
			hub.stop(t)
			again := startHub(t, "--state-dir", dir, "--journal", "off")
			assert.Equal(t, 1.0, again.metric(t, `livemap_vehicles{state="present"}`), "what came after is saved")
			assert.Empty(t, again.log.find("cannot read the saved vehicles; starting without them"))
		})
	}
}

// The hub logs a state that it cannot write, and goes on until the end.
func TestStateDirLost(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	hub := startHub(t, "--state-dir", dir)
	hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
	require.NoError(t, os.RemoveAll(dir))
	hub.interrupt()
	<-hub.ended
	require.Error(t, hub.err)
	assert.Regexp(t, `(?m)^livemap: --state-dir: .*no such file or directory$`, hub.log.tail(1))
}

// A hub whose directory another one has taken saves nothing there, and says so.
func TestStateDirOfAnotherHub(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	first := startHub(t, "--state-dir", dir, "--journal", "off")
	first.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
	require.NoError(t, os.RemoveAll(dir))
	second := startHub(t, "--state-dir", dir, "--journal", "off")
	second.publishLines(t, `{"vehicle_id":"B","lat":1,"lon":2}`)
	first.interrupt()
	<-first.ended
	require.Error(t, first.err)
	assert.Contains(t, first.log.tail(1), "livemap: --state-dir: cannot save the vehicles: "+dir+
		" was removed and made again, and now another hub is using it")
	saved, _ := os.ReadFile(filepath.Join(dir, vehiclesFile)) // the second may not have saved yet
	assert.NotContains(t, string(saved), `"vehicle_id":"A"`)
	second.stop(t)
	saved, err := os.ReadFile(filepath.Join(dir, vehiclesFile))
	require.NoError(t, err)
	assert.Contains(t, string(saved), `"vehicle_id":"B"`)
}
