package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/problem"
	"livemap/cmd/livemap/client"
	"livemap/cmd/livemap/recording"
	"livemap/geo"
)

// write writes a recording. It gzips one whose name ends in .gz.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if strings.HasSuffix(name, ".gz") {
		text = zipped(t, text)
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func zipped(t *testing.T, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// many returns a recording of n positions, one per second.
func many(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, at(fmt.Sprint("T", i), float64(i+1)))
	}
	return text.String()
}

func TestReplayBatchesKeepOneConnection(t *testing.T) {
	hub := newPublishedHub(t)
	path := write(t, "many.ndjson.gz", many(3000))
	out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Zero(t, status, stderr)
	assert.Equal(t, "accepted 3000, rejected 0, late 0, duplicate 0\n", out)
	assert.Equal(t, strings.TrimSpace(many(3000)), strings.Join(hub.published(), "\n"))
	assert.GreaterOrEqual(t, hub.requests, 6, "a request holds at most 500")
	assert.Len(t, hub.clients, 1, "one connection")
}

func TestReplayCounts(t *testing.T) {
	const (
		lateAndDuplicate = `{"status":"OK","accepted":2,"rejected":0,"late":1,"duplicate":1}`
		partial          = `{"status":"PARTIAL","accepted":2,"rejected":1,"errors":[` +
			`{"index":2,"vehicle_id":"T1","field":"lat","detail":"lat is \u001b[2J"}]}`
		allRefused = `{"title":"Unprocessable","errors":[` +
			`{"index":1,"detail":"no"},{"index":3,"detail":"nor"}]}`
		expired = `{"title":"Unauthorized","detail":"the token has expired"}`
	)
	for _, test := range []struct {
		name, answer string
		status       int
		recording    string
		out, stderr  string
		exit         int
	}{
		{"late and duplicate", lateAndDuplicate, 200, many(3),
			"accepted 2, rejected 0, late 1, duplicate 1\n", "", 0},
		{"partial", partial, 200, many(3),
			"accepted 2, rejected 1, late 0, duplicate 0\n",
			"day.ndjson:2: lat is \ufffd[2J\nlivemap: 1 of 3 positions were rejected\n", 1},
		{"all refused", allRefused, 422, many(3),
			"accepted 0, rejected 3, late 0, duplicate 0\n",
			"day.ndjson:3: nor\nlivemap: and 1 more were rejected\n", 1},
		{"stopped by the hub", expired, 401, many(1),
			"accepted 0, rejected 0, late 0, duplicate 0\n",
			"livemap: the hub answered 401 Unauthorized: the token has expired\n", 1},
		{"redirect", `{}`, 307, many(1), "accepted 0, ", "the hub answered 307", 1},
		{"not a hub", `<html>`, 200, many(1), "accepted 0, ", "the answer is not an Ack of a hub", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := newPublishedHub(t)
			hub.meet = func(w http.ResponseWriter, r *http.Request, n int) bool {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(test.status)
				io.WriteString(w, test.answer)
				return true
			}
			c := &replayCmd{hubFlags: hubFlags{}}
			require.NoError(t, c.To.UnmarshalText([]byte(hub.URL)))
			records, err := recording.Open([]string{write(t, "day.ndjson", test.recording)}, nil)
			require.NoError(t, err)
			var out, stderr console
			p := newPlayer(c.hub(c.To, http.DefaultTransport), newProgress(&stderr, 0))
			err = p.publish(t.Context(), all(t, records))
			err = c.conclude(t.Context(), streams{nil, &out, &stderr}, p, err)
			assert.Equal(t, test.exit, exitStatus(err, &stderr))
			assert.Contains(t, out.String(), test.out)
			assert.Contains(t, stderr.String(), test.stderr)
		})
	}
}

// all reads a playlist to its end, for tests in which it is one batch.
func all(t *testing.T, p *recording.Playlist) []recording.Record {
	var records []recording.Record
	for {
		rec, err := p.Next()
		if err == io.EOF {
			return records
		}
		require.NoError(t, err)
		records = append(records, rec)
	}
}

