package stream

import (
	"errors"
	"io"
	"math"
	"slices"
	"time"

	"livemap/geo"
)

// tick proposes, until the hub is closed, what nobody asked for: ticks and expiry.
func (h *Hub) tick() {
	ticker := time.NewTicker(tickEvery / 4)
	defer ticker.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
		}
		if h.following.proposer.idleFor() >= tickEvery {
			h.propose(tick())
		}
		for h.proposeExpiry() {
		}
	}
}

// propose proposes and waits for the outcome.
func (h *Hub) propose(p *proposal) error {
	deadline := time.Now().Add(h.config.PublishWait)
	h.following.proposer.propose(p, deadline)
	return p.await(deadline)
}

// proposeExpiry proposes the expiry of vehicles that have been silent for too long, by the journal's time. It
// reports whether there may be more. Another hub may do the same: the second time nothing happens.
func (h *Hub) proposeExpiry() bool {
	p := newProposal()
	h.mu.RLock()
	ttl := h.settings.vehicleTTL()
	old := h.journaled.time - int64(ttl)
	if ttl == 0 {
		old = math.MinInt64
	}
	for slot := h.fleet.recency.oldest(presentRing); slot != presentRing && p.count < publishBatch; {
		seen := h.fleet.recency[slot].seen
		if seen > old {
			break
		}
		p.add(entryExpire, appendExpireBody(nil, seen, h.fleet.slots[slot].id))
		slot = h.fleet.recency[slot].newer
	}
	h.mu.RUnlock()
	return p.count > 0 && h.propose(p) == nil && p.count == publishBatch
}

// proposeAll is PublishAll with a journal.
func (h *Hub) proposeAll(positions []geo.Position, done func(i int, receipt Receipt, err error)) {
	const ahead = 16 // proposals that are not waited for yet
	type part struct {
		first    int
		errs     []error
		proposal *proposal
	}
	deadline := time.Now().Add(h.config.PublishWait)
	var parts []part
	finish := func(p part) {
		err := p.proposal.await(deadline)
		taken := 0
		for i := range p.errs {
			var receipt Receipt
			if p.errs[i] == nil {
				if p.errs[i] = err; err == nil {
					receipt = p.proposal.outcomes[taken].receipt
				}
				taken++
			}
			done(p.first+i, receipt, p.errs[i])
		}
	}
	var scratch []byte
	for first := 0; first < len(positions); {
		now, p := h.config.Clock(), part{first: first, proposal: newProposal()}
		for len(p.errs) < publishBatch && first < len(positions) && len(p.proposal.entries) < proposeBytes/2 {
			err := checkTime(&positions[first], now)
			if err == nil {
				scratch = p.proposal.addPosition(&positions[first], scratch)
			}
			p.errs = append(p.errs, err)
			first++
		}
		if p.proposal.count > 0 {
			h.following.proposer.propose(p.proposal, deadline)
		} else {
			close(p.proposal.done)
		}
		if parts = append(parts, p); len(parts) == ahead {
			finish(parts[0])
			parts = slices.Delete(parts, 0, 1)
		}
	}
	for _, p := range parts {
		finish(p)
	}
}

// proposeDelete proposes deletions, and returns how many of the vehicles were present.
func (h *Hub) proposeDelete(vehicleIDs ...string) (deleted int, err error) {
	for some := range slices.Chunk(vehicleIDs, publishBatch) {
		p := newProposal()
		for _, id := range some {
			p.add(entryDelete, []byte(id))
		}
		if err := h.propose(p); err != nil {
			return deleted, err
		}
		for _, o := range p.outcomes {
			if o.existed {
				deleted++
			}
		}
	}
	return deleted, nil
}

// Adopt publishes the vehicles of a saved state of another hub, or of another journal. It returns how many
// there were. Those that were gone are left out.
func (h *Hub) Adopt(state io.Reader) (vehicles int, err error) {
	other := newHub(h.config)
	if _, err := other.Load(state); err != nil {
		return 0, err
	}
	view := other.freezeUnderLock()
	var positions []geo.Position
	for _, e := range view.entries {
		v := e.vehicle
		if !v.present() {
			continue
		}
		p, err := geo.ParsePosition(v.feature())
		if err != nil {
			return 0, err // unreachable: Load has read it
		}
		p.Topics = []string{}
		for _, t := range *v.here.topics {
			p.Topics = append(p.Topics, t.id)
		}
		positions = append(positions, p)
	}
	h.PublishAll(positions, func(_ int, _ Receipt, refused error) {
		if vehicles++; errors.Is(refused, ErrUnavailable) || errors.Is(refused, ErrNoRoom) {
			err = refused
		}
	})
	return vehicles, err
}
