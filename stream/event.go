package stream

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"livemap/geo"
)

// maxIDLength is the longest text, in bytes, that is parsed as an event id.
const maxIDLength = 64

// ID names an event. Epoch names one life of the log: [New] chooses it at random. Number is the place
// of the event in that life: of two ids with one epoch, the higher Number is the newer event. Numbers
// may have holes.
type ID struct {
	Epoch  string
	Number uint64
}

// ParseID reads `<epoch>-<number>`, the form of an id on the wire. It returns false for any other
// text, and for one of more than 64 bytes.
func ParseID(s string) (ID, bool) {
	epoch, digits, found := strings.Cut(s, "-")
	if !found || epoch == "" || len(s) > maxIDLength {
		return ID{}, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return ID{epoch, n}, err == nil && strconv.FormatUint(n, 10) == digits
}

// String returns the id as on the wire: at most 40 bytes of [0-9a-z-]. With these characters a
// Last-Event-ID header never causes a CORS preflight.
func (id ID) String() string { return id.Epoch + "-" + strconv.FormatUint(id.Number, 10) }

// NewEpoch returns a random name for one life of the log, of at most 13 bytes of [0-9a-z].
func NewEpoch() string {
	var random [8]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return strconv.FormatUint(binary.BigEndian.Uint64(random[:]), 36)
}

// GoneReason says why a subscriber removes a vehicle's marker. It is the `reason` of a `gone`
// event.
type GoneReason string

const (
	Left    GoneReason = "left"    // the vehicle left the stream's topics or box
	Expired GoneReason = "expired" // the vehicle was silent for VehicleTTL, or made room for another
	Deleted GoneReason = "deleted" // [Hub.Delete] was called
)

// frame is an event in its wire form, a server-sent event: its name, if it has one, its data, and its
// id. The id comes last. Some clients remember an id as soon as they read it, and would skip an event
// that was cut behind it. The data is one line of JSON: a Feature, or the object of a `gone` event.
type frame struct {
	text   []byte
	dataAt uint8 // offset of the data in text: at most 20, with the longest name
	idSize uint8 // bytes after the data: at most 41, with the longest id
}

// feature returns the Feature of a position or late event.
func (f frame) feature() []byte { return f.text[f.dataAt : len(f.text)-int(f.idSize)] }

// appendWithoutID appends the event without its id, so that the reader keeps its last one.
func (f frame) appendWithoutID(dst []byte) []byte {
	dst = append(dst, f.text[:len(f.text)-int(f.idSize)]...)
	return append(dst, "\n\n"...)
}

// appendName appends what precedes the data of an event. name "" makes an unnamed event.
func appendName(dst []byte, name string) []byte {
	if name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, name...)
		dst = append(dst, '\n')
	}
	return append(dst, "data: "...)
}

// appendID appends what follows the data of event n.
func appendID(dst []byte, epoch string, n number) []byte {
	dst = append(dst, "\nid: "...)
	dst = append(dst, epoch...)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, uint64(n), 10)
	return append(dst, "\n\n"...)
}

// framePosition encodes an unnamed event, a vehicle's newest position. It reuses the memory of buf.
func framePosition(buf []byte, epoch string, n number, p *geo.Position, at time.Time) frame {
	head := appendName(buf[:0], "")
	return endFrame(p.AppendFeature(head, at), len(head), epoch, n)
}

// frameLate encodes a `late` event, an older position of a vehicle. It reuses the memory of buf.
func frameLate(buf []byte, epoch string, n number, p *geo.Position, at time.Time) frame {
	head := appendName(buf[:0], "late")
	return endFrame(p.AppendFeature(head, at), len(head), epoch, n)
}

// withStaleAfter gives the Feature of a frame, which has none, a `stale_after_s`; 0: none. It reuses the
// memory of the frame.
func (f frame) withStaleAfter(staleAfter int) frame {
	if staleAfter > 0 {
		f.text = geo.AddStaleAfter(f.text, int(f.idSize), staleAfter)
	}
	return f
}

