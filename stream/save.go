package stream

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"livemap/geo"
)

// The state of a hub is saved as NDJSON: a header, one line per vehicle in rising order of its
// newest event, and a footer. A file without footer was cut short.
const (
	stateFormat  = "livemap-state"
	stateVersion = 1
	maxStateLine = 64 << 10 // bytes; a Feature with its topics is at most 25 KiB

	// maxSilent is the longest silence that is counted. It keeps sums in range, whatever the clocks
	// were set to.
	maxSilent = 100 * 365 * 24 * time.Hour
)

type stateHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Saved   time.Time `json:"saved"`
}

type stateFooter struct {
	Vehicles int `json:"vehicles"`
}

// stateLine is one vehicle. A gone vehicle has no Feature.
type stateLine struct {
	Silent  int64           `json:"silent"` // time since the vehicle last reported, nanoseconds
	Topics  []string        `json:"topics,omitempty"`
	Feature json.RawMessage `json:"feature,omitempty"`

	Gone      GoneReason `json:"gone,omitempty"`
	VehicleID string     `json:"vehicle_id,omitempty"`
	Time      int64      `json:"time,omitempty"` // timestamp of the newest position, Unix nanoseconds
	Point     geo.Point  `json:"point,omitzero"`
	Sum       uint64     `json:"sum,omitempty"`
}

// Save writes the last-known state of all vehicles as NDJSON, for [Hub.Load]. Publishing goes on
// meanwhile: a vehicle that moves is saved with its old or its new position.
func (h *Hub) Save(w io.Writer) error {
	view := h.freezer.freeze(h)
	out := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(out)
	if err := lines.Encode(stateHeader{stateFormat, stateVersion, h.config.Clock()}); err != nil {
		return err
	}
	saved := 0
	var buf []byte
	for some := range slices.Chunk(view.entries, publishBatch) {
		var n int
		buf, n = h.appendStates(buf[:0], some)
		if _, err := out.Write(buf); err != nil {
			return err
		}
		saved += n
	}
	if err := lines.Encode(stateFooter{saved}); err != nil {
		return err
	}
	return out.Flush()
}

// appendStates appends the lines of vehicles, and returns how many. It skips the forgotten.
func (h *Hub) appendStates(dst []byte, some []viewEntry) (lines []byte, n int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	now := int64(h.now())
	for _, e := range some {
		if v := e.vehicle; v.slot >= 0 {
			dst = appendState(dst, v, now-h.fleet.lastSeen(v))
			n++
		}
	}
	return dst, n
}

