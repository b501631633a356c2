package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/stream"
)

// everyRequest calls do for a request to each route of a handler, with an id that exists, and for some to
// paths and methods that it does not have.
func everyRequest(t *testing.T, handler http.Handler, do func(t *testing.T, method, path string)) {
	t.Helper()
	seen := map[string]bool{}
	try := func(method, path string) {
		if name := method + " " + path; !seen[name] {
			seen[name] = true
			t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) { do(t, method, path) })
		}
	}
	values := strings.NewReplacer("{id}", "a", "{hash}", "0123456789abcdef", "{cmd}", "heap")
	require.NoError(t, chi.Walk(handler.(chi.Routes), func(method, route string, _ http.Handler,
		_ ...func(http.Handler) http.Handler) error {
		path := values.Replace(strings.TrimSuffix(route, "*"))
		if strings.HasPrefix(path, "/debug/pprof/") && path != "/debug/pprof/symbol" {
			return nil // these are alike, and two use channels of the process, which a bubble cannot
		}
		try(method, path)
		return nil
	}))
	for _, path := range []string{"/", "/nowhere", "/publish", "/stream", "/snapshot"} {
		for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodConnect} {
			try(method, path)
		}
	}
	try(http.MethodOptions, "*")
}

// unasked are bodies that never arrive: a length that is not kept, chunks without an end.
var unasked = map[string]string{
	"length":  "Content-Length: 10\r\n\r\n",
	"started": "Content-Length: 10\r\n\r\n{",
	"chunked": "Transfer-Encoding: chunked\r\n\r\n",
	"chunk":   "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
	"expect":  "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
}

// asksForBody reports whether a route publishes.
func asksForBody(port, method, path string) bool {
	return port == "internal" && method == http.MethodPost && path == "/publish"
}

// ports are the handlers of both ports.
var ports = map[string]func(*api.API) http.Handler{
	"public": (*api.API).Public, "internal": (*api.API).Internal,
}

// crossOriginal lets pages of another origin read, whose preflights have a handler of their own.
func crossOriginal(_ *stream.Config, c *api.Config) {
	c.Origins = []string{"https://fleet.example.com"}
}

// A body that no route has asked for delays the answer for 10 s at most, and then the hub hangs up. It is so
// on every route of both ports, whatever the method.
func TestBodyThatNeverArrives(t *testing.T) {
	for port, handler := range ports {
		everyRequest(t, handler(assemble(t, crossOriginal).api), func(t *testing.T, method, path string) {
			if asksForBody(port, method, path) {
				return
			}
			for name, body := range unasked {
				t.Run(port+" "+name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := startPiped(t, patient, crossOriginal)
						h.put(t, at("a", 1, 2))
						conn := h.dial(t, port)
						began := time.Now()
						go fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\n"+
							"Origin: https://fleet.example.com\r\nAccess-Control-Request-Method: GET\r\n%s", method, path, body)
						in := bufio.NewReader(conn)
						answer, err := http.ReadResponse(in, &http.Request{Method: method})
						require.NoError(t, err)
						require.LessOrEqual(t, time.Since(began), 10*time.Second)
						require.NotEqual(t, http.StatusContinue, answer.StatusCode, "it does not ask for the body")
						if name == "expect" && method == http.MethodGet && strings.HasSuffix(path, "stream") {
							return // TestStalledReaderWithABody has it
						}
						_, err = io.Copy(io.Discard, answer.Body)
						require.NoError(t, err)
						require.True(t, answer.Close, "the rest would be the next request")
						_, err = in.ReadByte()
						require.ErrorIs(t, err, io.EOF)
						require.LessOrEqual(t, time.Since(began), 11*time.Second)
					})
				})
			}
		})
	}
}

// Over HTTP/2 the answer comes as early. The connection stays.
func TestBodyThatNeverArrivesOverHTTP2(t *testing.T) {
	for port, handler := range ports {
		everyRequest(t, handler(assemble(t, crossOriginal).api), func(t *testing.T, method, path string) {
			if asksForBody(port, method, path) || path == "*" || method == http.MethodConnect {
				return // the client cannot ask these
			}
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t, patient, crossOriginal)
				h.put(t, at("a", 1, 2))
				client := h.port(port).client(t, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
				body, write := io.Pipe()
				defer write.Close()
				began := time.Now()
				answer, err := client.Do(h.request(t, method, path, body))
				require.NoError(t, err)
				defer answer.Body.Close()
				require.LessOrEqual(t, time.Since(began), 10*time.Second)
				require.Equal(t, 2, answer.ProtoMajor)
			})
		})
	}
}

