// Test helpers, by what they do:
//
//	start, assemble, startPiped     a hub with both ports on loopback; without servers; over pipes (synctest)
//	configure                       an option of start: trust, requireAuth, publishRate, tokens, patient
//	h.do, h.get, h.post, ask        one request and its answer, read to the end
//	h.put                           publishes positions that must all be accepted
//	at, featureAt, large, typical   positions as JSON
//	ackOf, refused                  an answer as an ack; as a problem of this status and these words
//	h.subscribe, follow             open a stream: block, event, brief and begun read it
//	begin                           opens an NDJSON upload: line sends, answered is the response
//	wireTo, dial                    a connection to speak HTTP/1 over by hand
//	signed, claimed, publisher      tokens; bearer and inside are the headers that carry them
//	h.closed, h.metric, h.vehicles  what the log, the metrics and the snapshot say
//	eventually                      waits for a condition, at most patience
package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"
	"go.uber.org/goleak"

	root "livemap"
	"livemap/api"
	"livemap/api/transport"
	"livemap/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for an event that must come. It measures nothing: on an idle machine
// the event comes at once.
const patience = 2 * time.Minute

// hub is a hub with both of its ports open on loopback.
type hub struct {
	*stream.Hub
	api      *api.API
	log      *logLines
	public   *httptest.Server
	internal *httptest.Server
	client   *http.Client
}

// configure changes the options of a hub.
type configure func(*stream.Config, *api.Config)

// start starts a hub and both of its ports, for the time of the test.
func start(t testing.TB, options ...configure) *hub {
	t.Helper()
	h := assemble(t, options...)
	h.public, h.internal = open(t, h.api.Public()), open(t, h.api.Internal())
	h.client = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(h.client.CloseIdleConnections)
	return h
}

// assemble makes a hub without servers.
func assemble(t testing.TB, options ...configure) *hub {
	t.Helper()
	metrics, log := api.NewMetrics(), &logLines{}
	hubConfig := stream.Config{Delay: metrics.WriteDelay}
	config := api.Config{
		Log:            slog.New(slog.NewJSONHandler(log, nil)),
		Metrics:        metrics,
		OpenAPI:        root.OpenAPI,
		StallTimeout:   30 * time.Second,
		PublishAddress: "http://127.0.0.1:9801",
		Page:           page,
		Anonymous:      true,
	}
	for _, change := range options {
		change(&hubConfig, &config)
	}
	h := &hub{Hub: stream.New(hubConfig), log: log}
	t.Cleanup(h.Close)
	metrics.Watch(h.Hub)
	config.Hub = h.Hub
	h.api = api.New(config)
	t.Cleanup(h.api.Close)
	return h
}

// page stands in for the map, which package web tests.
func page(w http.ResponseWriter, r *http.Request) error {
	contentType, found := map[string]string{
		"/":                          "text/html; charset=utf-8",
		"/app/0123456789abcdef/a.js": "text/javascript; charset=utf-8",
		"/lib/0123456789abcdef/b/c":  "text/css; charset=utf-8",
		"/livemap.js":                "text/javascript; charset=utf-8",
		"/livemap.d.ts":              "text/plain; charset=utf-8",
		"/map.pmtiles":               "application/vnd.pmtiles",
		"/map-2.pmtiles":             "application/vnd.pmtiles",
	}[r.URL.Path]
	if !found {
		return fs.ErrNotExist
	}
	w.Header().Set("Content-Type", contentType)
	io.WriteString(w, "<!doctype html><title>Map</title>")
	return nil
}

// trust trusts proxies of the given networks.
func trust(networks ...string) configure {
	return func(_ *stream.Config, c *api.Config) {
		for _, network := range networks {
			c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(network))
		}
	}
}

// requireAuth requires a certificate or a token on the internal port.
func requireAuth(_ *stream.Config, c *api.Config) { c.RequireAuth = true }

