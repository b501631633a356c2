package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// uplink holds one NDJSON upload open for as long as it can, and opens another
// when the hub ends it. What is written while there is none is lost, as the
// present is worth more than the past.
type uplink struct {
	to     hubAddress
	flags  hubFlags
	client *http.Client
	notice func(format string, args ...any)

	mu      sync.Mutex // guards what follows
	body    *io.PipeWriter
	uploads int  // opened so far
	before  ack  // of the uploads that have ended
	now     ack  // of this one, as far as told
	away    bool // the hub does not answer, which has been told
	refused bool // a refusal has been told
}

func newUplink(to hubAddress, flags hubFlags, transport http.RoundTripper, notice func(string, ...any)) *uplink {
	return &uplink{to: to, flags: flags, client: publishClient(transport), notice: notice}
}

// run uploads until ctx ends, and then for the moment that the last ack takes,
// once end was called. An error is one that another try would not mend.
func (u *uplink) run(ctx context.Context) error {
	retry := publishBackOff()
	for {
		opened, err := u.upload(ctx)
		if opened {
			retry.Reset()
		}
		if ctx.Err() != nil {
			return nil
		}
		if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
			return permanent.Unwrap()
		}
		u.waits(err)
		wait := retry.NextBackOff()
		if after, ok := errors.AsType[*backoff.RetryAfterError](err); ok {
			wait = after.Duration
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// upload opens an upload and reads its acks to the end. It tells whether the hub
// took it.
func (u *uplink) upload(ctx context.Context) (opened bool, err error) {
	request, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(publishGrace, cancel) })()
	// A server that refuses an upload may say so only when it has ended. So the
	// first one is short.
	resp, err := u.post(request, cancel, strings.NewReader("\n"))
	if err != nil {
		return false, err
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	body, in := io.Pipe()
	defer body.CloseWithError(errUploadOver)
	if resp, err = u.post(request, cancel, body); err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if ctx.Err() == nil {
		u.open(in)
	} else {
		in.Close()
	}
	err = u.readAcks(resp.Body)
	u.over()
	return true, err
}

// post begins a publish that is answered with ack lines. An answer that takes too
// long is cancelled.
func (u *uplink) post(ctx context.Context, cancel func(), body io.Reader) (*http.Response, error) {
	req, err := u.flags.request(ctx, http.MethodPost, u.to.at("/publish"), body)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Accept", "application/x-ndjson")
	unanswered := time.AfterFunc(publishTimeout, cancel)
	resp, err := u.client.Do(req)
	unanswered.Stop()
	switch {
	case err != nil:
		return nil, unreachable(u.to, err)
	case resp.StatusCode != http.StatusOK:
		return nil, retriable(readProblem(resp))
	case !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-ndjson"):
		resp.Body.Close()
		return nil, backoff.Permanent(fmt.Errorf("%v: the answer holds no Acks; is this the internal port of a hub?", u.to))
	}
	return resp, nil
}

var errUploadOver = errors.New("the upload is over")

// readAcks reads acks until the upload has ended.
func (u *uplink) readAcks(from io.Reader) error {
	for acks := json.NewDecoder(from); ; {
		var told ack
		switch err := acks.Decode(&told); {
		case errors.Is(err, io.EOF):
			return errors.New("the hub ended the upload")
		case err != nil:
			return err
		}
		u.mu.Lock()
		u.now = told
		first := len(told.Errors) > 0 && !u.refused
		u.refused = u.refused || first
		u.mu.Unlock()
		if first {
			e := told.Errors[0]
			u.notice("livemap: the hub refused a position of %s: %s", printable(e.VehicleID), printable(e.Detail))
		}
	}
}

// open lets writes through to an upload.
func (u *uplink) open(body *io.PipeWriter) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.body = body
	u.uploads++
	if u.away {
		u.notice("livemap: %v is back", u.to)
	}
	u.away = false
}

// end ends the upload in good order, so that its last ack comes. Nobody may be
// writing.
func (u *uplink) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.body != nil {
		u.body.Close()
	}
	u.body = nil
}

// over notes that there is no upload any more.
func (u *uplink) over() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.before, u.now, u.body = u.before.plus(u.now), ack{}, nil
}

// waits tells once that the hub is away.
func (u *uplink) waits(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.away {
		u.notice("livemap: %v: %v; waiting for it", u.to, err)
	}
	u.away = true
}

// Write writes lines to the upload. It waits for the hub to take them, and tells
// how many it took; without an upload none.
func (u *uplink) Write(lines []byte) (int, error) {
	u.mu.Lock()
	body := u.body
	u.mu.Unlock()
	if body == nil {
		return 0, errUploadOver
	}
	return body.Write(lines)
}

// state tells how many uploads there were, what became of all positions so far,
// and whether there is an upload now.
func (u *uplink) state() (uploads int, sum ack, connected bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.uploads, u.before.plus(u.now), u.body != nil
}

// plus adds the counts of two acks.
func (a ack) plus(b ack) ack {
	return ack{
		Accepted: a.Accepted + b.Accepted, Rejected: a.Rejected + b.Rejected,
		Late: a.Late + b.Late, Duplicate: a.Duplicate + b.Duplicate,
	}
}

// countReports counts lines that have ended and are not blank.
func countReports(lines []byte) int { return bytes.Count(lines, []byte("}\n")) }
