package stream

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"livemap/geo"
	"livemap/geo/geofence"
)

// Sparse numbers the events of a new hub with holes: next returns the number after newest, and must
// return the same each time.
func (h *Hub) Sparse(next func(newest uint64) uint64) {
	h.nextNumber = func(newest number) number { return number(next(uint64(newest))) }
}

// Dump returns the state that hubs of one journal share, in words: two are equal when their states are.
func (h *Hub) Dump() string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var b strings.Builder
	j := &h.journaled
	fmt.Fprintln(&b, h.epoch, j.place.Seq, j.place.At.UnixNano(), j.time, j.swept, j.digest, h.settings,
		h.log.newest)
	for _, id := range slices.Sorted(maps.Keys(j.sessions)) {
		fmt.Fprintln(&b, "session", id, j.sessions[id])
	}
	for _, name := range slices.Sorted(maps.Keys(h.fleet.owners.byName)) {
		o := h.fleet.owners.byName[name]
		fmt.Fprintln(&b, "owner", name, o.vehicles.amount, o.bytes.amount, o.onMap)
		dumpRing(&b, h, o.present)
		dumpRing(&b, h, o.gone)
	}
	fmt.Fprintln(&b, "fences", h.fences.versions, h.fences.vertices, h.fences.due.Len())
	h.fences.inOrder.Scan(func(f *fence) bool {
		fmt.Fprintln(&b, "fence", f.ID, f.version, f.edged, f.next, f.maker, string(f.Feature), f.members.Len(),
			len(f.topic.members))
		return true
	})
	fmt.Fprintln(&b, "lane", h.lane.count, len(h.lane.events), h.lane.bytes, h.lane.dropped)
	for _, e := range h.lane.events {
		fmt.Fprintln(&b, e.record.number, xxhash.Sum64(e.text), e.kind, e.vehicle.id, (*e.before.topics)[0].id,
			e.before.point, e.after.point)
	}
	fmt.Fprintln(&b, "weight", h.fleet.owners.weight)
	fmt.Fprintln(&b, "sums", len(h.sums.ring), xxhash.Sum64(appendSums(nil, h.sums.inOrder())))
	fmt.Fprintln(&b, "sources", h.sourcesToSave(h.journaled.time))
	for _, name := range slices.Sorted(maps.Keys(h.sources.of)) {
		fmt.Fprintln(&b, name, h.sources.of[name].amount)
	}
	for _, key := range h.keysToSave() {
		for _, part := range key.parts {
			fmt.Fprintln(&b, "key", key.line(part, h.journaled.time), key.value.published, key.weight)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.keys.of)) {
		fmt.Fprintln(&b, name, h.keys.of[name].amount)
	}
	return b.String()
}

// dumpRing writes the vehicles of a ring, the longest silent first.
func dumpRing(b *strings.Builder, h *Hub, ring int32) {
	for slot := h.fleet.recency.oldest(ring); slot != ring; slot = h.fleet.recency[slot].newer {
		v := h.fleet.slots[slot]
		var topics []string
		if v.present() {
			for _, t := range *v.here.topics {
				if t.over.Load() {
					continue // left when the vehicle is judged next
				}
				topics = append(topics, t.id)
			}
		}
		slices.Sort(topics)
		if int(v.slot) < len(h.fences.near) && v.present() {
			if n := h.fences.near[v.slot].saved(); n.AsOf > 0 {
				fmt.Fprintf(b, "%+v\n", n)
			}
		}
		fmt.Fprintln(b, v.id, v.number, v.time, h.fleet.lastSeen(v), v.here.point, topics, v.hash,
			string(v.event))
	}
}

// Sources returns how many sources are known.
func (h *Hub) Sources() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.sources.byKey)
}

// Keys returns how many requests are known under keys, KeysWeight what they weigh.
func (h *Hub) Keys() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.keys.byKey)
}

func (h *Hub) KeysWeight() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.keys.weight
}

// KeyMessage returns a message of a part of one position and its key.
func KeyMessage(source Source, key Key, part RequestPart) []byte {
	all, open := newProposal(), proposer{}
	all.source = source
	all.addKey(key, &part)
	for i := range part.Positions {
		all.addPosition(&part.Positions[i], part.Items[i], nil)
	}
	open.addSource(all)
	return new(messageWriter).append(nil, messageInfo{1, 2, 3, 4}, open.sources, all.count, all.entries)
}