// open serves a handler as the program does: in plain text, over HTTP/1.1 and HTTP/2.
func open(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.MaxHeaderBytes = transport.MaxHeader
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// h2 returns a client that speaks HTTP/2 in plain text.
func h2(t testing.TB) *http.Client {
	transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// header is a request's header: names and values in turn.
type header []string

func (h header) set(r *http.Request) {
	for i := 0; i+1 < len(h); i += 2 {
		if strings.EqualFold(h[i], "Host") {
			r.Host = h[i+1]
		}
		r.Header.Add(h[i], h[i+1])
	}
}

// do makes a request and reads the answer.
func (h *hub) do(t testing.TB, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	return ask(t, h.client, method, url, body, headers...)
}

func ask(t testing.TB, client *http.Client, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	header(headers).set(r)
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response, string(text)}
}

// get sends a GET to the internal port and reads the answer.
func (h *hub) get(t testing.TB, path string, headers ...string) answer {
	t.Helper()
	return h.do(t, http.MethodGet, h.internal.URL+path, nil, headers...)
}

// post publishes a body.
func (h *hub) post(t testing.TB, contentType, body string, headers ...string) answer {
	t.Helper()
	return h.do(t, http.MethodPost, h.internal.URL+"/publish", strings.NewReader(body),
		append([]string{"Content-Type", contentType}, headers...)...)
}

// put publishes positions, which must all be accepted.
func (h *hub) put(t testing.TB, positions ...string) ack {
	t.Helper()
	got := h.post(t, "application/json", "["+strings.Join(positions, ",")+"]")
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	a := ackOf(t, got.body)
	require.Zero(t, a.Rejected, got.body)
	return a
}

// at returns a position object. more are further members.
func at[T int | float64](id string, lon, lat T, more ...string) string {
	text := fmt.Sprintf(`{"vehicle_id":%q,"lon":%v,"lat":%v`, id, lon, lat)
	for _, member := range more {
		text += "," + member
	}
	return text + "}"
}

// ack is an Ack as a publisher reads it.
type ack struct {
	Status      string    `json:"status"`
	Accepted    int       `json:"accepted"`
	Rejected    int       `json:"rejected"`
	Late        int       `json:"late"`
	Duplicate   int       `json:"duplicate"`
	LastEventID string    `json:"last_event_id"`
	Ended       string    `json:"ended"`
	Errors      []refusal `json:"errors"`
}

type refusal struct {
	Index     int    `json:"index"`
	VehicleID string `json:"vehicle_id"`
	Field     string `json:"field"`
	Detail    string `json:"detail"`
}

func ackOf(t testing.TB, text string) (a ack) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &a), text)
	return a
}

// wireProblem is a problem as a client reads it.
type wireProblem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Detail string    `json:"detail"`
	Offset *int64    `json:"offset"`
	Errors []refusal `json:"errors"`
}

// refused checks that an answer is a problem of this status whose detail holds all the words, and returns
// it.
func refused(t testing.TB, got answer, status int, words ...string) (p wireProblem) {
	t.Helper()
	require.Equal(t, status, got.StatusCode, got.body)
	require.Equal(t, "application/problem+json", got.Header.Get("Content-Type"))
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))
	require.NoError(t, json.Unmarshal([]byte(got.body), &p), got.body)
	require.Equal(t, "about:blank", p.Type)
	require.Equal(t, http.StatusText(status), p.Title)
	require.Equal(t, status, p.Status)
	for _, word := range words {
		require.Contains(t, p.Detail, word)
	}
	return p
}

// vehicles returns the hub's vehicles as `id lon,lat`, in the order of their events.
func (h *hub) vehicles(t testing.TB) (all []string) {
	t.Helper()
	got := h.get(t, "/topics/live_updates:all/snapshot")
	var collection struct {
		Features []struct {
			ID       string
			Geometry struct{ Coordinates json.RawMessage }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &collection), got.body)
	for _, f := range collection.Features {
		all = append(all, f.ID+" "+strings.Trim(string(f.Geometry.Coordinates), "[]"))
	}
	return all
}

