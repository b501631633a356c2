package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/geo"
	"livemap/stream"
)

// serve calls a handler without a server.
func serve(handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	r.Host = "localhost" // the hub rejects other hosts
	w := recorder{httptest.NewRecorder()}
	handler.ServeHTTP(w, r)
	return w.ResponseRecorder
}

// FuzzReadRequest sends any request to read. The answer is a documented one, and names a wrong
// parameter.
func FuzzReadRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"/topics/live_updates:all/snapshot", "bbox=13,52,14,53", "", `W/"x-1", *`},
		{"/topics/a%2Fb%20%25/stream", "interval=1s&ping=5m&snapshot=false&lastEventId=x-1",
			"text/*;q=0.1, */*;q=0", ""},
		{"/stream", "topic=a&topic=vehicle:b&interval=99ms&interval=1s", "text/event-stream", ""},
		{"/stream", "bbox=%ff,,1e999,NaN&topic=%0a", `text/event-stream;q=", */*`, ""},
		{"/vehicles/a", "", "", `"`},
		{"/vehicles", "q=a+%C3%A9&topic=a/b%20%25&limit=1&after=A", "", ""},
		{"/topics", "q=%00&limit=0x1&after=%ff", "", `W/"x"`},
		{"/vehicles/a/track", "since=1e3;x=%", "", ""},
		{"/stream", "interval=99ms", "", ""},
		{"/topics/%ff/snapshot", "topic=x", "", ""},
		{"/snapshot", "topic=x&bbox=170,-10,-170,10", "", "*"},
		{"/app/x/../../%2e%2e/etc/passwd", "", "", ""},
		{"//debug/pprof/", "", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	h := assemble(f)
	for _, item := range []string{at("a", 1, 2, `"topics":["a/b %"]`), at("b", 3, 4)} {
		p, err := geo.ParsePosition([]byte(item))
		require.NoError(f, err)
		_, err = h.Publish(&p)
		require.NoError(f, err)
	}
	public := h.api.Public()
	statuses := map[int]bool{200: true, 304: true, 400: true, 404: true, 405: true, 406: true, 431: true}
	f.Fuzz(func(t *testing.T, path, query, accept, ifNoneMatch string) {
		u, err := url.ParseRequestURI(path + "?" + query) // as net/http does it
		if err != nil {
			return
		}
		r := &http.Request{Method: http.MethodGet, URL: u, RequestURI: path + "?" + query, ProtoMajor: 1,
			Body:   http.NoBody,
			Header: http.Header{"Accept": {accept}, "If-None-Match": {ifNoneMatch}}}
		if strings.HasSuffix(u.EscapedPath(), "/stream") {
			r.Method = http.MethodHead
		}
		got := serve(public, r.WithContext(t.Context()))
		require.True(t, statuses[got.Code], "%d %s", got.Code, got.Body)
		checkAnswer(t, r, got)
	})
}

// checkAnswer checks that the answer fits the request.
func checkAnswer(t *testing.T, r *http.Request, got *httptest.ResponseRecorder) {
	t.Helper()
	path := r.URL.EscapedPath()
	switch {
	case got.Code >= 400:
		require.Equal(t, "application/problem+json", got.Header().Get("Content-Type"))
		var p wireProblem
		if r.Method == http.MethodGet {
			require.NoError(t, json.Unmarshal(got.Body.Bytes(), &p))
			require.Less(t, len(p.Detail), 1000+len(path)*6)
		}
		if got.Code == http.StatusBadRequest && r.Method == http.MethodGet {
			checkBlame(t, r, p.Detail)
		}
	case strings.HasSuffix(path, "/stream"):
		require.Equal(t, "text/event-stream; charset=utf-8", got.Header().Get("Content-Type"))
		require.Empty(t, got.Body.Bytes())
		checkParams(t, r.URL.Query())
	case got.Code == http.StatusOK && strings.HasSuffix(path, "/snapshot"):
		items, err := geo.ParseDocument(got.Body.Bytes(), true)
		require.NoError(t, err)
		require.LessOrEqual(t, len(items), 2)
		checkParams(t, url.Values{"bbox": r.URL.Query()["bbox"], "topic": r.URL.Query()["topic"]})
	}
}

