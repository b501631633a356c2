package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// feature returns a Feature as a hub writes it.
func feature(vehicle string, seconds int) string {
	return fmt.Sprintf(`{"type":"Feature","id":%[1]q,`+
		`"geometry":{"type":"Point","coordinates":[13.404954,52.520008]},`+
		`"properties":{"vehicle_id":%[1]q,"speed_kmh":85.4,"heading":270,"timestamp":%[2]d}}`,
		vehicle, seconds)
}

// event returns the event of a position as a hub writes it.
func event(seq int, vehicle string) string {
	return fmt.Sprintf("data: %s\nid: e-%d\n\n", feature(vehicle, seq), seq)
}

// streamingHub plays one script per connection, and the last one for all further connections. A
// stream ends with its script.
type streamingHub struct {
	scripts []string

	mu       sync.Mutex
	requests []*http.Request
}

// Signs in a script.
const (
	cut  = "✂" // the connection breaks here
	hang = "…" // the stream stays open and silent
)

func (h *streamingHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	script := h.scripts[min(len(h.requests), len(h.scripts)-1)]
	h.requests = append(h.requests, r)
	h.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, strings.TrimRight(script, cut+hang))
	http.NewResponseController(w).Flush()
	switch {
	case strings.HasSuffix(script, cut):
		panic(http.ErrAbortHandler)
	case strings.HasSuffix(script, hang):
		<-r.Context().Done()
	}
}

// lastEventIDs returns the Last-Event-ID of each request.
func (h *streamingHub) lastEventIDs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for _, r := range h.requests {
		ids = append(ids, r.Header.Get("Last-Event-ID"))
	}
	return ids
}

func newStreamingHub(t *testing.T, scripts ...string) (*streamingHub, string) {
	hub := &streamingHub{scripts: scripts}
	server := httptest.NewServer(hub)
	t.Cleanup(server.Close)
	return hub, server.URL
}

// ping returns a ping of a hub whose clock shows these Unix seconds.
func ping(seconds int64) string {
	return fmt.Sprintf("event: ping\ndata: {\"time\":%d}\n\n", seconds)
}

const hello = "retry: 10\nevent: ping\ndata: {\"time\":1}\n\n"

func TestTailPrintsFeatures(t *testing.T) {
	hub, url := newStreamingHub(t, hello+"event: reset\ndata: {\"reason\":\"new\"}\n\n"+event(1, "A")+
		"event: live\ndata: {\"mode\":\"snapshot\",\"events\":1}\nid: e-2\n\n"+
		"event: late\ndata: "+feature("A", 0)+"\nid: e-3\n\n"+
		"event: ping\ndata: {\"time\":1}\nid: e-4\n\n"+
		"event: gone\ndata: {\"vehicle_id\":\"A\",\"reason\":\"left\"}\nid: e-5\n\n"+event(6, "B\u202e")+hang)
	out, stderr, status := command(t, "", "tail", "--count=3", "--token=secret", url)
	assert.Zero(t, status, stderr)
	assert.Equal(t, feature("A", 1)+"\n"+feature("A", 0)+"\n"+feature("B\u202e", 6)+"\n", out)
	assert.Equal(t, "livemap: connected over HTTP/1.1\n"+
		"livemap: live (snapshot, 1 events before it)\n"+
		"livemap: A is gone (left)\n", stderr)
	assert.Equal(t, "Bearer secret", hub.requests[0].Header.Get("Authorization"))
	assert.Equal(t, "text/event-stream", hub.requests[0].Header.Get("Accept"))

	recorded, recorder := out, newPublishedHub(t)
	_, stderr, status = command(t, recorded, "replay", "--speed=0", "--to", recorder.URL, "-")
	assert.Zero(t, status, stderr)
	assert.Equal(t, strings.TrimSpace(recorded), strings.Join(recorder.published(), "\n"),
		"a tail's output can be replayed")
}

