package client

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

	"livemap/api/problem"
)

// publishTimeout is how long the hub may take to answer one request, and
// publishGrace how long that may be once the caller's context has ended.
const (
	publishTimeout = 30 * time.Second
	publishGrace   = 2 * time.Second
)

// Publisher publishes lines to a hub, and waits for one that is away.
type Publisher struct {
	hub    Hub
	client *http.Client
	notice func(format string, args ...any)
	away   bool // the hub does not answer, which has been noticed
}

// NewPublisher returns a publisher to a hub. It calls notice when the hub goes away
// and when it is back, with the text of a line.
func NewPublisher(hub Hub, notice func(format string, args ...any)) *Publisher {
	return &Publisher{hub: hub, client: publishClient(hub.Transport), notice: notice}
}

// publishClient is a client for publishing, which follows no redirects.
func publishClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Publish sends the lines, each a position object or Feature without a line end, in one
// request. If the hub is away or takes only the first of them, Publish sends the rest
// again, until all have been answered or ctx ends. A request that is under way when ctx ends
// has two seconds more.
//
// It returns the sum of the Acks, also beside an error, and calls refused for each refusal
// that the hub names, with the index of the line. An error is that of ctx or one that another
// try would not mend, such as a [Problem] or a certificate that is not trusted.
func (p *Publisher) Publish(ctx context.Context, lines [][]byte, refused func(index int, detail string)) (problem.Ack, error) {
	var sum problem.Ack
	for done := 0; done < len(lines); {
		rest := lines[done:]
		ack, err := backoff.Retry(ctx,
			func() (problem.Ack, error) { return p.post(ctx, rest) },
			backoff.WithBackOff(publishBackOff()), backoff.WithMaxElapsedTime(0), backoff.WithNotify(p.waits))
		if err != nil {
			return sum, err
		}
		p.back()
		sum = sum.Add(ack)
		for _, refusal := range ack.Errors {
			if i := refusal.Index - 1; i >= 0 && i < len(rest) {
				refused(done+i, refusal.Detail)
			}
		}
		done += min(len(rest), ack.Total())
	}
	return sum, nil
}

// publishBackOff begins short: a hub that restarts is back within a second or two.
func publishBackOff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 250 * time.Millisecond
	b.MaxInterval = 5 * time.Second
	return b
}

// post sends the lines once. An error that is worth another try is returned as it
// is or as backoff's RetryAfterError, any other as its PermanentError.
func (p *Publisher) post(ctx context.Context, lines [][]byte) (problem.Ack, error) {
	// The request outlives ctx for a moment, so that what is on its way is still acknowledged.
	request, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(publishGrace, cancel) })()
	var body []byte
	for _, line := range lines {
		body = append(append(body, line...), '\n')
	}
	req, err := p.hub.NewRequest(request, http.MethodPost, "/publish", bytes.NewReader(body))
	if err != nil {
		return problem.Ack{}, backoff.Permanent(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := p.client.Do(req)
	switch {
	case err != nil:
		return problem.Ack{}, unreachable(p.hub.Address, err)
	case resp.StatusCode == http.StatusOK:
		return readAck(resp)
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return allRefused(ReadProblem(resp), len(lines)), nil
	}
	return problem.Ack{}, retriable(ReadProblem(resp))
}

// unreachable is an error of http.Client, permanent where another try is useless.
func unreachable(to Address, err error) error {
	if IsUntrusted(err) {
		return backoff.Permanent(fmt.Errorf("%v: %w", to, Explain(err)))
	}
	return Explain(err)
}

// retriable is a problem as backoff wants it: permanent unless it is temporary, and with
// the wait that the hub asked for.
func retriable(p *Problem) error {
	switch {
	case p.Temporary() && p.RetryAfter > 0:
		return fmt.Errorf("%w (%w)", p, &backoff.RetryAfterError{Duration: p.RetryAfter})
	case p.Temporary():
		return p
	}
	return backoff.Permanent(p)
}

// allRefused makes the answer of a hub that took none of n positions an Ack. It
// lists at most a hundred, in their order, and may not have read further: what is
// behind the last one is sent again.
func allRefused(p *Problem, n int) problem.Ack {
	if len(p.Errors) > 0 {
		n = max(1, min(n, p.Errors[len(p.Errors)-1].Index))
	}
	return problem.Ack{Rejected: n, Errors: p.Errors}
}

// errNothingTaken is an Ack about no position, which a hub may return that is
// just going down.
var errNothingTaken = errors.New("the hub acknowledged no position")

func readAck(resp *http.Response) (problem.Ack, error) {
	defer resp.Body.Close()
	var ack problem.Ack
	body, err := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	if err != nil { // the answer was cut off
		return ack, err
	}
	if err := json.Unmarshal(body, &ack); err != nil {
		return ack, backoff.Permanent(fmt.Errorf("the answer is no Ack of a hub: %w", err))
	}
	if ack.Total() == 0 {
		return ack, errNothingTaken
	}
	return ack, nil
}

// waits notices once that the hub is away.
func (p *Publisher) waits(err error, _ time.Duration) {
	if !p.away {
		p.notice("livemap: %v: %v; waiting for it", p.hub.Address, err)
	}
	p.away = true
}

// back notices that it is no longer.
func (p *Publisher) back() {
	if p.away {
		p.notice("livemap: %v is back", p.hub.Address)
	}
	p.away = false
}
