package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/stream"
)

// A stream begins at once, before anything is published.
func TestStreamBegins(t *testing.T) {
	h := start(t)
	for name, client := range map[string]*http.Client{"h1": h.client, "h2": h2(t)} {
		for _, path := range []string{"/stream", "/topics/nobody%20was%20here/stream", "/stream?topic=a&topic=b"} {
			t.Run(name+path, func(t *testing.T) {
				for _, port := range []string{h.public.URL, h.internal.URL} {
					s := follow(t, client, port+path)
					require.Equal(t, "no-store, no-transform", s.Header.Get("Cache-Control"))
					require.Equal(t, "no", s.Header.Get("X-Accel-Buffering"))
					require.Equal(t, name == "h1", s.Close, "only HTTP/1.1 has `Connection: close`")
					require.Empty(t, s.Header.Get("Content-Encoding"))
					require.Regexp(t, `\Aretry: [12]\d{3}\nevent: ping\ndata: {"time":[0-9.]+}\n\n\z`, s.block(t))
					require.Equal(t, "reset new", s.brief(t))
					live := s.event(t)
					require.Equal(t, "live", live.Type)
					require.Contains(t, live.Data, `"protocol":"`+name+`"`)
					s.close()
				}
			})
		}
	}
}

func TestWrongParameters(t *testing.T) {
	h := start(t)
	many := func(n int) string {
		return "topic=" + strings.Join(strings.Split(strings.Repeat("x", n), ""), "&topic=")
	}
	for _, c := range []struct{ query, name, word string }{
		{"interval=1", "interval", "100ms to 1m"},
		{"interval=99ms", "interval", "99ms"},
		{"interval=61s", "interval", "1m"},
		{"interval=", "interval", ""},
		{"interval=-1s", "interval", ""},
		{"interval=1s&interval=1s", "interval", "once"},
		{"ping=4.9s", "ping", "5s to 5m"},
		{"ping=5m1s", "ping", "5m"},
		{"ping=x", "ping", `"x"`},
		{"ping=" + strings.Repeat("1", 900), "ping", "…"},
		{"snapshot=0", "snapshot", "true or false"},
		{"snapshot=", "snapshot", "true or false"},
		{"snapshot=false&snapshot=false", "snapshot", "2 times"},
		{"bbox=1,2,3", "bbox", "3 parts"},
		{"bbox=1,2,3,4,5", "bbox", "5 parts"},
		{"bbox=", "bbox", ""},
		{"bbox=a,2,3,4", "bbox", "west"},
		{"bbox=1,5,3,4", "bbox", "south"},
		{"bbox=NaN,2,3,4", "bbox", "west"},
		{"bbox=1,2,Inf,4", "bbox", "east"},
		{"bbox=1,2,3,1e999", "bbox", "north"},
		{"bbox=1,2,3,4&bbox=1,2,3,4", "bbox", "2 times"},
		{"lastEventId=a&lastEventId=b", "lastEventId", "2 times"},
		{"%zz", "query", "parse"}, {"a;b", "query", "parse"},
		{"topic=", "topic", "empty"},
		{"topic=a%0Ab", "topic", "U+000A"},
		{"topic=%ff", "topic", "UTF-8"},
		{"topic=" + strings.Repeat("x", 257), "topic", "257 bytes"},
		{many(129), "topic", "128"},
	} {
		for _, path := range []string{"/stream", "/topics/a/stream"} {
			t.Run(path+"?"+c.query[:min(len(c.query), 40)], func(t *testing.T) {
				if c.name == "topic" && path != "/stream" {
					return // it is ignored there
				}
				p := refused(t, h.get(t, path+"?"+c.query), http.StatusBadRequest, c.name, c.word)
				require.Less(t, len(p.Detail), 400)
			})
		}
	}
	for _, query := range []string{many(128), "interval=100ms", "interval=1m", "ping=5s", "ping=300s",
		"snapshot=true", "bbox=-500,-100,1e3,100", "lastEventId=", "unknown=1", "topic=live_updates:all",
		"bbox=170,-10,-170,10"} {
		h.subscribe(t, "/stream?"+query).close()
	}
	require.Empty(t, h.log.lines("request failed"))
}

