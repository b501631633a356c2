package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"time"

	"livemap/geo"
)

// proposal is one or more entries that a caller asks for, side by side in a message.
type proposal struct {
	source   Source // of those entries that say one
	sourceAt []int  // where these say it: offsets in entries
	count    int
	entries  []byte
	outcomes []outcome  // of the entries, when done has sent nil
	done     chan error // sends once: nil when the entries have been applied, or why they never will be
}

// outcome is what came of an entry.
type outcome struct {
	receipt Receipt // of a position
	existed bool    // a vehicle was deleted

	part    *keptPart // of a key: what it stands for; nil: another request
	skipped bool      // of a key, or of a position under it: nothing was published
	fence   FenceOutcome
}

func newProposal() *proposal { return &proposal{done: make(chan error, 1)} }

// newProposal returns an empty proposal, for free.
func (h *Hub) newProposal() *proposal { return h.newProposalFrom(Source{}) }

func (h *Hub) newProposalFrom(source Source) *proposal {
	p, ok := h.following.free.Get().(*proposal)
	if !ok {
		p = newProposal()
	}
	p.source = source
	return p
}

// free takes a proposal whose end await has told, or that was never proposed. Its memory is used again.
func (h *Hub) free(p *proposal) {
	if cap(p.entries) > keptBytes {
		p.entries = nil
	}
	p.count, p.entries, p.outcomes, p.sourceAt = 0, p.entries[:0], p.outcomes[:0], p.sourceAt[:0]
	h.following.free.Put(p)
}

// add adds an entry.
func (p *proposal) add(kind entryKind, body []byte) {
	p.entries = appendEntry(p.entries, kind, body)
	p.count++
}

// addPosition adds the position that is a place in what its source publishes. scratch is memory to use; it is
// returned, grown.
func (p *proposal) addPosition(position *geo.Position, item int, scratch []byte) []byte {
	if p.source.Name == "" {
		item = 0
	}
	scratch = appendPositionBody(scratch[:0], item, position)
	if p.source != (Source{}) {
		p.sourceAt = append(p.sourceAt, len(p.entries)+entryHead(len(scratch)))
	}
	p.add(entryPosition, scratch)
	return scratch
}

// await waits for a proposal until the deadline. done tells whether its end came: whether it may be freed.
func (what *proposal) await(deadline time.Time) (done bool, err error) {
	select {
	case err := <-what.done:
		return true, err
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case err := <-what.done:
		return true, err
	case <-timer.C:
		return false, ErrUnavailable
	}
}

// tick asks for nothing; it tells hubs that the journal goes on, what time it is, and which state this hub
// had.
func tick(newest checkpoint) *proposal {
	p := newProposal()
	body := binary.AppendUvarint(nil, entryRulesSpoken)
	body = binary.LittleEndian.AppendUint64(body, newest.seq)
	p.add(entryTick, binary.LittleEndian.AppendUint64(body, newest.digest))
	return p
}

// tick proposes, until the hub is closed, what nobody asked for: ticks and expiry.
func (h *Hub) tick() {
	ticker, ticked := time.NewTicker(tickEvery/4), time.Time{}
	defer ticker.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
		}
		if h.following.proposer.idleFor() >= tickEvery || time.Since(ticked) >= tickAnyway {
			ticked = time.Now()
			h.propose(h.newTick())
		}
		for h.proposeExpiry() {
		}
		for h.proposeTimers() {
		}
	}
}

// propose proposes and waits until that is applied. It frees the proposal.
func (h *Hub) propose(p *proposal) error { return h.proposeFor(p, func([]outcome) {}) }

// proposeFor proposes and waits for the outcomes, which take gets if there are any. It frees the proposal.
func (h *Hub) proposeFor(p *proposal, take func([]outcome)) error {
	deadline := time.Now().Add(h.config.PublishWait)
	h.following.proposer.propose(p, deadline)
	done, err := p.await(deadline)
	if err == nil {
		take(p.outcomes)
	}
	if done {
		h.free(p)
	}
	return err
}