func TestTailText(t *testing.T) {
	now := time.Now().Unix()
	_, url := newStreamingHub(t, ping(now)+"data: "+feature("TRUCK-042", int(now-30))+"\nid: e-1\n\n"+
		"event: late\ndata: "+feature("A", 86400)+"\nid: e-2\n\n"+
		"event: gone\ndata: {\"vehicle_id\":\"A\\u001b[2J\",\"reason\":\"deleted\"}\nid: e-3\n\n"+
		`data: {"type":"Feature","geometry":{"coordinates":[1,2]},"properties":{"vehicle_id":"bare"}}`+
		"\nid: e-4\n\n"+
		hang)
	out, stderr, status := command(t, "", "tail", "--count=3", "--format=text", url)
	assert.Zero(t, status, stderr)
	lines := strings.Split(out, "\n")
	require.Len(t, lines, 5, out)
	assert.Regexp(t, "^"+time.Unix(now-30, 0).Format(time.DateTime)+
		`  TRUCK-042              52\.520008   13\.404954   85 km/h  270°    \d\d\.\d s$`, lines[0])
	assert.Regexp(t, "^"+time.Unix(86400, 0).Format(time.DateTime)+
		`  A                      52\.520008   13\.404954   85 km/h  270° +\d+ years  late$`, lines[1])
	assert.Regexp(t, `^\S+ \S+  A.\[2J +gone \(deleted\)$`, lines[2])
	assert.NotContains(t, out, "\x1b")
	assert.Regexp(t, `  bare  +2\.000000    1\.000000  `, lines[3])
}

// However a stream ends, the next one continues behind the last complete event.
func TestTailResumes(t *testing.T) {
	for _, test := range []struct {
		name, script string
		id, notice   string
	}{
		{"cut between events", event(1, "A") + cut, "e-1", "unexpected EOF; reconnecting in"},
		{"cut inside data", event(1, "A") + "data: {\"type\":" + cut, "e-1", "reconnecting"},
		{"cut before the blank line", event(1, "A") + "data: " + feature("X", 1) + "\nid: e-2\n" + cut,
			"e-1", "reconnecting"},
		{"cut inside the id", event(1, "A") + "data: " + feature("X", 1) + "\nid: e-2" + cut,
			"e-1", "reconnecting"},
		{"after a ping", event(1, "A") + "event: ping\ndata: {}\nid: e-17\n\n" + cut, "e-17", "reconnecting"},
		{"after a named event", event(1, "A") + "event: live\ndata: {}\nid: e-18\n\n" + cut,
			"e-18", "reconnecting"},
		{"bye", event(1, "A") + "event: bye\ndata: {\"reason\":\"draining\"}\n\n",
			"e-1", "bye (draining)\nlivemap: the stream ended; reconnecting"},
		{"nothing yet", cut, "", "reconnecting"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub, url := newStreamingHub(t, hello+test.script, event(20, "B")+event(21, "C")+hang)
			want := 3
			if test.id == "" {
				want = 2
			}
			out, stderr, status := command(t, "", "tail", fmt.Sprint("--count=", want), url)
			assert.Zero(t, status, stderr)
			assert.Equal(t, []string{"", test.id}, hub.lastEventIDs())
			assert.Equal(t, want, strings.Count(out, "\n"))
			assert.NotContains(t, out, `"X"`, "a cut event is dropped")
			assert.Contains(t, stderr, test.notice)
		})
	}
}

func TestTailNoticesReset(t *testing.T) {
	reset := "event: reset\ndata: {\"reason\":\"epoch\"}\n\n"
	_, url := newStreamingHub(t, hello+event(1, "A"), reset+event(1, "A")+hang)
	_, stderr, status := command(t, "", "tail", "--count=2", url)
	assert.Zero(t, status)
	assert.Contains(t, stderr, "livemap: reset (epoch): the hub sends its state again\n")
}

func TestTailReadsLongEvents(t *testing.T) {
	long := feature(strings.Repeat("x", 200<<10), 1)
	_, url := newStreamingHub(t, hello+"data: "+long+"\nid: e-1\n\n"+hang)
	out, _, status := command(t, "", "tail", "--count=1", url)
	assert.Zero(t, status)
	assert.Equal(t, long+"\n", out)
}

// Every answer without a stream ends a browser's EventSource for good. It ends a tail only if
// another try is useless.
func TestTailAnswers(t *testing.T) {
	for _, test := range []struct {
		status int
		detail string
		goesOn bool
	}{
		{400, "bbox: south is north of north", false},
		{401, "the token has expired", false},
		{403, "topic depot:7 may not be read", false},
		{404, "no such thing", false},
		{406, "only event streams", false},
		{429, "too many streams", true},
		{500, "oh", true},
		{502, "", true},
		{503, "the hub is draining", true},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			t.Parallel()
			asked := 0
			hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked == 1 {
					answerProblem(w, test.status, test.detail, nil)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, event(1, "A"))
			}))
			defer hub.Close()
			_, stderr, status := command(t, "", "tail", "--count=1", hub.URL)
			assert.Equal(t, map[bool]int{true: 0, false: 1}[test.goesOn], status)
			assert.Equal(t, map[bool]int{true: 2, false: 1}[test.goesOn], asked)
			answered := fmt.Sprintf("the hub answered %d %s", test.status, http.StatusText(test.status))
			assert.Contains(t, stderr, answered)
			assert.Contains(t, stderr, test.detail)
		})
	}
}