func TestReplayShowsFirstRefusals(t *testing.T) {
	hub := newPublishedHub(t)
	path := write(t, "bad.ndjson", strings.Repeat("{}\n", 700))
	out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Equal(t, 1, status)
	assert.Equal(t, "accepted 0, rejected 700, late 0, duplicate 0\n", out)
	assert.Equal(t, noticesShown, strings.Count(stderr, "lat must"))
	assert.Contains(t, stderr, path+":10: lat must")
	assert.Contains(t, stderr, "and 690 more were rejected")
}

// A line that cannot be read is counted, and does not end the replay.
func TestReplayUnreadable(t *testing.T) {
	cut := zipped(t, strings.Repeat(at("A", 1)+"\n", 3))
	const yesterday = `{"vehicle_id":"X","lat":1,"lon":1,"timestamp":"yesterday"}`
	for _, test := range []struct {
		file, text string
		summary    string
		stderr     []string
	}{
		{"bad.ndjson", at("A", 1) + "\n{nonsense\n" + at("B", 2),
			"accepted 2, rejected 1", []string{"bad.ndjson:2: not JSON"}},
		{"when.ndjson", at("A", 1) + "\n" + yesterday,
			"accepted 1, rejected 1", []string{"when.ndjson:2: timestamp must be"}},
		{"long.ndjson", `{"vehicle_id":"` + strings.Repeat("x", 2<<20) + "\n" + at("B", 2),
			"accepted 1, rejected 1", []string{"long.ndjson:1: the line is longer than 1 MiB"}},
		{"cut.bin", cut[:len(cut)-9],
			"rejected ", []string{"cannot read the rest: the file ends in the middle; it was cut"}},
		{"numbers.csv", "id,lat,lon\nA,1,2\nB,0x10,2\nC,NaN,2\nD,,2\n",
			"accepted 1, rejected 3",
			[]string{"numbers.csv:3: lat must", "numbers.csv:4: lat must", "numbers.csv:5: lat must"}},
		{"fields.csv", "id,lat,lon\nA,1\nB,1,2,3\nC,1,2\n",
			"accepted 1, rejected 2",
			[]string{"fields.csv:2: it has 2 fields, the header has 3", "fields.csv:3: it has 4"}},
		{"quotes.csv", "id,lat,lon\nA\"B,1,2\nC,1,2\n",
			"accepted 1, rejected 1", []string{"quotes.csv:2: not CSV"}},
		{"encoding.csv", "id,lat,lon\nM\x81nchen,1,2\nC,1,2\n", "accepted 1, rejected 1",
			[]string{"encoding.csv:2: its encoding is neither UTF-8 nor windows-1252; save it as UTF-8"}},
		{"cut.gpx", `<gpx><trk><trkseg><trkpt lat="1" lon="2"/><trkpt lat="1"/><trkpt lat="1" lo`,
			"accepted 1, rejected 2", []string{"cut.gpx:1: lat must", "cut.gpx:1: cannot read the rest"}},
	} {
		t.Run(test.file, func(t *testing.T) {
			hub := newPublishedHub(t)
			path := write(t, test.file, test.text)
			out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
			assert.Equal(t, 1, status)
			assert.Contains(t, out, test.summary)
			for _, want := range test.stderr {
				assert.Contains(t, stderr, want)
			}
		})
	}
}

// A file that is not a recording is a mistake in the call.
func TestReplayNoRecording(t *testing.T) {
	hub := newPublishedHub(t)
	good := write(t, "good.ndjson", at("A", 1))
	out, stderr, status := command(t, "", "replay", "--to", hub.URL, good, write(t, "a.csv", "name,lon\n"))
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "a.csv: it has no column lat")
	assert.Empty(t, out)
	assert.Empty(t, hub.published(), "nothing is published where a file is no recording")

	out, stderr, status = command(t, "name,lon\n", "replay", "--to", hub.URL, "-")
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "standard input: it has no column lat")
	assert.Equal(t, "accepted 0, rejected 0, late 0, duplicate 0\n", out)
}

// A file with nothing to play is an error, and no reason not to play the others.
func TestReplayNothing(t *testing.T) {
	hub := newPublishedHub(t)
	waypoints := write(t, "waypoints.gpx", `<gpx><wpt lat="1" lon="2"/></gpx>`)
	const why = "nothing to play: it has 1 waypoint, but no point of a track\n"
	out, stderr, status := command(t, "", "replay", "--to", hub.URL, waypoints, write(t, "a.ndjson", many(1)))
	assert.Equal(t, 1, status)
	assert.Equal(t, "livemap: "+waypoints+": "+why, stderr)
	assert.Equal(t, "accepted 1, rejected 0, late 0, duplicate 0\n", out)

	_, stderr, status = command(t, "", "replay", "--to", hub.URL, "-")
	assert.Equal(t, 1, status)
	assert.Equal(t, "livemap: standard input: nothing to play: it is empty\n", stderr)
}

