package api_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/api/transport"
	"livemap/stream"
)

// TestHeaderSize finds an exact limit and a problem beyond it.
func TestHeaderSize(t *testing.T) {
	h := start(t)
	for name, client := range map[string]*http.Client{"h1": h.client, "h2": h2(t)} {
		t.Run(name, func(t *testing.T) {
			// The client adds the same to each request. The limit shows how much.
			fits := func(size int) bool {
				got := ask(t, client, "GET", h.internal.URL+"/healthz", nil, "X-Filler", strings.Repeat("x", size))
				if got.StatusCode == http.StatusOK {
					return true
				}
				refused(t, got, http.StatusRequestHeaderFieldsTooLarge, "16384 bytes")
				return false
			}
			require.True(t, fits(transport.MaxHeader-300))
			require.False(t, fits(transport.MaxHeader-10))
		})
	}
	for _, over := range []int{0, 1} {
		conn := dial(t, h.internal)
		head := "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
		fmt.Fprintf(conn, "%s%s\r\nConnection: close\r\n\r\n", head,
			strings.Repeat("x", transport.MaxHeader+over-len(head)-2-len("Connection: close\r\n")))
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, over == 1, strings.HasPrefix(string(text), "HTTP/1.1 431 "), string(text))
	}
	for _, path := range []string{"/stream", "/publish", "/topics/a/snapshot"} {
		refused(t, h.get(t, path, "X", strings.Repeat("x", transport.MaxHeader)), 431)
	}
	refused(t, h.get(t, "/healthz?"+strings.Repeat("x", transport.MaxHeader)), 431)

	// The server itself rejects a much larger header.
	conn := dial(t, h.internal)
	go fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 1<<20))
	start := make([]byte, 12)
	_, err := io.ReadFull(conn, start)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 431", string(start))
}

// TestClientAddress finds the rightmost address that is not a trusted proxy's.
func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted []string
		header  header
		want    string
	}{
		{"nobody is trusted", nil, header{"X-Forwarded-For", "1.2.3.4"}, "127.0.0.1"},
		{"the peer is not trusted", []string{"10.0.0.0/8"}, header{"X-Forwarded-For", "1.2.3.4"}, "127.0.0.1"},
		{"the peer is", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "1.2.3.4"}, "1.2.3.4"},
		{"forged to the left", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "9.9.9.9, 1.2.3.4"}, "1.2.3.4"},
		{"two proxies", []string{"127.0.0.0/8", "10.0.0.0/8"},
			header{"X-Forwarded-For", "9.9.9.9, 1.2.3.4, 10.1.1.1"}, "1.2.3.4"},
		{"two headers", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "9.9.9.9", "X-Forwarded-For", "1.2.3.4"},
			"1.2.3.4"},
		{"IPv6", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "2001:db8::1"}, "2001:db8::1"},
		{"a port", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "9.9.9.9, 1.2.3.4:567"}, "1.2.3.4"},
		{"IPv6 and a port", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "[2001:db8::1]:443, 127.0.0.2:80"},
			"2001:db8::1"},
		{"IPv6 in brackets", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "[2001:db8::1]"}, "2001:db8::1"},
		{"garbage", []string{"127.0.0.0/8"}, header{"X-Forwarded-For", "1.2.3.4, x"}, "127.0.0.1"},
		{"other headers", []string{"127.0.0.0/8"}, header{"X-Real-IP", "1.2.3.4", "True-Client-IP", "1.2.3.4",
			"Forwarded", "for=1.2.3.4"}, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, trust(c.trusted...))
			h.subscribe(t, "/stream", c.header...).close()
			require.Equal(t, c.want, h.closed(t, 1)["client"])
		})
	}
}