func TestTailOfSomethingElse(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<html>")
	}))
	defer site.Close()
	_, stderr, status := command(t, "", "tail", site.URL)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, `the answer is "text/html", not an event stream`)
}

func TestTailStopsAtCount(t *testing.T) {
	_, url := newStreamingHub(t, hello+event(1, "A")+event(2, "A")+event(3, "A")+hang)
	out, stderr, status := command(t, "", "tail", "--count=2", url)
	assert.Zero(t, status, stderr)
	assert.Equal(t, 2, strings.Count(out, "\n"), "an event behind the last wanted one is not printed")
}

// A closed pipe, as in `livemap tail … | head`, is no failure.
func TestTailIntoClosedPipe(t *testing.T) {
	_, url := newStreamingHub(t, hello+event(1, "A")+event(2, "A")+hang)
	reader, writer := io.Pipe()
	go func() {
		reader.Read(make([]byte, 10))
		reader.Close()
	}()
	var stderr console
	require.NoError(t, run(t.Context(), []string{"tail", url}, streams{nil, writer, &stderr}))
}

func TestTailAddresses(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"", "/base/stream"},
		{"--topic=depot:7", "/base/topics/depot:7/stream"},
		{"--topic=a/b%c,d?", "/base/topics/a%2Fb%25c%2Cd%3F/stream"},
		{"--topic=..", "/base/stream?topic=.."},
		{"--topic=a&b --topic=c", "/base/stream?topic=a%26b&topic=c"},
		{"--bbox=-98,30,-97,31 --interval=1s", "/base/stream?bbox=-98%2C30%2C-97%2C31&interval=1s"},
		{"--topic=x --no-snapshot", "/base/topics/x/stream?snapshot=false"},
		{"--snapshot=false", "/base/stream?snapshot=false"},
	} {
		t.Run(test.args, func(t *testing.T) {
			hub, url := newStreamingHub(t, event(1, "A")+hang)
			args := append([]string{"tail", "--count=1", url + "/base/"}, strings.Fields(test.args)...)
			_, stderr, status := command(t, "", args...)
			require.Zero(t, status, stderr)
			assert.Equal(t, test.want, hub.requests[0].RequestURI)
		})
	}
}

// TestTailOfAStreamsURL follows the URL of a stream as it is, where flags do not change it.
func TestTailOfAStreamsURL(t *testing.T) {
	for _, test := range []struct {
		path, flags string
		want        string
	}{
		{"/stream", "", "/stream"},
		{"/stream/", "", "/stream"},
		{"/stream?topic=a&topic=b%2Cc", "", "/stream?topic=a&topic=b%2Cc"},
		{"/stream?bbox=1,2,3,4#here", "", "/stream?bbox=1%2C2%2C3%2C4"},
		{"/topics/vehicle:TRUCK%2F1/stream", "", "/topics/vehicle:TRUCK%2F1/stream"},
		{"/topics/a/stream?ping=5s&interval=1s", "--interval=2s --no-snapshot",
			"/topics/a/stream?interval=2s&ping=5s&snapshot=false"},
		{"/base/topics/a/stream", "--bbox=1,2,3,4", "/base/topics/a/stream?bbox=1%2C2%2C3%2C4"},
		{"/base/stream", "", "/base/stream"},
		{"/topics/stream", "", "/topics/stream"}, // a hub below /topics
		{"/streams", "", "/streams/stream"},
		{"/#map=12.5/48.137/11.575&vehicle=A", "", "/stream"},
	} {
		t.Run(test.path, func(t *testing.T) {
			hub, url := newStreamingHub(t, event(1, "A")+hang)
			args := append([]string{"tail", "--count=1", url + test.path}, strings.Fields(test.flags)...)
			_, stderr, status := command(t, "", args...)
			require.Zero(t, status, stderr)
			assert.Equal(t, test.want, hub.requests[0].RequestURI)
		})
	}
}

