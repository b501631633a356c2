package ingest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"livemap/geo"
	"livemap/stream"
)

// MaxKey is the largest Idempotency-Key, in bytes.
const MaxKey = 128

// Key names a request, so that a repeat publishes nothing again and gets the same Ack
// (draft-ietf-httpapi-idempotency-key-header).
type Key struct {
	stream.Key
	Name string // as the publisher gave it
}

// NewKey returns the key of a publisher's request. kind tells requests of equal bodies apart.
func NewKey(publisher, name, kind string, body []byte) *Key {
	k := &Key{Name: name}
	// Quoted, no two pairs give the same text.
	id := sha256.Sum256(fmt.Appendf(nil, "%q %q", publisher, name))
	sum := sha256.New()
	fmt.Fprintf(sum, "%q ", kind)
	sum.Write(body)
	copy(k.ID[:], id[:])
	copy(k.Body[:], sum.Sum(nil))
	return k
}

// KeyReusedError reports that a publisher used a key for another body in the last five minutes.
type KeyReusedError struct{ Key string }

// Error returns the key and for how long it is remembered.
func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("Idempotency-Key %q belongs to another body, sent less than %s ago; "+
		"send another key", e.Key, stream.KeyLife)
}

// keyedItem is an item of a request under a key.
type keyedItem struct {
	index     int
	position  geo.Position
	refusal   *geo.Refusal // nil: it is to be published
	invalid   bool         // the refusal depends on the item alone
	forbidden bool         // by the publisher's rights
}

// keyedPart is a part of a request under a key: see [stream.RequestPart]. Where it ends depends on the items
// alone, not on who may publish them and when.
type keyedPart struct {
	items []keyedItem
	valid int    // items
	size  int    // of these, in bytes
	first uint64 // items of the request before it
	last  bool
}

// noted is a refusal that a repeat might not get: it depends on the publisher's rights and on the clock.
type noted struct {
	Index     int    `json:"i"`
	Field     string `json:"f,omitempty"`
	Detail    string `json:"d,omitempty"`
	Forbidden bool   `json:"x,omitempty"`
}

// IsKnown reports whether the beginning of the request was published already.
func (w *Writer) IsKnown() (bool, error) {
	known, err := w.Hub.IsKnown(w.Key.Key, 0)
	return known, w.keyError(err)
}

func (w *Writer) keyError(err error) error {
	if errors.Is(err, stream.ErrKeyReused) {
		return &KeyReusedError{Key: w.Key.Name}
	}
	return err
}

// addKeyed is Add and Reject for a request under a key.
func (w *Writer) addKeyed(item keyedItem) {
	p := &w.part
	if p.valid == stream.MaxPart || p.size >= stream.MaxPartBytes {
		w.endPart()
	}
	if len(p.items) == 0 {
		p.first = w.items
	}
	w.items++
	if !item.invalid {
		p.valid++
		p.size += item.position.WireSize()
		item.refusal = forbidden(w.Grant, &item.position)
		if item.forbidden = item.refusal != nil; !item.forbidden {
			if err := w.Hub.CheckTime(&item.position); err != nil {
				item.refusal = refusalOf(item.position.VehicleID, err)
			}
		}
	}
	p.items = append(p.items, item)
}

// endPart ends a part. Parts wait for the first that has something to publish: a request without is not
// remembered.
func (w *Writer) endPart() {
	w.parts, w.part = append(w.parts, w.part), keyedPart{}
	n := w.ended
	w.ended++
	if known, _ := w.Hub.IsKnown(w.Key.Key, n); !known && !w.parts[len(w.parts)-1].publishes() && !w.begun {
		return
	}
	w.begun = true
	for i := range w.parts {
		w.publishPart(n-len(w.parts)+1+i, &w.parts[i])
	}
	w.parts = w.parts[:0]
}

func (p *keyedPart) publishes() bool {
	for i := range p.items {
		if p.items[i].refusal == nil {
			return true
		}
	}
	return false
}

// flushKeyed is Flush for a request under a key.
func (w *Writer) flushKeyed() {
	if len(w.part.items) > 0 {
		w.part.last = true
		w.endPart()
	}
	for i := range w.parts { // nothing is published
		w.Rate.charge(len(w.parts[i].items))
		w.countPart(&w.parts[i], stream.Answer{Note: w.parts[i].note()})
	}
	w.parts = nil
}

// publishPart publishes part n, or counts what became of it when it was published.
func (w *Writer) publishPart(n int, p *keyedPart) {
	if w.failed != nil {
		return
	}
	if w.Unconfirmed() != nil { // what follows must not be published without what was before
		w.lost += p.valid
		return
	}
	part := stream.RequestPart{N: n, Last: p.last, Note: p.note()}
	for i := range p.items {
		if p.items[i].refusal == nil {
			part.Positions, part.Items = append(part.Positions, p.items[i].position), append(part.Items, i)
		}
	}
	source := w.Source
	if source.Name != "" {
		source.Seq += p.first
	}
	answer, err := w.Hub.PublishOnce(source, w.Key.Key, part)
	switch {
	case errors.Is(err, stream.ErrNoRoom):
		w.full = true
		return
	case errors.Is(err, stream.ErrUnavailable):
		w.lost += p.valid
		return
	case err != nil:
		w.failed = w.keyError(err)
		return
	}
	if !answer.Repeated {
		w.Rate.charge(len(p.items))
	}
	w.repeats = answer.Repeated
	w.countPart(p, answer)
	w.repeats = false
	w.before = answer.Newest
}

// note returns the refusals that a repeat might not get. An Ack lists maxErrors of them.
func (p *keyedPart) note() []byte {
	var all []noted
	for _, item := range p.items {
		if item.invalid || item.refusal == nil {
			continue
		}
		n := noted{Index: item.index, Forbidden: item.forbidden}
		if len(all) < maxErrors {
			n.Field, n.Detail = item.refusal.Field, item.refusal.Detail
		}
		all = append(all, n)
	}
	if all == nil {
		return nil
	}
	text, _ := json.Marshal(all) // strings and numbers always marshal
	return text
}

// countPart counts what became of the items of a part when it was first published.
func (w *Writer) countPart(p *keyedPart, answer stream.Answer) {
	refused := map[int]noted{}
	var all []noted
	json.Unmarshal(answer.Note, &all) // else a newer hub wrote it: the rest is right
	for _, n := range all {
		refused[n.Index] = n
	}
	receipts := answer.Receipts
	for i := range p.items {
		item := &p.items[i]
		n, isRefused := refused[item.index]
		switch {
		case item.invalid:
			w.refuse(item.index, item.refusal)
		case isRefused:
			if n.Forbidden {
				w.forbidden++
			}
			w.refuse(item.index, &geo.Refusal{
				VehicleID: item.position.VehicleID, Field: n.Field, Detail: strings.Clone(n.Detail),
			})
		case len(receipts) > 0:
			w.count(item.index, &item.position, receipts[0], nil)
			receipts = receipts[1:]
		}
	}
}
