// Package ingest publishes positions to a hub for a publisher and counts what becomes of each.
//
// A [Writer] checks which positions its publisher may publish, batches them, and returns the
// [problem.Ack]. [RateLimiters] bound how many positions per second each publisher may publish.
// A [Key] keeps a repeated request from publishing again. The package does not know how positions arrive:
// HTTP is the caller's.
package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"livemap/api/problem"
	"livemap/api/token"
	"livemap/geo"
	"livemap/stream"
)

// maxErrors is how many refusals an Ack lists.
const maxErrors = 100

// Writer publishes the positions of one request and counts what becomes of each. Call
// [Writer.Add] or [Writer.Reject] for each item in order, [Writer.Flush] at the end, and then
// [Writer.Ack]. A Writer is not safe for concurrent use.
type Writer struct {
	Hub      *stream.Hub
	Source   stream.Source  // who publishes; Seq is the number of the first item
	Key      *Key           // of the request: it is published once; nil: none
	Grant    *token.Grant   // what the publisher may publish; nil: everything
	DryRun   bool           // check and publish nothing
	Rate     *RateLimiter   // the publisher's; nil: any number of positions per second
	Rejected *atomic.Uint64 // counts refused positions, beside the Ack; required

	// NewVehicle, unless nil, is called with the id of each vehicle that is new to the hub.
	NewVehicle func(id string)

	ack       problem.Ack
	hints     geo.Hints // about the positions added
	forbidden int       // rejected because of the grant
	newest    stream.ID // of an accepted position; zero: none yet
	unknown   []int     // indexes of positions without a timestamp whose outcome is unknown, up to maxUnknown
	lost      int       // positions whose outcome is unknown
	full      bool      // the journal had no room for some
	items     uint64    // added or rejected so far
	batch     *batch    // added and not published yet; nil: empty

	// With a key:
	part    keyedPart   // its items are added and not published yet
	parts   []keyedPart // that came before and are not published yet
	ended   int         // parts
	begun   bool        // a part was published
	repeats bool        // what is counted now was published before
	before  stream.ID   // the newest event when the last part was published
	failed  error       // why the request is refused
}

// batch holds positions that are published together, which is cheaper than one by one.
type batch struct {
	positions []geo.Position
	indexes   []int
	first     uint64 // how many items were before; the positions are consecutive items
}

// batchSize is how many positions the hub gets at a time. A journal takes up to 256 as one message.
const batchSize = 512

var batches = sync.Pool{New: func() any {
	return &batch{make([]geo.Position, 0, batchSize), make([]int, 0, batchSize), 0}
}}

// Add publishes a position, at the latest with the next Flush, or refuses it because of the grant.
// index is its place in the request, for the Ack. The caller may reuse p.
func (w *Writer) Add(index int, p *geo.Position) {
	w.hints |= p.Hints
	if w.Key != nil {
		w.addKeyed(keyedItem{index: index, position: *p})
		return
	}
	w.Rate.charge(1)
	w.items++
	if refusal := forbidden(w.Grant, p); refusal != nil {
		w.Flush()
		w.forbidden++
		w.refuse(index, refusal)
		return
	}
	if w.batch == nil {
		w.batch = batches.Get().(*batch)
		w.batch.first = w.items - 1
	}
	w.batch.positions, w.batch.indexes = append(w.batch.positions, *p), append(w.batch.indexes, index)
	if len(w.batch.positions) == batchSize {
		w.Flush()
	}
}

// Reject counts an item that is no valid position; err says why, as a [*geo.Refusal] or in words.
// Reject publishes those added before first, so that the Ack lists refusals in order.
func (w *Writer) Reject(index int, err error) {
	if w.Key != nil {
		w.addKeyed(keyedItem{index: index, refusal: refusalOf("", err), invalid: true})
		return
	}
	w.Rate.charge(1)
	w.items++
	w.Flush()
	w.refuse(index, refusalOf("", err))
}