// checkBlame checks that the request has the parameter that the problem names.
func checkBlame(t *testing.T, r *http.Request, detail string) {
	t.Helper()
	name, found := strings.CutPrefix(detail, "parameter ")
	switch {
	case found:
		name, _, _ = strings.Cut(name, " ")
		require.NotEmpty(t, r.URL.Query()[name], detail)
	case strings.HasPrefix(detail, "there is no parameter "):
		quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(detail, "there is no parameter "))
		require.NoError(t, err, detail)
		name, err := strconv.Unquote(quoted)
		require.NoError(t, err, detail)
		require.NotEmpty(t, r.URL.Query()[name], detail)
	case strings.HasPrefix(detail, "the hub cannot parse the query"):
		_, err := url.ParseQuery(r.URL.RawQuery)
		require.Error(t, err)
	default:
		require.Contains(t, detail, "the id in the path is invalid")
		segment := strings.Split(r.URL.EscapedPath(), "/")[2]
		id, err := url.PathUnescape(segment)
		require.True(t, err != nil || geo.CheckVehicleID(id) != nil, segment)
	}
}

// checkParams checks that no accepted parameter is out of range.
func checkParams(t *testing.T, query url.Values) {
	t.Helper()
	for name, limits := range map[string][2]time.Duration{"interval": {100 * time.Millisecond, time.Minute},
		"ping": {5 * time.Second, 5 * time.Minute}} {
		for _, text := range query[name] {
			d, err := time.ParseDuration(text)
			require.True(t, err == nil && limits[0] <= d && d <= limits[1], "%s=%s", name, text)
			require.Len(t, query[name], 1)
		}
	}
	for _, text := range query["bbox"] {
		_, err := geo.ParseBox(text)
		require.NoError(t, err)
		require.Len(t, query["bbox"], 1)
	}
	for _, text := range query["snapshot"] {
		require.Contains(t, []string{"true", "false"}, text)
	}
}

// lastClient keeps the client of the last log line.
type lastClient struct {
	slog.Handler
	is   string
	told func() // that there is one
}

func (l *lastClient) Enabled(context.Context, slog.Level) bool { return true }

func (l *lastClient) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "client" {
			l.is = a.Value.String()
			l.told()
		}
		return true
	})
	return nil
}

// FuzzForwardedFor sends any header. The client is the one that the trusted proxy names, or the proxy
// itself where that name does not parse.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.1", "::ffff:127.0.0.1",
		"[2001:db8::1%eth0]:80", "10.0.0.1,,", "\x00", "1.2.3.4,", "127.0.0.1, x"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	log := new(lastClient)
	h := assemble(f, trust("127.0.0.0/8", "10.0.0.0/8"),
		func(_ *stream.Config, c *api.Config) { c.Log = slog.New(log) })
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	public := h.api.Public()
	clientOf := func(t *testing.T, peer string, values ...string) string {
		ctx, cancel := context.WithCancel(context.Background())
		log.told = cancel // the stream ends as it begins
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/stream?snapshot=false", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = peer, values
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { serve(public, r) },
			"the recorder takes no stream")
		return log.is
	}
	f.Fuzz(func(t *testing.T, forged string, lines bool) {
		const proxy, stranger, client = "127.0.0.1:99", "192.0.2.7:99", "203.0.113.9"
		appended := []string{forged + ", " + client}
		if lines {
			appended = []string{forged, client}
		}
		require.Equal(t, client, clientOf(t, proxy, appended...), "the proxy appends who asked it")
		require.Equal(t, "192.0.2.7", clientOf(t, stranger, forged), "a stranger is not asked")
		said := clientOf(t, proxy, forged)
		address, err := netip.ParseAddr(said)
		require.NoError(t, err)
		for _, network := range trusted {
			require.True(t, said == "127.0.0.1" || !network.Contains(address), said)
		}
	})
}

