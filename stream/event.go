package stream

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"

	"livemap/geo"
)

// maxIDLength is the longest text, in bytes, that is parsed as an event id.
const maxIDLength = 64

// ID names an event. Epoch names one life of the log: [New] chooses it at random. Seq rises by one
// with every event of that life, so of two ids with one epoch the higher Seq is the newer event.
type ID struct {
	Epoch string
	Seq   uint64
}

// ParseID reads `<epoch>-<seq>`, the form of an id on the wire. It returns false for any other
// text, and for one of more than 64 bytes.
func ParseID(s string) (ID, bool) {
	epoch, seq, found := strings.Cut(s, "-")
	if !found || epoch == "" || len(s) > maxIDLength {
		return ID{}, false
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	return ID{epoch, n}, err == nil && strconv.FormatUint(n, 10) == seq
}

// String returns the id as on the wire: at most 40 bytes of [0-9a-z-]. With these characters a
// Last-Event-ID header never causes a CORS preflight.
func (id ID) String() string { return id.Epoch + "-" + strconv.FormatUint(id.Seq, 10) }

// newEpoch returns a random name for one life of the log.
func newEpoch() string {
	var random [8]byte
	rand.Read(random[:]) // never fails: see crypto/rand
	return strconv.FormatUint(binary.BigEndian.Uint64(random[:]), 36)
}

// GoneReason says why a subscriber removes a vehicle's marker. It is the `reason` of a `gone`
// event.
type GoneReason string

const (
	Left    GoneReason = "left"    // the vehicle left the stream's topics or box
	Expired GoneReason = "expired" // the vehicle was silent for Config.VehicleTTL, or made room for another
	Deleted GoneReason = "deleted" // [Hub.Delete] was called
)

// frame is an event in its wire form, a server-sent event. Its data is one line of JSON: a Feature,
// or the object of a `gone` event.
type frame struct {
	text   []byte
	dataAt uint8 // offset of the data in text: at most 57, with the longest id and name
}

// frameEnd follows the data of every event.
const frameEnd = "\n\n"

// feature returns the Feature of a position or late event.
func (f frame) feature() []byte { return f.text[f.dataAt : len(f.text)-len(frameEnd)] }

// appendHead appends what precedes the data of event seq. name "" makes an unnamed event.
func appendHead(dst []byte, epoch string, seq uint64, name string) []byte {
	dst = append(dst, "id: "...)
	dst = append(dst, epoch...)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, seq, 10)
	if name != "" {
		dst = append(dst, "\nevent: "...)
		dst = append(dst, name...)
	}
	return append(dst, "\ndata: "...)
}

// framePosition encodes an unnamed event, a vehicle's newest position. It reuses the memory of buf.
func framePosition(buf []byte, epoch string, seq uint64, p *geo.Position, at time.Time) frame {
	head := appendHead(buf[:0], epoch, seq, "")
	return frame{append(p.AppendFeature(head, at), frameEnd...), uint8(len(head))}
}

// frameLate encodes a `late` event, an older position of a vehicle. It reuses the memory of buf.
func frameLate(buf []byte, epoch string, seq uint64, p *geo.Position, at time.Time) frame {
	head := appendHead(buf[:0], epoch, seq, "late")
	return frame{append(p.AppendFeature(head, at), frameEnd...), uint8(len(head))}
}

// frameGone encodes a `gone` event. It reuses the memory of buf.
func frameGone(buf []byte, epoch string, seq uint64, vehicleID string, reason GoneReason) frame {
	head := appendHead(buf[:0], epoch, seq, "gone")
	return frame{appendGoneData(head, vehicleID, reason), uint8(len(head))}
}

// appendGone appends a `gone` event.
func appendGone(dst []byte, epoch string, seq uint64, vehicleID string, reason GoneReason) []byte {
	return appendGoneData(appendHead(dst, epoch, seq, "gone"), vehicleID, reason)
}

func appendGoneData(dst []byte, vehicleID string, reason GoneReason) []byte {
	dst = append(dst, `{"vehicle_id":`...)
	dst = geo.AppendString(dst, vehicleID)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, reason...)
	return append(append(dst, `"}`...), frameEnd...)
}

// withoutID returns the event without its `id:` line, so that the reader keeps its last id.
func withoutID(event []byte) []byte { return event[bytes.IndexByte(event, '\n')+1:] }

// appendControl appends an event of the hub's own: reset, live, ping or bye. id may be "".
func appendControl(dst []byte, name, id, data string) []byte {
	message := sse.Message{Type: sse.Type(name)}
	if id != "" {
		message.ID = sse.ID(id)
	}
	message.AppendData(data)
	text, err := message.MarshalText()
	if err != nil {
		panic("stream: " + err.Error()) // unreachable: name, id and data are made here
	}
	return append(dst, text...)
}

// appendGreeting appends what every stream begins with. The comment puts first bytes on the wire at
// once. `retry` says when the client reconnects after the stream ends.
func appendGreeting(dst []byte, retry time.Duration) []byte {
	message := sse.Message{Retry: retry}
	message.AppendComment("livemap")
	text, err := message.MarshalText()
	if err != nil {
		panic("stream: " + err.Error())
	}
	return append(dst, text...)
}

// appendBye appends the last event of a stream that the hub ends.
func appendBye(dst []byte, why Reason) []byte {
	return appendControl(dst, "bye", "", fmt.Sprintf(`{"reason":%q}`, why))
}

// TurnedAway returns a whole stream for a client that finds no room. It ends with `bye` and asks
// the client to come back after retry. A browser's EventSource gives up on an error status, but
// comes back after a stream.
func TurnedAway(retry time.Duration) []byte {
	return appendBye(appendGreeting(nil, retry), TooMany)
}

// appendHeartbeat appends a comment, which keeps proxies from closing the connection, and an id
// without data. A browser stores such an id and dispatches no event (WHATWG HTML, 9.2.6), so the id
// of a quiet stream stays fresh.
func appendHeartbeat(dst []byte, id string) []byte {
	dst = append(dst, ":\n"...)
	if id != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}
