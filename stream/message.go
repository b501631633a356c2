package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"

	"livemap/geo"
)

// A message of the journal, format 1. Numbers are little-endian; a text is its length as a uvarint (package
// encoding/binary) and its bytes.
//
//	format    uint8: 1
//	flags     uint8: messageCompressed: what follows the head is compressed by s2
//	session   uint64: of the hub that posted it
//	n         uint64: the place of the message in the session, from 1
//	arrived   int64: when its oldest entry came to that hub, by the hub's clock, Unix nanoseconds
//	seen      uint64: the newest message that the hub had applied
//	sources   uvarint: their count, at most maxSources; then of each publisher and source, texts, and uint64
//	          Publish-Seq, 0: none
//	entries   uvarint: their count, at most maxEntries; then of each kind, uint8, and body, a text
//
// Bodies:
//
//	entryPosition  uvarint: source, its index plus 1, 0 for none; uvarint: how many numbers after the source's;
//	               uint16: bits, of the values that follow: valueExpect, valueArrival, others are of a later
//	               format; with valueExpect a uvarint, milliseconds; geo.Position.AppendWire
//	entryDelete    the vehicle's id
//	entryExpire    int64: fleet.lastSeen; the vehicle's id
//	entrySetting   uint8: Setting; uvarint: its value; uint8: 1: only if it was never set, 0: in any case
//	entryKey       uvarint: source, as of a position; uvarint: RequestPart.N; uint8: 1: its last part, 0: not;
//	               uint8: how many positions follow as its own; Key.ID; Key.Body; RequestPart.Note
//	entryTick      uvarint: the rules that the hub speaks, 1; uint64: the seq of its newest checkpoint,
//	               0: none; uint64: its digest there
//	entryFence     uint8: 1, the fence is put, or 2, it is deleted; uint8: matchKind; uvarint: its version;
//	               the maker's name, a text; uint8: 1, the maker is limited, or 0; uvarint: how many topics it
//	               may read, and these, texts; the fence's id, a text; the time zone of its schedule, a text;
//	               its Feature
//	entryTimer     uint8: dueKind; uvarint: the fence's version; int64: when it is due, Unix nanoseconds; the
//	               fence's id, a text; the vehicle's id
//
// The other kinds are reserved. A hub applies none that it does not know, and nothing after it.
const (
	messageFormat     = 1
	messageCompressed = 1 << 0
	messageHead       = 1 + 1 + 8 + 8 + 8 + 8
	maxEntries        = 256
	maxSources        = 127     // so that its index is one byte
	compressFrom      = 1 << 10 // bytes after the head
)

type entryKind uint8

const (
	entryPosition entryKind = iota + 1
	entryDelete
	entryExpire
	entrySetting
	entryTick
	entryKey
	entryFence
	entryAlarm // reserved
	entryTimer
	entryRules // reserved
	entryEpoch // reserved
)

const entryRulesSpoken = 1

// What a position may have, beside what is in its Feature.
const (
	valueExpect  = 1 << 3 // ExpectWithin
	valueArrival = 1 << 5 // Arrival
)

// errMessage is the reason for bytes that are no message of format 1.
var errMessage = errors.New("stream: a message of the journal is damaged")

// messageInfo is the head of a message.
type messageInfo struct {
	session, n uint64
	arrived    int64
	seen       uint64
}

// messageWriter makes messages. It uses its memory again.
type messageWriter struct{ body, compressed []byte }

// append appends a message of so many entries, as appendEntry made them.
func (w *messageWriter) append(
	dst []byte, m messageInfo, sources []Source, count int, entries []byte,
) []byte {
	body := binary.AppendUvarint(w.body[:0], uint64(len(sources)))
	for _, s := range sources {
		body = geo.AppendText(geo.AppendText(body, s.Publisher), s.Name)
		body = binary.LittleEndian.AppendUint64(body, s.Seq)
	}
	body = append(binary.AppendUvarint(body, uint64(count)), entries...)
	flags := byte(0)
	w.body = body
	if len(body) >= compressFrom {
		flags, body = messageCompressed, s2.Encode(w.compressed[:cap(w.compressed)], body)
		w.compressed = body
	}
	dst = append(dst, messageFormat, flags)
	dst = binary.LittleEndian.AppendUint64(dst, m.session)
	dst = binary.LittleEndian.AppendUint64(dst, m.n)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.arrived))
	dst = binary.LittleEndian.AppendUint64(dst, m.seen)
	return append(dst, body...)
}

