package stream

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"livemap/geo"
)

const (
	// KeyLife is for how long a request is remembered under its key.
	KeyLife = 5 * time.Minute
	// MaxPart is how many positions a part of a request may have: with its key they fill a message.
	MaxPart = maxEntries - 1
	// MaxPartBytes is how large the positions of a part may be, by [geo.Position.WireSize]. Its last position
	// may exceed it.
	MaxPartBytes = proposeBytes / 2

	maxKeys      = 100_000
	maxKeysBytes = 16 << 20 // of weight
	keyWeight    = 100      // bytes, of a key beside its parts
	partWeight   = 40       // bytes, of a part beside its verdicts and its note
)

// ErrKeyReused is the error of a request under the key of another.
var ErrKeyReused = errors.New("stream: the key is that of another request")

// Key names a request. What is published under it is published once, at whichever hub and however often the
// request comes.
type Key struct {
	ID   [16]byte // a digest of the publisher, and of what it calls the request
	Body [16]byte // a digest of the request: it tells another one under the same key
}

// RequestPart is a part of a request that is published in one piece, or not at all. Who publishes a request
// again must divide it in the same way.
type RequestPart struct {
	N         int // its place among the parts, from 0
	Last      bool
	Positions []geo.Position // at most MaxPart, with times that [Hub.CheckTime] accepts
	Items     []int          // of each position: its number is that of the source plus this
	Note      []byte         // is kept with the answer: what became of the items that are not published
}

// Answer says what became of a part. It is the same for each repeat.
type Answer struct {
	Receipts []Receipt // of its positions; those of a repeat all have the newest id
	Newest   ID        // of the events of the part; if it made none, of all events before it
	Note     []byte    // of the part that was published; the caller must not change it
	Repeated bool      // it was published before
}

// keyedRequest is what is known of a request under a key.
type keyedRequest struct {
	body      [16]byte
	parts     []*keptPart // in the order in which they were published
	published int         // positions that were not refused
}

// keptPart is what became of a part of a request. It does not change when its last position was applied.
type keptPart struct {
	n        int
	verdicts []byte // a Verdict each
	newest   number
	note     []byte
}

func (r *keyedRequest) part(n int) *keptPart {
	for _, p := range r.parts {
		if p.n == n {
			return p
		}
	}
	return nil
}

func (p *keptPart) weight() int64 { return int64(partWeight + len(p.verdicts) + len(p.note)) }

// keyed is a part whose positions are being applied. A message holds all of them. Hub.mu guards it.
type keyed struct {
	left    int // positions to come
	last    bool
	skip    bool // they are not published, since the part was, or since the key is another request's
	request *keptItem[[16]byte, *keyedRequest]
	part    *keptPart // nil: the key is another request's
}

// CheckTime returns the [*geo.Refusal] that [Hub.Publish] would return; nil: none.
func (h *Hub) CheckTime(p *geo.Position) error { return checkTime(p, h.config.Clock()) }

// IsKnown reports whether a part of a request was published already. The error is [ErrKeyReused] for another
// request under the key.
func (h *Hub) IsKnown(key Key, n int) (bool, error) {
	part, err := h.knownPart(key, n)
	return part != nil, err
}

func (h *Hub) knownPart(key Key, n int) (*keptPart, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	item := h.keys.get(key.ID)
	switch {
	case item == nil:
		return nil, nil
	case item.value.body != key.Body:
		return nil, ErrKeyReused
	}
	part := item.value.part(n)
	if part == h.keyed.part && h.keyed.left > 0 {
		return nil, nil // it is under way
	}
	return part, nil
}

// PublishOnce publishes a part of a request, unless it was published in the last [KeyLife]: then it returns
// the answer of that time. The parts of a request are published one after the other. The error is
// [ErrKeyReused], [ErrUnavailable] or [ErrNoRoom].
func (h *Hub) PublishOnce(source Source, key Key, part RequestPart) (Answer, error) {
	if h.following == nil {
		return h.publishPart(source, key, &part)
	}
	if known, err := h.knownPart(key, part.N); known != nil || err != nil {
		return h.answerOf(known, true), err
	}
	p := h.newProposalFrom(source)
	p.addKey(key, &part)
	var scratch []byte
	for i := range part.Positions {
		scratch = p.addPosition(&part.Positions[i], part.Items[i], scratch)
	}
	var answer Answer
	var reused error
	err := h.proposeFor(p, func(outcomes []outcome) { answer, reused = h.answerTo(outcomes) })
	return answer, errors.Join(err, reused)
}

