package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"livemap/cmd/livemap/recording"
)

// ack is the hub's answer to a publish, or the sum of several.
type ack struct {
	Accepted  int       `json:"accepted"`
	Rejected  int       `json:"rejected"`
	Late      int       `json:"late"`
	Duplicate int       `json:"duplicate"`
	Errors    []refusal `json:"errors"`
}

func (a ack) String() string {
	return fmt.Sprintf("accepted %d, rejected %d, late %d, duplicate %d", a.Accepted, a.Rejected, a.Late, a.Duplicate)
}

// taken returns how many positions the answer is about: late ones are among the
// accepted, duplicates are not. They are fewer than were sent when the hub, going
// down, stopped at the end of a line.
func (a ack) taken() int { return a.Accepted + a.Rejected + a.Duplicate }

// publishTimeout is how long the hub may take to answer one request, and
// publishGrace how long that may be once the replay was told to stop.
const (
	publishTimeout = 30 * time.Second
	publishGrace   = 2 * time.Second
)

// refusalsShown is how many refusals are told one by one.
const refusalsShown = 10

// publisher sends batches to a hub and counts what became of them.
type publisher struct {
	flags  hubFlags
	to     hubAddress
	client *http.Client
	screen *progress

	sum   ack
	shown int  // refusals told one by one
	away  bool // the hub does not answer, which has been told
}

func newPublisher(to hubAddress, flags hubFlags, transport http.RoundTripper, screen *progress) *publisher {
	return &publisher{flags: flags, to: to, client: publishClient(transport), screen: screen}
}

// publishClient is a client for publishing, which follows no redirects.
func publishClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// publish sends the batch, and again if the hub was away or took only the first
// part of it, until all of it has been answered or ctx ends.
func (p *publisher) publish(ctx context.Context, batch []recording.Record) error {
	last := batch[len(batch)-1]
	batch = p.readable(batch)
	for len(batch) > 0 {
		answer, err := backoff.Retry(ctx,
			func() (ack, error) { return p.post(ctx, batch) },
			backoff.WithBackOff(publishBackOff()), backoff.WithMaxElapsedTime(0), backoff.WithNotify(p.waits))
		if err != nil {
			return err
		}
		p.back()
		batch = batch[p.count(answer, batch):]
	}
	p.screen.show(p.sum, last)
	return nil
}

// publishBackOff begins short: a hub that restarts is back within a second or two.
func publishBackOff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 250 * time.Millisecond
	b.MaxInterval = 5 * time.Second
	return b
}

// readable tells about the records that have no body, and returns the others.
func (p *publisher) readable(batch []recording.Record) []recording.Record {
	var readable []recording.Record
	for _, rec := range batch {
		if rec.Refused == "" {
			readable = append(readable, rec)
			continue
		}
		p.sum.Rejected++
		p.refuse(rec, rec.Refused)
	}
	return readable
}

// post sends the batch once. An error that is worth another try is returned as it
// is or as backoff's RetryAfterError, any other as its PermanentError.
func (p *publisher) post(ctx context.Context, batch []recording.Record) (ack, error) {
	ctx, done := attempt(ctx)
	defer done()
	req, err := p.flags.request(ctx, http.MethodPost, p.to.at("/publish"), bytes.NewReader(lines(batch)))
	if err != nil {
		return ack{}, backoff.Permanent(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := p.client.Do(req)
	switch {
	case err != nil:
		return ack{}, unreachable(p.to, err)
	case resp.StatusCode == http.StatusOK:
		return readAck(resp)
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return allRefused(readProblem(resp), len(batch)), nil
	}
	return ack{}, retriable(readProblem(resp))
}

// unreachable is an error of http.Client, permanent where another try is useless.
func unreachable(to hubAddress, err error) error {
	if untrusted(err) {
		return backoff.Permanent(fmt.Errorf("%v: %w", to, adviseTrust(bare(err))))
	}
	return bare(err)
}

// retriable is a problem as backoff wants it: permanent unless it passes, and with
// the wait that the hub asked for.
func retriable(p *problem) error {
	switch {
	case p.passing() && p.retryAfter > 0:
		return fmt.Errorf("%w (%w)", p, &backoff.RetryAfterError{Duration: p.retryAfter})
	case p.passing():
		return p
	}
	return backoff.Permanent(p)
}

// attempt is the context of one request. It outlives ctx for a moment, so that
// what is on its way when the replay is stopped is still acknowledged.
func attempt(ctx context.Context) (context.Context, func()) {
	request, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(publishGrace, cancel) })
	return request, func() { stop(); cancel() }
}

func lines(batch []recording.Record) []byte {
	var body []byte
	for _, rec := range batch {
		body = append(append(body, rec.Body...), '\n')
	}
	return body
}

// allRefused makes the answer of a hub that took none of n positions an Ack. It
// lists at most a hundred, in their order, and may not have read further: what is
// behind the last one is sent again.
func allRefused(p *problem, n int) ack {
	if len(p.Errors) > 0 {
		n = max(1, min(n, p.Errors[len(p.Errors)-1].Index))
	}
	return ack{Rejected: n, Errors: p.Errors}
}

// errNothingTaken is an Ack about no position, which a hub may give that is
// just going down.
var errNothingTaken = errors.New("the hub acknowledged no position")

func readAck(resp *http.Response) (ack, error) {
	defer resp.Body.Close()
	var a ack
	body, err := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	if err != nil { // the answer was cut off
		return a, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, backoff.Permanent(fmt.Errorf("the answer is no Ack of a hub: %w", err))
	}
	if a.taken() == 0 {
		return a, errNothingTaken
	}
	return a, nil
}

// count adds answer to the sum and returns how many of the batch it was about.
func (p *publisher) count(answer ack, batch []recording.Record) int {
	p.sum.Accepted += answer.Accepted
	p.sum.Rejected += answer.Rejected
	p.sum.Late += answer.Late
	p.sum.Duplicate += answer.Duplicate
	for _, refusal := range answer.Errors {
		if i := refusal.Index - 1; i >= 0 && i < len(batch) {
			p.refuse(batch[i], refusal.Detail)
		}
	}
	return min(len(batch), answer.taken())
}

// refuse tells about one refusal, unless there were many already.
func (p *publisher) refuse(rec recording.Record, why string) {
	if p.shown < refusalsShown {
		p.shown++
		p.screen.notice("%s:%d: %s", rec.File, rec.Line, printable(why))
	}
}

// waits tells once that the hub is away.
func (p *publisher) waits(err error, _ time.Duration) {
	if !p.away {
		p.screen.notice("livemap: %v: %v; waiting for it", p.to, err)
	}
	p.away = true
}

// back tells that it is no longer.
func (p *publisher) back() {
	if p.away {
		p.screen.notice("livemap: %v is back", p.to)
	}
	p.away = false
}