// frameGone encodes a `gone` event. It reuses the memory of buf.
func frameGone(buf []byte, epoch string, n number, vehicleID string, reason GoneReason) frame {
	head := appendName(buf[:0], "gone")
	return endFrame(appendGoneData(head, vehicleID, reason), len(head), epoch, n)
}

// endFrame adds the id of event n to a text whose data begins at dataAt.
func endFrame(text []byte, dataAt int, epoch string, n number) frame {
	whole := appendID(text, epoch, n)
	return frame{whole, uint8(dataAt), uint8(len(whole) - len(text))}
}

// appendGone appends a `gone` event.
func appendGone(dst []byte, epoch string, n number, vehicleID string, reason GoneReason) []byte {
	return appendID(appendGoneData(appendName(dst, "gone"), vehicleID, reason), epoch, n)
}

func appendGoneData(dst []byte, vehicleID string, reason GoneReason) []byte {
	dst = append(dst, `{"vehicle_id":`...)
	dst = geo.AppendString(dst, vehicleID)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, reason...)
	return append(dst, `"}`...)
}

// appendControl appends an event of the hub's own: reset, live, ping or bye. data is one line. id may be
// "".
func appendControl(dst []byte, name, id, data string) []byte {
	dst = append(appendName(dst, name), data...)
	if id != "" {
		dst = append(dst, "\nid: "...)
		dst = append(dst, id...)
	}
	return append(dst, "\n\n"...)
}

// appendGreeting appends what every stream begins with, at the time of day at: a `ping` with the id that
// the client came with, which puts first bytes on the wire at once. `retry` says when the client
// reconnects after the stream ends.
//
// WebKit keeps a part of an event when a connection is cut, and adds the lines of the next connection to
// it. What comes of that must be a `ping` after which the client still has its id.
func appendGreeting(
	dst []byte, retry time.Duration, lastEventID string, at time.Time, quietFrom int64,
) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, retry.Milliseconds(), 10)
	dst = append(dst, "\nevent: ping"...)
	if isWireID(lastEventID) {
		dst = append(dst, "\nid: "...)
		dst = append(dst, lastEventID...)
	}
	dst = append(dst, "\ndata: {"...)
	return append(appendClock(dst, at, quietFrom), "\n\n"...)
}

// isWireID reports whether a text has the form of the ids of a hub, this or another: 1 to 40 bytes of
// [0-9a-z-].
func isWireID(text string) bool {
	const longest = 40
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return text != "" && len(text) <= longest
}

// appendClock appends the last members of a `ping` or `live`, and the bracket: the time of day at, and
// quiet_from, if it is not 0: see quiet.
func appendClock(dst []byte, at time.Time, quietFrom int64) []byte {
	dst = appendWireTime(append(dst, `"time":`...), at)
	if quietFrom != 0 {
		dst = appendWireTime(append(dst, `,"quiet_from":`...), time.Unix(0, quietFrom))
	}
	return append(dst, '}')
}

// appendWireTime appends a time of day as on the wire: Unix seconds, to the millisecond.
func appendWireTime(dst []byte, at time.Time) []byte {
	return geo.AppendTime(dst, at.Truncate(time.Millisecond))
}

// appendBye appends the last event of a stream that the hub ends.
func appendBye(dst []byte, why Reason) []byte {
	return appendControl(dst, "bye", "", fmt.Sprintf(`{"reason":%q}`, why))
}

// TurnedAway returns a whole stream for a client that finds no room. It ends with `bye` and asks
// the client to come back after retry. A browser's EventSource gives up on an error status, but
// comes back after a stream. lastEventID is as in [Query].
func (h *Hub) TurnedAway(lastEventID string, retry time.Duration) []byte {
	return appendBye(appendGreeting(nil, retry, lastEventID, h.config.Clock(), h.quietFrom.Load()), TooMany)
}
