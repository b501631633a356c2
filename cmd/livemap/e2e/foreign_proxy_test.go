package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// foreignProxy stands between clients and a hub, records traffic, and cuts connections on request.
// Unless it is patient, it shortens the hub's retry delay of seconds.
type foreignProxy struct {
	url string

	t        *testing.T
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond // of everything below
	target   string     // host:port
	open     []net.Conn
	ended    bool
	brought  []string // Last-Event-ID of each request, "" for none
	passed   []byte   // from the hub to clients
	marker   string   // cut after it; "": do not
	marked   int      // where in passed to look for it from
	cuts     int
	patient  bool
	refusals []string // raw answers given instead of the hub's
}

// startForeignProxy forwards to a hub's address until the test ends.
func startForeignProxy(t *testing.T, target string) *foreignProxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &foreignProxy{url: "http://" + listener.Addr().String(), t: t, listener: listener,
		target: strings.TrimPrefix(target, "http://")}
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		p.closeAll()
		p.running.Wait()
	})
	return p
}

// foreignRetry is the retry line of a stream. Its replacement has the same length, since it stands
// in a chunk of counted length.
var foreignRetry = regexp.MustCompile(`retry: [0-9]{4}`)

func (p *foreignProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.forward(client) })
	}
}

// forward serves one connection, of one request. Browsers also open some that ask for nothing.
func (p *foreignProxy) forward(client net.Conn) {
	defer client.Close()
	p.enter(client)
	var raw bytes.Buffer
	request, err := http.ReadRequest(bufio.NewReader(foreignTee{client, &raw}))
	if err != nil {
		return
	}
	answer := p.note(request)
	if answer != "" {
		client.Write([]byte(answer))
		return
	}
	hub, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer hub.Close()
	p.enter(hub)
	if _, err := hub.Write(raw.Bytes()); err != nil {
		return
	}
	gone := make(chan struct{})
	go func() { // notices that the client goes
		defer close(gone)
		client.Read(make([]byte, 1))
		hub.Close()
	}()
	p.copy(client, hub)
	client.Close()
	<-gone
}

// note records a request. It returns the answer that replaces the hub's, if there is one.
func (p *foreignProxy) note(request *http.Request) (answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brought = append(p.brought, request.Header.Get("Last-Event-ID"))
	if len(p.refusals) > 0 {
		answer, p.refusals = p.refusals[0], p.refusals[1:]
	}
	p.changed.Broadcast()
	return answer
}

// enter remembers a connection, to close it at the end.
func (p *foreignProxy) enter(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed.Broadcast()
	if p.ended {
		conn.Close()
	}
	p.open = append(p.open, conn)
}

func (p *foreignProxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, conn := range p.open {
		conn.Close()
	}
}

// copy passes on the hub's bytes, up to the cut if there is one.
func (p *foreignProxy) copy(client, hub net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := hub.Read(buf)
		keep, cut := p.pass(buf[:n])
		if _, failed := client.Write(buf[:keep]); failed != nil || err != nil || cut {
			return
		}
	}
}

// pass records bytes, and returns how many of them may pass.
func (p *foreignProxy) pass(piece []byte) (keep int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed.Broadcast()
	if !p.patient {
		copy(piece, foreignRetry.ReplaceAll(piece, []byte("retry: 0100")))
	}
	before := len(p.passed)
	p.passed = append(p.passed, piece...)
	if p.marker == "" {
		return len(piece), false
	}
	at := bytes.Index(p.passed[p.marked:], []byte(p.marker))
	if at < 0 {
		return len(piece), false
	}
	end := p.marked + at + len(p.marker)
	p.passed, p.marker = p.passed[:end], ""
	p.cuts++
	return end - before, true
}

// cutAfter cuts the connection where text next ends.
func (p *foreignProxy) cutAfter(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.marked = text, len(p.passed)
}

// setPatient makes clients wait for the hub's own retry delay before they come back.
func (p *foreignProxy) setPatient() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.patient = true
}

// answer returns raw answers to the next requests, instead of the hub's.
func (p *foreignProxy) answer(raw ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals = append(p.refusals, raw...)
}

// leave cuts all connections and refuses others, as a hub that is away does, until back is called.
func (p *foreignProxy) leave() (back func()) {
	p.t.Helper()
	p.listener.Close()
	p.closeAll()
	p.running.Wait()
	return func() {
		p.t.Helper()
		listener, err := net.Listen("tcp", p.listener.Addr().String())
		require.NoError(p.t, err)
		p.mu.Lock()
		p.listener, p.open, p.ended = listener, nil, false
		p.mu.Unlock()
		p.running.Go(p.accept)
	}
}

// TestForeignProxyLeaves lets the proxy go while a connection is open that never asks for anything, as
// browsers open some beforehand.
func TestForeignProxyLeaves(t *testing.T) {
	t.Parallel()
	p := startForeignProxy(t, "127.0.0.1:1")
	client, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer client.Close()
	p.wait("the connection", func() bool { return len(p.open) == 1 })
	p.leave()()
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// waitCut waits until n connections have been cut.
func (p *foreignProxy) waitCut(n int) {
	p.t.Helper()
	p.wait("a cut", func() bool { return p.cuts >= n })
}

// waitPassed waits until the hub has said text.
func (p *foreignProxy) waitPassed(text string) {
	p.t.Helper()
	p.wait(text, func() bool { return bytes.Contains(p.passed, []byte(text)) })
}

// ids returns the Last-Event-ID of the first n requests, once they are there.
func (p *foreignProxy) ids(n int) []string {
	p.t.Helper()
	var ids []string
	p.wait("requests", func() bool {
		ids = append([]string{}, p.brought...)
		return len(ids) >= n
	})
	return ids[:n]
}

// requests returns the number of requests so far.
func (p *foreignProxy) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.brought)
}

// wait waits for a condition on what has passed. what names it.
func (p *foreignProxy) wait(what string, met func() bool) {
	p.t.Helper()
	foreignWait(p.t, p.changed, met, func() string {
		return what + " did not come; passed:\n" + string(p.passed)
	})
}

// foreignTee keeps what is read from a connection.
type foreignTee struct {
	net.Conn
	kept *bytes.Buffer
}

func (c foreignTee) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.kept.Write(p[:n])
	return n, err
}

// retry returns the milliseconds that the hub said to wait before coming back.
func (p *foreignProxy) retry() int {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, rest, found := strings.Cut(string(p.passed), "\nretry: ")
	require.True(p.t, found, "%s", p.passed)
	digits, _, _ := strings.Cut(rest, "\n")
	return foreignInt(p.t, digits)
}

func foreignInt(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	require.NoError(t, err)
	return n
}
