package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/geo"
	"livemap/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a hub that lives as long as the test. Streams are to be opened
// after: what is cleaned up last was begun first.
func start(t testing.TB, config stream.Config) *stream.Hub {
	t.Helper()
	h := stream.New(config)
	t.Cleanup(h.Close)
	return h
}

// position makes a position from the members of its JSON object, without the
// braces. It is at longitude 2, latitude 1 if they do not say.
func position(t testing.TB, id, members string) *geo.Position {
	t.Helper()
	text := fmt.Sprintf(`{"vehicle_id":%q`, id)
	if !strings.Contains(members, `"lat"`) {
		text += `,"lat":1,"lon":2`
	}
	if members != "" {
		text += "," + members
	}
	p, err := geo.ParsePosition([]byte(text + "}"))
	require.NoError(t, err)
	return &p
}

// publish publishes a position, which must be taken.
func publish(t testing.TB, h *stream.Hub, id, members string) stream.Receipt {
	t.Helper()
	receipt, err := h.Publish(position(t, id, members))
	require.NoError(t, err)
	return receipt
}

// fillLog publishes positions of the vehicle until at least bytes of them are in
// the log, each with another number.
func fillLog(t testing.TB, h *stream.Hub, id string, bytes int) {
	t.Helper()
	filler := strings.Repeat("x", 8000)
	for n := range bytes/8000 + 1 {
		publish(t, h, id, fmt.Sprintf(`"n":%d,"filler":%q`, n, filler))
	}
}

// write is what a client was sent at once, and when.
type write struct {
	at   time.Time
	text string
}

// client is a reader that keeps what it is sent.
type client struct {
	hub     *stream.Hub
	gate    chan struct{} // a write takes one; nil: never blocks
	cancel  context.CancelFunc
	ended   chan struct{}
	summary stream.Summary // after ended

	mu     sync.Mutex // guards what follows
	writes []write
}

// listen opens a stream that takes all it is sent at once.
func listen(t testing.TB, h *stream.Hub, q stream.Query) *client {
	return serve(t, h, h.Subscribe(q), nil)
}

// listenSlowly opens a stream whose writes each wait for a token from gate.
func listenSlowly(t testing.TB, h *stream.Hub, q stream.Query) *client {
	return serve(t, h, h.Subscribe(q), make(chan struct{}))
}

func serve(t testing.TB, h *stream.Hub, s *stream.Subscription, gate chan struct{}) *client {
	ctx, cancel := context.WithCancel(t.Context())
	c := &client{hub: h, gate: gate, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.summary = run(ctx, t, s, gate != nil, func(p []byte) error { return c.write(ctx, p) })
	}()
	t.Cleanup(func() { c.close() })
	return c
}

// run serves a stream, by one of the two ways there are, until it ends. slow:
// write waits.
func run(ctx context.Context, t testing.TB, s *stream.Subscription, slow bool, write func([]byte) error) stream.Summary {
	attached := rand.IntN(2) == 0
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("a stream was attached: ", attached)
		}
	})
	var summary stream.Summary
	if !attached {
		summary = s.Serve(ctx, write)
	} else {
		ended := make(chan stream.Summary, 1)
		s.Attach(&testOutlet{write: write, slow: slow}, func(summary stream.Summary) { ended <- summary })
		defer context.AfterFunc(ctx, s.Leave)()
		summary = <-ended
	}
	if summary.Reason == stream.Panicked {
		panic(summary.Err)
	}
	return summary
}

// testOutlet is an Outlet that has no room for anything when it is slow.
type testOutlet struct {
	write func([]byte) error
	slow  bool
	kept  []byte
}

func (o *testOutlet) Write(p []byte) (waits bool, err error) {
	if o.kept != nil {
		panic("written while it waits")
	}
	if o.slow {
		o.kept = bytes.Clone(p)
		return true, nil
	}
	return false, o.write(p)
}

func (o *testOutlet) Wait() error {
	kept := o.kept
	o.kept = nil
	return o.write(kept)
}

func (c *client) write(ctx context.Context, p []byte) error {
	if c.gate != nil {
		select {
		case <-c.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, write{time.Now(), string(p)})
	return nil
}

// open lets all writes through from now on.
func (c *client) open() { close(c.gate) }

// close ends the stream from the client's side.
func (c *client) close() stream.Summary {
	c.cancel()
	<-c.ended
	return c.summary
}

// takeWrites gives what was written since it was last asked, when all is quiet.
func (c *client) takeWrites() []write {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := c.writes
	c.writes = nil
	return writes
}

// takeText gives what was written since it was last asked.
func (c *client) takeText() string {
	var text strings.Builder
	for _, w := range c.takeWrites() {
		text.WriteString(w.text)
	}
	return text.String()
}

// takeEvents gives what was written since it was last asked, in short. See brief.
func (c *client) takeEvents() string {
	return brief(c.takeText())
}

var (
	epochs  = regexp.MustCompile(`[0-9a-z]+-(\d+)`)
	members = regexp.MustCompile(`"(reason|vehicle_id|mode|events|skipped)":"?([^",}]*)`)
)

// brief writes what was on the wire as one line: `3 a` is a position of vehicle
// a with seq 3, `4 late a`, `5 gone a left`, `6 live replay 3 0` (events,
// skipped), `7 -` a heartbeat; without an id there is no number.
func brief(text string) string {
	var all []string
	for event := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var words []string
		comment := false
		for line := range strings.Lines(event) {
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			switch field {
			case "id":
				words = append(words, epochs.ReplaceAllString(strings.TrimSpace(value), "$1"))
			case "event":
				words = append(words, strings.TrimSpace(value))
			case "data":
				for _, member := range members.FindAllStringSubmatch(value, -1) {
					words = append(words, member[2])
				}
			case "":
				comment = true
			}
		}
		switch {
		case strings.Contains(event, "retry:"):
			words = append(words, "hello")
		case comment:
			words = append(words, "-")
		}
		if len(words) > 0 {
			all = append(all, strings.Join(words, " "))
		}
	}
	return strings.Join(all, " | ")
}

var fleetQuery = stream.Query{Topics: []string{stream.AllTopic}}

func box(t testing.TB, text string) *geo.Box {
	t.Helper()
	b, err := geo.ParseBox(text)
	require.NoError(t, err)
	return &b
}
