package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"livemap/api/problem"
)

// typeNDJSON is the content type of lines, and of Acks on lines of their own.
const typeNDJSON = "application/x-ndjson"

// publishTimeout is how long the hub may take to answer one request, publishGrace how long once
// the context has ended.
const (
	publishTimeout = 30 * time.Second
	publishGrace   = 2 * time.Second
)

// Publisher publishes lines to a hub. While the hub is away, it waits and tries again, at the next hub if
// there are several.
//
// A Publisher must be used by one goroutine at a time.
type Publisher struct {
	hub    Hub
	client *http.Client
	notice func(format string, args ...any)
	away   bool // the hub does not answer, and notice was called for it
	hints  hintsShown
}

// NewPublisher returns a publisher to a hub. It calls notice when the hub goes away, when it
// is back, and for each hint of the hub once. The arguments of notice are those of [fmt.Printf]
// for a line without its end.
func NewPublisher(hub Hub, notice func(format string, args ...any)) *Publisher {
	return &Publisher{hub: hub, client: publishClient(hub.Transport), notice: notice}
}

// publishClient returns a client for publishing. It follows no redirects.
func publishClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Publish sends the lines in one request. Each is a position object or Feature without a line
// end. If the hub is away or reads only the first lines, Publish sends the rest again. It
// returns when the hub has answered for all lines, or ctx ends. A request under way then has two
// seconds more.
//
// Publish calls refused for each refusal that the hub names, with the index of the line. It
// returns the sum of the Acks, also beside an error. An error is the cause of ctx, or one that
// another try would not mend, such as a [Problem] or a certificate that is not trusted.
func (p *Publisher) Publish(
	ctx context.Context, lines [][]byte, refused func(index int, detail string),
) (problem.Ack, error) {
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
		p.hints.show(ack, p.notice)
		for _, refusal := range ack.Errors {
			if i := refusal.Index - 1; i >= 0 && i < len(rest) {
				refused(done+i, refusal.Detail)
			}
		}
		done += min(len(rest), ack.Total())
	}
	return sum, nil
}

// publishBackOff begins with short waits: a hub that restarts is back within a second or two.
func publishBackOff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 250 * time.Millisecond
	b.MaxInterval = 5 * time.Second
	return b
}

// post sends the lines once. It returns an error that is worth another try as it is or as
// backoff's RetryAfterError, any other as backoff's PermanentError.
func (p *Publisher) post(ctx context.Context, lines [][]byte) (problem.Ack, error) {
	// The request outlives ctx for a moment: the hub still acknowledges what is on its way.
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
	req.Header.Set("Content-Type", typeNDJSON)
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

// unreachable converts an error of http.Client: permanent if another try is useless.
func unreachable(to Address, err error) error {
	if IsUntrusted(err) {
		return backoff.Permanent(fmt.Errorf("%v: %w", to, Explain(err)))
	}
	return Explain(err)
}

// retriable converts a problem to an error for backoff: permanent unless it is temporary, with
// the wait that the hub asks for.
func retriable(p *Problem) error {
	switch {
	case p.Temporary() && p.RetryAfter > 0:
		return fmt.Errorf("%w (%w)", p, &backoff.RetryAfterError{Duration: p.RetryAfter})
	case p.Temporary():
		return p
	}
	return backoff.Permanent(p)
}

// allRefused converts the answer of a hub that rejected all of n positions to an Ack. The answer
// lists at most a hundred refusals, in order, and the hub may not have read further: the
// positions behind the last one are sent again.
func allRefused(p *Problem, n int) problem.Ack {
	if len(p.Errors) > 0 {
		n = max(1, min(n, p.Errors[len(p.Errors)-1].Index))
	}
	return problem.Ack{Rejected: n, Errors: p.Errors}
}

// errNothingTaken is an Ack about no position, which a hub may return that is about to end.
var errNothingTaken = errors.New("the hub acknowledged no position")

func readAck(resp *http.Response) (problem.Ack, error) {
	defer resp.Body.Close()
	var ack problem.Ack
	body, err := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	if err != nil { // the answer was cut off
		return ack, err
	}
	if err := json.Unmarshal(body, &ack); err != nil {
		return ack, backoff.Permanent(fmt.Errorf("the answer is not an Ack of a hub: %w", err))
	}
	if ack.Total() == 0 {
		return ack, errNothingTaken
	}
	return ack, nil
}

// hintsShown are the hints of Acks for which notice was called.
type hintsShown []string

// show calls notice for the hints of an Ack that are new. A hub has some dozen hints; of one that has more,
// only the first are shown.
func (h *hintsShown) show(ack problem.Ack, notice func(format string, args ...any)) {
	const most = 20
	for _, hint := range ack.Hints {
		if len(*h) < most && !slices.Contains(*h, hint) {
			*h = append(*h, hint)
			notice("livemap: hint of the hub: %s", Printable(hint))
		}
	}
}

// waits calls notice once while the hub is away, and turns to the next hub if there are several.
func (p *Publisher) waits(err error, _ time.Duration) {
	if !p.away {
		p.notice("livemap: %v: %v; %s", p.hub.Address, err, p.hub.remedy())
	}
	p.away = true
	p.hub.Address = p.hub.Address.Next()
}

// back calls notice if the hub was away.
func (p *Publisher) back() {
	if p.away {
		p.notice("livemap: %s", p.hub.answersAgain())
	}
	p.away = false
}
