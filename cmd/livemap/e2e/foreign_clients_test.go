package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/launchdarkly/eventsource"
	"github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"
	"gopkg.in/cenkalti/backoff.v1"
)

// foreignClient is a client of another project, with the abilities that api/README.md lists beyond
// reading.
type foreignClient struct {
	name string
	// read begins to read a stream, until the test ends.
	read func(t *testing.T, url string, over http.RoundTripper) *foreignSeen

	inGo       bool // it reads through a http.RoundTripper
	keepsID    bool // an event without id is said to have the last one
	retry      bool // it obeys retry:
	afterError bool // it comes back after an answer that is not 200
	small      bool // it takes no event of 64 KiB or more; ours have at most 17

	refusedEnd  bool // it does not come back when it cannot connect
	hiddenDelay bool // its delay cannot be seen
}

// foreignReconnecting are the clients that come back and lose nothing. r3labs's
// and curl do not, see there.
var foreignReconnecting = []foreignClient{
	{name: "eventsource 4", read: foreignNode("eventsource.mjs", "eventsource"), retry: true},
	{name: "eventsource 5", read: foreignNode("eventsource.mjs", "eventsource5"),
		keepsID: true, retry: true},
	{name: "eventsource-parser", read: foreignNode("parser.mjs"), keepsID: true, retry: true, afterError: true},
	{name: "launchdarkly", read: foreignLaunchDarkly, inGo: true,
		keepsID: true, retry: true, afterError: true},
	{name: "go-sse", read: foreignGoSSE, inGo: true,
		keepsID: true, retry: true, small: true},
	{name: "fetch-event-source", read: foreignNode("fetch-event-source.mjs"), retry: true, afterError: true},
	{name: "Python http.client", read: foreignProgram("python3", "client.py"),
		keepsID: true, retry: true, afterError: true},
	{name: "PHP curl", read: foreignProgram("php", "client.php"), keepsID: true, retry: true, afterError: true},
	{name: "Firefox", read: foreignFirefox.read,
		keepsID: true, retry: true, refusedEnd: true, hiddenDelay: true},
}

// foreignReading are all clients that hand out events.
var foreignReading = append([]foreignClient{{name: "r3labs", read: foreignR3labs, inGo: true,
	keepsID: true, afterError: true, small: true}}, foreignReconnecting...)

// eachForeign runs a test with every client, all at once.
func eachForeign(t *testing.T, clients []foreignClient, test func(t *testing.T, c foreignClient)) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// foreignRunning returns a context that ends with the test; the cleanup then waits.
func foreignRunning(t *testing.T) (context.Context, *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return ctx, &running
}

// foreignOver returns a HTTP client; by default one over HTTP/1.1.
func foreignOver(t *testing.T, over http.RoundTripper) *http.Client {
	if over == nil {
		return foreignHTTP(t)
	}
	return &http.Client{Transport: over}
}

// foreignNever is a reconnection delay that no test waits for. A client that still reconnects obeys
// retry:.
const foreignNever = time.Hour

func foreignLaunchDarkly(t *testing.T, url string, over http.RoundTripper) *foreignSeen {
	seen := newForeignSeen(t)
	client := foreignOver(t, over)
	ctx, running := foreignRunning(t)
	running.Go(func() {
		request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			panic(err)
		}
		stream, err := eventsource.SubscribeWithRequestAndOptions(request,
			eventsource.StreamOptionHTTPClient(client), eventsource.StreamOptionInitialRetry(foreignNever),
			eventsource.StreamOptionLogger(foreignLogger{seen}))
		if err != nil {
			seen.note("gave up", err.Error())
			return
		}
		// Close waits for ever where an event is decoded and not yet passed on, so the end of ctx ends the
		// request first. Its error comes after the last event.
		reading, done, errs := true, ctx.Done(), stream.Errors
		for {
			select {
			case e, ok := <-stream.Events:
				if !ok {
					return
				}
				id := e.Id()
				if last, ok := e.(eventsource.EventWithLastID); ok {
					id = last.LastEventID()
				}
				seen.event(e.Event(), id, e.Data())
				reading = true
			case err, ok := <-errs:
				if !ok {
					errs = nil
					continue
				}
				seen.note("error", err.Error())
				if reading = false; ctx.Err() != nil {
					stream.Close()
				}
			case <-done:
				if done = nil; !reading {
					stream.Close()
				}
			}
		}
	})
	return seen
}

// foreignLogger parses the line in which LaunchDarkly's client logs its delay.
type foreignLogger struct{ seen *foreignSeen }

func (l foreignLogger) Println(...any) {}
func (l foreignLogger) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "Reconnecting in") {
		l.seen.note("retry", fmt.Sprintf("%.0f", args[0].(float64)*1000))
	}
}

func foreignGoSSE(t *testing.T, url string, over http.RoundTripper) *foreignSeen {
	seen := newForeignSeen(t)
	ctx, running := foreignRunning(t)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := gosse.Client{
		HTTPClient: foreignOver(t, over),
		Backoff:    gosse.Backoff{InitialInterval: foreignNever, Multiplier: 1},
		OnRetry: func(err error, delay time.Duration) {
			seen.note("error", fmt.Sprint(err))
			seen.note("retry", fmt.Sprint(delay.Milliseconds()))
		},
	}
	connection := client.NewConnection(request)
	// The unnamed and the named events through the handlers made for each.
	take := func(e gosse.Event) { seen.event(e.Type, e.LastEventID, e.Data) }
	connection.SubscribeMessages(take)
	for _, name := range []string{"reset", "live", "gone", "late", "ping", "bye"} {
		connection.SubscribeEvent(name, take)
	}
	running.Go(func() {
		if err := connection.Connect(); !errors.Is(err, context.Canceled) {
			seen.note("gave up", fmt.Sprint(err))
		}
	})
	return seen
}

func foreignR3labs(t *testing.T, url string, over http.RoundTripper) *foreignSeen {
	return foreignR3labsWith(t, url, over, backoff.NewConstantBackOff(50*time.Millisecond))
}

func foreignR3labsWith(t *testing.T, url string, over http.RoundTripper,
	strategy backoff.BackOff) *foreignSeen {
	seen := newForeignSeen(t)
	ctx, running := foreignRunning(t)
	client := sse.NewClient(url)
	client.Connection = foreignOver(t, over)
	client.ReconnectStrategy = backoff.WithContext(strategy, ctx)
	client.ReconnectNotify = func(err error, delay time.Duration) {
		seen.note("error", err.Error())
		seen.note("retry", fmt.Sprint(delay.Milliseconds()))
	}
	running.Go(func() {
		err := client.SubscribeRawWithContext(ctx, func(e *sse.Event) {
			seen.event(string(e.Event), string(e.ID), string(e.Data))
		})
		seen.note("ended", fmt.Sprint(err))
	})
	return seen
}
