package stream

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
	fmt.Fprintln(&b, h.epoch, j.place.Seq, j.place.At.UnixNano(), j.time, j.swept, h.maxVehicles, h.log.newest)
	for _, id := range slices.Sorted(maps.Keys(j.sessions)) {
		fmt.Fprintln(&b, "session", id, j.sessions[id])
	}
	for ring := range int32(ringCount) {
		for slot := h.fleet.recency.oldest(ring); slot != ring; slot = h.fleet.recency[slot].newer {
			v := h.fleet.slots[slot]
			var topics []string
			if v.present() {
				for _, t := range *v.here.topics {
					topics = append(topics, t.id)
				}
			}
			slices.Sort(topics)
			fmt.Fprintln(&b, ring, v.id, v.number, v.time, h.fleet.lastSeen(v), v.here.point, topics, v.hash,
				string(v.event))
		}
	}
	return b.String()
}

// Log returns the events in the log after the one that a loaded state ends with, by number.
func (h *Hub) Log() map[uint64]string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	log := map[uint64]string{}
	for seq := h.log.first(); seq <= h.log.head(); seq++ {
		if r, event := h.log.at(seq); r.number > h.log.dropped {
			log[uint64(r.number)] = string(event.text)
		}
	}
	return log
}
