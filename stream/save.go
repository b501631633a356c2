package stream

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"livemap/geo"
)

// The state of a hub is saved as NDJSON: a header, one line per vehicle in rising order of its
// newest event, and a footer. A file without footer was cut short. Each line ends in a checksum of
// what is before it, so that a damaged line costs its vehicle alone. Version 1 had no checksums.
const (
	stateFormat  = "livemap-state"
	stateVersion = 2
	maxStateLine = 1 << 20  // bytes; a fence has the longest
	stateBuffer  = 64 << 10 // bytes; most lines are shorter
	sumStart     = `,"crc32c":"`
	sumSize      = len(sumStart + `00000000"}`)

	// maxSilent is the longest silence that is counted. It keeps sums in range, whatever the clocks
	// were set to.
	maxSilent = 100 * 365 * 24 * time.Hour
)

type stateHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Saved   time.Time `json:"saved"`

	Journal *stateOfJournal `json:"journal,omitempty"` // of a hub with a journal
}

// stateOfJournal is what a hub with a journal knows beside its vehicles.
type stateOfJournal struct {
	Epoch     string             `json:"epoch"`
	Seq       uint64             `json:"seq"` // the state is that after this message
	At        time.Time          `json:"at"`
	Time      int64              `json:"time"`
	Swept     int64              `json:"swept"`
	Digest    uint64             `json:"digest"`
	Checked   int64              `json:"checked"`
	Newest    uint64             `json:"newest"`    // event
	Forgotten uint64             `json:"forgotten"` // event
	QuietEnd  int64              `json:"quiet_until"`
	QuietMark int64              `json:"quiet_mark"`
	Settings  map[string]int64   `json:"settings"` // that were set
	Sessions  map[uint64]session `json:"sessions"`
}

// stateOfJournal returns what a save writes of a hub with a journal. Hub.mu is held.
func (h *Hub) stateOfJournal() *stateOfJournal {
	j := &h.journaled
	return &stateOfJournal{
		Epoch: h.epoch, Seq: j.place.Seq, At: j.place.At, Time: j.time, Swept: j.swept,
		Digest: j.digest, Checked: j.checked,
		Newest: uint64(h.log.newest), Forgotten: uint64(h.fleet.forgotten),
		QuietEnd: h.quiet.until, QuietMark: h.quiet.mark,
		Settings: h.settings.asSaved(), Sessions: maps.Clone(j.sessions),
	}
}

// restore takes what a save wrote of a hub with a journal. Hub.mu is held.
func (h *Hub) restore(j *stateOfJournal) (err error) {
	h.journaled = journaled{Place{j.Seq, j.At}, j.Time, maps.Clone(j.Sessions), j.Swept, j.Digest, j.Checked}
	if h.journaled.sessions == nil {
		h.journaled.sessions = map[uint64]session{}
	}
	h.log.newest, h.log.dropped = number(j.Newest), number(j.Newest)
	h.fleet.forgotten = number(j.Forgotten)
	h.setQuiet(j.QuietEnd, j.QuietMark)
	h.settings, err = restoreSettings(j.Settings)
	return err
}

// stateSums is a line of sums, the oldest first: 8 bytes each, little-endian. These lines follow the header.
type stateSums struct {
	Sums []byte `json:"sums"`
}

const sumsInLine = 4096

func appendSums(dst []byte, all []uint64) []byte {
	for _, sum := range all {
		dst = binary.LittleEndian.AppendUint64(dst, sum)
	}
	return dst
}

// restoreSums adds the sums of a line. Hub.mu is held.
func (h *Hub) restoreSums(line []byte) error {
	if len(line)%8 != 0 || len(h.sums.ring)+len(line)/8 > knownSums {
		return errors.New("there are too many sums, or a part of one")
	}
	for ; len(line) > 0; line = line[8:] {
		h.sums.append(binary.LittleEndian.Uint64(line))
	}
	return nil
}

type stateFooter struct {
	Vehicles int `json:"vehicles"`
}