// A position of another year is not played, unless it is asked for.
func TestReplayOutliers(t *testing.T) {
	path := write(t, "day.ndjson", many(3)+at("of 2033", 3e8))
	for option, want := range map[string]struct{ status, published int }{
		"--keep-outliers=false": {1, 3},
		"--keep-outliers":       {0, 4},
	} {
		hub := newPublishedHub(t)
		_, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, option, path)
		assert.Equal(t, want.status, status, stderr)
		assert.Equal(t, want.status == 1, strings.Contains(stderr, "livemap: "+path+":4: left out: "), stderr)
		assert.Len(t, hub.published(), want.published)
	}
}

// A position without a time among others does not become the newest.
func TestReplayLeavesOutUntimed(t *testing.T) {
	hub := newPublishedHub(t)
	path := write(t, "day.ndjson", many(2)+`{"vehicle_id":"T0","lat":1,"lon":1}`)
	out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Equal(t, 1, status)
	assert.Equal(t, "livemap: "+path+": 1 position without a time left out, as others in it have one\n", stderr)
	assert.Equal(t, "accepted 2, rejected 0, late 0, duplicate 0\n", out)
	assert.Len(t, hub.published(), 2)
}

// A recording without times is not played in an instant, unless that is asked for.
func TestReplayNeedsTimes(t *testing.T) {
	hub := newPublishedHub(t)
	one := `{"vehicle_id":"A","lat":1,"lon":1}`
	path, single := write(t, "route.ndjson", one+"\n"+one), write(t, "one.ndjson", one)
	for _, test := range []struct {
		args   []string
		status int
		says   string
		sent   int
	}{
		{[]string{path}, 2, path + ": its positions have no times; --every 1s plays one of them a second, " +
			"--speed 0 all at once", 0},
		{[]string{"--speed=0", path}, 0, "", 2},
		{[]string{"--every=1ns", path}, 0, "", 2},
		{[]string{single}, 0, "", 1},
		{[]string{"--every=-1s", path}, 2, "--every: -1s is no time between positions", 0},
		{[]string{"--every=1s", write(t, "day.ndjson", many(2))}, 2, "every position has a time", 0},
	} {
		before := len(hub.published())
		_, stderr, status := command(t, "", append([]string{"replay", "--to", hub.URL}, test.args...)...)
		assert.Equal(t, test.status, status, "%v: %s", test.args, stderr)
		assert.Contains(t, stderr, test.says)
		assert.Len(t, hub.published(), before+test.sent, "%v", test.args)
	}
}

// The positions of a recording without times follow each other at --every.
func TestReplayEvery(t *testing.T) {
	lines := `{"vehicle_id":"A","lat":1,"lon":1}` + "\n" + `{"vehicle_id":"B","lat":1,"lon":1}` + "\n" +
		`{"vehicle_id":"C","lat":1,"lon":1}`
	for name, test := range map[string]struct {
		c    replayCmd
		want []string
	}{
		"a second":         {replayCmd{Speed: 1, Every: time.Second}, []string{"A 0", "B 1", "C 2"}},
		"at twice a speed": {replayCmd{Speed: 2, Every: time.Second}, []string{"A 0", "B 0.5", "C 1"}},
		"moved": {replayCmd{Speed: 1, Every: time.Minute, Restamp: true},
			[]string{"A 0", "B 60", "C 120"}},
		"not": {replayCmd{Speed: 1}, []string{"A 0", "B 0", "C 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, _ := playedBy(t, &test.c, lines)
				assert.Equal(t, test.want, got)
			})
		})
	}
}

// A recording without times begins with those that have some.
func TestReplayEveryBesideTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &replayCmd{Speed: 1, Every: 30 * time.Second}
		recordings, err := c.options().Open([]string{
			write(t, "day.ndjson", at("A", 1000)+"\n"+at("B", 1045)),
			write(t, "route.ndjson", `{"vehicle_id":"C","lat":1,"lon":1}`+"\n"+`{"vehicle_id":"D","lat":1,"lon":1}`),
		}, nil)
		require.NoError(t, err)
		var order []string
		for rec, err := recordings.Next(); err == nil; rec, err = recordings.Next() {
			p, err := geo.ParsePosition(rec.Body)
			require.NoError(t, err)
			order = append(order, p.VehicleID)
		}
		assert.Equal(t, []string{"A", "C", "D", "B"}, order)
	})
}

