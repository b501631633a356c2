package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All that is sent arrives, and the hub refuses none of it.
func TestSimulateAgainstHub(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	s := startProcess(t, "simulate", "--to", hub.publish, "--vehicles", "300", "--rate", "5")
	accepted := func() float64 { return hub.metric(t, `livemap_positions_total{result="accepted"}`) }
	await(t, "3000 positions of all vehicles", func() bool {
		return accepted() > 3000 && hub.metric(t, `livemap_vehicles{state="present"}`) == 300
	})
	status, body := getText(t, hub, "/topics/depot:berlin/snapshot")
	assert.Equal(t, http.StatusOK, status)
	assert.Greater(t, strings.Count(body, `"vehicle_id"`), 50)
	_, body = getText(t, hub, "/topics/kind:bus/snapshot")
	assert.Contains(t, body, `"BUS-001"`)
	assert.NotContains(t, body, `"TRUCK-`)

	sent, taken, rejected, duplicate := s.simulated(t)
	assert.Equal(t, sent, taken)
	assert.GreaterOrEqual(t, accepted(), float64(taken))
	assert.Zero(t, rejected)
	assert.Zero(t, duplicate)
	assert.NotContains(t, s.err.String(), "livemap:") // a slow run shows its rates
	assert.Contains(t, s.out.String(), "; 300 vehicles deleted at the end\n")
	if accepted() == float64(taken) { // what a busy hub reads after the end brings vehicles back
		assert.Zero(t, hub.metric(t, `livemap_vehicles{state="present"}`))
	}
}

func getText(t *testing.T, hub *runningHub, path string) (int, string) {
	t.Helper()
	resp, err := hub.operator.Get(hub.publish + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// The hub goes down and comes back: the fleet drives on, and is all there again,
// in its topics, also where the hub that comes back remembers nothing.
func TestSimulateOutlivesRestart(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"drained": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := freePort(t)
			flags := []string{"--publish-listen", address, "--drain", "0s"}
			hub := startHub(t, flags...)
			s := startProcess(t, "simulate", "--to", hub.publish, "--vehicles", "100", "--rate", "2")
			present := func(h *runningHub) bool { return h.metric(t, `livemap_vehicles{state="present"}`) == 100 }
			await(t, "all vehicles", func() bool { return present(hub) })
			if killed {
				hub.kill()
			} else {
				hub.stop(t)
			}
			await(t, "that the loss is told", func() bool {
				return strings.Contains(s.err.String(), "waiting for it")
			})
			again := startHub(t, flags...) // with a state of its own
			await(t, "the drivers again", func() bool {
				return again.metric(t, `livemap_vehicles{state="present"}`) > 60
			})
			await(t, "their topics", func() bool {
				_, body := getText(t, again, "/topics/depot:berlin/snapshot")
				return strings.Count(body, `"vehicle_id"`) > 10
			})
			sent, accepted, rejected, _ := s.simulated(t)
			assert.Zero(t, rejected)
			assert.LessOrEqual(t, accepted, sent)
			assert.Equal(t, 1, strings.Count(s.err.String(), "waiting for it"), "an outage is told once")
			assert.Equal(t, 1, strings.Count(s.err.String(), "is back"))
		})
	}
}

// A hub that is not there yet is waited for.
func TestSimulateWaitsForHub(t *testing.T) {
	t.Parallel()
	address := freePort(t)
	s := startProcess(t, "simulate", "--to", "http://"+address, "--vehicles", "10")
	await(t, "that it waits", func() bool { return strings.Contains(s.err.String(), "waiting for it") })
	hub := startHub(t, "--publish-listen", address)
	await(t, "all vehicles", func() bool { return hub.metric(t, `livemap_vehicles{state="present"}`) > 5 })
	s.simulated(t)
}

// SIGTERM ends it with a summary, as Ctrl-C does.
func TestSimulateProcessEnds(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	process := startProcess(t, "simulate", "--to", hub.publish, "--vehicles", "20")
	await(t, "positions", func() bool {
		return hub.metric(t, `livemap_positions_total{result="accepted"}`) > 40
	})
	process.interrupt(t)
	assert.Regexp(t, `^20 vehicles, \d+ positions sent: accepted \d+, rejected 0`, process.out.String())
	assert.Empty(t, process.err.String())
}
