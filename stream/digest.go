package stream

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

const (
	checkpointEvery = 4 * time.Second // of the journal's time
	// tickAnyway is how often a hub that is busy writes a tick: each checkpoint is told once at least.
	tickAnyway = 2 * time.Second
	// hubAlive is for how long a hub counts that was not heard of.
	hubAlive       = 10 * time.Second
	checkpointsOwn = 64
	checkpointsAll = 8
)

// ErrDiverged is the error of a hub that has come to another state than most hubs of its journal.
var ErrDiverged = errors.New("stream: this hub has another state than the other hubs of its journal")

// ErrUndecided says that hubs of a journal have different states, none of which is that of most of them.
var ErrUndecided = errors.New("stream: hubs have different states, and it is not known which is right")

// checkpoint is the digest of the state after a message.
type checkpoint struct{ seq, digest uint64 }

// mix returns the digest of a state after something has changed it.
func mix(digest, change uint64) uint64 {
	digest = (digest ^ change) * 0x9e3779b97f4a7c15
	return digest ^ digest>>29
}

// note adds a change of the state that is no event to the digest.
func (a *applier) note(change uint64) { a.journaled.digest = mix(a.journaled.digest, change) }

// addToDigest adds an event, without its id, to the digest of the state.
func (a *applier) addToDigest(event []byte) {
	if a.first != 0 { // not while a saved state is read, which has its digest
		a.journaled.digest = mix(a.journaled.digest, uint64(crc32.Checksum(event, castagnoli)))
	}
}

// endMessage adds to the digest what is no event, and reports whether the message makes a checkpoint.
// Hub.mu is held.
func (h *Hub) endMessage(at Place, entries int) (c checkpoint, due bool) {
	j := &h.journaled
	j.place = at
	j.time += int64(entries)
	j.digest = mix(mix(mix(j.digest, at.Seq), uint64(j.time)), uint64(h.fleet.size()))
	j.digest = mix(mix(j.digest, uint64(h.fleet.owners.weight)), uint64(len(h.sources.byKey)))
	j.digest = mix(mix(j.digest, uint64(len(h.keys.byKey))), uint64(h.keys.weight))
	j.digest = mix(mix(j.digest, h.fences.versions), uint64(len(h.fences.byID)))
	if due = j.time/int64(checkpointEvery) != j.checked; due {
		j.checked = j.time / int64(checkpointEvery)
	}
	return checkpoint{at.Seq, j.digest}, due
}

// comparison compares the states of the hubs of a journal. It is no part of the state. following.mu guards
// it.
type comparison struct {
	own   [checkpointsOwn]checkpoint // the newest is at last
	last  int
	self  uint64                       // this hub's session
	heard map[uint64]time.Time         // when each session told a checkpoint last
	told  map[uint64]map[uint64]uint64 // digest by seq and session

	differ error  // that hubs have different states; nil: as far as is known all have one
	alarms uint64 // how often that was found out
}

func newComparison() comparison {
	return comparison{heard: map[uint64]time.Time{}, told: map[uint64]map[uint64]uint64{}}
}

// keep keeps a checkpoint of this hub.
func (c *comparison) keep(own checkpoint) {
	c.last = (c.last + 1) % len(c.own)
	c.own[c.last] = own
}

// tell takes the checkpoint that a hub told in a tick; own says that it was this hub. It returns ErrDiverged
// when this hub is among the few and the others have learned it.
func (c *comparison) tell(session uint64, own bool, told checkpoint, now time.Time) error {
	if own {
		c.self = session
	}
	c.heard[session] = now
	for other, at := range c.heard {
		if now.Sub(at) > hubAlive {
			delete(c.heard, other)
		}
	}
	mine := c.digestAt(told.seq)
	if told.seq == 0 || mine == 0 {
		return nil // before the first checkpoint, or before this hub came
	}
	if c.told[told.seq] == nil {
		c.told[told.seq] = map[uint64]uint64{}
		c.forgetOldest()
		if c.told[told.seq] == nil {
			return nil // a hub that is far behind tells of what the others have compared long ago
		}
	}
	c.told[told.seq][session] = told.digest
	return c.judge(told.seq, mine)
}

// digestAt returns this hub's digest at a checkpoint, 0 if it is not known.
func (c *comparison) digestAt(seq uint64) uint64 {
	for _, own := range c.own {
		if own.seq == seq {
			return own.digest
		}
	}
	return 0
}

func (c *comparison) forgetOldest() {
	for len(c.told) > checkpointsAll {
		oldest := ^uint64(0)
		for seq := range c.told {
			oldest = min(oldest, seq)
		}
		delete(c.told, oldest)
	}
}

// judge compares what hubs told of a checkpoint with this hub's digest.
func (c *comparison) judge(seq, mine uint64) error {
	told := c.told[seq]
	votes := map[uint64]int{}
	for _, digest := range told {
		votes[digest]++
	}
	hubs := len(c.heard)
	switch others := len(told) - votes[mine]; {
	case others == 0:
		if len(told) == hubs {
			c.differ = nil
		}
		return nil
	case votes[mine]*2 > hubs:
		c.alarm(fmt.Errorf("%d of %d hubs have another state after message %d", others, hubs, seq))
		return nil
	}
	_, othersKnow := told[c.self] // a hub that stopped before could tell them no more
	for digest, count := range votes {
		if othersKnow && digest != mine && count*2 > hubs {
			err := fmt.Errorf("%w: after message %d, %d of %d have another", ErrDiverged, seq, count, hubs)
			c.alarm(err)
			return err
		}
	}
	if len(told) == hubs {
		c.alarm(fmt.Errorf("%w: none of those of %d hubs after message %d is that of most",
			ErrUndecided, hubs, seq))
	}
	return nil
}

func (c *comparison) alarm(err error) {
	c.differ = err
	c.alarms++
}

// StatesDiffer returns how often it was found out that the hubs of the journal have different states, and
// an error as long as they do; nil: as far as is known all have one. It wraps [ErrUndecided] if none is
// that of most.
func (h *Hub) StatesDiffer() (alarms uint64, err error) {
	if h.following == nil {
		return 0, nil
	}
	h.following.mu.Lock()
	defer h.following.mu.Unlock()
	c := &h.following.comparison
	return c.alarms, c.differ
}