// Weight returns the weight of all vehicles.
func (h *Hub) Weight() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.fleet.owners.weight
}

// Log returns the events in the log after the one that a loaded state ends with, by number. Positions that
// are told again, since a timer moved their vehicle, are left out.
func (h *Hub) Log() map[uint64]string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	log := map[uint64]string{}
	for seq := h.log.first(); seq <= h.log.head(); seq++ {
		if r, event := h.log.at(seq); r.number > h.log.dropped && r.kind != kindMoved {
			log[uint64(r.number)] = string(event.text)
		}
	}
	return log
}

// Heard returns when a vehicle was heard of, by the journal's time.
func (h *Hub) Heard(id string) int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.fleet.lastSeen(h.fleet.get(id))
}

// ProposeExpiry proposes the expiry of a vehicle that was last heard of at a time.
func (h *Hub) ProposeExpiry(id string, heard int64) error {
	p := newProposal()
	p.add(entryExpire, appendExpireBody(nil, heard, id))
	return h.propose(p)
}

// MessageOf returns a message of a position of a source, the deletion and the expiry of a vehicle, and a
// tick.
func MessageOf(
	session, n uint64, arrived int64, seen uint64, source Source, p *geo.Position, id string,
) []byte {
	all, open := newProposal(), proposer{}
	all.source = source
	all.addPosition(p, 300, nil)
	open.addSource(all)
	all.add(entryDelete, []byte(id))
	all.add(entryExpire, appendExpireBody(nil, 11, id))
	all.entries = append(all.entries, tick(checkpoint{7, 9}).entries...)
	info := messageInfo{session, n, arrived, seen}
	return new(messageWriter).append(nil, info, open.sources, all.count+1, all.entries)
}

// FenceBodies returns the bytes of entries that put a fence, delete it and ask for what is due at it.
func FenceBodies(f *geofence.Fence, by Maker, match Match) [3][]byte {
	return [3][]byte{
		appendFenceBody(nil, &fenceEntry{id: f.ID, fence: f, maker: by, match: match}),
		appendFenceBody(nil, &fenceEntry{id: f.ID, match: match}),
		appendTimerBody(nil, &timerEntry{dueDwell, 300, 11, f.ID, "V"}),
	}
}

// CheckFenceBodies reads what FenceBodies returned.
func CheckFenceBodies(bodies [3][]byte) [3]error {
	_, put := readFenceBody(bodies[0])
	_, deleted := readFenceBody(bodies[1])
	_, timer := readTimerBody(bodies[2])
	return [3]error{put, deleted, timer}
}

// UnknownMessage returns a message with an entry of an unknown kind.
func UnknownMessage() []byte {
	return new(messageWriter).append(nil, messageInfo{session: 1, n: 1}, nil, 1, appendEntry(nil, 200, nil))
}

// CheckMessage reads a whole message.
func CheckMessage(message []byte) error {
	_, sources, count, entries, err := readMessage(message, new([]byte))
	if err != nil {
		return err
	}
	return cutEntries(entries, sources, make([]entry, count))
}

// ProposeIfUnset proposes a setting as a hub does that found it unset.
func (h *Hub) ProposeIfUnset(s Setting, value int64) error {
	return h.propose(settingsProposal(Settings{s: value}, true))
}

// SettingBody returns the bytes of an entry.
func SettingBody(s Setting, value int64, ifUnset bool) []byte {
	return appendSettingBody(nil, s, value, ifUnset)
}

// CheckSettingBody reads what SettingBody returned.
func CheckSettingBody(body []byte) error { return readSettingBody(body, new(entry)) }

// Digest returns the digest of the state.
func (h *Hub) Digest() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.journaled.digest
}

// Corrupt changes the state of a hub as no other hub does.
func (h *Hub) Corrupt() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.journaled.digest++
}

// SetNoRoom says whether the journal has told that it has no room.
func (h *Hub) SetNoRoom(full bool) {
	h.following.proposer.mu.Lock()
	defer h.following.proposer.mu.Unlock()
	h.following.proposer.full = full
}

// JudgeAll has every position judged, whether a fence is near or not.
func (h *Hub) JudgeAll() { h.fences.judgeAll = true }