// FuzzLines uploads any text in pieces of any size. Each line is accepted, refused or blank as it is
// alone.
func FuzzLines(f *testing.F) {
	f.Add([]byte(at("a", 1, 2)+"\r\n\n \t\r\n"+at("b", 1, 2)), uint16(1), uint32(0))
	f.Add([]byte("\r\r\n\n"+at("a", 1, 2)+"\n{\"x\":\"\r\"}\nx"), uint16(7), uint32(3))
	f.Add([]byte(at("a", 1, 2)+"\n"), uint16(5000), uint32(64<<10))
	f.Add([]byte("\ufeff"+at("a", 1, 2)+"\n\ufeff"+at("b", 1, 2)), uint16(1), uint32(0))
	f.Add([]byte("\n"+at("a", 1, 2)), uint16(100), uint32(64<<10-30))
	f.Add([]byte(at("a", 1, 2)), uint16(5000), uint32(64<<10+2))
	h := assemble(f)
	internal := h.api.Internal()
	f.Fuzz(func(t *testing.T, body []byte, piece uint16, spaces uint32) {
		body = append(bytes.Repeat([]byte(" "), int(spaces%(70<<10))), body...) // so that lines too long are found
		good, bad := 0, 0
		for _, line := range bytes.Split(bytes.TrimPrefix(body, []byte("\ufeff")), []byte("\n")) {
			line = bytes.TrimSuffix(line, []byte("\r"))
			_, err := geo.ParsePosition(line)
			switch {
			case len(line) > 64<<10:
				bad++
			case len(bytes.TrimSpace(line)) == 0:
			case err != nil || tooNew(t, line):
				bad++
			default:
				good++
			}
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/publish?dry_run=true",
			inPieces(body, int(piece)))
		r.Header.Set("Content-Type", "application/x-ndjson")
		got := serve(internal, r)
		if good == 0 && bad > 0 {
			require.Equal(t, http.StatusUnprocessableEntity, got.Code, got.Body)
			return
		}
		require.Equal(t, http.StatusOK, got.Code, got.Body)
		a := ackOf(t, got.Body.String())
		require.Equal(t, []int{good, bad}, []int{a.Accepted + a.Duplicate, a.Rejected}, got.Body)
	})
}

// tooNew reports whether a position's time is ahead of the hub's clock.
func tooNew(t *testing.T, line []byte) bool {
	t.Helper()
	p, err := geo.ParsePosition(line)
	return err == nil && p.Time.After(time.Now().Add(time.Minute))
}

// inPieces reads text in pieces of at most n bytes.
func inPieces(text []byte, n int) io.Reader {
	if n == 0 {
		return iotest.DataErrReader(bytes.NewReader(text))
	}
	return pieces{bytes.NewReader(text), n}
}

type pieces struct {
	from io.Reader
	n    int
}

func (p pieces) Read(b []byte) (int, error) { return p.from.Read(b[:min(len(b), p.n)]) }

// FuzzIdempotencyKey repeats a publish under any key. The hub publishes it once, and rejects another
// body under that key.
func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"3f1c", "", "\x00\xff", strings.Repeat("x", 128), strings.Repeat("x", 129),
		" ", "a, b"} {
		f.Add(seed)
	}
	h := assemble(f)
	internal, n := h.api.Internal(), 0
	f.Fuzz(func(t *testing.T, key string) {
		n++
		fresh := func(name string) string { return at(name, 1, 2, fmt.Sprintf(`"n":%d`, n)) }
		post := func(body string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/publish",
				strings.NewReader(body))
			r.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
			return serve(internal, r)
		}
		head := h.Head().Number
		first := post(fresh("a"))
		switch {
		case len(key) > 128:
			require.Equal(t, http.StatusBadRequest, first.Code)
			require.Equal(t, head, h.Head().Number)
			return
		case first.Code == http.StatusUnprocessableEntity && key != "":
			require.Contains(t, first.Body.String(), "belongs to another body")
			return // it has been tried with this key
		}
		require.Equal(t, http.StatusOK, first.Code, first.Body)
		require.Equal(t, head+1, h.Head().Number)
		if key == "" {
			return
		}
		require.Equal(t, first.Body.String(), post(fresh("a")).Body.String())
		require.Equal(t, http.StatusUnprocessableEntity, post(fresh("b")).Code)
		require.Equal(t, head+1, h.Head().Number)
	})
}
