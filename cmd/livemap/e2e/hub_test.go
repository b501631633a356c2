package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// e2eLimit is how long an end-to-end test waits for anything. Nothing takes as
// long unless it hangs.
const e2eLimit = 2 * time.Minute

// vehiclesFile is where a hub keeps its vehicles, in the state directory.
const vehiclesFile = "vehicles.ndjson"

// runningHub is a hub that was started at the program's front door.
type runningHub struct {
	public, proxy, publish string // addresses, as the hub told them
	stateDir               string
	log                    *hubLog

	interrupt func() // asks it to end, as SIGTERM does
	kill      func() // ends it at once
	signal    func(os.Signal)
	ended     chan struct{}
	err       error // what run returned, once ended

	operator *http.Client // for the internal port
}

// startHub runs `livemap serve` until the test is over. Flags in args win over those that every
// test has.
func startHub(t testing.TB, args ...string) *runningHub {
	t.Helper()
	return startPrepared(t, func(*exec.Cmd) {}, args...)
}

// startHubUnder is startHub with a command before the program that
// becomes it, and sets something for it: env NAME=VALUE, for one.
func startHubUnder(t testing.TB, command []string, args ...string) *runningHub {
	t.Helper()
	return startPrepared(t, func(cmd *exec.Cmd) {
		under := exec.Command(command[0], command[1:]...)
		cmd.Path, cmd.Args, cmd.Err = under.Path, append(under.Args, cmd.Args...), under.Err
	}, args...)
}

// startPrepared is startHub with what prepare does to the command before.
func startPrepared(t testing.TB, prepare func(*exec.Cmd), args ...string) *runningHub {
	t.Helper()
	h, args := newHub(t, args)
	cmd := exec.Command(program, args...)
	cmd.Env = os.Environ()
	cmd.Stderr = h.log
	prepare(cmd)
	require.NoError(t, cmd.Start())
	h.signal = func(s os.Signal) { cmd.Process.Signal(s) }
	h.interrupt = func() { h.signal(syscall.SIGTERM) }
	h.kill = func() {
		cmd.Process.Kill()
		<-h.ended
	}
	go func() {
		defer close(h.ended)
		h.err = cmd.Wait()
	}()
	return h.ready(t)
}

func newHub(t testing.TB, args []string) (*runningHub, []string) {
	h := &runningHub{log: &hubLog{grown: make(chan struct{})}, ended: make(chan struct{})}
	if i := slices.Index(args, "--state-dir"); i >= 0 {
		h.stateDir = args[i+1]
	} else {
		h.stateDir = t.TempDir()
	}
	return h, append([]string{"serve", "--anonymous", "--listen", "127.0.0.1:0", "--publish-listen",
		"127.0.0.1:0",
		"--proxy-listen", "127.0.0.1:0", "--state-dir", h.stateDir, "--log-format", "json"}, args...)
}

func (h *runningHub) ready(t testing.TB) *runningHub {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the hub's last log lines:\n%s", h.log.tail(20))
		}
	})
	t.Cleanup(func() {
		h.stop(t)
		require.NotContains(t, h.log.tail(math.MaxInt), "WARNING: DATA RACE")
	})
	select {
	case <-h.log.seen("the hub is ready"):
	case <-h.ended:
		require.FailNow(t, "the hub did not start", "%v", h.err)
	}
	line := h.log.find("the hub is ready")[0]
	text := func(name string) string { s, _ := line[name].(string); return s }
	h.public, h.proxy, h.publish = text("public"), text("proxy"), text("publish")
	transport := &http.Transport{}
	if socket, ok := strings.CutPrefix(h.publish, "unix:"); ok {
		h.publish = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	h.operator = &http.Client{Transport: transport, Timeout: e2eLimit}
	t.Cleanup(transport.CloseIdleConnections)
	return h
}

// stop ends the hub in good order, unless it has ended already.
func (h *runningHub) stop(t testing.TB) {
	t.Helper()
	select {
	case <-h.ended:
		return
	default:
	}
	h.interrupt()
	h.awaitEnd(t)
}