// refusalOf returns err as a refusal.
func refusalOf(vehicleID string, err error) *geo.Refusal {
	if refusal, ok := errors.AsType[*geo.Refusal](err); ok {
		return refusal
	}
	return &geo.Refusal{VehicleID: vehicleID, Detail: err.Error()}
}

// forbidden returns why the grant does not allow a position; nil where it does.
func forbidden(grant *token.Grant, p *geo.Position) *geo.Refusal {
	if grant == nil {
		return nil
	}
	if !grant.Publish.Match(p.VehicleID) {
		return &geo.Refusal{
			VehicleID: p.VehicleID, Field: "vehicle_id", Detail: "this token may not publish for this vehicle",
		}
	}
	for _, topic := range p.Topics {
		if !grant.Topics.Match(topic) {
			detail := fmt.Sprintf("this token may not name the topic %q", problem.Shorten(topic))
			return &geo.Refusal{VehicleID: p.VehicleID, Field: "topics", Detail: detail}
		}
	}
	return nil
}

// Flush publishes the positions that were added and are not published yet.
func (w *Writer) Flush() {
	if w.Key != nil {
		w.flushKeyed()
		return
	}
	b := w.batch
	if b == nil {
		return
	}
	w.batch = nil
	source, unconfirmed := w.Source, w.Unconfirmed()
	if source.Name != "" {
		source.Seq += b.first
	}
	switch {
	case w.DryRun:
		for i := range b.positions {
			verdict, err := w.Hub.CheckFrom(source, &b.positions[i])
			w.count(b.indexes[i], &b.positions[i], stream.Receipt{Verdict: verdict}, err)
			if source.Name != "" {
				source.Seq++
			}
		}
	case unconfirmed != nil: // what follows must not be published without what was before
		for i := range b.positions {
			w.count(b.indexes[i], &b.positions[i], stream.Receipt{}, unconfirmed)
		}
	default:
		w.Hub.PublishFrom(source, b.positions, func(i int, receipt stream.Receipt, err error) {
			w.count(b.indexes[i], &b.positions[i], receipt, err)
		})
	}
	clear(b.positions)
	b.positions, b.indexes = b.positions[:0], b.indexes[:0]
	batches.Put(b)
}

// count counts what became of a published position.
func (w *Writer) count(index int, p *geo.Position, receipt stream.Receipt, err error) {
	switch {
	case errors.Is(err, stream.ErrNoRoom):
		w.full = true
		return
	case errors.Is(err, stream.ErrUnavailable):
		untimed := p.Time.IsZero() && w.Source.Name == ""
		if w.lost++; untimed && len(w.unknown) < maxUnknown {
			w.unknown = append(w.unknown, index)
		}
		return
	case err != nil:
		w.refuse(index, refusalOf(p.VehicleID, err))
		return
	case receipt.Verdict == stream.Refused:
		w.refuse(index, refusedVehicle(p.VehicleID))
		return
	case receipt.Verdict == stream.Duplicate:
		w.ack.Duplicate++
		return
	case receipt.Verdict == stream.Late:
		w.ack.Late++
	}
	w.ack.Accepted++
	if !w.DryRun {
		w.newest = receipt.ID
	}
	if receipt.New && w.NewVehicle != nil {
		w.NewVehicle(p.VehicleID)
	}
}

// refusedVehicle refuses a vehicle of a publisher that has as many as it may have.
func refusedVehicle(id string) *geo.Refusal {
	detail := "the publisher has as many vehicles on the map as --" + stream.MaxVehiclesPerPublisher.String() +
		" allows; delete one before a further one is published"
	return &geo.Refusal{VehicleID: id, Field: "vehicle_id", Detail: detail}
}

