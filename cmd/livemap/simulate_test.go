package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"livemap/api/problem"
	"livemap/cmd/livemap/client"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSimulateRefusesFlags(t *testing.T) {
	for _, test := range []struct {
		flag, value, accept string
	}{
		{"vehicles", "0", "from 1 to 100000"},
		{"vehicles", "-1", "from 1 to 100000"},
		{"vehicles", "100001", "from 1 to 100000"},
		{"vehicles", "many", "int"},
		{"rate", "0", "from 0.01 to 20"},
		{"rate", "0.009", "from 0.01 to 20"},
		{"rate", "20.1", "from 0.01 to 20"},
		{"rate", "NaN", "from 0.01 to 20"},
		{"rate", "often", "float"},
		{"seed", "-1", "uint"},
		{"to", "localhost:9801", "http://host:port"},
	} {
		for _, name := range []string{"simulate", "demo"} {
			if name == "demo" && test.flag == "to" {
				continue
			}
			t.Run(name+" "+test.flag+"="+test.value, func(t *testing.T) {
				out, stderr, status := command(t, "", name, "--"+test.flag+"="+test.value)
				assert.Equal(t, 2, status, stderr)
				assert.Empty(t, out)
				assert.Contains(t, stderr, "--"+test.flag)
				assert.Contains(t, stderr, test.accept)
			})
		}
	}
}

// simulation is `livemap simulate` while it runs.
type simulation struct {
	out, err console
	stop     context.CancelFunc
	ended    chan error
}

func startSimulation(t *testing.T, args ...string) *simulation {
	t.Helper()
	s := &simulation{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	t.Cleanup(cancel)
	go func() {
		s.ended <- run(ctx, append([]string{"simulate"}, args...), streams{strings.NewReader(""), &s.out, &s.err})
	}()
	return s
}

// end stops it and gives the numbers of its summary. On a machine that is too
// busy some are sent and not acknowledged before it gives up: they are not counted
// as sent.
func (s *simulation) end(t *testing.T) (sent, accepted, rejected, late, duplicate int) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.ended:
		require.NoError(t, err)
	case <-time.After(e2eLimit):
		require.FailNow(t, "it does not end")
	}
	m := regexp.MustCompile(`(\d+) positions sent: accepted (\d+), rejected (\d+), late (\d+), duplicate (\d+)(?:, never acknowledged (\d+))?\n$`).FindStringSubmatch(s.out.String())
	require.NotNil(t, m, s.out.String())
	var n [6]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	return n[0] - n[5], n[1], n[2], n[3], n[4]
}

// All that is sent arrives, and the hub refuses none of it.
func TestSimulateAgainstHub(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	s := startSimulation(t, "--to", hub.publish, "--vehicles", "300", "--rate", "5")
	accepted := func() float64 { return hub.metric(t, `livemap_positions_total{result="accepted"}`) }
	await(t, "3000 positions of all vehicles", func() bool {
		return accepted() > 3000 && hub.metric(t, `livemap_vehicles{state="present"}`) == 300
	})
	sent, taken, rejected, _, duplicate := s.end(t)
	assert.Equal(t, sent, taken)
	if !strings.Contains(s.out.String(), "never acknowledged") {
		assert.Equal(t, float64(taken), accepted())
	}
	assert.Zero(t, rejected)
	assert.Zero(t, duplicate)
	assert.Empty(t, s.err.String())

	status, body := getText(t, hub, "/topics/depot:berlin/snapshot")
	assert.Equal(t, http.StatusOK, status)
	assert.Greater(t, strings.Count(body, `"vehicle_id"`), 50)
	_, body = getText(t, hub, "/topics/kind:bus/snapshot")
	assert.Contains(t, body, `"BUS-001"`)
	assert.NotContains(t, body, `"TRUCK-`)
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
	for name, killed := range map[string]bool{"drained": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := freePort(t)
			flags := []string{"--publish-listen", address, "--drain", "0s"}
			hub := startHubProcess(t, flags...)
			s := startSimulation(t, "--to", hub.publish, "--vehicles", "100", "--rate", "2")
			present := func(h *runningHub) bool { return h.metric(t, `livemap_vehicles{state="present"}`) == 100 }
			await(t, "all vehicles", func() bool { return present(hub) })
			if killed {
				hub.kill()
			} else {
				hub.stop(t)
			}
			await(t, "that the loss is told", func() bool { return strings.Contains(s.err.String(), "waiting for it") })
			again := startHub(t, flags...) // with a state of its own
			await(t, "the drivers again", func() bool { return again.metric(t, `livemap_vehicles{state="present"}`) > 60 })
			await(t, "their topics", func() bool {
				_, body := getText(t, again, "/topics/depot:berlin/snapshot")
				return strings.Count(body, `"vehicle_id"`) > 10
			})
			sent, accepted, rejected, _, _ := s.end(t)
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
	s := startSimulation(t, "--to", "http://"+address, "--vehicles", "10")
	await(t, "that it waits", func() bool { return strings.Contains(s.err.String(), "waiting for it") })
	hub := startHub(t, "--publish-listen", address)
	await(t, "all vehicles", func() bool { return hub.metric(t, `livemap_vehicles{state="present"}`) > 5 })
	s.end(t)
}

// What another try would not mend ends it, in words.
func TestSimulateGivesUp(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		says   string
	}{
		{"a token is missing", http.StatusUnauthorized, "show a token"},
		{"the public port", http.StatusNotFound, "show a token"},
		{"no hub", http.StatusOK, "is this the internal port of a hub?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := newPublishedHub(t)
			hub.meet = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				if test.status == http.StatusOK {
					io.WriteString(w, "<html>")
				} else {
					answerProblem(w, test.status, "show a token", nil)
				}
				return true
			}
			_, stderr, status := command(t, "", "simulate", "--vehicles=1", "--to", hub.URL)
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, test.says)
		})
	}
}