// renumberMessage gives a message another place in another session.
func renumberMessage(message []byte, session, n uint64) {
	binary.LittleEndian.PutUint64(message[2:], session)
	binary.LittleEndian.PutUint64(message[10:], n)
}

// readMessage reads the head of a message. entries are its entries, for cutEntry: they are in the memory of
// the message, or in that of scratch, which is used again and grows. So are the texts of its sources.
func readMessage(
	message []byte, scratch *[]byte,
) (m messageInfo, sources []Source, count int, entries []byte, err error) {
	if len(message) > 0 && message[0] != messageFormat {
		return m, nil, 0, nil, fmt.Errorf("stream: a message of the journal has format %d, and this hub knows "+
			"format %d: %w", message[0], messageFormat, ErrNewer)
	}
	if len(message) < messageHead {
		return m, nil, 0, nil, errMessage
	}
	if message[1]&^messageCompressed != 0 {
		return m, nil, 0, nil, fmt.Errorf("stream: a message of the journal has the flags %b: %w", message[1],
			ErrNewer)
	}
	m = messageInfo{
		session: binary.LittleEndian.Uint64(message[2:]),
		n:       binary.LittleEndian.Uint64(message[10:]),
		arrived: int64(binary.LittleEndian.Uint64(message[18:])),
		seen:    binary.LittleEndian.Uint64(message[26:]),
	}
	body := message[messageHead:]
	if message[1]&messageCompressed != 0 {
		if body, err = s2.Decode(*scratch, body); err != nil {
			return m, nil, 0, nil, errMessage
		}
		*scratch = body
	}
	if sources, body, err = readSources(body); err != nil {
		return m, nil, 0, nil, err
	}
	n, size := binary.Uvarint(body)
	if size <= 0 || n > maxEntries {
		return m, nil, 0, nil, errMessage
	}
	return m, sources, int(n), body[size:], nil
}

// readSources reads the sources at the front of body.
func readSources(body []byte) (sources []Source, rest []byte, err error) {
	count, size := binary.Uvarint(body)
	if size <= 0 || count > maxSources {
		return nil, nil, errMessage
	}
	for body = body[size:]; count > 0; count-- {
		var s Source
		var whole bool
		if s.Publisher, body, whole = geo.CutText(body); !whole {
			return nil, nil, errMessage
		}
		if s.Name, body, whole = geo.CutText(body); !whole || len(body) < 8 {
			return nil, nil, errMessage
		}
		s.Seq = binary.LittleEndian.Uint64(body)
		sources, body = append(sources, s), body[8:]
	}
	return sources, body, nil
}

// entry is what one entry of a message asks for. Its texts share the memory of the message.
type entry struct {
	kind       entryKind
	source     uint64       // entryPosition, entryKey: index in the message's sources plus 1; 0: none
	item       uint64       // entryPosition: its number is that of the source plus this
	position   geo.Position // entryPosition
	vehicle    string       // entryDelete, entryExpire; entryPosition: that of position
	heard      int64        // entryExpire
	setting    Setting      // entrySetting
	value      int64        // entrySetting
	ifUnset    bool         // entrySetting
	checkpoint checkpoint   // entryTick
	key        Key          // entryKey
	part       int          // entryKey: RequestPart.N
	last       bool         // entryKey: RequestPart.Last
	count      int          // entryKey: positions that follow as its own
	note       []byte       // entryKey
	fence      *fenceEntry  // entryFence
	timer      *timerEntry  // entryTimer

	arrival      bool          // entryPosition: for position
	expectWithin time.Duration // likewise
}