func (w *Writer) refuse(index int, refusal *geo.Refusal) {
	w.ack.Rejected++
	if !w.repeats {
		w.Rejected.Add(1)
	}
	if len(w.ack.Errors) < maxErrors {
		// The ack may be kept for long. A part of a string would keep the whole item with it.
		w.ack.Errors = append(w.ack.Errors, problem.Refusal{
			Index: index, VehicleID: strings.Clone(refusal.VehicleID), Field: strings.Clone(refusal.Field),
			Detail: refusal.Detail,
		})
	}
}

// End notes for the Ack why the hub ended an upload: draining, expired.
func (w *Writer) End(reason string) { w.ack.Ended = reason }

// Progress returns the ack for what was published so far. No accepted position has an id newer
// than its LastEventID.
func (w *Writer) Progress() problem.Ack {
	ack := w.ack
	ack.Status = "OK"
	if ack.Rejected > 0 {
		ack.Status = "PARTIAL"
	}
	newest := cmp.Or(w.newest, w.before)
	if newest.Number == 0 {
		newest = w.Hub.Head()
	}
	ack.LastEventID = newest.String()
	ack.Hints = w.hints.Texts()
	return ack
}

// Unconfirmed returns why positions were not published, or perhaps not, through no fault of theirs: a
// [stream.ErrNoRoom] or an [*UnconfirmedError]. It is nil where there are none.
func (w *Writer) Unconfirmed() error {
	if w.full && w.lost == 0 {
		return stream.ErrNoRoom
	}
	if w.lost == 0 {
		return nil
	}
	once := ""
	switch {
	case w.Key != nil:
		once = "Idempotency-Key"
	case w.Source.Name != "":
		once = "Publish-Seq"
	}
	return &UnconfirmedError{Untimed: w.unknown, Once: once}
}

// Ack returns the ack for the whole request, after Flush. The error is a [*RefusedError] when
// every position was refused, a [*KeyReusedError], or that of [Writer.Unconfirmed].
func (w *Writer) Ack() (*problem.Ack, error) {
	if w.failed != nil {
		return nil, w.failed
	}
	if err := w.Unconfirmed(); err != nil {
		return nil, err
	}
	ack := w.Progress()
	if ack.Rejected > 0 && ack.Accepted+ack.Duplicate == 0 {
		forbidden := w.forbidden == ack.Rejected
		return nil, &RefusedError{Rejected: ack.Rejected, Errors: ack.Errors, Forbidden: forbidden}
	}
	return &ack, nil // a copy: the caller may keep it for long, but not the Writer
}

// maxUnknown is how many positions an [UnconfirmedError] names.
const maxUnknown = 10

// UnconfirmedError reports that the hub does not know whether it has published some of a request's positions.
type UnconfirmedError struct {
	Untimed []int  // indexes of the first of them that have no timestamp: a repeat would publish them twice
	Once    string // a repeat with the same value of this header publishes nothing twice; "": none
}

// Error says what a repeat does.
func (e *UnconfirmedError) Error() string {
	const text = "the journal does not answer, so it is unknown whether the positions are published; " +
		"repeat the request: positions with a timestamp are published once"
	if e.Once != "" {
		return "the journal does not answer, so it is unknown whether the positions are published; repeat the " +
			"request with the same " + e.Once + ": each is published once"
	}
	if len(e.Untimed) == 0 {
		return text
	}
	return text + fmt.Sprintf(", those without one perhaps twice: items %d", e.Untimed)
}

// Unwrap returns [stream.ErrUnavailable].
func (e *UnconfirmedError) Unwrap() error { return stream.ErrUnavailable }

// RefusedError reports that every position of a request was refused.
type RefusedError struct {
	Rejected  int               // positions
	Errors    []problem.Refusal // the first hundred
	Forbidden bool              // the publisher's token allows none of them
}

// Error returns the reason of the only refusal, or the number of them.
func (e *RefusedError) Error() string {
	if e.Rejected == 1 {
		return "the hub rejected the position: " + e.Errors[0].Detail
	}
	return fmt.Sprintf("the hub rejected all %d positions; errors lists the reasons", e.Rejected)
}