// A long wait is said where the progress is.
func TestReplayShowsWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen console
		p := newPlayer(client.Hub{}, &progress{out: &screen, terminal: true, started: time.Now()})
		p.waits(recording.Record{File: "day.ndjson", Line: 7}, 3*time.Minute)
		p.waits(recording.Record{File: "day.ndjson", Line: 8}, time.Second)
		assert.Equal(t, eraseLine+"0 positions  waits 3 min for day.ndjson:7", screen.String())
	})
}

// The hub restarts in the middle: connections break, 503s come, then it is back. Every position
// arrives, in order.
func TestReplayOutlivesRestart(t *testing.T) {
	breaks := map[string]func(w http.ResponseWriter){
		"503": func(w http.ResponseWriter) {
			answerProblem(w, http.StatusServiceUnavailable, "the hub is draining", nil)
		},
		"429, Retry-After": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			answerProblem(w, http.StatusTooManyRequests, "too fast", nil)
		},
		"502 of a proxy": func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) },
		"cut":            func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"cut in the Ack": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"accepted":5`)
			panic(http.ErrAbortHandler)
		},
		"empty Ack": func(w http.ResponseWriter) { io.WriteString(w, `{"accepted":0}`) },
	}
	for name, fail := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := newPublishedHub(t)
			hub.meet = func(w http.ResponseWriter, _ *http.Request, n int) bool {
				if n == 2 {
					fail(w)
				}
				return n == 2
			}
			path := write(t, "many.ndjson", many(1200))
			out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
			assert.Zero(t, status, stderr)
			assert.Equal(t, "accepted 1200, rejected 0, late 0, duplicate 0\n", out)
			assert.Equal(t, strings.TrimSpace(many(1200)), strings.Join(hub.published(), "\n"))
			assert.Contains(t, stderr, "waiting for it")
			assert.Contains(t, stderr, "is back")
		})
	}
}

// A hub that ends stops at the end of a line. The replay sends the lines behind it again.
func TestReplaySendsTheRestAfterDraining(t *testing.T) {
	hub := newPublishedHub(t)
	hub.meet = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 {
			return false
		}
		var first json.RawMessage
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&first))
		hub.lines = append(hub.lines, string(first))
		io.WriteString(w, `{"status":"OK","accepted":1,"rejected":0,"late":0,"duplicate":0}`)
		return true
	}
	path := write(t, "day.ndjson", many(1000))
	out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Zero(t, status, stderr)
	assert.Equal(t, "accepted 1000, rejected 0, late 0, duplicate 0\n", out)
	assert.Equal(t, strings.TrimSpace(many(1000)), strings.Join(hub.published(), "\n"))
}

func TestReplaySendsTheRestBehindRefusals(t *testing.T) {
	hub := newPublishedHub(t)
	hub.meet = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 { // it read no further than the first line
			refusals := []problem.Refusal{{Index: 1, Detail: "no"}}
			answerProblem(w, http.StatusUnprocessableEntity, "refused", refusals)
		}
		return n == 1
	}
	path := write(t, "day.ndjson", "{}\n"+many(600))
	out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Equal(t, 1, status)
	assert.Equal(t, "accepted 600, rejected 1, late 0, duplicate 0\n", out)
	assert.Contains(t, stderr, "day.ndjson:1: no")
}

func TestReplayToUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	hub := newPublishedHub(t)
	server := httptest.NewUnstartedServer(hub)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	_, stderr, status := command(t, many(2), "replay", "--speed=0", "--to", "unix:"+path, "-")
	assert.Zero(t, status, stderr)
	assert.Len(t, hub.published(), 2)
}

// pemFile writes the certificate of a test server.
func pemFile(t *testing.T, server *httptest.Server) string {
	path := filepath.Join(t.TempDir(), "cert.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func TestReplayOverTLS(t *testing.T) {
	hub := newPublishedHub(t)
	hub.meet = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		assert.Equal(t, "Bearer secret", r.Header.Get("Authorization"))
		return false
	}
	server := httptest.NewTLSServer(hub)
	defer server.Close()
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"unknown certificate", nil, 1, "--cacert"},
		{"insecure", []string{"--insecure"}, 0, ""},
		{"cacert", []string{"--cacert", pemFile(t, server)}, 0, ""},
		{"no such cacert", []string{"--cacert", "nowhere.pem"}, 2, "--cacert: open nowhere.pem"},
		{"no certificate", []string{"--cacert", write(t, "a.pem", "hello")}, 2, "holds no certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"replay", "--token=secret", "--to", server.URL, "-"}, test.args...)
			_, stderr, status := command(t, many(1), args...)
			assert.Equal(t, test.status, status, stderr)
			assert.Contains(t, stderr, test.stderr)
		})
	}
}

func TestReplayCallMistakes(t *testing.T) {
	file := write(t, "day.ndjson", many(1))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{}, "file"},
		{[]string{"missing.ndjson"}, "missing.ndjson: no such file"},
		{[]string{t.TempDir()}, "is a folder"},
		{[]string{file, file}, "given twice"},
		{[]string{file, "--speed=-1"}, "--speed: -1 is not a speed; it must be 0 or more"},
		{[]string{file, "--speed=NaN"}, "--speed"},
		{[]string{file, "--max-gap=-1m"}, "--max-gap: -1m is not a wait; it must be more than 0, such as 1m"},
		{[]string{file, "--max-gap=soon"}, `--max-gap: "soon" is not a time`},
		{[]string{file, "--to=localhost:9801"},
			`--to: "localhost:9801" is not the address of a hub; it must be http://host:port`},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			_, stderr, status := command(t, "", append([]string{"replay"}, test.args...)...)
			assert.Equal(t, 2, status)
			assert.Contains(t, stderr, test.want)
		})
	}
}

