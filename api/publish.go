package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"livemap/api/problem"
	"livemap/api/token"
	"livemap/geo"
	"livemap/stream"
)

// Limits of a publish.
const (
	maxBody    = 8 << 20 // bytes of a JSON or GeoJSON body
	maxRefused = 100     // refusals told in an answer
	bodyTime   = time.Minute
)

// The content types that positions come in.
const (
	typeJSON    = "application/json"
	typeGeoJSON = "application/geo+json"
	typeNDJSON  = "application/x-ndjson"
	typeForm    = "application/x-www-form-urlencoded" // what curl sends by default
)

// publish takes positions.
func (a *API) publish(w http.ResponseWriter, r *http.Request) error {
	ack, err := a.take(w, r)
	a.Metrics.publishes.WithLabelValues(resultOf(ack, err)).Inc()
	switch {
	case err != nil:
		return err
	case ack == nil:
		return nil // it has been answered line by line
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(ack) // what fails is the client's connection
	return nil
}

// take reads a publish in whatever form it has. No ack and no error is an
// answer already given.
func (a *API) take(w http.ResponseWriter, r *http.Request) (*problem.Ack, error) {
	media, err := publishable(r)
	if err != nil {
		return nil, err
	}
	if a.ending.Err() != nil {
		return nil, draining()
	}
	p := paramsOf(r)
	dry := p.flag("dry_run", false)
	if p.err != nil {
		return nil, p.err
	}
	grant := grantOf(r)
	if err := mayPublish(grant); err != nil {
		return nil, err
	}
	t := &tally{hub: a.Hub, metrics: a.Metrics, dry: dry, grant: grant}
	key := r.Header.Get("Idempotency-Key")
	switch {
	case len(key) > maxKey:
		return nil, problem.New(http.StatusBadRequest, "Idempotency-Key has %d bytes; at most %d are allowed", len(key), maxKey)
	case media != typeNDJSON:
		return a.takeDocument(w, r, media == typeGeoJSON, key, t)
	case key != "":
		return nil, problem.New(http.StatusBadRequest, "Idempotency-Key does not go with NDJSON; a line sent again is a duplicate, which does no harm")
	}
	return a.takeLines(w, r, t)
}

// publishable refuses bodies that cannot be read as positions.
func publishable(r *http.Request) (media string, err error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return "", problem.New(http.StatusUnsupportedMediaType, "Content-Encoding %q is not taken; send the body as it is", shorten(coding))
	}
	given := r.Header.Get("Content-Type")
	switch given {
	case typeJSON, typeGeoJSON, typeNDJSON: // which most are, to the letter
		return given, nil
	}
	media, _, err = mime.ParseMediaType(given)
	if err == nil && (media == typeJSON || media == typeGeoJSON || media == typeNDJSON) {
		return media, nil
	}
	p := problem.New(http.StatusUnsupportedMediaType, "Content-Type is %q; positions are taken as %s, %s or %s", shorten(given), typeJSON, typeNDJSON, typeGeoJSON)
	switch {
	case media == typeForm:
		p.Detail += "; curl sends this type unless told otherwise: add -H 'Content-Type: " + typeJSON + "'"
	case given == "":
		p.Detail += "; with curl: -H 'Content-Type: " + typeJSON + "'"
	}
	return "", p.With("Accept", typeJSON+", "+typeNDJSON+", "+typeGeoJSON)
}

func draining() error {
	return problem.New(http.StatusServiceUnavailable, "the hub is going down; try again after a moment").
		With("Retry-After", strconv.Itoa(retryAfter))
}

// document is the body of a publish, with room for what is in it.
type document struct {
	body  bytes.Buffer
	items []geo.Item
}

var documents = sync.Pool{New: func() any { return new(document) }}

// release lets go of what the document holds, and keeps its memory for the next
// unless that is much.
func (d *document) release() {
	const most = 1 << 20 // bytes
	clear(d.items)
	if d.body.Cap() <= most {
		d.body.Reset()
		d.items = d.items[:0]
		documents.Put(d)
	}
}

// enter asks a publisher to wait that may not publish now.
func (t *tally) enter(a *API, r *http.Request) (err error) {
	if a.PublishRate > 0 {
		t.pace, err = a.paces.enter(clientKey(r), a.PublishRate)
	}
	return err
}

// takeDocument takes a JSON or GeoJSON document, all of which is read before
// any of it is published.
func (a *API) takeDocument(w http.ResponseWriter, r *http.Request, geoJSON bool, key string, t *tally) (*problem.Ack, error) {
	began := time.Now()
	if key == "" {
		if err := t.enter(a, r); err != nil {
			return nil, err
		}
	}
	d := documents.Get().(*document)
	defer d.release()
	if err := d.read(w, r); err != nil {
		return nil, err
	}
	publish := func() (*problem.Ack, error) {
		var err error
		if key != "" { // not before: a repeat gets its ack though nothing may be published now
			if err = t.enter(a, r); err != nil {
				return nil, err
			}
		}
		if d.items, err = geo.AppendItems(d.items, d.body.Bytes(), geoJSON); err != nil {
			return nil, err
		}
		for i := range d.items {
			t.take(i, &d.items[i].Position, d.items[i].Refusal)
		}
		t.flush()
		a.Metrics.publishTime.Observe(time.Since(began).Seconds())
		return t.answer()
	}
	if key == "" || t.dry {
		return publish()
	}
	content := sha256.Sum256(append([]byte(strconv.FormatBool(geoJSON)), d.body.Bytes()...))
	return a.keys.once(r.Context(), publisherKey(r), key, content, publish)
}

