package stream

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"time"
)

// saving is a save that is under way. It writes the state as it was when the save began: a vehicle
// that changes before it is written leaves its line here first. Publishers wait for a line at most.
type saving struct {
	newest  number // the newest event when the save began
	began   int64  // on the clock of fleet.lastSeen
	header  stateHeader
	sums    []uint64
	sources []stateSource
	keys    []savedKey
	fences  [][]byte // lines
	lane    lane
	kept    map[*vehicle]keptState
}

// keptState is the state of a vehicle that has changed since the save began.
type keptState struct {
	number number // of the event that made it
	line   []byte
}

// keepForSave keeps the state of a known vehicle that is about to change, if a save has not kept it
// yet. Hub.mu is held.
func (h *Hub) keepForSave(v *vehicle) {
	s := h.saving
	if s == nil || v.number > s.newest {
		return // it changed after the save began, and was kept then, or it is new
	}
	if _, kept := s.kept[v]; !kept {
		s.kept[v] = keptState{v.number, h.appendState(nil, v, s.began)}
	}
}

// Save writes the last-known state of all vehicles as NDJSON, for [Hub.Load] or [NewWithJournal]. It is the
// state at the moment of the call. Publishing goes on meanwhile.
func (h *Hub) Save(w io.Writer) error {
	h.saves.Lock()
	defer h.saves.Unlock()
	s := h.beginSave()
	defer h.endSave()
	out := bufio.NewWriterSize(w, 64<<10)
	writeLine := func(v any) error {
		line, err := json.Marshal(v)
		if err == nil {
			_, err = out.Write(sumLine(line, 0))
		}
		return err
	}
	if err := writeLine(s.header); err != nil {
		return err
	}
	for some := range slices.Chunk(s.sums, sumsInLine) {
		if err := writeLine(stateSums{appendSums(nil, some)}); err != nil {
			return err
		}
	}
	for _, source := range s.sources {
		if err := writeLine(source); err != nil {
			return err
		}
	}
	for _, key := range s.keys {
		for _, part := range key.parts {
			if err := writeLine(key.line(part, s.began)); err != nil {
				return err
			}
		}
	}
	for _, line := range s.fences {
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	if err := s.lane.write(out); err != nil {
		return err
	}
	turns := turns{time.Now()}
	_, collected := h.collectEntries(turns.pause)
	entries := h.entriesToSave(s, collected, turns.pause)
	var buf []byte
	for some := range slices.Chunk(entries, publishBatch) {
		buf = h.appendStates(buf[:0], s, some)
		if _, err := out.Write(buf); err != nil {
			return err
		}
		turns.pause()
	}
	if err := writeLine(stateFooter{len(entries)}); err != nil {
		return err
	}
	return out.Flush()
}

func (h *Hub) beginSave() *saving {
	if h.following != nil { // between two messages
		h.following.apply.Lock()
		defer h.following.apply.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saving = &saving{newest: h.log.newest, began: int64(h.now()), kept: map[*vehicle]keptState{}}
	h.saving.header = stateHeader{Format: stateFormat, Version: stateVersion, Saved: h.config.Clock()}
	h.saving.sums = h.sums.inOrder()
	if h.following != nil {
		h.saving.began = h.journaled.time
		h.saving.header.Journal = h.stateOfJournal()
		h.saving.lane = h.lane
		h.saving.lane.events = slices.Clone(h.lane.events)
	}
	h.saving.sources, h.saving.keys = h.sourcesToSave(h.saving.began), h.keysToSave()
	h.saving.fences = h.fences.toSave()
	return h.saving
}

func (h *Hub) endSave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saving = nil
}

// entriesToSave returns the vehicles that were known when the save began, in order of the events that
// had made their states. collected are those of some time after that. pause is called now and then.
func (h *Hub) entriesToSave(s *saving, collected []viewEntry, pause func()) []viewEntry {
	entries := slices.DeleteFunc(collected, func(e viewEntry) bool { return e.number > s.newest })
	h.mu.RLock()
	for v, state := range s.kept {
		entries = append(entries, viewEntry{v, state.number})
	}
	h.mu.RUnlock()
	entries = sortInPieces(entries, pause)
	return slices.Compact(entries) // one that changed after it was collected is in there twice
}

// sortInPieces sorts entries by number. It may use their memory for others.
func sortInPieces(entries []viewEntry, pause func()) []viewEntry {
	const piece = 2048
	for some := range slices.Chunk(entries, piece) {
		slices.SortFunc(some, func(a, b viewEntry) int { return cmp.Compare(a.number, b.number) })
		pause()
	}
	from, to := entries, make([]viewEntry, len(entries))
	for width := piece; width < len(from); width *= 2 {
		merged := to[:0]
		for some := range slices.Chunk(from, 2*width) {
			half := min(width, len(some))
			merged = mergeEntries(merged, some[:half], some[half:])
			pause()
		}
		from, to = to, from
	}
	return from
}

// mergeEntries appends two sorted lists in order.
func mergeEntries(dst, a, b []viewEntry) []viewEntry {
	for len(a) > 0 && len(b) > 0 {
		if b[0].number < a[0].number {
			dst, b = append(dst, b[0]), b[1:]
		} else {
			dst, a = append(dst, a[0]), a[1:]
		}
	}
	return append(append(dst, a...), b...)
}

// turns makes long work leave half of a processor to others. A goroutine that never waits keeps a processor
// for 10 ms at a time, and the runtime then asks the network as seldom: who publishes waits several times.
type turns struct{ began time.Time }

const turn = 500 * time.Microsecond

func (t *turns) pause() {
	if time.Since(t.began) >= turn {
		time.Sleep(turn)
		t.began = time.Now()
	}
}

// appendStates appends the lines of vehicles.
func (h *Hub) appendStates(dst []byte, s *saving, some []viewEntry) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, e := range some {
		if kept, changed := s.kept[e.vehicle]; changed {
			dst = append(dst, kept.line...)
		} else {
			dst = h.appendState(dst, e.vehicle, s.began)
		}
	}
	return dst
}