// TestForwardedForPassedOn warns once of a proxy that passes on what clients send in X-Forwarded-For.
func TestForwardedForPassedOn(t *testing.T) {
	const name = "X-Forwarded-For"
	for _, c := range []struct {
		title   string
		trusted []string
		header  header
		warned  bool
	}{
		{"none", []string{"127.0.0.0/8"}, nil, false},
		{"an address", []string{"127.0.0.0/8"}, header{name, "1.2.3.4"}, false},
		{"empty", []string{"127.0.0.0/8"}, header{name, "", name, "1.2.3.4,"}, false},
		{"two addresses", []string{"127.0.0.0/8"}, header{name, "9.9.9.9, 1.2.3.4"}, true},
		{"two headers", []string{"127.0.0.0/8"}, header{name, "9.9.9.9", name, "1.2.3.4"}, true},
		{"ports", []string{"127.0.0.0/8"}, header{name, "[2001:db8::1]:443, 1.2.3.4:567"}, true},
		{"no address", []string{"127.0.0.0/8"}, header{name, "x, 1.2.3.4"}, true},
		{"a proxy in front of it", []string{"127.0.0.0/8", "10.0.0.0/8"}, header{name, "1.2.3.4, 10.1.1.1"}, false},
		{"forged to the left of that", []string{"127.0.0.0/8", "10.0.0.0/8"},
			header{name, "9.9.9.9, 1.2.3.4, ::ffff:10.1.1.1"}, false},
		{"the peer is not trusted", []string{"10.0.0.0/8"}, header{name, "9.9.9.9, 1.2.3.4"}, false},
		{"nobody is trusted", nil, header{name, "9.9.9.9, 1.2.3.4"}, false},
	} {
		t.Run(c.title, func(t *testing.T) {
			h := start(t, trust(c.trusted...))
			for range 2 {
				h.subscribe(t, "/stream", c.header...).close()
			}
			warnings := h.log.lines("the proxy passes on the X-Forwarded-For that clients send")
			if !c.warned {
				require.Empty(t, warnings)
				return
			}
			require.Len(t, warnings, 1)
			require.Equal(t, "WARN", warnings[0]["level"])
			require.Equal(t, "127.0.0.1", warnings[0]["proxy"])
			require.Contains(t, warnings[0]["advice"], "--trusted-proxy")
		})
	}
}

// TestProtocolBehindAProxy finds the protocol of the client, from a fixed set.
func TestProtocolBehindAProxy(t *testing.T) {
	for via, want := range map[string]string{
		"":                            "h1",
		"3.0 Caddy":                   "h3",
		"2.0 Caddy":                   "h2",
		"HTTP/2 front, 1.1 behind it": "h2",
		"1.0 fred":                    "h1",
		"4.0 later":                   "h1",
		"WS/13 other":                 "h1",
	} {
		t.Run(via, func(t *testing.T) {
			h := start(t)
			s := h.subscribe(t, "/stream", "Via", via)
			s.begun(t)
			require.Equal(t, 1.0, h.metric(t, "livemap_streams_open", "protocol")[want])
			s.close()
			require.Equal(t, want, h.closed(t, 1)["protocol"])
		})
	}
}

// A panic costs its own request and nothing else.
func TestPanic(t *testing.T) {
	h := start(t, func(_ *stream.Config, c *api.Config) {
		page := c.Page
		c.Page = func(w http.ResponseWriter, r *http.Request) error {
			switch {
			case r.URL.Query().Has("panic"):
				panic("the secret cause")
			case r.URL.Query().Has("fail"):
				return errors.New("nobody foresaw this")
			case r.URL.Query().Has("abort"):
				panic(http.ErrAbortHandler)
			}
			return page(w, r)
		}
	})
	s := h.subscribe(t, "/stream")
	s.begun(t)
	for _, client := range []*http.Client{h.client, h2(t)} {
		secrets := []string{"Authorization", "Bearer hush", "Cookie", "__Host-livemap=hush"}
		p := refused(t, ask(t, client, "GET", h.public.URL+"/?panic&token=hush", nil, secrets...),
			http.StatusInternalServerError, "its log has the details")
		refused(t, ask(t, client, "GET", h.public.URL+"/?fail&token=hush", nil, secrets...),
			http.StatusInternalServerError, "its log has the details")
		require.NotContains(t, ask(t, client, "GET", h.public.URL+"/nothing?token=hush", nil, secrets...).body,
			"hush")
		require.NotContains(t, p.Detail, "secret")
		_, err := client.Get(h.public.URL + "/?abort")
		require.Error(t, err, "the connection is cut")
	}
	require.Contains(t, h.get(t, "/metrics").body, "\nlivemap_panics_total 2\n")
	lines := h.log.lines("panic in a handler")
	require.Len(t, lines, 2)
	require.Equal(t, "the secret cause", lines[0]["panic"])
	require.Contains(t, lines[0]["stack"], "middleware_test.go")
	require.Len(t, h.log.lines("request failed"), 2)
	require.NotContains(t, h.log.text(), "hush", "neither token nor cookie")
	h.put(t, at("a", 1, 2))
	require.Equal(t, "a", s.brief(t))
}