// TestParametersThatNearlyAreOurs checks that a typo does not open the whole fleet, and that parameters of
// others, such as those against caches, are still ignored.
func TestParametersThatNearlyAreOurs(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2))
	stream := []string{"/stream", "/topics/a/stream"}
	scoped := append(stream, "/snapshot", "/topics/a/snapshot")
	track := []string{"/vehicles/a/track"}
	for _, c := range []struct {
		paths   []string
		meant   string
		queries string
	}{
		{scoped, "topic", "topics Topic TOPIC topic[] tpic toipc topc topicc topic_id topik top vehicle vehicles " +
			"vehicle_id vehicleId channel"},
		{scoped, "bbox", "bbx BBOX Bbox b_box box bboxx bbox[] bounds boundingBox"},
		{stream, "interval", "intervall Interval intervals interva intreval intervals_ms"},
		{stream, "snapshot", "snapshots snapShot Snapshot snap snapsot snaphsot"},
		{stream, "ping", "pings Ping pin pong"},
		{stream, "lastEventId", "lastEventID last_event_id Last-Event-ID last-event-id lasteventid lastEvent " +
			"lastEvntId LastEventId"},
		{track, "since", "Since sinc sinse since_"},
		{track, "from", "From fro from_ begin start after"},
		{track, "to", "To TO to_ until end before"},
	} {
		for _, path := range c.paths {
			for name := range strings.FieldsSeq(c.queries) {
				t.Run(path+"?"+name, func(t *testing.T) {
					p := refused(t, h.get(t, path+"?"+url.QueryEscape(name)+"=1"), 400,
						fmt.Sprintf("there is no parameter %q; did you mean %s?", name, c.meant))
					require.Less(t, len(p.Detail), 400)
				})
			}
		}
	}
	for _, path := range append(append(scoped, track...), "/vehicles/a", "/session", "/openapi.yaml", "/") {
		for name := range strings.FieldsSeq("_ _t t ts v x r cb rnd random nonce nocache cache cachebuster time " +
			"timestamp sid token access_token key utm_source fbclid lang unknown q o on " +
			strings.Repeat("y", 5000)) {
			got := h.do(t, "HEAD", h.public.URL+path+"?"+name+"=1", nil)
			require.Equal(t, 200, got.StatusCode, "%s?%s", path, name)
		}
	}
	require.Equal(t, 200, h.get(t, "/vehicles/a?topics=b&Since=1").StatusCode, "it has no parameters")
	refused(t, h.get(t, "/stream?topics=a&bbx=1&topic=b"), 400, `no parameter "bbx"; did you mean bbox?`)
	refused(t, h.get(t, "/stream?vehicle=T"), 400, "did you mean topic? The topic of a vehicle is vehicle:ID")
}

func TestAccept(t *testing.T) {
	h := start(t)
	for accept, ok := range map[string]bool{
		"text/event-stream": true, "*/*": true, "text/*": true, "Text/Event-Stream": true,
		"text/html, */*;q=0.1": true, "application/json, text/event-stream;q=0.001": true,
		"text/event-stream;q=1, */*;q=0": true, "*/*;q=0, text/*": true, "": true, ",": false,
		"text/html": false, "application/json": false, "text/event-stream;q=0": false, "*/*;q=0": false,
		"text/event-stream;q=0, */*": false, "*/*, text/event-stream;q=0.0": false, "text/*;q=0, */*": false,
		"nonsense": false, "text/event-stream;q=x": false,
	} {
		t.Run(accept, func(t *testing.T) {
			if ok {
				h.subscribe(t, "/stream", "Accept", accept).close()
				return
			}
			refused(t, h.get(t, "/stream", "Accept", accept), http.StatusNotAcceptable, "text/event-stream")
		})
	}
	s := h.subscribe(t, "/stream", "Accept", "text/html", "Accept", "text/event-stream")
	s.close()
}

// TestResume sends ids in the header and in the parameter.
func TestResume(t *testing.T) {
	h := start(t)
	first := h.put(t, at("a", 1, 2)).LastEventID
	second := h.put(t, at("b", 1, 2)).LastEventID
	h.put(t, at("c", 1, 2))
	foreign := "zzzz-1"
	for _, c := range []struct {
		name, header, parameter string
		want                    string
	}{
		{"none", "", "", "reset new | a | b | c | live snapshot"},
		{"header", first, "", "b | c | live replay"},
		{"parameter", "", first, "b | c | live replay"},
		{"the header wins", second, first, "c | live replay"},
		{"the header wins, though wrong", foreign, first, "reset epoch | a | b | c | live snapshot"},
		{"newest", h.Head().String(), "", "live replay"},
		{"future", stream.ID{Epoch: h.Head().Epoch, Number: 99}.String(), "",
			"reset epoch | a | b | c | live snapshot"},
		{"another epoch", foreign, "", "reset epoch | a | b | c | live snapshot"},
		{"65 bytes", first + strings.Repeat("0", 65-len(first)), "", "reset epoch | a | b | c | live snapshot"},
		{"huge", strings.Repeat("9", 10000), "", "reset epoch | a | b | c | live snapshot"},
		{"no id", "1", "", "reset epoch | a | b | c | live snapshot"},
		{"injection", "", "x\r\nid: " + first, "reset epoch | a | b | c | live snapshot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = []string{"Last-Event-ID", c.header}
			}
			s := h.subscribe(t, "/stream?lastEventId="+url.QueryEscape(c.parameter), headers...)
			var told []string
			for len(told) == 0 || !strings.HasPrefix(told[len(told)-1], "live") {
				told = append(told, s.brief(t))
			}
			require.Equal(t, c.want, strings.Join(told, " | "))
			s.close()
		})
	}
}