// answerTo returns the answer to the outcomes of a key and its positions.
func (h *Hub) answerTo(outcomes []outcome) (Answer, error) {
	if outcomes[0].part == nil {
		return Answer{}, ErrKeyReused
	}
	answer := h.answerOf(outcomes[0].part, outcomes[0].skipped)
	if !answer.Repeated {
		for i, o := range outcomes[1:] {
			answer.Receipts[i] = o.receipt
		}
	}
	return answer, nil
}

// answerOf returns the answer that is known of a part, which may be nil.
func (h *Hub) answerOf(p *keptPart, repeated bool) (a Answer) {
	if p == nil {
		return a
	}
	a = Answer{Newest: h.id(p.newest), Note: p.note, Repeated: repeated}
	for _, verdict := range p.verdicts {
		r := Receipt{Verdict: Verdict(verdict)}
		if r.Verdict == Accepted || r.Verdict == Late {
			r.ID = a.Newest
		}
		a.Receipts = append(a.Receipts, r)
	}
	return a
}

// publishPart is PublishOnce without a journal.
func (h *Hub) publishPart(source Source, key Key, part *RequestPart) (Answer, error) {
	now, outcomes := h.moment(), make([]outcome, 1+len(part.Positions))
	h.mu.Lock()
	e := entry{kind: entryKey, key: key, part: part.N, last: part.Last, count: len(part.Positions),
		note: part.Note}
	outcomes[0] = h.applyNow(source, now).entry(&e, nil)
	for i := range part.Positions {
		numbered := source
		if source.Name != "" {
			numbered.Seq += uint64(part.Items[i])
		}
		p := &part.Positions[i]
		outcomes[1+i].receipt = h.applyNow(numbered, now).keyedPosition(p, h.fleet.byID[p.VehicleID])
	}
	h.mu.Unlock()
	h.signalRouter()
	if !outcomes[0].skipped {
		for _, o := range outcomes[1:] {
			h.counters.count(o.receipt.Verdict)
		}
	}
	return h.answerTo(outcomes)
}

// key applies the key of a part, whose positions follow.
func (a *applier) key(e *entry) outcome {
	a.expireKeys()
	item := a.keys.get(e.key.ID)
	if item == nil {
		publisher := strings.Clone(a.source.Publisher)
		item = a.keys.put(publisher, e.key.ID, &keyedRequest{body: e.key.Body}, keyWeight, a.heard)
	}
	k := &a.keyed
	*k = keyed{left: e.count, last: e.last, request: item}
	switch r := item.value; {
	case r.body != e.key.Body:
		k.skip = true
	case r.part(e.part) != nil:
		k.skip, k.part = true, r.part(e.part)
	default:
		k.part = &keptPart{n: e.part, note: slices.Clone(e.note), verdicts: make([]byte, 0, e.count)}
		r.parts = append(r.parts, k.part)
	}
	a.note(binary.LittleEndian.Uint64(e.key.ID[:]) ^ binary.LittleEndian.Uint64(e.key.Body[:]))
	a.endPart()
	return outcome{part: k.part, skipped: k.skip}
}

// keyedPosition applies a position that may be one of a part.
func (a *applier) keyedPosition(p *geo.Position, v *vehicle) (r Receipt) {
	k := &a.keyed
	switch {
	case k.left == 0:
		return a.position(p, v)
	case !k.skip:
		r = a.position(p, v)
		k.part.verdicts = append(k.part.verdicts, byte(r.Verdict))
		if r.Verdict != Refused {
			k.request.value.published++
		}
		k.part.newest = max(k.part.newest, number(r.ID.Number))
	}
	k.left--
	a.endPart()
	return r
}

// endPart ends a part whose last position was applied. A request of which nothing was published is not
// remembered: its repeat may find room.
func (a *applier) endPart() {
	k := &a.keyed
	if k.left > 0 || k.skip {
		return
	}
	if k.part.newest == 0 {
		k.part.newest = a.log.newest
	}
	a.keys.weigh(k.request, k.part.weight())
	if k.last && k.request.value.published == 0 {
		a.keys.drop(k.request)
	}
	for len(a.keys.byKey) > maxKeys || a.keys.weight > maxKeysBytes {
		a.keys.dropOne()
	}
}