// A panic of a stream costs that stream and nothing else, and is counted, on both transports.
func TestPanicOfAStream(t *testing.T) {
	for protocol, cut := range map[string]string{"h1": "unexpected EOF", "h2": "INTERNAL_ERROR"} {
		t.Run(protocol, func(t *testing.T) {
			var armed atomic.Bool
			h := start(t, func(c *stream.Config, _ *api.Config) {
				c.Delay = func(time.Duration) {
					if armed.CompareAndSwap(true, false) {
						panic("the cause")
					}
				}
			})
			client := map[string]*http.Client{"h1": h.client, "h2": h2(t)}[protocol]
			hit := follow(t, client, h.public.URL+"/stream")
			hit.begun(t)
			armed.Store(true)
			h.put(t, at("a", 1, 2))
			require.Equal(t, "a", hit.brief(t))
			_, err := io.ReadAll(hit.lines)
			require.ErrorContains(t, err, cut, "it is cut, not ended")
			closed := h.closed(t, 1)
			require.Equal(t, "panic", closed["reason"])
			require.Equal(t, protocol, closed["protocol"])
			require.Contains(t, h.get(t, "/metrics").body, "\nlivemap_panics_total 1\n")
			logged := h.log.lines("panic in a handler")
			require.Len(t, logged, 1)
			require.Equal(t, "the cause", logged[0]["panic"])
			require.Equal(t, "live_updates:all", logged[0]["topics"])
			require.Contains(t, logged[0]["stack"], "middleware_test.go")

			other := follow(t, client, h.public.URL+"/stream?snapshot=false")
			other.begun(t)
			h.put(t, at("b", 1, 2))
			require.Equal(t, "b", other.brief(t))
		})
	}
}

// The header Connection is never sent over HTTP/2: some clients reject it.
func TestConnectionHeader(t *testing.T) {
	h := start(t)
	client := h2(t)
	for _, path := range []string{"/", "/openapi.yaml", "/nothing", "/stream?interval=1", "/readyz",
		"/metrics"} {
		got := ask(t, client, "GET", h.internal.URL+path, nil)
		require.Equal(t, 2, got.ProtoMajor)
		require.Empty(t, got.Header.Values("Connection"), path)
	}
	u := begin(t, client, h.internal.URL)
	u.line(t, at("a", 1, 2)+"\n")
	eventually(t, func() bool { return h.Head().Number == 1 })
	h.api.Drain()
	response := <-u.answered
	require.NotNil(t, response)
	defer response.Body.Close()
	require.Equal(t, 200, response.StatusCode)
	require.Empty(t, response.Header.Values("Connection"))
}

// drainingBody is an upload of one line, amid which the hub drains. It is also the ResponseWriter, which
// gets the read deadline.
type drainingBody struct {
	*httptest.ResponseRecorder
	rest  io.Reader
	drain func()
	ended chan struct{} // the hub set a deadline that has passed
	once  sync.Once
}

func (b *drainingBody) SetReadDeadline(at time.Time) error {
	if !at.After(time.Now()) {
		b.once.Do(func() { close(b.ended) })
	}
	return nil
}

func (b *drainingBody) Read(p []byte) (int, error) {
	if n, err := b.rest.Read(p); err == nil {
		return n, nil
	}
	b.drain()
	<-b.ended
	return 0, os.ErrDeadlineExceeded
}

// net/http removes the header from HTTP/2 answers by itself. The API must not rely on that for HTTP/3.
func TestConnectionHeaderHTTP3(t *testing.T) {
	for major, want := range map[int]string{1: "close", 2: "", 3: ""} {
		h := assemble(t)
		body := &drainingBody{
			ResponseRecorder: httptest.NewRecorder(), rest: strings.NewReader(at("a", 1, 2) + "\n"),
			drain: h.api.Drain, ended: make(chan struct{}),
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/publish", body)
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.ProtoMajor = major
		h.api.Internal().ServeHTTP(body, r)
		require.Equal(t, 1, ackOf(t, body.Body.String()).Accepted)
		require.Equal(t, want, body.Header().Get("Connection"), "HTTP/%d", major)
	}
}
