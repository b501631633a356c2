package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"time"

	"livemap/cmd/livemap/client"

	"github.com/tmaxmax/go-sse"
)

// follower follows one stream, and reconnects whenever it ends. go-sse's client reads the events,
// keeps the Last-Event-ID and honours retry. It would give up on some answers, such as that of a
// hub that restarts: as its transport, the follower turns these into a lost connection.
type follower struct {
	transport http.RoundTripper
	print     *tailPrinter

	stop       context.CancelCauseFunc
	retryAfter time.Duration // the wait that the hub asked for in its last answer
}

const (
	// silenceLimit is the longest silence of a living stream: three pings of a hub with
	// default flags.
	silenceLimit = 45 * time.Second

	firstRetry = time.Second
	lastRetry  = 30 * time.Second

	// eventLimit bounds one event in memory, far above the hub's own limit.
	eventLimit = 1 << 20
)

var errSilent = fmt.Errorf("no data for %v, not even a ping", silenceLimit)

// follow sends req, and again whenever the stream ends, until ctx ends, the hub refuses for good,
// or the printer is done.
func (f *follower) follow(ctx context.Context, req *http.Request) error {
	ctx, f.stop = context.WithCancelCause(ctx)
	defer f.stop(nil)
	events := sse.Client{
		HTTPClient:        &http.Client{Transport: f},
		ResponseValidator: sse.NoopValidator, // RoundTrip has checked the answer
		OnRetry:           func(err error, wait time.Duration) { f.retries(ctx, err, wait) },
		Backoff: sse.Backoff{
			InitialInterval: firstRetry,
			Multiplier:      2,
			MaxInterval:     lastRetry,
			Jitter:          1e-9, // retries adds a jitter that only lengthens
		},
	}
	connection := events.NewConnection(req.WithContext(ctx))
	connection.Buffer(nil, eventLimit)
	connection.SubscribeToAll(func(e sse.Event) {
		if ctx.Err() != nil { // stopped with events in the buffer
			return
		}
		if err := f.print.event(e); err != nil {
			f.stop(err)
		}
	})
	err := connection.Connect()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// retries runs before go-sse waits for the next attempt. It lengthens the wait to what the hub
// asked for, and then by up to a half, so that many clients do not come at once.
func (f *follower) retries(ctx context.Context, err error, wait time.Duration) {
	if ctx.Err() != nil {
		return
	}
	total := max(wait, f.retryAfter)
	total += rand.N(total/2 + 1)
	f.retryAfter = 0
	f.print.notice("%v; reconnecting in %.1f s", f.reason(err), total.Seconds())
	sleep(ctx, total-wait)
}

// reason returns the cause of an error of go-sse.
func (f *follower) reason(err error) error {
	if wrapped, ok := errors.AsType[*sse.ConnectionError](err); ok {
		err = wrapped.Err
	}
	if err == io.EOF {
		return errors.New("the stream ended")
	}
	return client.Explain(err)
}

// RoundTrip returns answers that are event streams, and redirects. It returns all others as errors,
// which go-sse treats as a lost connection. Those that are permanent also stop the follower.
func (f *follower) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	watch := &watchedBody{ctx: ctx, cancel: cancel}
	watch.timer = time.AfterFunc(silenceLimit, func() { cancel(errSilent) })
	resp, err := f.transport.RoundTrip(req.WithContext(ctx))
	watch.timer.Stop()
	if err != nil {
		err = watch.explain(err)
		cancel(nil)
		if client.IsUntrusted(err) {
			f.stop(client.Explain(err))
		}
		return nil, err
	}
	watch.ReadCloser = resp.Body
	resp.Body = watch
	if err := f.check(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// check rejects answers that are neither event streams nor redirects. A permanent one stops the
// follower.
func (f *follower) check(resp *http.Response) error {
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode == http.StatusOK && media == "text/event-stream":
		f.print.notice("connected over %s", resp.Proto)
		return nil
	case resp.StatusCode == http.StatusOK:
		err := fmt.Errorf("the answer is %q, not an event stream; is this the address of a hub?",
			client.Printable(media))
		f.stop(err)
		return err
	case resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "":
		return nil
	}
	problem := client.ReadProblem(resp)
	if f.retryAfter = problem.RetryAfter; !problem.Temporary() && problem.Status < 500 {
		f.stop(problem)
	}
	return problem
}

// watchedBody ends a stream that has fallen silent: a dead network path looks like a quiet one.
// Only the time of a Read counts, so that a slow printer does not end the stream.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(silenceLimit)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	return n, b.explain(err)
}

// explain returns errSilent instead of the error that the silence caused.
func (b *watchedBody) explain(err error) error {
	if err != nil && context.Cause(b.ctx) == errSilent {
		return errSilent
	}
	return err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
