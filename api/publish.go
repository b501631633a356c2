package api

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"livemap/api/ingest"
	"livemap/api/problem"
	"livemap/geo"
	"livemap/stream"
)

// Limits of a publish.
const (
	maxBody  = 8 << 20     // bytes of a JSON or GeoJSON body
	bodyTime = time.Minute // for a JSON or GeoJSON body to arrive
)

// Content types of what is published and read.
const (
	typeJSON    = "application/json"
	typeGeoJSON = "application/geo+json"
	typeNDJSON  = "application/x-ndjson"
	typeYAML    = "application/yaml"
	typeForm    = "application/x-www-form-urlencoded" // what curl sends by default
)

// publish publishes the positions of a request and answers with the ack.
func (a *API) publish(w http.ResponseWriter, r *http.Request) error {
	ack, err := a.receive(w, r)
	if err != nil {
		if p, foreseen := problemOf(err); foreseen {
			err = p // once, for the metric and the answer
		}
	}
	a.Metrics.publishes.WithLabelValues(resultOf(ack, err)).Inc()
	switch {
	case err != nil:
		return err
	case ack == nil:
		return nil // receive has answered line by line
	}
	return writeJSON(w, ack)
}

// receive checks a request and publishes its positions. It returns neither ack nor error when it has
// answered already.
func (a *API) receive(w http.ResponseWriter, r *http.Request) (*problem.Ack, error) {
	media, err := publishable(r)
	if err != nil {
		return nil, err
	}
	if a.draining.Err() != nil {
		return nil, errDraining()
	}
	if a.isShort() {
		return nil, problem.New(http.StatusServiceUnavailable, "the hub's memory is nearly used up; nothing was "+
			"published, try again in a moment").With("Retry-After", strconv.Itoa(shortRetry))
	}
	p := paramsOf(r, "dry_run")
	dry := p.flag("dry_run", false)
	if p.err != nil {
		return nil, p.err
	}
	grant := grantOf(r)
	if err := authorizePublish(grant); err != nil {
		return nil, err
	}
	source, err := sourceOf(r)
	if err != nil {
		return nil, err
	}
	positions := &ingest.Writer{
		Hub: a.Hub, Source: source, Grant: grant, DryRun: dry,
		Rejected: &a.Metrics.rejected, NewVehicle: a.checkSpelling,
	}
	key := r.Header.Get("Idempotency-Key")
	switch {
	case len(key) > ingest.MaxKey:
		return nil, problem.New(http.StatusBadRequest,
			"Idempotency-Key has %d bytes; it may have at most %d", len(key), ingest.MaxKey)
	case media != typeNDJSON:
		return a.receiveDocument(w, r, media == typeGeoJSON, key, positions)
	case key != "":
		return nil, problem.New(http.StatusBadRequest,
			"NDJSON does not support Idempotency-Key; repeat the upload without it: lines with a timestamp that "+
				"come again are duplicate or late, and move no vehicle")
	}
	return a.receiveLines(w, r, positions)
}

// maxSource is the largest Publish-Source, in bytes.
const maxSource = 64

// sourceOf returns who publishes, and the numbers of what a request publishes if it has some.
func sourceOf(r *http.Request) (s stream.Source, err error) {
	s.Publisher = ownerName(r)
	name, number := r.Header.Values("Publish-Source"), r.Header.Values("Publish-Seq")
	if len(name) == 0 && len(number) == 0 {
		return s, nil
	}
	if len(name) != 1 || len(number) != 1 {
		return s, problem.New(http.StatusBadRequest, "a request that is to be published exactly once has one "+
			"Publish-Source and one Publish-Seq, which is the number of its first item")
	}
	if !isSourceName(name[0]) {
		return s, problem.New(http.StatusBadRequest, "Publish-Source is %q; it must be 1 to %d of the characters "+
			"A-Z a-z 0-9 . _ -", problem.Shorten(name[0]), maxSource)
	}
	seq, err := strconv.ParseInt(number[0], 10, 64)
	if err != nil || seq < 1 || number[0][0] == '+' {
		return s, problem.New(http.StatusBadRequest, "Publish-Seq is %q; it must be a whole number from 1 to %d, "+
			"that of the request's first item", problem.Shorten(number[0]), int64(math.MaxInt64))
	}
	s.Name, s.Seq = name[0], uint64(seq)
	return s, nil
}

func isSourceName(name string) bool {
	for _, c := range []byte(name) {
		alphanumeric := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !alphanumeric && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= maxSource
}

// publishable returns the content type of a request, and rejects those that hold no positions.
func publishable(r *http.Request) (media string, err error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", problem.New(http.StatusUnsupportedMediaType,
			"the hub does not accept Content-Encoding %q; send the body uncompressed", problem.Shorten(coding))
	}
	given := r.Header.Get("Content-Type")
	switch given {
	case typeJSON, typeGeoJSON, typeNDJSON: // most requests, spelt exactly
		return given, nil
	}
	media, _, err = mime.ParseMediaType(given)
	if err == nil && (media == typeJSON || media == typeGeoJSON || media == typeNDJSON) {
		return media, nil
	}
	p := problem.New(http.StatusUnsupportedMediaType,
		"Content-Type is %q; the hub accepts %s, %s or %s",
		problem.Shorten(given), typeJSON, typeNDJSON, typeGeoJSON)
	switch {
	case media == typeForm:
		p.Detail += "; curl sends this type by default: add -H 'Content-Type: " + typeJSON +
			"', and send a file of lines as " + typeNDJSON + " with --data-binary instead of -d"
	case given == "":
		p.Detail += "; with curl, add -H 'Content-Type: " + typeJSON + "'"
	}
	return "", p.With("Accept", typeJSON+", "+typeNDJSON+", "+typeGeoJSON)
}

