package client

import (
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

	"livemap/api/problem"
)

// Upload publishes lines as they are written. It holds one NDJSON request open for as long as it can, and
// opens another when the hub ends it, at the next hub if there are several. Lines that are written in between
// are lost: the present is worth more than the past.
//
// [Upload.Run] runs on a goroutine of its own while another one writes.
type Upload struct {
	hub    Hub
	client *http.Client
	notice func(format string, args ...any)

	mu      sync.Mutex // guards what follows
	body    *io.PipeWriter
	opened  int         // uploads so far
	ended   problem.Ack // of the uploads that have ended
	current problem.Ack // the last one of this upload
	away    bool        // the hub does not answer, and notice was called for it
	refused bool        // notice was called for a refusal

	hints hintsShown // used by Run alone
}

// NewUpload returns an upload to a hub. It calls notice when the hub goes away, when it is back,
// for the first refusal, and for each hint of the hub once. The arguments of notice are those of
// [fmt.Printf] for a line without its end.
func NewUpload(hub Hub, notice func(format string, args ...any)) *Upload {
	return &Upload{hub: hub, client: publishClient(hub.Transport), notice: notice}
}

// Run uploads until ctx ends. Once [Upload.End] is called then, it waits up to two seconds for
// the last Ack. An error is one that another try would not mend, such as a [Problem] or a
// certificate that is not trusted.
func (u *Upload) Run(ctx context.Context) error {
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
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// upload opens an upload and reads its Acks to the end. It reports whether the hub
// accepted the upload.
func (u *Upload) upload(ctx context.Context) (opened bool, err error) {
	request, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(publishGrace, cancel) })()
	// A server may reject an upload only once the upload has ended. The first one is
	// therefore short.
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

// post begins a publish whose answer is lines of Acks. It cancels one that is not answered in
// time.
func (u *Upload) post(ctx context.Context, cancel func(), body io.Reader) (*http.Response, error) {
	req, err := u.hub.NewRequest(ctx, http.MethodPost, "/publish", body)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	req.Header.Set("Content-Type", typeNDJSON)
	req.Header.Set("Accept", typeNDJSON)
	unanswered := time.AfterFunc(publishTimeout, cancel)
	resp, err := u.client.Do(req)
	unanswered.Stop()
	switch {
	case err != nil:
		return nil, unreachable(u.hub.Address, err)
	case resp.StatusCode != http.StatusOK:
		return nil, retriable(ReadProblem(resp))
	case !strings.HasPrefix(resp.Header.Get("Content-Type"), typeNDJSON):
		resp.Body.Close()
		return nil, backoff.Permanent(fmt.Errorf(
			"%v: the answer holds no Acks; is this the internal port of a hub?", u.hub.Address))
	}
	return resp, nil
}

var errUploadOver = errors.New("the upload is over")

// readAcks reads Acks until the upload has ended.
func (u *Upload) readAcks(from io.Reader) error {
	for acks := json.NewDecoder(from); ; {
		var ack problem.Ack
		switch err := acks.Decode(&ack); {
		case errors.Is(err, io.EOF):
			return errors.New("the hub ended the upload")
		case err != nil:
			return err
		}
		u.mu.Lock()
		u.current = ack
		first := len(ack.Errors) > 0 && !u.refused
		u.refused = u.refused || first
		u.mu.Unlock()
		if first {
			e := ack.Errors[0]
			u.notice("livemap: the hub rejected a position of %s: %s",
				Printable(e.VehicleID), Printable(e.Detail))
		}
		u.hints.show(ack, u.notice)
	}
}

// open directs writes to an upload.
func (u *Upload) open(body *io.PipeWriter) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.body = body
	u.opened++
	if u.away {
		u.notice("livemap: %s", u.hub.answersAgain())
	}
	u.away = false
}

// End ends the upload in good order, so that its last Ack comes. It must not be called
// during a Write.
func (u *Upload) End() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.body != nil {
		u.body.Close()
	}
	u.body = nil
}

// over records that the upload has ended.
func (u *Upload) over() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended, u.current, u.body = u.ended.Add(u.current), problem.Ack{}, nil
}

// waits calls notice once while the hub is away, and turns to the next hub if there are several.
func (u *Upload) waits(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.away {
		u.notice("livemap: %v: %v; %s", u.hub.Address, err, u.hub.remedy())
	}
	u.away = true
	u.hub.Address = u.hub.Address.Next()
}

// Write writes lines, each with its end, to the upload. It waits until they are on their way, and
// returns how many bytes are. Without an upload it returns 0 and an error.
func (u *Upload) Write(lines []byte) (int, error) {
	u.mu.Lock()
	body := u.body
	u.mu.Unlock()
	if body == nil {
		return 0, errUploadOver
	}
	return body.Write(lines)
}

// UploadState is the state of an [Upload].
type UploadState struct {
	Opened    int         // how many uploads the hub has accepted
	Ended     problem.Ack // of the uploads that have ended
	Sum       problem.Ack // of all positions that the hub has acknowledged so far
	Connected bool        // an upload is open
}

// State returns the state of the upload.
func (u *Upload) State() UploadState {
	u.mu.Lock()
	defer u.mu.Unlock()
	return UploadState{Opened: u.opened, Ended: u.ended, Sum: u.ended.Add(u.current), Connected: u.body != nil}
}