// From an open pipe the replay publishes at once what has come. A signal ends it with a summary.
func TestReplayStops(t *testing.T) {
	hub := newPublishedHub(t)
	stdin, feed := io.Pipe()
	defer feed.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	var out, stderr console
	ended := make(chan error)
	go func() {
		ended <- run(ctx, []string{"replay", "--to", hub.URL, "-"}, streams{stdin, &out, &stderr})
	}()
	io.WriteString(feed, many(1))
	require.Eventually(t, func() bool { return len(hub.published()) == 1 }, testLimit, time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	assert.Equal(t, "accepted 1, rejected 0, late 0, duplicate 0\n", out.String())
	assert.Contains(t, stderr.String(), "stopped before the end")
}

// roundTrip is a hub without a network, for tests in bubbles.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// accepted is the answer of a hub that accepts n positions.
func accepted(n int) *http.Response {
	ack := fmt.Sprintf(`{"accepted":%d}`, n)
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(ack))}
}

// played returns a playlist of NDJSON lines in the given order.
func played(t *testing.T, c *replayCmd, text string) *recording.Playlist {
	recordings, err := c.options().Open([]string{"-"}, strings.NewReader(text))
	require.NoError(t, err)
	return recordings
}

func TestReplayPace(t *testing.T) {
	recorded := strings.Join([]string{
		`{"vehicle_id":"untimed","lat":1,"lon":1}`,
		at("A", 1000), at("B", 1000.5), at("late", 990), at("C", 1090), at("D", 1090),
		`{"type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},` +
			`"properties":{"timestamp": "2023-11-14T22:32:30Z","vehicle_id":"E"}, "timestamp":900000001}`,
	}, "\n")
	for _, test := range []struct {
		name    string
		speed   float64
		restamp bool
		want    []string // vehicle, seconds since the start, and a moved timestamp
	}{
		{"as recorded", 1, false, []string{"untimed 0", "A 0", "B 0.5", "late 0.5", "C 90", "D 90", "E 150"}},
		{"twice", 2, false, []string{"untimed 0", "A 0", "B 0.25", "late 0.25", "C 45", "D 45", "E 75"}},
		{"half", 0.5, false, []string{"untimed 0", "A 0", "B 1", "late 1", "C 180", "D 180", "E 300"}},
		{"at once", 0, false, []string{"untimed 0", "A 0", "B 0", "late 0", "C 0", "D 0", "E 0"}},
		{"moved", 2, true, []string{"untimed 0", "A 0 at 0", "B 0.25 at 0.25", "late 0.25 at -5",
			"C 45 at 45", "D 45 at 45", "E 75 at 75"}},
		{"moved, at once", 0, true, []string{"untimed 0", "A 0 at 0", "B 0 at 0", "late 0 at 0",
			"C 0 at 0", "D 0 at 0", "E 0 at 0"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &replayCmd{Speed: test.speed, Restamp: test.restamp}
				got, _ := playedBy(t, c, recorded)
				assert.Equal(t, test.want, got)
			})
		})
	}
}