// A refusal is told once, and the fleet drives on.
func TestSimulateTellsRefusals(t *testing.T) {
	hub := newPublishedHub(t)
	hub.meet = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		w.Header().Set("Content-Type", "application/x-ndjson")
		http.NewResponseController(w).EnableFullDuplex()
		answer := problem.Ack{Rejected: 3, Errors: []problem.Refusal{{VehicleID: "BUS-1", Detail: "lat is 91"}, {VehicleID: "BUS-2", Detail: "no"}}}
		for range 2 {
			json.NewEncoder(w).Encode(answer)
			w.(http.Flusher).Flush()
		}
		io.Copy(io.Discard, r.Body)
		json.NewEncoder(w).Encode(answer)
		return true
	}
	s := startSimulation(t, "--vehicles=5", "--to", hub.URL)
	await(t, "the refusal", func() bool { return strings.Contains(s.err.String(), "refused") })
	_, _, rejected, _, _ := s.end(t)
	assert.Equal(t, 3, rejected)
	assert.Equal(t, "livemap: the hub refused a position of BUS-1: lat is 91\n", s.err.String())
}

// SIGTERM ends it with a summary, as Ctrl-C does.
func TestSimulateProcessEnds(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	process := startProcess(t, "simulate", "--to", hub.publish, "--vehicles", "20")
	await(t, "positions", func() bool { return hub.metric(t, `livemap_positions_total{result="accepted"}`) > 40 })
	process.interrupt(t)
	assert.Regexp(t, `^20 vehicles, \d+ positions sent: accepted \d+, rejected 0`, process.out.String())
	assert.Empty(t, process.err.String())
}

// A fleet on which nothing is due keeps its upload alive.
func TestSimulateSendsBlankLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		hub := roundTrip(func(r *http.Request) (*http.Response, error) {
			in, out := io.Pipe()
			go func() {
				defer out.Close()
				io.WriteString(out, `{"accepted":0}`+"\n")
				body, _ := io.ReadAll(r.Body)
				sent = slices.Collect(strings.Lines(string(body)))
				io.WriteString(out, `{"accepted":1}`+"\n")
			}()
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-ndjson"}}, Body: in}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 65*time.Second)
		defer cancel()
		var screen console
		line := newRateLine(&screen, 1)
		c := fleetFlags{Vehicles: 1, Rate: 0.01, Seed: 1}
		outcome, err := c.simulate(ctx, client.NewUpload(client.Hub{Transport: hub}, line.notice), line)
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, 1, outcome.sum.Accepted)
		blank := 0
		for _, text := range sent {
			if text == "\n" {
				blank++
			}
		}
		assert.Equal(t, outcome.sent+blank, len(sent))
		assert.GreaterOrEqual(t, blank, 5)
		assert.Equal(t, 6, strings.Count(screen.String(), "1 vehicles, "), "a line every ten seconds")
	})
}

func TestRateLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen console
		r := &rateLine{line: &progress{out: &screen, terminal: true}, every: time.Second, vehicles: 1250, since: time.Now()}
		r.show(1000, 10, client.UploadState{Connected: true}, 0) // too soon
		time.Sleep(2 * time.Second)
		r.show(1212, 2462, client.UploadState{Sum: problem.Ack{Accepted: 12345, Late: 12}, Connected: true}, 3*time.Second)
		r.notice("livemap: %s", "away")
		time.Sleep(time.Second)
		r.show(1212, 2462, client.UploadState{Sum: problem.Ack{Accepted: 12345, Late: 12, Rejected: 1}}, time.Second)
		r.clear()
		assert.Equal(t, eraseLine+"1,250 vehicles, 1,212 moving · 1,231 positions/s · accepted 12,345 · late 12 · refused 0 · connected · 3 s behind"+
			eraseLine+"livemap: away\n"+
			eraseLine+"1,250 vehicles, 1,212 moving · 0 positions/s · accepted 12,345 · late 12 · refused 1 · not connected"+
			eraseLine, screen.String())
	})
}