func TestTailCallMistakes(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "url"},
		{"example.org", "is not the address of a hub; it must be http://host:port"},
		{"ftp://x/stream", `"ftp://x" is not the address of a hub; it must be http://host:port`},
		{"http://x/stream?topic=%zz", "has a query that cannot be read"},
		{"http://x?topic=a", "is not the address of a hub"},
		{"http://x/topics/a/stream --topic=b", "--topic: the URL already names a stream, /topics/a/stream; " +
			"leave --topic out, or give the address of the hub, http://x"},
		{"http://x --bbox=1,2,3", "--bbox"},
		{"http://x --interval=1h", "--interval: 1h is out of range; it must be from 100ms to 60s"},
		{"http://x --http=3", "--http: 3 needs an https:// address"},
		{"http://x --http=4", "--http"},
		{"http://x --count=-1", "--count"},
		{"http://x --topic=", "--topic"},
		{"http://x --format=xml", "--format"},
	} {
		t.Run(test.args, func(t *testing.T) {
			_, stderr, status := command(t, "", append([]string{"tail"}, strings.Fields(test.args)...)...)
			assert.Equal(t, 2, status)
			assert.Contains(t, stderr, test.want)
		})
	}
}

// tailOf follows scripts in a bubble, without a network, and returns the notices.
func tailOf(t *testing.T, count int, answer roundTrip) string {
	var out, stderr console
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/stream", nil)
	require.NoError(t, err)
	f := &follower{transport: answer, print: &tailPrinter{out: &out, err: &stderr, left: count}}
	require.ErrorIs(t, f.follow(t.Context(), req), errDone)
	return stderr.String()
}

func eventStream(body io.ReadCloser) *http.Response {
	header := http.Header{"Content-Type": {"text/event-stream"}}
	return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", Header: header, Body: body}
}

func TestTailLeavesSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		stderr := tailOf(t, 2, func(r *http.Request) (*http.Response, error) {
			tries++
			if tries == 3 {
				assert.Equal(t, "e-7", r.Header.Get("Last-Event-ID"))
				return eventStream(io.NopCloser(strings.NewReader(event(8, "A")))), nil
			}
			if tries == 2 { // connects and never answers
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			body, script := io.Pipe()
			go func() {
				io.WriteString(script, event(1, "A"))
				for range 4 { // pings keep it
					time.Sleep(silenceLimit - time.Second)
					io.WriteString(script, "event: ping\ndata: {}\nid: e-7\n\n")
				}
				<-r.Context().Done()
				script.CloseWithError(r.Context().Err())
			}()
			return eventStream(body), nil
		})
		assert.Equal(t, 2, strings.Count(stderr, "no data for 45s"), stderr)
		heartbeats, silences := 4*(silenceLimit-time.Second), 2*silenceLimit
		assert.InDelta(t, heartbeats+silences, time.Since(start), float64(7*time.Second))
	})
}

// The wait grows to half a minute. It is never shorter than the hub asks for, and is short again
// after a connection.
func TestTailBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		last := time.Now()
		stderr := tailOf(t, 2, func(r *http.Request) (*http.Response, error) {
			waits = append(waits, time.Since(last))
			last = time.Now()
			switch n := len(waits); {
			case n <= 8:
				return nil, io.ErrUnexpectedEOF
			case n == 9:
				header := http.Header{"Retry-After": {"100"}}
				return &http.Response{StatusCode: 503, Header: header, Body: http.NoBody}, nil
			case n == 10:
				bye := "retry: 60000\nevent: ping\ndata: {}\n\nevent: bye\ndata: {\"reason\":\"too-many\"}\n\n"
				return eventStream(io.NopCloser(strings.NewReader(event(1, "A") + bye))), nil
			}
			return eventStream(io.NopCloser(strings.NewReader(event(2, "A")))), nil
		})
		for i, least := range []time.Duration{0, 1, 2, 4, 8, 16, 30, 30, 30, 100, 60} {
			assert.GreaterOrEqual(t, waits[i], least*time.Second, "%d: %v", i, waits)
			assert.LessOrEqual(t, waits[i], least*time.Second*3/2+time.Microsecond, "%d: %v", i, waits)
		}
		assert.Contains(t, stderr, "bye (too-many)")
	})
}