// read reads a body of up to maxBody bytes within bodyTime. The deadline stays;
// the server sets that of the next request.
func (d *document) read(w http.ResponseWriter, r *http.Request) error {
	const room = 64 << 10 // more is made as it comes, whatever the header promises
	rc := http.NewResponseController(w)
	if r.ContentLength > maxBody {
		return tooLarge(rc, r)
	}
	if err := rc.SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		return err
	}
	body := r.Body
	if r.ContentLength < 0 {
		body = http.MaxBytesReader(w, body, maxBody)
	}
	d.body.Grow(min(max(0, int(r.ContentLength)), room) + bytes.MinRead)
	_, err := d.body.ReadFrom(body)
	if err == nil {
		return nil
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge(rc, r)
	}
	return problem.New(http.StatusBadRequest, "the body broke off after %d bytes, or took longer than %s", d.body.Len(), bodyTime)
}

// overTime is how long more of a body that is too large is taken, and thrown away.
const overTime = 2 * time.Second

// tooLarge refuses a body. Some more of it is read first, as much as would have
// been taken: many clients read no answer before they have sent all, and
// would find the connection reset.
func tooLarge(rc *http.ResponseController, r *http.Request) error {
	if rc.SetReadDeadline(time.Now().Add(overTime)) == nil {
		io.CopyN(io.Discard, r.Body, maxBody)
	}
	return &http.MaxBytesError{Limit: maxBody}
}

// tally publishes items and counts what became of them.
type tally struct {
	hub     *stream.Hub
	metrics *Metrics
	dry     bool         // check only
	grant   *token.Grant // what may be published; nil: everything
	pace    *pace
	outside int // how many of the refused were outside the grant
	ack     problem.Ack
	newest  stream.ID // that a position was given; zero: none was
	batch   *batch    // of what is to be published; nil: nothing is
}

// batch is positions that are published together, which is cheaper than one by
// one.
type batch struct {
	positions []geo.Position
	indexes   []int
}

const batchSize = 64

var batches = sync.Pool{New: func() any {
	return &batch{make([]geo.Position, 0, batchSize), make([]int, 0, batchSize)}
}}

// take publishes an item, at the latest with the next flush, or counts its
// refusal.
func (t *tally) take(index int, p *geo.Position, refused *geo.Refusal) {
	t.pace.charge(1)
	if refused == nil {
		if refused = outside(t.grant, p); refused != nil {
			t.outside++
		}
	}
	if refused != nil {
		t.flush() // refusals are told in the order of their items
		t.refuse(index, refused)
		return
	}
	if t.batch == nil {
		t.batch = batches.Get().(*batch)
	}
	t.batch.positions, t.batch.indexes = append(t.batch.positions, *p), append(t.batch.indexes, index)
	if len(t.batch.positions) == batchSize {
		t.flush()
	}
}

// flush publishes what was taken and is not published yet.
func (t *tally) flush() {
	b := t.batch
	if b == nil {
		return
	}
	t.batch = nil
	if t.dry {
		for i := range b.positions {
			verdict, err := t.hub.Check(&b.positions[i])
			t.count(b.indexes[i], &b.positions[i], stream.Receipt{Verdict: verdict}, err)
		}
	} else {
		t.hub.PublishAll(b.positions, func(i int, receipt stream.Receipt, err error) {
			t.count(b.indexes[i], &b.positions[i], receipt, err)
		})
	}
	clear(b.positions)
	b.positions, b.indexes = b.positions[:0], b.indexes[:0]
	batches.Put(b)
}

// count counts what became of an item that was published.
func (t *tally) count(index int, p *geo.Position, receipt stream.Receipt, err error) {
	switch {
	case err != nil:
		t.refuse(index, refusalOf(p, err))
		return
	case receipt.Verdict == stream.Duplicate:
		t.ack.Duplicate++
		return
	case receipt.Verdict == stream.Late:
		t.ack.Late++
	}
	t.ack.Accepted++
	if !t.dry {
		t.newest = receipt.ID
	}
}

// refusalOf gives err as a refusal of p; nil where there is none.
func refusalOf(p *geo.Position, err error) *geo.Refusal {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*geo.Refusal](err); ok {
		return refused
	}
	return &geo.Refusal{VehicleID: p.VehicleID, Detail: err.Error()}
}

func (t *tally) refuse(index int, refused *geo.Refusal) {
	t.ack.Rejected++
	t.metrics.rejected.Add(1)
	if len(t.ack.Errors) < maxRefused {
		t.ack.Errors = append(t.ack.Errors, problem.Refusal{
			Index: index, VehicleID: refused.VehicleID, Field: refused.Field, Detail: refused.Detail,
		})
	}
}

// sofar gives the ack for what was taken until now. All accepted positions have
// an id that is not newer than its last_event_id.
func (t *tally) sofar() problem.Ack {
	sofar := t.ack
	sofar.Status = "OK"
	if sofar.Rejected > 0 {
		sofar.Status = "PARTIAL"
	}
	newest := t.newest
	if newest.Seq == 0 {
		newest = t.hub.Head()
	}
	sofar.LastEventID = newest.String()
	return sofar
}

// answer gives the ack for the whole, or the problem where all was refused.
func (t *tally) answer() (*problem.Ack, error) {
	whole := t.sofar()
	if whole.Rejected > 0 && whole.Accepted+whole.Duplicate == 0 {
		p := problem.New(http.StatusUnprocessableEntity, "all %d positions were refused; errors says why", whole.Rejected)
		if whole.Rejected == 1 {
			p.Detail = "the position was refused: " + whole.Errors[0].Detail
		}
		p.Errors = whole.Errors
		if t.outside == whole.Rejected {
			p.Status, p.Title = http.StatusForbidden, http.StatusText(http.StatusForbidden)
		}
		return nil, p
	}
	return &whole, nil // a copy: it may be kept for long, and the tally must not be
}
