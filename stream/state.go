package stream

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"livemap/geo"
)

// The state of a hub is saved as NDJSON: a header, a line per vehicle in
// rising order of its newest event, and a footer that tells a whole file from a
// torn one.
const (
	stateFormat  = "livemap-state"
	stateVersion = 1
	maxStateLine = 64 << 10 // bytes; a Feature with its topics is at most 25 KiB

	// maxSilence is not told from a longer one, so that sums stay in range
	// whatever clocks were set to.
	maxSilence = 100 * 365 * 24 * time.Hour
)

type stateHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Saved   time.Time `json:"saved"`
}

type stateFooter struct {
	Vehicles int `json:"vehicles"`
}

// stateLine is a vehicle. Of one that is gone there is no Feature.
type stateLine struct {
	Silent  int64           `json:"silent"` // for how long nothing had arrived, nanoseconds
	Topics  []string        `json:"topics,omitempty"`
	Feature json.RawMessage `json:"feature,omitempty"`

	Gone      GoneReason `json:"gone,omitempty"`
	VehicleID string     `json:"vehicle_id,omitempty"`
	Time      int64      `json:"time,omitempty"` // of its newest position, Unix nanoseconds
	Point     geo.Point  `json:"point,omitzero"`
	Sum       uint64     `json:"sum,omitempty"`
}

// Save writes the last-known state of all vehicles.
func (h *Hub) Save(w io.Writer) error {
	r := h.freezer.freeze(h)
	out := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false) // a Feature is compared byte for byte, and must not outgrow a line
	if err := lines.Encode(stateHeader{stateFormat, stateVersion, h.config.Clock()}); err != nil {
		return err
	}
	saved := 0
	for _, e := range r.entries {
		line, ok := h.stateOf(e.vehicle)
		if !ok {
			continue
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
		saved++
	}
	if err := lines.Encode(stateFooter{saved}); err != nil {
		return err
	}
	return out.Flush()
}

// stateOf gives what is saved of a vehicle; nothing of one that is forgotten.
func (h *Hub) stateOf(v *vehicle) (line stateLine, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if v.slot < 0 {
		return line, false
	}
	line.Silent = int64(h.now()) - h.fleet.seen(v)
	if !v.present() {
		line.Gone, line.VehicleID, line.Time, line.Point, line.Sum = Deleted, v.id, v.time, v.here.point, v.sum
		return line, true
	}
	line.Feature = feature(v.event)
	for _, t := range *v.here.topics {
		line.Topics = append(line.Topics, t.id)
	}
	return line, true
}

// Load brings back what Save wrote, under new ids, and tells how many vehicles
// that was. The hub must be new: nothing published, nobody subscribed. After an
// error, which is also for a torn file, the hub knows no vehicle.
func (h *Hub) Load(r io.Reader) (vehicles int, err error) {
	lines, saved, err := readState(r)
	if err != nil {
		return 0, err
	}
	down := min(max(0, h.config.Clock().Sub(saved)), maxSilence)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log.head() > 0 || h.fleet.size() > 0 {
		return 0, errors.New("stream: state is loaded into a new hub only")
	}
	if over := len(lines) - h.config.MaxVehicles; over > 0 {
		lines = lines[over:]
	}
	for i := range lines {
		h.restore(&lines[i], uint64(i)+1, down)
	}
	h.fleet.sortBySilence()
	h.log = newLog(h.config.History, uint64(len(lines))+1)
	h.routed.Store(h.log.head())
	return len(lines), nil
}

// restored is a line of the state with what it says, checked.
type restored struct {
	stateLine
	position geo.Position
}

// readState reads and checks a whole state, and tells when it was saved.
func readState(r io.Reader) (lines []restored, saved time.Time, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, maxStateLine), maxStateLine)
	var header stateHeader
	if !in.Scan() || json.Unmarshal(in.Bytes(), &header) != nil || header.Format != stateFormat || header.Saved.IsZero() {
		return nil, saved, errors.Join(errors.New("stream: not a saved state"), in.Err())
	}
	if header.Version != stateVersion {
		return nil, saved, fmt.Errorf("stream: saved state is of version %d; this hub reads version %d", header.Version, stateVersion)
	}
	for in.Scan() {
		var line struct {
			restored
			stateFooter
		}
		line.Vehicles = -1
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return nil, saved, fmt.Errorf("stream: saved state, vehicle %d: %w", len(lines)+1, err)
		}
		if line.Vehicles == len(lines) {
			return lines, header.Saved, nil
		}
		if err := line.check(); err != nil {
			return nil, saved, fmt.Errorf("stream: saved state, vehicle %d: %w", len(lines)+1, err)
		}
		lines = append(lines, line.restored)
	}
	return nil, saved, errors.Join(errors.New("stream: saved state is torn"), in.Err())
}

func (l *restored) check() (err error) {
	if l.Silent < 0 {
		return errors.New("silent is negative")
	}
	l.Silent = min(l.Silent, int64(maxSilence))
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

// restore makes a vehicle known as event seq, which is older than the log. The
// hub was down for a time in which the vehicle was silent too.
func (h *Hub) restore(l *restored, seq uint64, down time.Duration) {
	id := l.VehicleID
	if l.Gone == "" {
		id = l.position.VehicleID
	}
	if h.fleet.get(id) != nil {
		return // told twice
	}
	v := h.fleet.add(id, 0)
	v.seq = seq
	h.fleet.silence[v.slot].seen = int64(h.now()-down) - l.Silent
	if l.Gone != "" {
		v.time, v.sum, v.here.point = l.Time, l.Sum, l.Point
		v.event = appendGone(nil, h.epoch, seq, v.id, l.Gone)
		return
	}
	v.time = l.position.Time.UnixNano()
	v.event = appendPosition(nil, h.epoch, seq, &l.position, l.position.Time)
	at := place{h.topics.set(l.Topics, nil, 0), l.position.Point}
	h.topics.move(v, nil, at.topics)
	h.fleet.move(v, at)
}