// stateLine is one vehicle. A gone vehicle has no Feature.
type stateLine struct {
	Silent  int64           `json:"silent"`           // time since the vehicle last reported, nanoseconds
	Number  number          `json:"number,omitempty"` // of the event that made the state, with a journal
	Owner   string          `json:"owner,omitempty"`
	Topics  []string        `json:"topics,omitempty"`
	Rhythm  []byte          `json:"rhythm,omitempty"` // see rhythm.append
	Feature json.RawMessage `json:"feature,omitempty"`

	Gone      GoneReason `json:"gone,omitempty"`
	VehicleID string     `json:"vehicle_id,omitempty"`
	Time      int64      `json:"time,omitempty"` // timestamp of the newest position, Unix nanoseconds
	Point     geo.Point  `json:"point,omitzero"`
	Sum       uint64     `json:"sum,omitempty"`

	stateNearby
}

// castagnoli is the polynomial of CRC-32C (RFC 9260, appendix B).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendSum appends the end of a line whose beginning is body: the checksum and the closing bracket.
func appendSum(dst, body []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(body, castagnoli))
	return append(hex.AppendEncode(append(dst, sumStart...), sum[:]), `"}`...)
}

// sumLine adds the checksum to the JSON object that dst holds from start on, and ends the line.
func sumLine(dst []byte, start int) []byte {
	dst = dst[:len(dst)-1] // the closing bracket
	return append(appendSum(dst, dst[start:]), '\n')
}

// checkSum reports whether a line has the right checksum.
func checkSum(line []byte) bool {
	body := line[:max(0, len(line)-sumSize)]
	return string(line[len(body):]) == string(appendSum(nil, body))
}

// appendState appends the line of a vehicle as of a time on the clock of fleet.lastSeen. Hub.mu is held.
func (h *Hub) appendState(dst []byte, v *vehicle, now int64) []byte {
	start, n := len(dst), number(0)
	if h.following != nil {
		n = v.number
	}
	rhythm := &h.fleet.rhythms[v.slot]
	dst = appendStateLine(dst, v, rhythm, h.fleet.ownerOf(v).name, now-h.fleet.lastSeen(v), n)
	dst = h.appendNearby(dst, v)
	if v.present() { // its Feature is copied byte for byte, without parsing it; it is the last: see cutFeature
		dst = append(append(append(dst[:len(dst)-1], featureMember...), v.feature()...), '}')
	}
	return sumLine(dst, start)
}

