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

// The helpers of these tests, by what a test wants to do. Files named *_internal_test.go have some of
// their own, since they see the package from inside.
//
// Make a hub:
//
//	start                  a hub that lives as long as the test
//	quietHub, busyHub      without heartbeats, for streams that are silent or never are
//	smallHub               with a short log and a small backlog
//	save, restoredHub      a saved state, and a hub that has loaded it
//
// Publish:
//
//	position, publish      one position, from the members of its JSON object
//	fillLog                so many bytes of positions
//
// Open a stream:
//
//	fleetQuery, topicQuery, patternQuery, box
//	listen, listenSlowly   a client of its own; the slow one takes a write per token
//	attach, newSocket      a socket: an Outlet whose reader can block and unblock
//	attachMany             several for each writer of the hub
//	resume                 a stream from an id up to now, as text
//
// Look at what a stream wrote, since the last look:
//
//	takeWrites             each write with its time
//	takeText               the text of all
//	takeEvents             the events in short form: see brief
//	golden                 the text without what differs from run to run
//
// Compare with all that happened: a model keeps every event, a reader checks each against it.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a hub that lives as long as the test. Call it before opening streams: cleanups run
// in reverse order.
func start(t testing.TB, config stream.Config) *stream.Hub {
	t.Helper()
	h := stream.New(config)
	t.Cleanup(h.Close)
	return h
}

// must returns a value that comes without an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// position returns a position from the members of its JSON object, without the braces. By default
// it is at longitude 2, latitude 1.
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

// publish publishes a position, which the hub must accept.
func publish(t testing.TB, h *stream.Hub, id, members string) stream.Receipt {
	t.Helper()
	receipt, err := h.Publish(position(t, id, members))
	require.NoError(t, err)
	return receipt
}

// fillLog publishes different positions of the vehicle until they take at least bytes in the log.
func fillLog(t testing.TB, h *stream.Hub, id string, bytes int) {
	t.Helper()
	filler := strings.Repeat("x", 7950)
	for n := range bytes/7950 + 1 {
		publish(t, h, id, fmt.Sprintf(`"n":%d,"filler":%q`, n, filler))
	}
}

// write is what a client received in one piece, and when.
type write struct {
	at   time.Time
	text string
}

// client is a reader that keeps what it receives.
type client struct {
	hub     *stream.Hub
	gate    chan struct{} // a write waits for one token; nil: no wait
	cancel  context.CancelFunc
	ended   chan struct{}
	summary stream.Summary // valid after ended

	mu     sync.Mutex // guards what follows
	writes []write
}

// listen opens a stream whose client takes everything at once.
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

// run serves a stream until it ends, by Serve or Attach at random. slow: write waits.
func run(
	ctx context.Context, t testing.TB, s *stream.Subscription, slow bool, write func([]byte) error,
) stream.Summary {
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

// testOutlet is an Outlet. A slow one has no room for any write.
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

// open lets all writes pass from now on.
func (c *client) open() { close(c.gate) }

// close ends the stream as its client.
func (c *client) close() stream.Summary {
	c.cancel()
	<-c.ended
	return c.summary
}

// takeWrites waits until all is quiet, and returns the writes since the last call.
func (c *client) takeWrites() []write {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := c.writes
	c.writes = nil
	return writes
}

// takeText returns the text since the last call.
func (c *client) takeText() string {
	var text strings.Builder
	for _, w := range c.takeWrites() {
		text.WriteString(w.text)
	}
	return text.String()
}

// takeEvents returns the events since the last call, in short form: see brief.
func (c *client) takeEvents() string {
	return brief(c.takeText())
}

var (
	epochs  = regexp.MustCompile(`[0-9a-z]+-(\d+)`)
	members = regexp.MustCompile(`"(reason|vehicle_id|mode|events|skipped)":"?([^",}]*)`)
)

// brief returns the events of a text as one line. `3 a` is a position of vehicle a with seq 3, and
// `4 late a` an older one. `5 gone a left` is a `gone` event, `6 live replay 3 0` a `live` event
// with events and skipped. `7 ping` is a ping, and `hello` the first one. An event without id has no
// number.
func brief(text string) string {
	var all []string
	for event := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		var words, id []string
		for line := range strings.Lines(event) {
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			switch field {
			case "id":
				id = []string{epochs.ReplaceAllString(strings.TrimSpace(value), "$1")}
			case "event":
				words = append(words, strings.TrimSpace(value))
			case "data":
				for _, member := range members.FindAllStringSubmatch(value, -1) {
					words = append(words, member[2])
				}
			}
		}
		words = append(id, words...)
		if strings.HasPrefix(event, "retry:") {
			words = []string{"hello"}
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

func settings(maxVehicles int, vehicleTTL time.Duration) stream.Settings {
	return stream.Settings{stream.MaxVehicles: int64(maxVehicles), stream.VehicleTTL: int64(vehicleTTL)}
}

func ttl(d time.Duration) stream.Settings { return stream.Settings{stream.VehicleTTL: int64(d)} }