// TestScopes reads streams of a scope, with `gone` for vehicles that leave it.
func TestScopes(t *testing.T) {
	h := start(t)
	h.put(t, at("in", 10, 50, `"topics":["x"]`), at("out", 20, 50), at("far", 179, 0))
	for query, want := range map[string]string{
		"/stream?bbox=5,45,15,55": "in", "/topics/x/stream?topic=y": "in", "/stream?topic=x&topic=vehicle:in": "in",
		"/topics/live_updates:all/stream?bbox=170,-5,-170,5": "far",
		"/topics/vehicle:out/stream?bbox=5,45,15,55":         "out",
	} {
		t.Run(query, func(t *testing.T) {
			s := h.subscribe(t, query)
			require.Equal(t, []string{"reset new", want, "live snapshot"},
				[]string{s.brief(t), s.brief(t), s.brief(t)})
			s.close()
		})
	}
	box, topic, tail := h.subscribe(t, "/stream?bbox=5,45,15,55"), h.subscribe(t, "/topics/x/stream"),
		h.subscribe(t, "/stream?snapshot=false")
	box.begun(t)
	topic.begun(t)
	require.Equal(t, "live tail", tail.begun(t))
	h.put(t, at("in", 30, 50, `"topics":[]`))
	require.Equal(t, "gone in left", box.brief(t))
	require.Equal(t, "gone in left", topic.brief(t))
	require.Equal(t, "in", tail.brief(t))
	require.Equal(t, http.StatusNoContent, h.do(t, "DELETE", h.internal.URL+"/vehicles/in", nil).StatusCode)
	require.Equal(t, "gone in deleted", tail.brief(t))
	refused(t, h.get(t, "/vehicles/in"), 404, `"in"`)
	refused(t, h.do(t, "DELETE", h.internal.URL+"/vehicles/in", nil), 404, `"in"`)
}

// TestInterval thins out a stream, and pings it.
func TestInterval(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 0, 0))
	s := h.subscribe(t, "/stream?interval=300ms")
	s.begun(t)
	for n := range 50 {
		h.put(t, at("a", n, 1))
	}
	events := 0
	for last := ""; !strings.Contains(last, "[49,1]"); events++ {
		last = s.event(t).Data
	}
	require.Less(t, events, 25)
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t)
		s := follow(t, h.client, "http://localhost/stream?ping=5s")
		s.begun(t)
		began := time.Now()
		require.Equal(t, "ping", s.brief(t))
		require.Equal(t, 5*time.Second, time.Since(began))
		s.close()
	})
}

// The log has one line when a stream opens and one when it ends.
func TestStreamLog(t *testing.T) {
	h := start(t)
	h.put(t, at("a", 1, 2))
	s := h.subscribe(t, "/stream?topic=vehicle:a&topic=b&secret=hush&lastEventId=hush")
	s.begun(t)
	for n := range 20 {
		h.put(t, at("a", n, 1))
		s.brief(t)
	}
	require.Equal(t, map[string]float64{"h1": 1, "h2": 0, "h3": 0},
		h.metric(t, "livemap_streams_open", "protocol"))
	s.close()
	line := h.closed(t, 1)
	require.Equal(t, "client", line["reason"])
	require.Equal(t, 21.0, line["events"])
	require.Greater(t, line["bytes"], 1000.0)
	require.Equal(t, "h1", line["protocol"])
	require.Equal(t, "127.0.0.1", line["client"])
	_, err := time.ParseDuration(line["duration"].(string))
	require.NoError(t, err)
	opened := h.log.lines("stream opened")
	require.Len(t, opened, 1)
	require.Len(t, h.log.lines("stream closed"), 1)
	require.Equal(t, "not an id", opened[0]["last_event_id"])
	require.Equal(t, 2, strings.Count(h.log.text(), "\n"), "there is more in the log than these two lines")
	require.NotContains(t, h.log.text(), "hush")
	require.Equal(t, map[string]float64{"client": 1}, h.metric(t, "livemap_streams_closed_total", "reason"))
	require.Equal(t, map[string]float64{"h1": 0, "h2": 0, "h3": 0},
		h.metric(t, "livemap_streams_open", "protocol"))
}

