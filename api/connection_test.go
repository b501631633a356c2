package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/stream"
)

// wire is a connection for HTTP/1 by hand.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func wireTo(t testing.TB, server *httptest.Server) *wire {
	conn := dial(t, server)
	return &wire{conn, bufio.NewReader(conn)}
}

// send sends text unchanged.
func (w *wire) send(t testing.TB, text string) {
	t.Helper()
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
}

// answer reads the header of the answer to a request with that method.
func (w *wire) answer(t testing.TB, method string) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(w.in, &http.Request{Method: method})
	require.NoError(t, err)
	return response
}

// stream opens a stream and reads its body through the framing.
func (w *wire) stream(t testing.TB, target string) *reader {
	t.Helper()
	w.send(t, "GET "+target+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	response := w.answer(t, http.MethodGet)
	require.Equal(t, http.StatusOK, response.StatusCode)
	return &reader{response, bufio.NewReader(response.Body), func() { w.Close() }}
}

const getStream = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"

// patient keeps the hub from noticing anything by itself: no heartbeat is sent and no reader stalls.
func patient(s *stream.Config, c *api.Config) { s.Heartbeat, c.StallTimeout = time.Hour, time.Hour }

// The body of HTTP/1.1 is chunked. It ends after `bye`, and so does the connection.
func TestChunkedBodyEndsAfterBye(t *testing.T) {
	h := start(t, patient)
	var all []*wire
	var streams []*reader
	for range 50 {
		w := wireTo(t, h.internal)
		s := w.stream(t, "/stream")
		require.Equal(t, []string{"chunked"}, s.TransferEncoding)
		s.begun(t)
		all, streams = append(all, w), append(streams, s)
	}
	h.put(t, at("a", 1, 2))
	for _, s := range streams {
		require.Equal(t, "a", s.brief(t))
	}
	h.Drain(t.Context(), 0)
	for i, s := range streams {
		require.Equal(t, "bye draining", s.brief(t))
		rest, err := io.ReadAll(s.lines)
		require.NoError(t, err)
		require.Empty(t, rest)
		_, err = all[i].in.ReadByte()
		require.Equal(t, io.EOF, err)
	}
	require.Equal(t, map[string]float64{"draining": 50}, h.metric(t, "livemap_streams_closed_total", "reason"))
}

// The body of HTTP/1.0 is not framed, and ends with the connection.
func TestBodyOfHTTP10(t *testing.T) {
	h := start(t, patient)
	h.put(t, at("a", 1, 2))
	w := wireTo(t, h.internal)
	w.send(t, "GET /stream HTTP/1.0\r\n\r\n")
	response := w.answer(t, http.MethodGet)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, response.TransferEncoding)
	require.Equal(t, int64(-1), response.ContentLength)
	require.True(t, response.Close)
	s := &reader{response, w.in, func() { w.Close() }}
	require.Regexp(t, `\Aretry: \d`, s.block(t))
	require.Equal(t, []string{"reset new", "a", "live snapshot"}, []string{s.brief(t), s.brief(t), s.brief(t)})
	h.put(t, at("a", 2, 2))
	require.Equal(t, "a", s.brief(t))
	h.Drain(t.Context(), 0)
	rest, err := io.ReadAll(w.in)
	require.NoError(t, err)
	require.Equal(t, "event: bye\ndata: {\"reason\":\"draining\"}\n\n", string(rest))
}

// A reader that was cut off notices it, as the body has no end. It does not delay the others.
func TestBodyOfStalledReaderIsCut(t *testing.T) {
	h := start(t, func(_ *stream.Config, c *api.Config) { c.StallTimeout = 100 * time.Millisecond })
	w := wireTo(t, h.internal)
	require.NoError(t, w.Conn.(*net.TCPConn).SetReadBuffer(64<<10))
	s := w.stream(t, "/stream?topic=vehicle:large")
	other := h.subscribe(t, "/stream?topic=vehicle:small")
	other.begun(t)
	h.flood(t, func(n int) {
		h.put(t, at("small", n%180, n/180))
		require.Equal(t, "small", other.brief(t))
	})
	require.Equal(t, "stalled", h.closed(t, 1)["reason"])
	_, err := io.ReadAll(s.lines)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, map[string]float64{"h1": 1, "h2": 0, "h3": 0},
		h.metric(t, "livemap_streams_open", "protocol"))
}

// flood publishes large positions of one vehicle until a stream is closed, and calls between after each
// publish.
func (h *hub) flood(t testing.TB, between func(n int)) {
	t.Helper()
	for n := 0; len(h.log.lines("stream closed")) == 0; n++ {
		require.Less(t, n, 1000, "it is not closed")
		h.put(t, large(30*n, 30)...)
		between(n)
	}
}

// large returns positions of some 15 KB, numbered from first.
func large(first, count int) (all []string) {
	filler := strings.Repeat("x", 15000)
	for n := range count {
		all = append(all, at("large", 1, 2, fmt.Sprintf(`"n":%d,"filler":%q`, first+n, filler)))
	}
	return all
}

// The hub notices a client that disconnects, even while it sends nothing.
func TestClientThatDisconnectsIsNoticed(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closes":    (*net.TCPConn).Close,
		"is killed": reset,
		"closes one half, and then the other": func(conn *net.TCPConn) error {
			return errors.Join(conn.CloseWrite(), conn.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, patient)
			w := wireTo(t, h.internal)
			w.stream(t, "/stream").begun(t)
			require.Equal(t, 1.0, h.metric(t, "livemap_streams_open", "protocol")["h1"])
			require.NoError(t, leave(w.Conn.(*net.TCPConn)))
			require.Equal(t, "client", h.closed(t, 1)["reason"])
			require.Zero(t, h.metric(t, "livemap_streams_open", "protocol")["h1"])
			require.Zero(t, h.Stats().Streams)
		})
	}
}

