package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	ossignal "os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drainingHub starts a hub that drains for the longest time (--drain and two seconds) once it is
// stopped, because one client does not read. Only the end of the drain closes that stream.
func drainingHub(t *testing.T, args ...string) *runningHub {
	t.Helper()
	hub := startHub(t, append(args, "--drain", "1s", "--stall-timeout", "10m")...)
	conn := deafConn(t, strings.TrimPrefix(hub.proxy, "http://"))
	_, err := io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	await(t, "the deaf stream", func() bool { return hub.openStreams(t) == 1 })
	hub.fillDeaf(t)
	return hub
}

// fillDeaf publishes more than the buffers of unread streams hold, and waits until they are full.
func (h *runningHub) fillDeaf(t *testing.T) {
	t.Helper()
	h.publishLines(t, padded("DEAF", 8<<10, 500)...)
	before, quiet := 0.0, 0
	await(t, "the deaf streams' buffers to be full", func() bool {
		written := h.metric(t, "livemap_events_written_total")
		if quiet++; written == 0 || written > before {
			before, quiet = written, 0
		}
		return quiet == 10
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	hub := drainingHub(t)
	var ending sync.WaitGroup
	for i := range 24 {
		s := hub.client(t, protocolNames[i%3]).mustOpen(t, hub.public+"/topics/vehicle:QUIET/stream", "")
		s.until(t, "live")
		ending.Go(func() {
			e, err := s.next()
			assert.NoError(t, err)
			assert.Equal(t, wireEvent{s.lastID, "bye", `{"reason":"draining"}`}, e)
			_, err = s.next()
			assert.Equal(t, io.EOF, err, "the stream ends like one that is complete")
		})
	}
	upload := beginUpload(t, hub)
	defer upload.lines.Close()
	before := hub.metric(t, `livemap_positions_total{result="accepted"}`)
	upload.write(t, `{"vehicle_id":"A","lat":1,"lon":2,"timestamp":1700000000}`+"\n"+`{"vehicle_id":"B",`)
	await(t, "what was begun to arrive", func() bool {
		return hub.metric(t, `livemap_positions_total{result="accepted"}`) > before
	})
	ready := func() int {
		resp, err := hub.operator.Get(hub.publish + "/readyz")
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	assert.Equal(t, http.StatusOK, ready())

	hub.interrupt()
	await(t, "/readyz to say so", func() bool { return ready() == http.StatusServiceUnavailable })
	upload.write(t, `"lat":1,"lon":2,"timestamp":1700000000}`+"\n")
	status, header, text := hub.post(t, "application/json", `{"vehicle_id":"C","lat":1,"lon":2}`)
	assert.Equal(t, http.StatusServiceUnavailable, status, text)
	assert.Equal(t, "2", header.Get("Retry-After"))
	assert.Equal(t, "application/problem+json", header.Get("Content-Type"))
	assert.Equal(t, "OK 3", upload.answer(t), "the line that was begun counts, and the upload is answered")
	ending.Wait()
	conn, err := net.Dial("tcp", strings.TrimPrefix(hub.public, "https://"))
	if err == nil { // it may have been queued before the port was closed
		conn.SetReadDeadline(time.Now().Add(e2eLimit))
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	assert.Error(t, err, "the public port takes nobody any more")
	hub.awaitEnd(t) // one who does not read does not hold up the end
	assert.Len(t, hub.log.find("stream closed", "reason", "draining"), 24)
	assert.NotEmpty(t, hub.log.find("the hub is down"))

	again := startHub(t, "--state-dir", hub.stateDir)
	assert.Equal(t, 3.0, again.metric(t, `livemap_vehicles{state="present"}`), "A, B and DEAF, and not C")
}

// A process that receives a stop signal sends `bye` and ends with status 0. A closing terminal
// sends SIGHUP.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP} {
		if signal == syscall.SIGHUP && ossignal.Ignored(signal) {
			continue // so that it is ignored by the hub too: the tests run under nohup
		}
		hub := startHub(t, "--drain", "1s")
		s := hub.client(t, "h2").mustOpen(t, hub.public+"/stream", "")
		s.until(t, "live")
		hub.signal(signal)
		assert.Equal(t, `{"reason":"draining"}`, s.until(t, "bye")[0].data, signal)
		hub.awaitEnd(t)
	}
}

// runningUpload is an NDJSON upload that stays open.
type runningUpload struct {
	lines    *io.PipeWriter
	answered chan struct{}
	resp     *http.Response
	err      error
}

func beginUpload(t *testing.T, hub *runningHub) *runningUpload {
	t.Helper()
	body, lines := io.Pipe()
	u := &runningUpload{lines: lines, answered: make(chan struct{})}
	req, err := http.NewRequest(http.MethodPost, hub.publish+"/publish", body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-ndjson")
	go func() {
		defer close(u.answered)
		u.resp, u.err = hub.operator.Do(req)
	}()
	u.write(t, `{"vehicle_id":"A","lat":1,"lon":2,"timestamp":1600000000}`+"\n")
	await(t, "the first line", func() bool {
		return hub.metric(t, `livemap_positions_total{result="accepted"}`) > 0
	})
	return u
}

func (u *runningUpload) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(u.lines, text); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		require.NoError(t, err)
	}
}

// answer waits for the Ack and returns its status and count.
func (u *runningUpload) answer(t *testing.T) string {
	t.Helper()
	<-u.answered
	require.NoError(t, u.err)
	defer u.resp.Body.Close()
	var answer struct {
		Status   string
		Accepted json.Number
	}
	require.NoError(t, json.NewDecoder(u.resp.Body).Decode(&answer))
	return answer.Status + " " + answer.Accepted.String()
}