// The hub closes the stream of a reader that does not read, and delays no other.
func TestStalledReader(t *testing.T) {
	for _, name := range []string{"h1", "h2"} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(_ *stream.Config, c *api.Config) { c.StallTimeout = 100 * time.Millisecond })
			client := h.client
			if name == "h2" {
				client = h2(t)
				h.put(t, at("a", 1, 2))
				follow(t, client, h.internal.URL+"/stream") // nobody reads its body
			} else {
				conn := dial(t, h.internal)
				require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
				fmt.Fprintf(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
			}
			other := h.subscribe(t, "/stream?topic=vehicle:small")
			other.begun(t)
			filler := fmt.Sprintf(`"filler":%q`, strings.Repeat("x", 15000))
			for n := 0; len(h.log.lines("stream closed")) == 0; n++ {
				require.Less(t, n, 1000, "it is not closed")
				var large []string
				for lat := range 30 {
					large = append(large, at("a", n%180, lat, filler))
				}
				h.put(t, append(large, at("small", n%180, n/180))...)
				require.Equal(t, "small", other.brief(t))
			}
			line := h.closed(t, 1)
			require.Equal(t, []any{"stalled", name}, []any{line["reason"], line["protocol"]})
			require.Equal(t, map[string]float64{"stalled": 1}, h.metric(t, "livemap_streams_closed_total", "reason"))
			if name == "h2" { // only the stream ended: the connection goes on
				require.Equal(t, 200, ask(t, client, "GET", h.internal.URL+"/healthz", nil).StatusCode)
			}
		})
	}
}

// A reader that does not read is cut off when its token expires.
func TestStalledReaderWhoseTokenEnds(t *testing.T) {
	for _, name := range []string{"h1", "h2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, tokens(t), func(_ *stream.Config, c *api.Config) { c.StallTimeout = 10 * time.Minute })
			raw := signed(t, "me", shortLife, "*")
			if name == "h2" {
				follow(t, h2(t), h.public.URL+"/stream", bearer(raw)...) // nobody reads its body
			} else {
				conn := dial(t, h.public)
				require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
				fmt.Fprintf(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", raw)
			}
			eventually(t, func() bool { return h.Stats().Streams == 1 })
			filler := fmt.Sprintf(`"filler":%q`, strings.Repeat("x", 15000))
			for n := range 40 {
				var large []string
				for lat := range 30 {
					large = append(large, at("a", n, lat, filler))
				}
				h.put(t, large...)
			}
			require.Equal(t, "expired", h.closed(t, 1)["reason"])
		})
	}
}

// A quiet stream outlives its stall timeout, as no write is under way.
func TestQuietStream(t *testing.T) {
	h := start(t, func(s *stream.Config, c *api.Config) {
		c.StallTimeout = 50 * time.Millisecond
		s.Heartbeat = 300 * time.Millisecond
	})
	for _, client := range []*http.Client{h.client, h2(t)} {
		s := follow(t, client, h.internal.URL+"/stream")
		s.begun(t)
		require.Regexp(t, `\Aevent: ping\ndata: {"time":[0-9.]+}\nid: .*\n\n\z`, s.block(t))
		h.put(t, at("a", 1, 2), at("a", 2, 2))
		require.Equal(t, "a", s.brief(t))
		s.close()
	}
}

// `bye` ends a stream and its answer.
func TestBye(t *testing.T) {
	h := start(t)
	s := h.subscribe(t, "/stream")
	s.begun(t)
	h.Drain(t.Context(), 0)
	require.Equal(t, "bye draining", s.brief(t))
	rest, err := io.ReadAll(s.lines)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, "draining", h.closed(t, 1)["reason"])
	require.Contains(t, h.get(t, "/stream").body, `{"reason":"draining"}`)
}

// A client that disconnects before its stream begins causes no log line. Thousands of them would wait
// for each other at the log.
func TestStreamThatIsResetBeforeItBegins(t *testing.T) {
	h := assemble(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/stream", nil)
	request.ProtoMajor, request.ProtoMinor = 2, 0 // over HTTP/1.1 it may only have closed its half
	h.api.Public().ServeHTTP(answer, request)
	require.Empty(t, answer.Body.String())
	require.Empty(t, h.log.lines("stream opened"))
}

// While memory is short, new streams end with `bye`, and open ones go on.
func TestFull(t *testing.T) {
	var full atomic.Bool
	h := start(t, func(_ *stream.Config, c *api.Config) { c.Full = full.Load })
	before := h.subscribe(t, "/stream")
	before.begun(t)
	full.Store(true)
	require.Equal(t, "bye too-many", h.subscribe(t, "/stream").brief(t))
	require.Equal(t, map[string]float64{"memory": 1}, h.metric(t, "livemap_streams_closed_total", "reason"),
		"which is not the client's fault")
	h.put(t, at("a", 1, 2))
	require.Equal(t, "a", before.brief(t))
	full.Store(false)
	h.subscribe(t, "/stream?snapshot=false").begun(t)
}