// retryAfter is how many seconds a publisher should wait for a draining hub: about as long as a
// restart takes.
const retryAfter = 2

// shortRetry is how many seconds a publisher should wait while memory is short.
const shortRetry = 5

// isShort reports whether memory is so short that publishing waits.
func (a *API) isShort() bool { return a.Short != nil && a.Short() }

// errDraining rejects a request while the hub drains.
func errDraining() *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, "the hub is shutting down; try again in a moment").
		With("Retry-After", strconv.Itoa(retryAfter))
}

// document is the body of a publish and its items, reused through a pool.
type document struct {
	body   bytes.Buffer
	items  []geo.Item
	reader budgetReader
}

var documents = sync.Pool{New: func() any { return new(document) }}

// release clears the document and keeps its memory for the next, up to a limit.
func (d *document) release() {
	const most = 1 << 20 // bytes
	clear(d.items)
	d.reader.release()
	if d.body.Cap() <= most {
		d.body.Reset()
		d.items = d.items[:0]
		documents.Put(d)
	}
}

// limitRate rejects a publisher that exceeds its rate.
func (a *API) limitRate(r *http.Request, positions *ingest.Writer) (err error) {
	if a.PublishRate > 0 {
		positions.Rate, err = a.rates.Acquire(clientKey(r), a.PublishRate)
	}
	return err
}

// receiveDocument publishes a JSON or GeoJSON document. It reads all of it before it publishes any.
func (a *API) receiveDocument(
	w http.ResponseWriter, r *http.Request, geoJSON bool, key string, positions *ingest.Writer,
) (*problem.Ack, error) {
	began := time.Now()
	if key == "" {
		if err := a.limitRate(r, positions); err != nil {
			return nil, err
		}
	}
	d := documents.Get().(*document)
	defer d.release()
	d.reader.request, d.reader.budget = r, &a.bodies
	if err := d.read(w, r); err != nil {
		return nil, err
	}
	if key != "" {
		if err := a.nameRequest(r, geoJSON, key, d, positions); err != nil {
			return nil, err
		}
	}
	if err := d.publish(geoJSON, positions); err != nil {
		return nil, err
	}
	a.Metrics.publishTime.Observe(time.Since(began).Seconds())
	return positions.Ack()
}

// nameRequest has a document published under a key, but not when it is only checked. A repeat gets its ack
// even from a publisher that exceeds its rate.
func (a *API) nameRequest(
	r *http.Request, geoJSON bool, key string, d *document, positions *ingest.Writer,
) error {
	known := false
	if !positions.DryRun {
		positions.Key = ingest.NewKey(publisherKey(r), key, strconv.FormatBool(geoJSON), d.body.Bytes())
		var err error
		if known, err = positions.IsKnown(); err != nil {
			return err
		}
	}
	if known {
		return nil
	}
	return a.limitRate(r, positions)
}

// publish publishes the items of the document, or rejects the document as a whole.
func (d *document) publish(geoJSON bool, positions *ingest.Writer) (err error) {
	if d.items, err = geo.AppendItems(d.items, d.body.Bytes(), geoJSON); err != nil {
		if syntax, is := errors.AsType[*geo.SyntaxError](err); is && syntax.Joined {
			syntax.Detail += "; a position on each line is " + typeNDJSON + ", with curl by --data-binary"
		}
		return err
	}
	for i := range d.items {
		if item := &d.items[i]; item.Refusal != nil {
			positions.Reject(i, item.Refusal)
		} else {
			positions.Add(i, &item.Position)
		}
	}
	positions.Flush()
	return nil
}

// bodyRoom is how many bytes a document has room for at first; its header may promise more than comes.
const bodyRoom = 64 << 10

// read reads a body of up to maxBody bytes within bodyTime. It leaves the deadline set; the server
// sets a new one for the next request.
func (d *document) read(w http.ResponseWriter, r *http.Request) (err error) {
	rc := http.NewResponseController(w)
	defer func() {
		if err != nil {
			leaveBody(w, r)
		}
	}()
	if r.ContentLength > maxBody {
		return tooLarge(rc, r)
	}
	if err := rc.SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		return err
	}
	if r.ContentLength < 0 {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	d.body.Grow(min(max(0, int(r.ContentLength)), bodyRoom) + bytes.MinRead)
	_, err = d.body.ReadFrom(&d.reader)
	if err == nil {
		return nil
	}
	if scarce, is := errors.AsType[*problem.Problem](err); is {
		return scarce
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge(rc, r)
	}
	return problem.New(http.StatusBadRequest,
		"the body ended early, after %d bytes, or took longer than %s", d.body.Len(), bodyTime)
}

// overTime is how long the rest of a body that is too large is read and discarded.
const overTime = 2 * time.Second

// tooLarge rejects a body. It first reads up to maxBody bytes more: many clients read no answer before
// they have sent everything, and would find the connection reset.
func tooLarge(rc *http.ResponseController, r *http.Request) error {
	if rc.SetReadDeadline(time.Now().Add(overTime)) == nil {
		io.CopyN(io.Discard, r.Body, maxBody)
	}
	return &http.MaxBytesError{Limit: maxBody}
}