// awaitEnd waits until the hub has ended by itself, in good order.
func (h *runningHub) awaitEnd(t testing.TB) {
	t.Helper()
	select {
	case <-h.ended:
		require.NoError(t, h.err, "the hub did not end well")
	case <-time.After(e2eLimit):
		require.FailNow(t, "the hub does not end")
	}
}

// post publishes a body and returns status, header and text of the answer.
func (h *runningHub) post(t testing.TB, contentType, body string) (int, http.Header, string) {
	t.Helper()
	resp, err := h.operator.Post(h.publish+"/publish", contentType, strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(text)
}

// publishLines publishes position objects, and requires that all are accepted.
func (h *runningHub) publishLines(t testing.TB, lines ...string) {
	t.Helper()
	status, _, text := h.post(t, "application/x-ndjson", strings.Join(lines, "\n"))
	require.Equal(t, http.StatusOK, status, text)
	var answer struct{ Accepted int }
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	require.Equal(t, len(lines), answer.Accepted, text)
}

// metric returns a metric's value, 0 if it is not there.
func (h *runningHub) metric(t testing.TB, name string) float64 {
	t.Helper()
	return metricAt(t, h.operator, h.publish+"/metrics", name)
}

func metricAt(t testing.TB, client *http.Client, url, name string) float64 {
	t.Helper()
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			return value
		}
	}
	return 0
}

// openStreams counts the streams that are open.
func (h *runningHub) openStreams(t testing.TB) (n float64) {
	for _, protocol := range protocolNames {
		n += h.metric(t, `livemap_streams_open{protocol="`+protocol+`"}`)
	}
	return n
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for limit := time.After(e2eLimit); !holds(); {
		select {
		case <-every.C:
		case <-limit:
			require.FailNow(t, "waited in vain", what)
		}
	}
}

// freePort finds a port that is free in TCP and UDP. It is outside the range from which systems
// pick ports, so that nothing else in this test run gets it.
func freePort(t testing.TB) string {
	t.Helper()
	for port := 20000 + os.Getpid()%5000; port < 32000; port++ {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if _, taken := portsTaken.LoadOrStore(port, true); taken {
			continue
		}
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", address)
		tcp.Close()
		if err == nil {
			udp.Close()
			return address
		}
	}
	require.FailNow(t, "no port is free")
	return ""
}

var portsTaken sync.Map

// hubLog is the hub's log, line by line.
type hubLog struct {
	mu    sync.Mutex
	text  []byte // of the line that has not ended
	lines []map[string]any
	raw   []string
	grown chan struct{} // closed when there is another line
}

func (l *hubLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	for {
		line, rest, whole := bytes.Cut(l.text, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		attrs := map[string]any{}
		json.Unmarshal(line, &attrs) // what is no JSON has no attributes
		l.lines, l.raw = append(l.lines, attrs), append(l.raw, string(line))
		l.text = bytes.Clone(rest)
		close(l.grown)
		l.grown = make(chan struct{})
	}
}

// find returns the lines with that message and those attributes (name, value, …).
func (l *hubLog) find(message string, attrs ...any) (found []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		matches := line["msg"] == message
		for i := 0; i < len(attrs); i += 2 {
			matches = matches && fmt.Sprint(line[attrs[i].(string)]) == fmt.Sprint(attrs[i+1])
		}
		if matches {
			found = append(found, line)
		}
	}
	return found
}

// seen returns a channel that is closed once such a line exists, or the test has waited too long.
func (l *hubLog) seen(message string, attrs ...any) <-chan struct{} {
	found := make(chan struct{})
	go func() {
		defer close(found)
		for limit := time.After(e2eLimit); ; {
			l.mu.Lock()
			grown := l.grown
			l.mu.Unlock()
			if len(l.find(message, attrs...)) > 0 {
				return
			}
			select {
			case <-grown:
			case <-limit:
				return
			}
		}
	}()
	return found
}

// await waits for such a line and returns it.
func (l *hubLog) await(t testing.TB, message string, attrs ...any) map[string]any {
	t.Helper()
	<-l.seen(message, attrs...)
	found := l.find(message, attrs...)
	require.NotEmpty(t, found, "no log line %q %v; there were:\n%s", message, attrs, l.tail(20))
	return found[0]
}

func (l *hubLog) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.raw[max(0, len(l.raw)-n):], "\n")
}
