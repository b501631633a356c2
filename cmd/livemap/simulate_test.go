package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
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

// An answer that another try would not mend ends the simulation with an explanation.
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

// The first refusal and each hint are noticed once, no others, and the fleet drives on.
func TestSimulateNoticesFirstRefusal(t *testing.T) {
	hub := newPublishedHub(t)
	hub.meet = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		w.Header().Set("Content-Type", "application/x-ndjson")
		http.NewResponseController(w).EnableFullDuplex()
		answer := problem.Ack{Rejected: 3, Errors: []problem.Refusal{
			{VehicleID: "BUS-1", Detail: "lat is 91"},
			{VehicleID: "BUS-2", Detail: "no"},
		}, Hints: []string{"speed is kept"}}
		for range 2 {
			json.NewEncoder(w).Encode(answer)
			w.(http.Flusher).Flush()
		}
		io.Copy(io.Discard, r.Body)
		json.NewEncoder(w).Encode(answer)
		return true
	}
	ctx, stop := context.WithCancel(t.Context())
	out, stderr, ended := &console{}, &firstWrite{written: make(chan struct{})}, make(chan error)
	go func() {
		ended <- run(ctx, []string{"simulate", "--vehicles=5", "--to", hub.URL}, streams{nil, out, stderr})
	}()
	<-stderr.written
	stop()
	require.NoError(t, <-ended)
	assert.Contains(t, out.String(), " rejected 3,")
	assert.Equal(t, "livemap: the hub rejected a position of BUS-1: lat is 91\n"+
		"livemap: hint of the hub: speed is kept\n", stderr.String())
}

// A fleet without due reports keeps its upload alive with blank lines.
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
			header := http.Header{"Content-Type": {"application/x-ndjson"}}
			return &http.Response{StatusCode: 200, Header: header, Body: in}, nil
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
		line := &progress{out: &screen, terminal: true}
		r := &rateLine{line: line, every: time.Second, vehicles: 1250, since: time.Now()}
		state := client.UploadState{Sum: problem.Ack{Accepted: 12345, Late: 12}, Connected: true}
		r.show(1000, 10, state, 0) // too soon
		time.Sleep(2 * time.Second)
		r.show(1212, 2462, state, 3*time.Second)
		r.notice("livemap: %s", "away")
		time.Sleep(time.Second)
		state.Sum.Rejected, state.Connected = 1, false
		r.show(1212, 2462, state, time.Second)
		r.clear()
		assert.Equal(t, eraseLine+"1,250 vehicles, 1,212 moving · 1,231 positions/s · "+
			"accepted 12,345 · late 12 · rejected 0 · connected · 3 s behind"+
			eraseLine+"livemap: away\n"+
			eraseLine+"1,250 vehicles, 1,212 moving · 0 positions/s · "+
			"accepted 12,345 · late 12 · rejected 1 · not connected"+
			eraseLine, screen.String())
	})
}