// sent returns the vehicle of a line, the seconds since start and the timestamp relative to it.
func sent(line string, start time.Time, stamped bool) string {
	var p struct {
		VehicleID  string `json:"vehicle_id"`
		Timestamp  float64
		Properties struct {
			VehicleID string `json:"vehicle_id"`
			Timestamp any
		}
	}
	if err := json.Unmarshal([]byte(line), &p); err != nil {
		return err.Error()
	}
	if inner, ok := p.Properties.Timestamp.(float64); ok {
		p.Timestamp = inner
	}
	text := fmt.Sprintf("%s%s %v", p.VehicleID, p.Properties.VehicleID, time.Since(start).Seconds())
	if stamped && p.Timestamp != 0 {
		text += fmt.Sprintf(" at %v", p.Timestamp-float64(start.Unix()))
	}
	return text
}

// A record of another year does not stop the replay for a year.
func TestReplaySkipsGaps(t *testing.T) {
	recorded := strings.Join([]string{at("A", 0), at("B", 120), at("C", 1e8), at("D", 1e8+10)}, "\n")
	const said = "livemap: skips 3 years after standard input:2\n"
	for _, test := range []struct {
		name    string
		speed   float64
		restamp bool
		maxGap  time.Duration
		want    []string
		said    string
	}{
		{"twice", 2, false, time.Minute, []string{"A 0", "B 60", "C 120", "D 125"}, said},
		{"short", 2, false, time.Second, []string{"A 0", "B 1", "C 2", "D 3"},
			"livemap: skips 1 min after standard input:1\n" + said +
				"livemap: skips 8.0 s after standard input:3\n"},
		{"moved", 2, true, time.Minute, []string{"A 0 at 0", "B 60 at 60", "C 120 at 120", "D 125 at 125"}, said},
		{"none is too long", 2, false, 0, []string{"A 0", "B 60", "C 5e+07", "D 5.0000005e+07"}, ""},
		{"at once", 0, false, time.Minute, []string{"A 0", "B 0", "C 0", "D 0"}, ""},
		{"at once, moved", 0, true, time.Minute, []string{"A 0 at 0", "B 0 at 0", "C 0 at 0", "D 0 at 0"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &replayCmd{Speed: test.speed, Restamp: test.restamp, MaxGap: test.maxGap}
				got, stderr := playedBy(t, c, recorded)
				assert.Equal(t, test.want, got)
				assert.Equal(t, test.said, stderr)
			})
		})
	}
}

// A recording in which most gaps are long does not fill the screen.
func TestReplayShowsFirstGaps(t *testing.T) {
	hub := newPublishedHub(t)
	path := write(t, "sparse.ndjson", many(30))
	_, stderr, status := command(t, "", "replay", "--max-gap=1ms", "--to", hub.URL, path)
	assert.Zero(t, status)
	assert.Equal(t, noticesShown, strings.Count(stderr, "skips 1.0 s after "+path), stderr)
	assert.Contains(t, stderr, "livemap: and 19 more gaps were skipped\n")
	assert.Len(t, hub.published(), 30)
}

// playedBy plays NDJSON in a bubble. It returns what the hub got, as sent does, and standard error.
func playedBy(t *testing.T, c *replayCmd, recorded string) (got []string, stderr string) {
	start := time.Now()
	hub := roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		lines := strings.Split(strings.TrimSpace(string(body)), "\n")
		for _, line := range lines {
			got = append(got, sent(line, start, c.Restamp))
		}
		return accepted(len(lines)), nil
	})
	var screen console
	p := newPlayer(c.hub(c.To, hub), newProgress(&screen, 0))
	require.NoError(t, c.play(t.Context(), played(t, c, recorded), p))
	return got, screen.String()
}