func reset(conn *net.TCPConn) error {
	conn.SetLinger(0)
	return conn.Close()
}

// The hub notices a client that disconnects while a write to it waits.
func TestBlockedClientThatDisconnectsIsNoticed(t *testing.T) {
	h := start(t, patient)
	w := wireTo(t, h.internal)
	require.NoError(t, w.Conn.(*net.TCPConn).SetReadBuffer(64<<10))
	w.send(t, getStream)
	h.fill(t)
	require.NoError(t, reset(w.Conn.(*net.TCPConn)))
	line := h.closed(t, 1)
	require.Equal(t, "client", line["reason"])
	require.Less(t, line["events"], float64(filling))
	require.Zero(t, h.Stats().Streams)
}

// filling is a number of large positions that exceeds the system's buffers and not a reader's backlog.
const filling = 700

func (h *hub) fill(t testing.TB) {
	t.Helper()
	for n := 0; n < filling; n += 50 {
		h.put(t, large(n, 50)...)
	}
}

// A client that reads late, and little at a time, gets everything.
func TestSlowReaderGetsEverything(t *testing.T) {
	h := start(t, patient)
	w := wireTo(t, h.internal)
	require.NoError(t, w.Conn.(*net.TCPConn).SetReadBuffer(64<<10))
	s := w.stream(t, "/stream?snapshot=false")
	s.begun(t)
	h.fill(t)
	for n := range filling {
		require.Contains(t, s.event(t).Data, fmt.Sprintf(`"n":%d,`, n))
	}
	h.put(t, at("a", 1, 2))
	require.Equal(t, "a", s.brief(t))
	h.Drain(t.Context(), 0)
	require.Equal(t, "bye draining", s.brief(t))
	rest, err := io.ReadAll(s.lines)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// The hub ignores what a client sends after its request.
func TestBytesAfterTheRequest(t *testing.T) {
	h := start(t, patient)
	w := wireTo(t, h.internal)
	w.send(t, getStream+"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	response := w.answer(t, http.MethodGet)
	s := &reader{response, bufio.NewReader(response.Body), func() { w.Close() }}
	s.begun(t)
	for n := range 20 {
		w.send(t, strings.Repeat("\x00\xff\r\n", 4096))
		h.put(t, at("a", n, 2))
		require.Equal(t, "a", s.brief(t))
	}
	require.NoError(t, w.Close())
	require.Equal(t, "client", h.closed(t, 1)["reason"])
}

func TestStreamOverUnixSocket(t *testing.T) {
	h := start(t, patient)
	path := filepath.Join(t.TempDir(), "hub.sock")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(h.api.Internal())
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	connect := func() (*net.UnixConn, *reader) {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		w := &wire{conn, bufio.NewReader(conn)}
		return conn, w.stream(t, "/stream?snapshot=false")
	}
	conn, leaves := connect()
	_, stays := connect()
	leaves.begun(t)
	stays.begun(t)
	conn.Close()
	require.Equal(t, "client", h.closed(t, 1)["reason"])
	h.fill(t)
	for n := range filling {
		require.Contains(t, stays.event(t).Data, fmt.Sprintf(`"n":%d,`, n))
	}
	h.Drain(t.Context(), 0)
	require.Equal(t, "bye draining", stays.brief(t))
	_, err = stays.lines.ReadByte()
	require.Equal(t, io.EOF, err)
}

// An answer that is no stream leaves the connection open.
func TestAnswersThatAreNoStreamKeepTheConnection(t *testing.T) {
	h := start(t)
	w := wireTo(t, h.internal)
	for range 2 {
		for _, c := range []struct {
			method, target, accept string
			status                 int
		}{
			{"HEAD", "/stream", "*/*", 200},
			{"GET", "/stream", "text/html", 406},
			{"GET", "/stream?interval=1", "*/*", 400},
			{"HEAD", "/topics/a/stream", "*/*", 200}, {"GET", "/healthz", "*/*", 200},
		} {
			w.send(t, c.method+" "+c.target+" HTTP/1.1\r\nHost: localhost\r\nAccept: "+c.accept+"\r\n\r\n")
			response := w.answer(t, c.method)
			_, err := io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, response.StatusCode, c)
			require.False(t, response.Close)
		}
	}
	require.Empty(t, h.log.lines("stream opened"))
	w.stream(t, "/stream").begun(t)
}

// Many streams begin, are written and end at the same time.
func TestManyStreamsOpenAndClose(t *testing.T) {
	h := start(t, patient)
	h.put(t, at("a", 0, 0))
	var readers sync.WaitGroup
	const each = 20
	for n := range 8 {
		readers.Go(func() {
			for m := range each {
				conn, err := net.Dial("tcp", h.internal.Listener.Addr().String())
				if !assert.NoError(t, err) {
					return
				}
				conn.SetDeadline(time.Now().Add(patience))
				io.WriteString(conn, getStream)
				in := bufio.NewReader(conn)
				for text := ""; !strings.Contains(text, "event: live") && err == nil; {
					text, err = in.ReadString('\n')
				}
				assert.NoError(t, err)
				if (n+m)%2 == 0 {
					reset(conn.(*net.TCPConn))
				}
				conn.Close()
			}
		})
	}
	for n := range 200 {
		h.put(t, at("a", n%180, n/180))
	}
	readers.Wait()
	h.closed(t, 8*each)
	require.Equal(t, map[string]float64{"client": 8 * each},
		h.metric(t, "livemap_streams_closed_total", "reason"))
	require.Zero(t, h.Stats().Streams)
}
