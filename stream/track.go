package stream

import (
	"cmp"
	"slices"
	"time"

	"livemap/geo"
)

// Track is the positions of one vehicle that the log holds, in order of their timestamps. [Hub.Track]
// makes it. It holds 16 bytes for each position and nothing of the log: a reader that takes minutes over
// it does not keep old segments in memory.
type Track struct {
	hub       *Hub
	vehicleID string
	fixes     []fix
}

// fix is one position of a track.
type fix struct {
	seq  uint64
	time int64 // timestamp, Unix nanoseconds
}

// trackBatch is how many events of a vehicle are examined under one lock.
const trackBatch = 512

// TrackSize returns how many positions a track of a vehicle has at most. That is 16 bytes each, for as
// long as it is written.
func (h *Hub) TrackSize(vehicleID string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if v := h.fleet.get(vehicleID); v != nil {
		return len(v.index.list)
	}
	return 0
}

// Track returns the track of a vehicle. It leaves out positions older than from, and those newer than to
// unless that is zero. ok is false when the vehicle is unknown or gone.
func (h *Hub) Track(vehicleID string, from, to time.Time) (t *Track, ok bool) {
	h.mu.RLock()
	head := h.log.head() // later positions are for the next track; else a fast vehicle's would have no end
	h.mu.RUnlock()
	t = &Track{hub: h, vehicleID: vehicleID}
	for seq := uint64(0); seq <= head; {
		if seq, ok = t.collect(seq, head, from, to); !ok {
			return nil, false
		}
	}
	byTime := func(a, b fix) int { return cmp.Compare(a.time, b.time) }
	if !slices.IsSortedFunc(t.fixes, byTime) { // it has late positions
		slices.SortStableFunc(t.fixes, byTime)
	}
	return t, true
}

// collect appends the vehicle's positions from the event seq on, a batch of them, up to the event head.
// It returns the event to continue from.
func (t *Track) collect(seq, head uint64, from, to time.Time) (next uint64, ok bool) {
	h := t.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	v := h.fleet.get(t.vehicleID)
	if v == nil || !v.present() {
		return 0, false
	}
	left := v.index.from(seq)
	for _, seq := range left[:min(len(left), trackBatch)] {
		r, event := h.log.at(seq)
		if seq > head || !r.kind.hasFeature() {
			continue
		}
		at, err := geo.ParseTime(string(geo.Timestamp(event.feature())))
		if err == nil && !at.Before(from) && (to.IsZero() || !at.After(to)) {
			t.fixes = append(t.fixes, fix{seq, at.UnixNano()})
		}
	}
	if len(left) <= trackBatch {
		return head + 1, true
	}
	return left[trackBatch], true
}

// Write writes the track as a GeoJSON Feature, with calls of write for some 16 KiB each. It returns the
// first error of write. Positions that the log has dropped meanwhile are left out. Write can be called
// once.
func (t *Track) Write(write func([]byte) error) error {
	buffer := chunkBuffers.Get().(*[chunkSize + 1024]byte)
	defer chunkBuffers.Put(buffer)
	var e geo.TrackEncoder
	buf := e.AppendStart(buffer[:0], t.vehicleID)
	kept := t.fixes[:0] // the positions that were written
	for left := t.fixes; len(left) > 0; {
		n := 0
		if buf, n, kept = t.appendPositions(buf, &e, left, kept); len(buf) > 0 {
			if err := write(buf); err != nil {
				return err
			}
		}
		buf, left = buffer[:0], left[n:]
	}
	buf = e.AppendProperties(buf)
	for _, f := range kept {
		if buf = e.AppendTime(buf, time.Unix(0, f.time)); len(buf) > chunkSize {
			if err := write(buf); err != nil {
				return err
			}
			buf = buffer[:0]
		}
	}
	return write(append(e.AppendEnd(buf), '\n'))
}

// appendPositions appends a chunk of the positions in left, and adds those that the log still has to kept.
// It returns how many of left it has examined.
func (t *Track) appendPositions(
	buf []byte, e *geo.TrackEncoder, left, kept []fix,
) (_ []byte, examined int, _ []fix) {
	t.hub.mu.RLock()
	defer t.hub.mu.RUnlock()
	for _, f := range left[:min(len(left), scanLimit)] {
		if t.hub.log.holds(f.seq) {
			_, event := t.hub.log.at(f.seq)
			coordinates := geo.Coordinates(event.feature())
			if len(buf) > 0 && len(buf)+len(coordinates) > chunkSize {
				break
			}
			buf, kept = e.AppendPosition(buf, coordinates), append(kept, f)
		}
		examined++
	}
	return buf, examined, kept
}