// cutEntry reads the first entry into e and returns the others.
func cutEntry(entries []byte, e *entry) (rest []byte, err error) {
	if len(entries) == 0 {
		return nil, errMessage
	}
	kind, entries := entryKind(entries[0]), entries[1:]
	n, size := binary.Uvarint(entries)
	if size <= 0 || n > uint64(len(entries)-size) {
		return nil, errMessage
	}
	body, rest := entries[size:size+int(n)], entries[size+int(n):]
	*e = entry{kind: kind, position: geo.Position{Topics: e.position.Topics}} // its memory is used again
	switch kind {
	case entryPosition:
		if body, err = e.readPositionHead(body); err == nil {
			err = e.position.ReadWire(body)
			e.position.Arrival, e.position.ExpectWithin = e.arrival, e.expectWithin
		}
		e.vehicle = e.position.VehicleID
	case entryDelete:
		e.vehicle = string(body)
	case entryExpire:
		if len(body) < 8 {
			return nil, errMessage
		}
		e.heard, e.vehicle = int64(binary.LittleEndian.Uint64(body)), string(body[8:])
	case entrySetting:
		if err := readSettingBody(body, e); err != nil {
			return nil, err
		}
	case entryKey:
		err = readKeyBody(body, e)
	case entryTick:
		_, size := binary.Uvarint(body)
		if size <= 0 || size != len(body)-16 {
			return nil, errMessage
		}
		body = body[size:]
		e.checkpoint = checkpoint{binary.LittleEndian.Uint64(body), binary.LittleEndian.Uint64(body[8:])}
	case entryFence:
		e.fence, err = readFenceBody(body)
	case entryTimer:
		e.timer, err = readTimerBody(body)
	default:
		return nil, fmt.Errorf("stream: an entry of the journal is of kind %d, which this hub does not know: %w",
			kind, ErrNewer)
	}
	switch {
	case errors.Is(err, ErrNewer):
		return nil, err
	case err != nil:
		return nil, errMessage
	}
	return rest, nil
}

// readPositionHead reads what precedes the position itself.
func (e *entry) readPositionHead(body []byte) (rest []byte, err error) {
	for _, value := range []*uint64{&e.source, &e.item} {
		var size int
		if *value, size = binary.Uvarint(body); size <= 0 {
			return nil, errMessage
		}
		body = body[size:]
	}
	if len(body) < 2 {
		return nil, errMessage
	}
	values, body := binary.LittleEndian.Uint16(body), body[2:]
	if values&^(valueExpect|valueArrival) != 0 {
		return nil, fmt.Errorf("stream: a position of the journal has values that this hub does not know: %w",
			ErrNewer)
	}
	e.arrival, e.expectWithin = values&valueArrival != 0, 0
	if values&valueExpect != 0 {
		milliseconds, size := binary.Uvarint(body)
		if size <= 0 || milliseconds > uint64(24*time.Hour/time.Millisecond) {
			return nil, errMessage
		}
		e.expectWithin, body = time.Duration(milliseconds)*time.Millisecond, body[size:]
	}
	return body, nil
}

// appendEntry appends an entry. What else it says than its kind is for its body to append.
func appendEntry(dst []byte, kind entryKind, body []byte) []byte {
	dst = append(dst, byte(kind))
	return append(binary.AppendUvarint(dst, uint64(len(body))), body...)
}

// entryHead returns how many bytes of an entry precede a body of a size.
func entryHead(size int) int { return len(binary.AppendUvarint([]byte{0}, uint64(size))) }

// appendPositionBody leaves the source to addSource.
func appendPositionBody(dst []byte, item int, p *geo.Position) []byte {
	dst = binary.AppendUvarint(append(dst, 0), uint64(item))
	values := uint16(0)
	if p.Arrival {
		values |= valueArrival
	}
	if p.ExpectWithin > 0 {
		values |= valueExpect
	}
	dst = binary.LittleEndian.AppendUint16(dst, values)
	if p.ExpectWithin > 0 {
		dst = binary.AppendUvarint(dst, uint64(p.ExpectWithin/time.Millisecond))
	}
	return p.AppendWire(dst)
}

func appendExpireBody(dst []byte, heard int64, vehicleID string) []byte {
	return append(binary.LittleEndian.AppendUint64(dst, uint64(heard)), vehicleID...)
}
