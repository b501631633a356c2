package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"livemap/api"
	"livemap/stream"
)

// stallsSoon gives readers five seconds.
func stallsSoon(_ *stream.Config, c *api.Config) { c.StallTimeout = 5 * time.Second }

// A reader that does not read its answer is cut within the stall timeout: on every route of both ports, with
// every method, and what the answer's length.
func TestStalledReaderOfAnyAnswer(t *testing.T) {
	for port, handler := range ports {
		everyRequest(t, handler(assemble(t, crossOriginal).api), func(t *testing.T, method, path string) {
			if method == http.MethodGet && strings.HasSuffix(path, "stream") {
				return // TestBodyOfStalledReaderIsCut has streams
			}
			for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
				if protocol == "HTTP/2" && (path == "*" || method == http.MethodConnect) {
					continue
				}
				t.Run(port+" "+protocol, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := startPiped(t, patient, crossOriginal, stallsSoon)
						h.put(t, at("a", 1, 2))
						conn := h.dial(t, port)
						if protocol == "HTTP/2" {
							awaitReset(t, conn, method, path)
							return
						}
						fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, path)
						synctest.Wait() // it does not read
						began := time.Now()
						for {
							if _, err := conn.Write([]byte("x")); err != nil {
								break // what it has not read is closed with the connection
							}
						}
						require.LessOrEqual(t, time.Since(began), 5*time.Second)
					})
				})
			}
		})
	}
}

// awaitReset makes a request over HTTP/2 whose answer has no room, and waits until the stream is reset
// within the stall timeout of 5 s. An answer without a body ends.
func awaitReset(t *testing.T, conn net.Conn, method, path string) {
	t.Helper()
	frames := make(chan http2.Frame)
	framer := http2.NewFramer(conn, conn)
	framer.SetReuseFrames()
	go func() {
		defer close(frames)
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if headers, is := frame.(*http2.HeadersFrame); is && headers.StreamEnded() {
				return
			}
			if _, is := frame.(*http2.RSTStreamFrame); is {
				return
			}
		}
	}()
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	require.NoError(t, framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", method}, {":scheme", "http"}, {":authority", "localhost"}, {":path", path},
	} {
		require.NoError(t, fields.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	began := time.Now()
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: block.Bytes(),
	}))
	<-frames
	require.LessOrEqual(t, time.Since(began), 5*time.Second)
}

// A reader that does not read a long answer is cut and counted, and so is a publisher that does not read
// the acks of its upload. One that reads slowly, but reads, gets everything.
func TestStalledReaderOfLongAnswer(t *testing.T) {
	fill := func(t *testing.T, h *piped) {
		for n := range 200 {
			h.put(t, at(fmt.Sprint(n), 1, 2, `"filler":"`+strings.Repeat("x", 4000)+`"`))
		}
	}
	count := func(t *testing.T, h *piped) string {
		answer, err := h.client.Do(h.request(t, http.MethodGet, "/metrics", nil))
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		_, after, _ := strings.Cut(string(text), "\nlivemap_answers_stalled_total ")
		return strings.Fields(after)[0]
	}
	t.Run("snapshot", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t, patient, stallsSoon)
			fill(t, h)
			conn := h.dial(t, "internal")
			fmt.Fprint(conn, "GET /snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n")
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			time.Sleep(6 * time.Second)
			_, err = io.Copy(io.Discard, answer.Body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "it does not look complete")
			require.Equal(t, "1", count(t, h))
		})
	})
	t.Run("acks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t, patient, stallsSoon)
			conn := h.dial(t, "internal")
			fmt.Fprint(conn, "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"+
				"Accept: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
			time.Sleep(10 * time.Second)
			require.Equal(t, "0", count(t, h), "the upload goes on")
			fmt.Fprint(conn, "0\r\n\r\n")
			_, err := io.Copy(io.Discard, conn)
			require.NoError(t, err)
			require.Equal(t, "1", count(t, h))
		})
	})
	t.Run("slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := startPiped(t, patient, stallsSoon)
			fill(t, h)
			conn := h.dial(t, "internal")
			fmt.Fprint(conn, "GET /snapshot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			in := bufio.NewReaderSize(slow{conn}, 8<<10)
			answer, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, answer.Body)
			require.NoError(t, err)
			require.Greater(t, n, int64(200*4000))
			require.Equal(t, "0", count(t, h))
		})
	})
}

// slow is a connection of which 8 KiB a second are read.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Conn.Read(p[:min(len(p), 8<<10)])
}