// Records that fall due while the hub is slow go in one request.
func TestReplayCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		hub := roundTrip(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			sizes = append(sizes, strings.Count(string(body), "\n"))
			if len(sizes) == 1 {
				time.Sleep(9500 * time.Millisecond)
			}
			return accepted(sizes[len(sizes)-1]), nil
		})
		c := &replayCmd{Speed: 1}
		p := newPlayer(c.hub(c.To, hub), newProgress(io.Discard, 0))
		require.NoError(t, c.play(t.Context(), played(t, c, many(12)), p))
		assert.Equal(t, []int{1, 9, 1, 1}, sizes)
	})
}

// A replay asks a hub that is away for ever, and waits for its Retry-After.
func TestReplayWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tries := 0
		hub := roundTrip(func(r *http.Request) (*http.Response, error) {
			tries++
			switch {
			case tries == 1:
				header := http.Header{"Retry-After": {"40"}}
				return &http.Response{StatusCode: 503, Header: header, Body: http.NoBody}, nil
			case tries == 2:
				assert.Equal(t, 40*time.Second, time.Since(start))
				fallthrough
			case time.Since(start) < time.Hour:
				return nil, io.EOF
			}
			return accepted(1), nil
		})
		var stderr console
		c := &replayCmd{}
		p := newPlayer(c.hub(c.To, hub), newProgress(&stderr, 0))
		require.NoError(t, c.play(t.Context(), played(t, c, many(1)), p))
		assert.Less(t, time.Since(start), time.Hour+10*time.Second, "the wait does not grow without end")
		assert.Equal(t, 2, strings.Count(stderr.String(), "\n"), "one notice for an outage: %s", &stderr)
	})
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen console
		p := &progress{out: &screen, terminal: true, total: 400, started: time.Now()}
		time.Sleep(2 * time.Second)
		last := time.Date(2026, 11, 23, 8, 0, 0, 0, time.Local)
		p.show(problem.Ack{Accepted: 90, Rejected: 10}, last)
		p.show(problem.Ack{Accepted: 91, Rejected: 10}, last) // too soon
		p.notice("file:1: wrong")
		assert.Equal(t, eraseLine+" 25 %  100 of 400 positions  2026-11-23 08:00:00  50/s"+
			eraseLine+"file:1: wrong\n", screen.String())
	})
}

// TestReplayZone plays times without a zone in that of --zone, and names the flag where it is missing.
func TestReplayZone(t *testing.T) {
	hub := newPublishedHub(t)
	path := write(t, "day.csv", "id,lat,lon,time\na,1,2,2026-11-23 08:00:00\n")
	_, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "without a zone; name it with --zone, such as --zone UTC")
	for zone, utc := range map[string]string{
		"UTC": "08", "Z": "08", "+02:00": "06", "-0330": "11:30", "Europe/Berlin": "07", "Asia/Kolkata": "02:30",
	} {
		hub := newPublishedHub(t)
		_, stderr, status := command(t, "", "replay", "--speed=0", "--zone", zone, "--to", hub.URL, path)
		assert.Zero(t, status, stderr)
		assert.Contains(t, strings.Join(hub.published(), ""), `"2026-11-23T`+utc+":", zone)
	}
	for _, zone := range []string{"", "Local", "Europe/Atlantis", "CEST", "+25:00", "+02:61", "2"} {
		_, stderr, status := command(t, "", "replay", "--zone", zone, "--to", hub.URL, path)
		assert.Equal(t, 2, status, zone)
		assert.Contains(t, stderr, "--zone")
		assert.Contains(t, stderr, "it must be a name such as Europe/Berlin, UTC, or an offset such as +02:00")
	}
}

// TestReplayNamesOtherFiles: what else is in an archive is named, and no failure.
func TestReplayNamesOtherFiles(t *testing.T) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, text := range map[string]string{"day.ndjson": many(2), "read\x1b[2Jme.txt": "Hi"} {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = io.WriteString(f, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	hub, path := newPublishedHub(t), write(t, "trip.zip", archive.String())
	out, stderr, status := command(t, "", "replay", "--speed=0", "--to", hub.URL, path)
	assert.Zero(t, status, stderr)
	assert.Equal(t, "livemap: "+path+": no recordings, left out: read\ufffd[2Jme.txt\n", stderr)
	assert.Contains(t, out, "accepted 2, ")
}
