package stream

import (
	"time"

	"livemap/geo"
)

// Verdict is the hub's decision about a published position.
type Verdict uint8

const (
	Accepted  Verdict = iota // the vehicle's newest position: delivered to subscribers
	Late                     // older than the vehicle's newest: delivered as `late`
	Duplicate                // published before: not delivered
	Refused                  // its publisher has MaxVehiclesPerPublisher others on the map: not published
)

// Receipt is the hub's answer to a published position.
type Receipt struct {
	Verdict Verdict
	ID      ID   // of the event; zero for a duplicate
	New     bool // the hub did not know the vehicle
}

// Publish adds a position to the log and returns its verdict and id. It never waits for a
// subscriber, and p may be reused after it. The error is a [*geo.Refusal] when the timestamp is
// before [geo.Earliest], or more than [MaxAhead] ahead of the hub's clock. With a journal it may also be
// [ErrUnavailable]. The publisher is that of the zero [Source].
func (h *Hub) Publish(p *geo.Position) (Receipt, error) {
	now := h.moment()
	if err := checkTime(p, now.wall); err != nil {
		return Receipt{}, err
	}
	if h.following != nil {
		asked := h.newProposal()
		asked.addPosition(p, 0, nil)
		var receipt Receipt
		err := h.proposeFor(asked, func(outcomes []outcome) { receipt = outcomes[0].receipt })
		return receipt, err
	}
	receipt := h.publishOne(p, now)
	h.counters.count(receipt.Verdict)
	if receipt.Verdict != Duplicate {
		h.signalRouter()
	}
	return receipt, nil
}

func (h *Hub) publishOne(p *geo.Position, now moment) Receipt {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.applyNow(Source{}, now).position(p, h.fleet.byID[p.VehicleID])
}

// publishBatch is how many positions are published under one lock: others wait for tens of
// microseconds.
const publishBatch = 64

// PublishAll is [Hub.PublishFrom] with the zero [Source].
func (h *Hub) PublishAll(positions []geo.Position, done func(i int, receipt Receipt, err error)) {
	h.PublishFrom(Source{}, positions, done)
}

// PublishFrom publishes positions of a source in their order, for less work each than [Hub.Publish]. It calls
// done in the same order with what Publish would have returned. Positions of other publishers may
// come in between. When done is called for positions[i], later ones may still be unpublished; done
// may reuse positions[i].
func (h *Hub) PublishFrom(
	source Source, positions []geo.Position, done func(i int, receipt Receipt, err error),
) {
	if h.following != nil {
		h.proposeAll(source, positions, done)
		return
	}
	numbered := source
	for first := 0; first < len(positions); first += publishBatch {
		some := positions[first:min(first+publishBatch, len(positions))]
		if source.Name != "" {
			numbered.Seq = source.Seq + uint64(first)
		}
		receipts, errs := h.publishSome(numbered, some)
		for i := range some {
			done(first+i, receipts[i], errs[i])
		}
	}
}

// publishSome publishes up to publishBatch positions.
func (h *Hub) publishSome(
	source Source, some []geo.Position,
) (receipts [publishBatch]Receipt, errs [publishBatch]error) {
	h.publishUnderLock(source, some, &receipts, &errs)
	for i := range some {
		if errs[i] == nil {
			h.counters.count(receipts[i].Verdict)
		}
	}
	h.signalRouter()
	return receipts, errs
}

// publishUnderLock publishes up to publishBatch positions under one lock.
func (h *Hub) publishUnderLock(
	source Source, some []geo.Position, receipts *[publishBatch]Receipt, errs *[publishBatch]error,
) {
	now := h.moment()
	var of [publishBatch]*vehicle
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range some {
		of[i] = h.fleet.byID[some[i].VehicleID]
	}
	h.fleet.prefetch(of[:len(some)])
	h.fleet.prefetchRecency(of[:len(some)])
	a := h.applyNow(source, now)
	for i := range some {
		if source.Name != "" {
			a.source.Seq = source.Seq + uint64(i)
		}
		if errs[i] = checkTime(&some[i], now.wall); errs[i] == nil {
			receipts[i] = a.position(&some[i], of[i])
		}
	}
}

// Check is [Hub.CheckFrom] with the zero [Source].
func (h *Hub) Check(p *geo.Position) (Verdict, error) { return h.CheckFrom(Source{}, p) }

// CheckFrom returns the verdict and error that [Hub.PublishFrom] would give, and publishes nothing.
func (h *Hub) CheckFrom(source Source, p *geo.Position) (Verdict, error) {
	now := h.config.Clock()
	if err := checkTime(p, now); err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.fleet.get(p.VehicleID)
	known := h.sources.get(sourceKey{source.Publisher, source.Name})
	if known != nil && source.Seq <= known.value {
		return Duplicate, nil
	}
	full := h.overQuota(source.Publisher)
	if v == nil && full {
		return Refused, nil
	}
	if v == nil {
		return Accepted, nil
	}
	at := timestampOf(p, v, now)
	p.StaleAfter = 0
	feature := p.AppendFeature(nil, at)
	verdict := h.verdict(p, v, at.UnixNano(), feature)
	switch {
	case verdict == Late && h.sums.has(feature):
		verdict = Duplicate
	case verdict == Accepted && !v.present() && full:
		verdict = Refused
	}
	return verdict, nil
}

// checkTime rejects a position from before 1980 or from the future.
func checkTime(p *geo.Position, now time.Time) error {
	if refusal := p.CheckEarliest(); refusal != nil {
		return refusal
	}
	return checkAhead(p, now)
}

// timestampOf returns the timestamp of a position: its own, or else the time of its arrival. The
// latter is never before the vehicle's newest: the marker moves even after the hub's clock was set
// back.
func timestampOf(p *geo.Position, v *vehicle, now time.Time) time.Time {
	if !p.Time.IsZero() {
		return p.Time
	}
	now = now.Truncate(time.Millisecond)
	if newest := time.Unix(0, v.time); newest.After(now) {
		return newest
	}
	return now
}

// verdict compares a position of the known vehicle v by its Feature. A change of topics is not in
// the Feature, but is news too. The timestamp is in it: if it differs, the Feature need not be
// compared.
func (h *Hub) verdict(p *geo.Position, v *vehicle, at int64, data []byte) Verdict {
	switch {
	case at < v.time:
		return Late
	case at > v.time:
		return Accepted
	case !v.present() && v.hash == hashFeature(data):
		return Duplicate
	case v.present() && string(geo.CutStaleAfter(v.feature())) == string(geo.CutStaleAfter(data)) &&
		(p.Topics == nil || sameTopics(v.here.topics.published(), p.Topics)):
		return Duplicate
	}
	return Accepted
}