// expireKeys forgets the requests that are older than KeyLife.
func (a *applier) expireKeys() {
	for item := a.keys.oldest(); item != nil && item.used+int64(KeyLife) <= a.heard; item = a.keys.oldest() {
		a.keys.drop(item)
	}
}

// addKey adds the key of a part, before its positions.
func (p *proposal) addKey(key Key, part *RequestPart) {
	body := appendKeyBody(nil, key, part)
	if p.source != (Source{}) {
		p.sourceAt = append(p.sourceAt, len(p.entries)+entryHead(len(body)))
	}
	p.add(entryKey, body)
}

// appendKeyBody leaves the source to addSource.
func appendKeyBody(dst []byte, key Key, part *RequestPart) []byte {
	dst = binary.AppendUvarint(append(dst, 0), uint64(part.N))
	last := byte(0)
	if part.Last {
		last = 1
	}
	dst = append(dst, last, byte(len(part.Positions)))
	return append(append(append(dst, key.ID[:]...), key.Body[:]...), part.Note...)
}

// readKeyBody reads what appendKeyBody wrote.
func readKeyBody(body []byte, e *entry) error {
	for _, value := range []*uint64{&e.source, &e.item} {
		var size int
		if *value, size = binary.Uvarint(body); size <= 0 {
			return errMessage
		}
		body = body[size:]
	}
	if len(body) < 2+len(e.key.ID)+len(e.key.Body) || body[0] > 1 || e.item > maxParts {
		return errMessage
	}
	e.part, e.last, e.count, body = int(e.item), body[0] == 1, int(body[1]), body[2:]
	body = body[copy(e.key.ID[:], body):]
	e.note = body[copy(e.key.Body[:], body):]
	e.item = 0
	return nil
}

// maxParts bounds the number of a part: it is far above what a request may have.
const maxParts = 1 << 16

// checkKeys checks that the positions of each part follow its key in a message.
func checkKeys(entries []entry) error {
	for i := range entries {
		e := &entries[i]
		if e.kind != entryKey {
			continue
		}
		if len(entries) <= i+e.count {
			return errMessage
		}
		for _, of := range entries[i+1 : i+1+e.count] {
			if of.kind != entryPosition || of.source != e.source {
				return errMessage
			}
		}
	}
	return nil
}

// stateKey is a line of a saved state: a part of a request under a key.
type stateKey struct {
	Key       []byte `json:"key"`
	Body      []byte `json:"body"`
	Publisher string `json:"key_of,omitempty"` // not publisher: a line is read as one of several kinds
	Age       int64  `json:"age"`              // of the request, nanoseconds
	Part      int    `json:"part"`
	Verdicts  []byte `json:"verdicts"`
	Newest    number `json:"newest"`
	Note      []byte `json:"note,omitempty"`
}

// savedKey is a request as it was when a save began.
type savedKey struct {
	*keptItem[[16]byte, *keyedRequest]
	parts []*keptPart
}

// keysToSave returns all requests, the oldest first. Hub.mu is held.
func (h *Hub) keysToSave() []savedKey {
	all := make([]savedKey, 0, len(h.keys.byKey))
	for item := range h.keys.inOrder() {
		all = append(all, savedKey{item, item.value.parts})
	}
	return all
}

// line returns the line of a part as of a time.
func (k *savedKey) line(p *keptPart, now int64) stateKey {
	return stateKey{
		k.key[:], k.value.body[:], k.share.publisher, now - k.used, p.n, p.verdicts, p.newest, p.note,
	}
}

// restoreKey adds a part of a state. The hub was down for a time. Hub.mu is held.
func (h *Hub) restoreKey(s *stateKey, down time.Duration) error {
	var key Key
	if len(s.Key) != len(key.ID) || len(s.Body) != len(key.Body) {
		return errors.New("a key has another length")
	}
	copy(key.ID[:], s.Key)
	copy(key.Body[:], s.Body)
	item := h.keys.get(key.ID)
	if item == nil {
		request := &keyedRequest{body: key.Body}
		item = h.keys.put(s.Publisher, key.ID, request, keyWeight, h.restoredTime(down)-s.Age)
	}
	if r := item.value; r.body == key.Body && r.part(s.Part) == nil {
		p := &keptPart{s.Part, s.Verdicts, s.Newest, s.Note}
		r.parts = append(r.parts, p)
		for _, verdict := range p.verdicts {
			if Verdict(verdict) != Refused {
				r.published++
			}
		}
		h.keys.weigh(item, p.weight())
	}
	return nil
}