// appendStateLine appends a line without checksum and Feature as encoding/json would encode its stateLine.
func appendStateLine(dst []byte, v *vehicle, r *rhythm, owner string, silent int64, n number) []byte {
	if !v.present() {
		line, err := json.Marshal(stateLine{
			Silent: silent, Number: n, Owner: owner, Gone: v.wentBy(), VehicleID: v.id, Time: v.time,
			Point: v.here.point, Sum: v.hash, Rhythm: r.append(nil),
		})
		if err != nil {
			panic("stream: " + err.Error()) // unreachable: it holds finite numbers and text
		}
		return append(dst, line...)
	}
	dst = append(dst, lineOfVehicle...)
	dst = strconv.AppendInt(dst, silent, 10)
	if n > 0 {
		dst = append(dst, `,"number":`...)
		dst = strconv.AppendUint(dst, uint64(n), 10)
	}
	if owner != "" {
		dst = geo.AppendString(append(dst, `,"owner":`...), owner)
	}
	if r.total > 0 {
		var room [2*2*len(rhythmSteps) + 1]byte
		dst = base64.StdEncoding.AppendEncode(append(dst, `,"rhythm":"`...), r.append(room[:0]))
		dst = append(dst, '"')
	}
	topics := v.here.topics.published()
	for i, t := range topics {
		if i == 0 {
			dst = append(dst, `,"topics":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = geo.AppendString(dst, t.id)
	}
	if len(topics) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendNearby adds what fences need of a vehicle to the object that dst ends in.
func (h *Hub) appendNearby(dst []byte, v *vehicle) []byte {
	if int(v.slot) >= len(h.fences.near) || !v.present() {
		return dst
	}
	saved := h.fences.near[v.slot].saved()
	if saved.AsOf == 0 {
		return dst
	}
	text, err := json.Marshal(saved)
	if err != nil {
		panic("stream: " + err.Error()) // unreachable: it holds whole numbers and text
	}
	return append(append(dst[:len(dst)-1], ','), text[1:]...)
}

// Loaded is what [Hub.Load] found in a saved state.
type Loaded struct {
	Vehicles int   // that the hub knows now
	Skipped  int   // vehicles of the state that could not be read
	Reason   error // why the first of them could not; nil: none was skipped
}

// Load restores what [Hub.Save] wrote, under new ids. It skips vehicles that are damaged or that the
// hub would not accept. The hub must be new: nothing published, nobody subscribed. A file that is no
// saved state or was cut short is an error, after which the hub knows no vehicle.
func (h *Hub) Load(r io.Reader) (Loaded, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.log.head() > 0 || h.fleet.size() > 0 {
		return Loaded{}, errors.New("stream: only a new hub can load a saved state")
	}
	loaded, err := h.readState(r)
	if err != nil {
		h.fleet, h.topics, h.log = newFleet(), newTopics(), newLog(h.config.History, 1)
		h.sums, h.sources, h.keys = sums{}, kept[sourceKey, uint64]{}, kept[[16]byte, *keyedRequest]{}
		h.fences, h.lane = newFences(), lane{}
		return Loaded{}, err
	}
	h.fleet.sortByRecency()
	if h.following == nil {
		now := h.moment()
		h.setQuiet(now.wall.UnixNano(), int64(now.mono))
		for h.crowded(0) != nil {
			h.applyNow(Source{}, h.moment()).evict(0)
		}
	}
	h.routed.Store(uint64(h.log.newest))
	loaded.Vehicles = min(loaded.Vehicles, h.fleet.size())
	return loaded, nil
}

// readState adds every vehicle of a state that can be read, and counts their lines. It keeps one line
// in memory at a time.
func (h *Hub) readState(r io.Reader) (loaded Loaded, err error) {
	in := bufio.NewReaderSize(r, stateBuffer)
	header, err := readHeader(in)
	if err != nil {
		return loaded, err
	}
	down := min(max(0, h.config.Clock().Sub(header.Saved)), maxSilent)
	switch {
	case h.following == nil: // a state of a journal's vehicles is as good as any
	case header.Journal == nil || header.Journal.Epoch != h.epoch:
		return loaded, fmt.Errorf("%w: the saved state is of another", ErrOtherJournal)
	default:
		if err := h.restore(header.Journal); err != nil {
			return loaded, err
		}
	}
	for n := 2; ; n++ {
		text, err := readLine(in)
		if err != nil && err != errLongLine {
			return loaded, errors.Join(errors.New("stream: saved state is incomplete"), ifRead(err))
		}
		var line struct {
			restoredLine
			stateFooter
			stateSums
			stateSource
			stateKey
			stateFence
			stateLane
		}
		line.stateFooter.Vehicles = -1
		if err == nil && header.Version > 1 && !checkSum(text) {
			err = errors.New("its checksum is wrong")
		}
		if err == nil {
			var feature []byte
			text, feature = cutFeature(text, header.Version)
			err = json.Unmarshal(text, &line)
			line.Feature = feature
		}
		if err == nil && line.stateFooter.Vehicles >= loaded.Vehicles {
			loaded.Skipped = line.stateFooter.Vehicles - loaded.Vehicles
			if loaded.Skipped > 0 && loaded.Reason == nil {
				loaded.Reason = errors.New("stream: saved state has too few lines")
			}
			return loaded, nil
		}
		if err == nil && line.Sums != nil {
			if err = h.restoreSums(line.Sums); err == nil {
				continue
			}
		}
		if err == nil && line.stateSource.Name != "" {
			h.restoreSource(&line.stateSource, down)
			continue
		}
		if err == nil && line.Key != nil {
			if err = h.restoreKey(&line.stateKey, down); err == nil {
				continue
			}
		}
		if err == nil && line.stateLane.Count > 0 {
			if h.following == nil { // events of another epoch
				continue
			}
			if err = h.restoreLane(&line.stateLane); err != nil {
				return loaded, err // hubs must have the same
			}
			continue
		}
		if err == nil && line.stateFence.Versions > 0 {
			if err = h.restoreFence(&line.stateFence); err == nil {
				continue
			} else if h.following != nil {
				return loaded, err // hubs must have the same fences
			}
		}
		if err == nil {
			err = line.check()
		}
		if err == nil {
			loaded.Vehicles++
			h.restoreVehicle(&line.restoredLine, down)
		} else if loaded.Reason == nil {
			loaded.Reason = fmt.Errorf("stream: saved state, line %d: %w", n, err)
		}
	}
}

// cutFeature splits a line of a vehicle into its Feature, which is nearly all of it, and the other members.
// It changes the line.
func cutFeature(text []byte, version int) (rest, feature []byte) {
	at, end := bytes.Index(text, []byte(featureMember)), len(text)-len("}")
	if version > 1 {
		end = len(text) - sumSize
	}
	if !bytes.HasPrefix(text, []byte(lineOfVehicle)) || at < 0 || end < at+len(featureMember) {
		return text, nil
	}
	text[at] = '}' // a text has no quote without a backslash, so this is no part of one
	return text[:at+1], text[at+len(featureMember) : end]
}

// How the line of a vehicle begins, and how its Feature.
const (
	lineOfVehicle = `{"silent":`
	featureMember = `,"feature":`
)

var errLongLine = fmt.Errorf("it is longer than %d bytes", maxStateLine)

// readLine returns the next line, for as long as nothing more is read. It passes over a line that is
// too long and returns errLongLine.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		long, part := bytes.Clone(line), []byte(nil)
		for err == bufio.ErrBufferFull {
			if part, err = in.ReadSlice('\n'); len(long) <= maxStateLine {
				long = append(long, part...)
			}
		}
		if err == nil && len(long) > maxStateLine {
			return nil, errLongLine
		}
		line = long
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}

// ifRead returns an error of reading, and nil for the end of a file.
func ifRead(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// readHeader reads and checks the first line.
func readHeader(in *bufio.Reader) (header stateHeader, err error) {
	text, err := readLine(in)
	if err != nil || json.Unmarshal(text, &header) != nil ||
		header.Format != stateFormat || header.Saved.IsZero() {
		return header, errors.Join(errors.New("stream: not a saved state"), ifRead(err))
	}
	if header.Version < 1 || header.Version > stateVersion {
		return header, fmt.Errorf("stream: saved state has version %d; this hub reads versions 1 to %d",
			header.Version, stateVersion)
	}
	if header.Version > 1 && !checkSum(text) {
		return header, errors.New("stream: the header of the saved state has a wrong checksum")
	}
	return header, nil
}

// restoredLine is a line of the state with its position, checked.
type restoredLine struct {
	stateLine
	position geo.Position
	rhythm   rhythm
}

func (l *restoredLine) check() (err error) {
	if l.Silent < 0 {
		return errors.New("silent is negative")
	}
	l.Silent = min(l.Silent, int64(maxSilent))
	if !l.rhythm.read(l.Rhythm) {
		return errors.New("its rhythm is none")
	}
	if l.Gone == Deleted || l.Gone == Expired {
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
	v := h.fleet.add(id, l.Owner, h.log.dropped)
	a := h.applyNow(Source{}, h.moment())
	a.mono -= int64(down)
	n, seen := a.number(), a.mono
	if h.following != nil {
		n, seen = l.Number, h.journaled.time
	}
	h.fleet.recency[v.slot].seen = seen - l.Silent
	h.fleet.rhythms[v.slot] = l.rhythm
	if l.Gone != "" {
		v.time, v.hash = l.Time, l.Sum
		h.event = frameGone(h.event.text, h.epoch, n, v.id, l.Gone)
		a.commitState(v, n, kindGone, place{point: l.Point})
		return
	}
	v.time = l.position.Time.UnixNano()
	h.event = framePosition(h.event.text, h.epoch, n, &l.position, l.position.Time)
	topics := h.topics.set(l.Topics, nil, h.log.dropped)
	if h.fences.near != nil {
		topics = a.restoreNearby(v, &l.stateNearby, topics)
	}
	a.commitState(v, n, kindPosition, place{topics, l.position.Point})
}