// appendState appends the line of a vehicle as encoding/json would encode its stateLine. Nearly all
// vehicles are present: their Feature is copied byte for byte, without parsing it.
func appendState(dst []byte, v *vehicle, silent int64) []byte {
	if !v.present() {
		line, err := json.Marshal(stateLine{
			Silent: silent, Gone: Deleted, VehicleID: v.id, Time: v.time, Point: v.here.point, Sum: v.hash,
		})
		if err != nil {
			panic("stream: " + err.Error()) // unreachable: it holds finite numbers and text
		}
		return append(append(dst, line...), '\n')
	}
	dst = append(dst, `{"silent":`...)
	dst = strconv.AppendInt(dst, silent, 10)
	for i, t := range *v.here.topics {
		if i == 0 {
			dst = append(dst, `,"topics":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = geo.AppendString(dst, t.id)
	}
	if len(*v.here.topics) > 0 {
		dst = append(dst, ']')
	}
	dst = append(append(dst, `,"feature":`...), v.feature()...)
	return append(dst, "}\n"...)
}

// Load restores what [Hub.Save] wrote, under new ids, and returns the number of vehicles. The hub
// must be new: nothing published, nobody subscribed. After an error the hub knows no vehicle. A
// file that was cut short is an error too.
func (h *Hub) Load(r io.Reader) (vehicles int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log.head() > 0 || h.fleet.size() > 0 {
		return 0, errors.New("stream: only a new hub can load a saved state")
	}
	lines, err := h.readState(r)
	if err != nil {
		h.fleet, h.topics, h.log = newFleet(), topics{}, newLog(h.config.History, 1)
		return 0, err
	}
	h.fleet.sortByRecency()
	h.evict(h.config.MaxVehicles)
	h.routed.Store(h.log.head())
	return min(lines, h.config.MaxVehicles), nil
}

// readState adds every vehicle of a state and returns the number of their lines. It keeps one line
// in memory at a time.
func (h *Hub) readState(r io.Reader) (vehicles int, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, maxStateLine), maxStateLine)
	down, err := h.readHeader(in)
	if err != nil {
		return 0, err
	}
	for in.Scan() {
		var line struct {
			restoredLine
			stateFooter
		}
		line.Vehicles = -1
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return 0, fmt.Errorf("stream: saved state, vehicle %d: %w", vehicles+1, err)
		}
		if line.Vehicles == vehicles {
			return vehicles, nil
		}
		if err := line.check(); err != nil {
			return 0, fmt.Errorf("stream: saved state, vehicle %d: %w", vehicles+1, err)
		}
		vehicles++
		h.restoreVehicle(&line.restoredLine, down)
	}
	return 0, errors.Join(errors.New("stream: saved state is incomplete"), in.Err())
}

// readHeader checks the first line and returns how long ago the state was saved.
func (h *Hub) readHeader(in *bufio.Scanner) (down time.Duration, err error) {
	var header stateHeader
	if !in.Scan() || json.Unmarshal(in.Bytes(), &header) != nil ||
		header.Format != stateFormat || header.Saved.IsZero() {
		return 0, errors.Join(errors.New("stream: not a saved state"), in.Err())
	}
	if header.Version != stateVersion {
		return 0, fmt.Errorf("stream: saved state has version %d; this hub reads version %d",
			header.Version, stateVersion)
	}
	return min(max(0, h.config.Clock().Sub(header.Saved)), maxSilent), nil
}

// restoredLine is a line of the state with its position, checked.
type restoredLine struct {
	stateLine
	position geo.Position
}

func (l *restoredLine) check() (err error) {
	if l.Silent < 0 {
		return errors.New("silent is negative")
	}
	l.Silent = min(l.Silent, int64(maxSilent))
	if l.Gone == Deleted {
		return geo.CheckVehicleID(l.VehicleID)
	}
	if l.Gone != "" {
		return fmt.Errorf("gone is %q", l.Gone)
	}
	for i, id := range l.Topics {
		if err := geo.CheckTopic(id); err != nil || slices.Contains(l.Topics[:i], id) {
			return errors.Join(fmt.Errorf("topic %q", id), err)
		}
	}
	if l.position, err = geo.ParsePosition(l.Feature); err == nil && l.position.Time.IsZero() {
		err = errors.New("the Feature has no timestamp")
	}
	return err
}

// restoreVehicle adds a vehicle. Its state becomes an event of the log like any other: a view needs
// that event when the vehicle moves on. The vehicle was silent too while the hub was down.
func (h *Hub) restoreVehicle(l *restoredLine, down time.Duration) {
	id := l.VehicleID
	if l.Gone == "" {
		id = l.position.VehicleID
	}
	if h.fleet.get(id) != nil {
		return // the state names it twice
	}
	v := h.fleet.add(id, h.log.first()-1)
	seen := h.now() - down
	h.fleet.recency[v.slot].seen = int64(seen) - l.Silent
	seq := h.log.head() + 1
	if l.Gone != "" {
		v.time, v.hash = l.Time, l.Sum
		h.event = frameGone(h.event.text, h.epoch, seq, v.id, l.Gone)
		h.commitState(v, kindGone, place{point: l.Point}, seen)
		return
	}
	v.time = l.position.Time.UnixNano()
	h.event = framePosition(h.event.text, h.epoch, seq, &l.position, l.position.Time)
	h.commitState(v, kindPosition, place{h.topics.set(l.Topics, nil, h.log.first()-1), l.position.Point}, seen)
}
