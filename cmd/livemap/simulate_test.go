package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"livemap/api/problem"
	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/simulator"
	"livemap/geo"

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

// simulateOnce runs simulate against a hub until it has published, and returns what it wrote.
func simulateOnce(t *testing.T, hub *publishedHub, args ...string) (out, stderr string, status int) {
	t.Helper()
	published := make(chan struct{})
	hub.meet = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.Method == http.MethodDelete {
			hub.lines = append(hub.lines, r.Method+" "+r.URL.String())
			io.WriteString(w, `{"deleted":3}`)
			return true
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		lines := bufio.NewScanner(r.Body)
		lines.Scan()
		hub.lines = append(hub.lines, lines.Text())
		if n > 1 { // the first request is short
			close(published)
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"accepted":1}`)
		return true
	}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-published
		stop()
	}()
	var screen, errs console
	err := run(ctx, append([]string{"simulate", "--vehicles=3", "--rate=20", "--to", hub.URL}, args...),
		streams{nil, &screen, &errs})
	status = exitStatus(err, &errs)
	return screen.String(), errs.String(), status
}

func TestSimulateDeletesItsVehicles(t *testing.T) {
	topics := map[string]bool{}
	for range 2 { // of two simulations, each has a topic of its own
		hub := newPublishedHub(t)
		out, stderr, status := simulateOnce(t, hub)
		require.Zero(t, status, stderr)
		require.Empty(t, stderr)
		topic := regexp.MustCompile(`"(simulation:[a-z2-7]{8})"]`).FindStringSubmatch(hub.lines[1])
		require.NotNil(t, topic, hub.lines)
		require.Regexp(t, `positions sent: accepted 1,.*; 3 vehicles deleted at the end\n$`, out)
		require.Equal(t, "DELETE /vehicles?topic="+url.QueryEscape(topic[1]), hub.lines[len(hub.lines)-1])
		topics[topic[1]] = true
	}
	require.Len(t, topics, 2)

	hub := newPublishedHub(t)
	out, _, status := simulateOnce(t, hub, "--keep")
	require.Zero(t, status)
	require.Regexp(t, `; the vehicles stay in the topic simulation:[a-z2-7]{8}\n$`, out)
	require.NotContains(t, hub.lines[len(hub.lines)-1], "DELETE")
}

// The hub may be away at the end: simulate waits a little, and says what is left and how to delete it.
func TestSimulateCleanUp(t *testing.T) {
	answer := func(status int, text string) *http.Response {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)),
			Header: http.Header{}}
	}
	away := errors.New("connection refused")
	for _, test := range []struct {
		name   string
		answer func(n int) (*http.Response, error) // to the nth request
		ended  string
		says   []string // of the error; nil: there is none
		told   int      // lines about a hub that is away
	}{
		{"many", func(int) (*http.Response, error) { return answer(200, `{"deleted":1250}`), nil },
			"; 1,250 vehicles deleted at the end", nil, 0},
		{"one", func(int) (*http.Response, error) { return answer(200, `{"deleted":1}`), nil },
			"; 1 vehicle deleted at the end", nil, 0},
		{"some come back", func(n int) (*http.Response, error) {
			return answer(200, `{"deleted":`+[]string{"250", "3", "0"}[n-1]+`}`), nil
		}, "; 250 vehicles deleted at the end", nil, 0},
		{"a restart", func(n int) (*http.Response, error) {
			if n < 3 {
				return nil, away
			}
			return answer(200, `{"deleted":0}`), nil
		}, "; 0 vehicles deleted at the end", nil, 1},
		{"away", func(int) (*http.Response, error) { return nil, away }, "",
			[]string{"connection refused; the vehicles stay; DELETE /vehicles?topic=simulation:x deletes them"}, 1},
		{"no right", func(int) (*http.Response, error) { return answer(403, ""), nil }, "",
			[]string{"the hub answered 403 Forbidden", "the vehicles stay"}, 0},
		{"a hub without this", func(int) (*http.Response, error) { return answer(404, ""), nil }, "",
			[]string{"the hub answered 404 Not Found", "the vehicles stay"}, 0},
		{"no hub", func(int) (*http.Response, error) { return answer(200, "{}"), nil }, "",
			[]string{"does not say how many", "the vehicles stay"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				hub := client.Hub{Token: "x", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					n++
					assert.Equal(t, []string{"DELETE", "topic=simulation%3Ax", "Bearer x"},
						[]string{r.Method, r.URL.RawQuery, r.Header.Get("Authorization")})
					return test.answer(n)
				})}
				var screen console
				begun := time.Now()
				lost := test.name == "some come back"
				ended, err := new(simulateCmd).cleanUp(t.Context(), hub, "simulation:x", lost, newRateLine(&screen, 1))
				assert.True(t, !lost || n == 3, "it deletes until nothing is left: %d requests", n)
				assert.Equal(t, test.ended, ended)
				assert.Less(t, time.Since(begun), 10*time.Second)
				assert.Equal(t, test.told, strings.Count(screen.String(), "connection refused; waiting for it"))
				if test.says == nil {
					assert.NoError(t, err)
				}
				for _, words := range test.says {
					assert.ErrorContains(t, err, words)
				}
			})
		})
	}
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
		outcome, err := c.simulate(ctx, client.NewUpload(client.Hub{Transport: hub}, line.notice),
			simulator.Config{}, line)
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, 1, outcome.sum.Accepted)
		blank := 0
		for _, text := range sent {
			if text == "\n" {
				blank++
			}
		}
		assert.Equal(t, outcome.written+blank, len(sent))
		assert.GreaterOrEqual(t, blank, 5)
		assert.Equal(t, 6, strings.Count(screen.String(), "1 vehicles, "), "a line every ten seconds")
	})
}

// uploads is a hub in a bubble. It answers the nth upload, counted from 0, whose body has lines: read reads
// it, and returns the end of the answer.
func uploads(read func(n int, body *bufio.Reader, ended <-chan struct{}) (string, error)) roundTrip {
	var requests atomic.Int32
	return func(r *http.Request) (*http.Response, error) {
		n := int(requests.Add(1)) - 1
		in, out := io.Pipe()
		go func() {
			io.WriteString(out, `{"accepted":0}`+"\n")
			end, err := `{"accepted":0}`, error(nil)
			if n%2 == 0 { // the short request before an upload
				io.Copy(io.Discard, r.Body)
			} else {
				end, err = read(n/2, bufio.NewReader(r.Body), r.Context().Done())
			}
			io.WriteString(out, end+"\n")
			out.CloseWithError(err)
		}()
		header := http.Header{"Content-Type": {"application/x-ndjson"}}
		return &http.Response{StatusCode: 200, Header: header, Body: in}, nil
	}
}

// summaryOf simulates 50 vehicles against a hub for a time.
func summaryOf(t *testing.T, hub roundTrip, limit time.Duration) summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	line := newRateLine(io.Discard, 50)
	c := fleetFlags{Vehicles: 50, Rate: 1, Seed: 1}
	up := client.NewUpload(client.Hub{Transport: hub}, line.notice)
	outcome, err := c.simulate(ctx, up, simulator.Config{}, line)
	require.NoError(t, err)
	synctest.Wait()
	return outcome
}

// A program that was stopped, or a laptop that was closed, goes on in the present: the fleet stands still
// meanwhile, and sends no burst of old positions.
func TestSimulateSkipsPause(t *testing.T) {
	const pause = time.Hour
	synctest.Test(t, func(t *testing.T) {
		var late, all, newest int
		vehicles := map[string]bool{}
		summaryOf(t, uploads(func(_ int, body *bufio.Reader, _ <-chan struct{}) (string, error) {
			body.ReadString('\n')
			time.Sleep(pause)
			for {
				text, err := body.ReadString('\n')
				if err != nil {
					return `{"accepted":0}`, nil
				}
				p, err := geo.ParsePosition([]byte(text))
				require.NoError(t, err)
				all++
				vehicles[p.VehicleID] = true
				if age := time.Since(p.Time); age > time.Minute {
					late++
				} else if age > 2*time.Second || age < 0 {
					newest++
				}
			}
		}), pause+30*time.Second)
		assert.LessOrEqual(t, late, 100, "what was due when the program stopped")
		assert.LessOrEqual(t, newest, 10, "these are of the present")
		assert.LessOrEqual(t, all, 50*33)
		assert.GreaterOrEqual(t, all, 25*20, "the fleet drives on")
		assert.Greater(t, len(vehicles), 40)
	})
}

// At an end that is wanted, what the hub has not acknowledged yet is no loss.
func TestSimulateEndsCalmly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcome := summaryOf(t, uploads(func(_ int, body *bufio.Reader, ended <-chan struct{}) (string, error) {
			go io.Copy(io.Discard, body)
			<-ended // the client waits no longer
			return "", errors.New("cut")
		}), 10*time.Second)
		assert.Greater(t, outcome.written, 100)
		assert.Equal(t, outcome.written, outcome.unacknowledged(), "simulate deletes again")
		assert.Equal(t, "50 vehicles, 0 positions sent: accepted 0, rejected 0, late 0, duplicate 0",
			outcome.String())
	})
}

// Positions of an upload that broke before the end are lost, and counted.
func TestSimulateCountsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost, taken := 0, 0
		outcome := summaryOf(t, uploads(func(n int, body *bufio.Reader, _ <-chan struct{}) (string, error) {
			for i := 0; ; i++ {
				text, err := body.ReadString('\n')
				switch {
				case n == 0 && i == 60:
					rest, _ := io.ReadAll(io.LimitReader(body, int64(body.Buffered())))
					lost = i + 1 + strings.Count(string(rest), "\n") - 20
					return `{"accepted":20}`, errors.New("cut")
				case err != nil:
					return fmt.Sprintf(`{"accepted":%d}`, taken), nil
				case text != "\n" && n > 0:
					taken++
				}
			}
		}), 20*time.Second)
		require.Greater(t, lost, 30)
		assert.Equal(t, lost, outcome.lost)
		assert.Equal(t, fmt.Sprintf("50 vehicles, %d positions sent: accepted %d, rejected 0, late 0, "+
			"duplicate 0, never acknowledged %d", taken+20+lost, taken+20, lost), outcome.String())
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