// proposeExpiry proposes the expiry of vehicles that have been silent for too long, by the journal's time. It
// reports whether there may be more. Another hub may do the same: the second time nothing happens.
func (h *Hub) proposeExpiry() bool {
	p := h.newProposal()
	h.mu.RLock()
	ttl := h.settings.vehicleTTL()
	old := h.journaled.time - int64(ttl)
	if ttl == 0 {
		old = math.MinInt64
	}
	for _, v := range h.fleet.silentSince(old, publishBatch) {
		p.add(entryExpire, appendExpireBody(nil, h.fleet.lastSeen(v), v.id))
	}
	h.mu.RUnlock()
	count := p.count
	if count == 0 {
		h.free(p)
		return false
	}
	return h.propose(p) == nil && count == publishBatch
}

// proposeAll is PublishAll with a journal.
func (h *Hub) proposeAll(
	source Source, positions []geo.Position, done func(i int, receipt Receipt, err error),
) {
	const ahead = 16 // proposals that are not waited for yet
	type part struct {
		first, end int // positions
		proposal   *proposal
	}
	var room [ahead]part
	deadline, parts, refused := time.Now().Add(h.config.PublishWait), room[:0], map[int]error(nil)
	finish := func(p part) {
		freed, err := p.proposal.await(deadline)
		outcomes := p.proposal.outcomes
		for i := p.first; i < p.end; i++ {
			switch refusal := refused[i]; {
			case refusal != nil:
				done(i, Receipt{}, refusal)
			case err != nil:
				done(i, Receipt{}, err)
			default:
				done(i, outcomes[0].receipt, nil)
				outcomes = outcomes[1:]
			}
		}
		if freed {
			h.free(p.proposal)
		}
	}
	var scratch []byte
	var stopped error
	for next := 0; next < len(positions); {
		now, p := h.config.Clock(), part{first: next, proposal: h.newProposalFrom(source)}
		for ; next < len(positions) && p.proposal.count < maxEntries &&
			len(p.proposal.entries) < proposeBytes/2; next++ {
			err := checkTime(&positions[next], now)
			if err == nil {
				scratch = p.proposal.addPosition(&positions[next], next, scratch)
				continue
			}
			if refused == nil {
				refused = map[int]error{}
			}
			refused[next] = err
		}
		p.end = next
		switch {
		case p.proposal.count == 0:
			p.proposal.done <- nil
		case stopped != nil: // what follows must not happen without what was before
			p.proposal.done <- stopped
		default:
			stopped = h.following.proposer.propose(p.proposal, deadline)
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
		p := h.newProposal()
		for _, id := range some {
			p.add(entryDelete, []byte(id))
		}
		err := h.proposeFor(p, func(outcomes []outcome) {
			for _, o := range outcomes {
				if o.existed {
					deleted++
				}
			}
		})
		if err != nil {
			return deleted, err
		}
	}
	return deleted, nil
}

// Adopt makes the fences and publishes the vehicles of a saved state of another hub, or of another journal.
// It returns how many vehicles there were. Those that were gone are left out. A vehicle that is inside of a
// fence enters it.
func (h *Hub) Adopt(state io.Reader) (vehicles int, err error) {
	other := newHub(h.config)
	if _, err := other.Load(state); err != nil {
		return 0, err
	}
	return h.adopt(other)
}

// AdoptFrom is Adopt with the state of a replica.
func (h *Hub) AdoptFrom(r *Replica) (vehicles int, err error) { return h.adopt(r.hub) }

func (h *Hub) adopt(other *Hub) (vehicles int, err error) {
	var fences []*fence
	other.fences.inOrder.Scan(func(f *fence) bool {
		fences = append(fences, f)
		return true
	})
	for _, f := range fences {
		_, err := h.changeFence(&fenceEntry{id: f.ID, fence: f.Fence, maker: f.maker, match: IfAbsent})
		if err != nil {
			return 0, err
		}
	}
	view := other.freezeUnderLock()
	byOwner := map[string][]geo.Position{}
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
		for _, t := range v.here.topics.published() {
			p.Topics = append(p.Topics, t.id)
		}
		owner := other.fleet.ownerOf(v).name
		byOwner[owner] = append(byOwner[owner], p)
	}
	for owner, positions := range byOwner {
		h.PublishFrom(Source{Publisher: owner}, positions, func(_ int, _ Receipt, refused error) {
			if vehicles++; errors.Is(refused, ErrUnavailable) || errors.Is(refused, ErrNoRoom) {
				err = refused
			}
		})
	}
	return vehicles, err
}

// newTick returns a tick with the newest checkpoint.
func (h *Hub) newTick() *proposal {
	h.following.mu.Lock()
	defer h.following.mu.Unlock()
	c := &h.following.comparison
	return tick(c.own[c.last])
}