// reader is an open stream.
type reader struct {
	*http.Response
	lines *bufio.Reader
	close func()
}

// subscribe opens a stream, which must succeed. It is closed with the test.
func (h *hub) subscribe(t testing.TB, url string, headers ...string) *reader {
	t.Helper()
	return follow(t, h.client, h.internal.URL+url, headers...)
}

func follow(t testing.TB, client *http.Client, url string, headers ...string) *reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	header(headers).set(r)
	response, err := client.Do(r)
	require.NoError(t, err)
	s := &reader{response, bufio.NewReader(response.Body), sync.OnceFunc(func() { response.Body.Close() })}
	t.Cleanup(s.close)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", response.Header.Get("Content-Type"))
	return s
}

// block reads through the next blank line. It fails the test if nothing comes.
func (s *reader) block(t testing.TB) string {
	t.Helper()
	late := time.AfterFunc(patience, s.close)
	defer late.Stop()
	var text strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		require.NoError(t, err, "after %q", text.String())
		text.WriteString(line)
		if line == "\n" {
			return text.String()
		}
	}
}

// event reads the next event after the greeting with an independent parser.
func (s *reader) event(t testing.TB) sse.Event {
	t.Helper()
	text := s.block(t)
	if strings.HasPrefix(text, "retry: ") {
		text = s.block(t)
	}
	for event, err := range sse.Read(strings.NewReader(text), nil) {
		require.NoError(t, err)
		return event
	}
	t.Fatalf("%q is no event", text)
	panic("unreachable")
}

// brief reads the next event and returns its name and the vehicle, reason or mode in its data.
func (s *reader) brief(t testing.TB) string {
	t.Helper()
	event := s.event(t)
	var data struct {
		ID        string
		VehicleID string `json:"vehicle_id"`
		Reason    string
		Mode      string
	}
	require.NoError(t, json.Unmarshal([]byte(event.Data), &data), event.Data)
	return strings.Join(strings.Fields(strings.Join(
		[]string{event.Type, data.ID, data.VehicleID, data.Reason, data.Mode}, " ")), " ")
}

// begun reads through the first `live`. It returns its mode, after the reason of a `reset` before it.
func (s *reader) begun(t testing.TB) string {
	t.Helper()
	told := ""
	for {
		what := s.brief(t)
		if strings.HasPrefix(what, "reset ") {
			told = what + ", "
		}
		if strings.HasPrefix(what, "live ") {
			return told + what
		}
	}
}

// logLines keeps the log.
type logLines struct {
	mu  sync.Mutex // guards all
	all bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// lines returns the lines with this message.
func (l *logLines) lines(message string) (found []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.all.Bytes()) {
		var members map[string]any
		if json.Unmarshal(line, &members) == nil && members["msg"] == message {
			found = append(found, members)
		}
	}
	return found
}

// closed waits for the nth log line of a stream that ended.
func (h *hub) closed(t testing.TB, n int) map[string]any {
	t.Helper()
	eventually(t, func() bool { return len(h.log.lines("stream closed")) >= n })
	return h.log.lines("stream closed")[n-1]
}

// eventually waits for a condition.
func eventually(t testing.TB, is func() bool) {
	t.Helper()
	require.Eventually(t, is, patience, 2*time.Millisecond)
}

// dial opens a connection to a server.
func dial(t testing.TB, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// readCloser returns a request body of a text.
func readCloser(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// text returns the whole log.
func (l *logLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// metric returns the values of a metric by the values of its label. Counters that are 0 are left out.
func (h *hub) metric(t testing.TB, name, label string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(h.get(t, "/metrics").body) {
		rest, found := strings.CutPrefix(line, name+"{"+label+`="`)
		if !found {
			continue
		}
		var value float64
		key, text, _ := strings.Cut(rest, `"} `)
		_, err := fmt.Sscan(text, &value)
		require.NoError(t, err)
		if value > 0 || !strings.HasSuffix(name, "_total") {
			values[key] = value
		}
	}
	return values
}