// A body that comes in time changes nothing: the connection serves the next request, and a stream goes on
// for longer than a body may take.
func TestBodyThatNobodyAskedFor(t *testing.T) {
	for _, pause := range []time.Duration{0, 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t, patient)
			h.put(t, at("a", 1, 2))
			conn := h.dial(t, "internal")
			in := bufio.NewReader(conn)
			for range 3 {
				for _, body := range []string{
					"Content-Length: 2\r\n\r\n|{}", "Transfer-Encoding: chunked\r\n\r\n|2\r\n{}\r\n0\r\n\r\n",
				} {
					head, rest, _ := strings.Cut(body, "|")
					io.WriteString(conn, "GET /vehicles/a HTTP/1.1\r\nHost: localhost\r\n"+head)
					time.Sleep(pause)
					go io.WriteString(conn, rest)
					answer, err := http.ReadResponse(in, nil)
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, answer.StatusCode)
					require.False(t, answer.Close)
					_, err = io.Copy(io.Discard, answer.Body)
					require.NoError(t, err)
				}
			}
			io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
			time.Sleep(pause)
			go io.WriteString(conn, "{}")
			answer, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			s := &reader{answer, bufio.NewReader(answer.Body), func() { conn.Close() }}
			s.begun(t)
			time.Sleep(time.Minute)
			h.put(t, at("a", 2, 2))
			require.Equal(t, "a", s.brief(t))
			conn.Close()
		})
	}
}

// A hub that drains waits for no such body.
func TestDrainDoesNotWaitForBodies(t *testing.T) {
	for name, request := range map[string]string{
		"stream":     "GET /stream HTTP/1.1\r\n" + "Host: localhost\r\n" + unasked["length"],
		"snapshot":   "GET /snapshot HTTP/1.1\r\nHost: localhost\r\n" + unasked["chunk"],
		"wrong port": "POST /publish HTTP/1.1\r\nHost: localhost\r\n" + unasked["length"],
		"upload":     "POST /publish HTTP/1.1\r\nHost: localhost\r\n" + unasked["chunk"],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t, patient)
				conn := h.dial(t, "public")
				go io.WriteString(conn, request)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					io.Copy(io.Discard, conn)
				}()
				synctest.Wait()
				began := time.Now()
				h.api.Drain()
				h.Drain(t.Context(), 0)
				<-ended
				require.Zero(t, time.Since(began))
			})
		})
	}
}

// The reader of a stream whose body it has left is under the stall timeout, as any.
func TestStalledReaderWithABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startPiped(t, stallsSoon)
		conn := h.dial(t, "internal")
		go io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n"+unasked["expect"])
		answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Equal(t, "stalled", h.closed(t, 1)["reason"])
	})
}

// A body that does not arrive, or ends early, is answered with a problem.
func TestProblemsOfBodies(t *testing.T) {
	for body, want := range map[string]struct {
		status int
		detail string
	}{
		unasked["length"]: {http.StatusRequestTimeout, "did not arrive within 10s; this path needs none"},

		"Transfer-Encoding: chunked\r\n\r\nx\r\n": {http.StatusBadRequest, "ended early"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t, patient)
			conn := h.dial(t, "public")
			go io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n"+body)
			got, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			text, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			refused(t, answer{got, string(text)}, want.status, want.detail)
		})
	}
}

// A document that does not arrive is answered after a minute, and its connection is closed.
func TestDocumentThatNeverArrives(t *testing.T) {
	for _, length := range []int{10, 128 << 10, 300 << 10} {
		for _, sent := range []int{0, length / 2, length - 1} {
			synctest.Test(t, func(t *testing.T) {
				h := startPiped(t, patient)
				conn := h.dial(t, "internal")
				go fmt.Fprintf(conn, "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
					"Content-Length: %d\r\n\r\n%s", length, strings.Repeat(" ", sent))
				began := time.Now()
				reader := bufio.NewReader(conn)
				got, err := http.ReadResponse(reader, nil)
				require.NoError(t, err)
				text, err := io.ReadAll(got.Body)
				require.NoError(t, err)
				require.Equal(t, http.StatusBadRequest, got.StatusCode)
				require.Contains(t, string(text), fmt.Sprintf("ended early, after %d bytes", sent))
				require.Equal(t, time.Minute, time.Since(began))
				_, err = reader.ReadByte()
				require.Equal(t, io.EOF, err)
				require.Less(t, time.Since(began), time.Minute+time.Second)
			})
		}
	}
}
