package geo

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
	"unsafe"
)

// noTime stands for the zero [Position.Time]. No time of a position is as early.
const noTime = math.MinInt64

// ErrWire is the error of [ReadWire].
var ErrWire = errors.New("geo: bytes that are no position")

// AppendWire appends the position in a binary form, for [ReadWire]: without its hints.
//
//	time      int64, Unix nanoseconds; -2^63: none
//	point     2 float64: longitude, latitude
//	topics    uint8: their count plus 1, 0 for nil; then each a text
//	vehicle   text
//	Feature   text, up to and including `"timestamp":`
//
// Numbers are little-endian. A text is its length as a uvarint (package encoding/binary) and its bytes.
func (p *Position) AppendWire(dst []byte) []byte {
	at := int64(noTime)
	if !p.Time.IsZero() {
		at = p.Time.UnixNano()
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(p.Point[0]))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(p.Point[1]))
	if p.Topics == nil {
		dst = append(dst, 0)
	} else {
		dst = append(dst, byte(len(p.Topics)+1))
	}
	for _, t := range p.Topics {
		dst = AppendText(dst, t)
	}
	return AppendText(AppendText(dst, p.VehicleID), p.head)
}

// ReadWire reads what [Position.AppendWire] appended, and nothing after it, into p. It checks that the bytes
// are whole, not what a position may be. The position shares the memory of b, and uses that of p.Topics.
func (p *Position) ReadWire(b []byte) error {
	const fixed = 8 + 8 + 8 + 1
	if len(b) < fixed {
		return ErrWire
	}
	room := p.Topics[:0]
	*p = Position{}
	if at := int64(binary.LittleEndian.Uint64(b)); at != noTime {
		p.Time = time.Unix(0, at)
	}
	p.Point[0] = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
	p.Point[1] = math.Float64frombits(binary.LittleEndian.Uint64(b[16:]))
	topics, b, whole := int(b[24])-1, b[fixed:], true
	if topics > MaxTopics {
		return ErrWire
	}
	switch {
	case topics > cap(room) || topics == 0 && room == nil:
		p.Topics = make([]string, topics)
	case topics >= 0:
		p.Topics = room[:topics]
	}
	for i := range p.Topics {
		if p.Topics[i], b, whole = CutText(b); !whole {
			return ErrWire
		}
	}
	if p.VehicleID, b, whole = CutText(b); !whole {
		return ErrWire
	}
	if p.head, b, whole = CutText(b); !whole || len(b) > 0 {
		return ErrWire
	}
	return nil
}

// AppendText appends a text after its length, a uvarint.
func AppendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// CutText cuts a text that [AppendText] wrote off the front of b, and shares its memory. whole is false if b
// ends before the text does.
func CutText(b []byte) (s string, rest []byte, whole bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	b = b[size:]
	return unsafe.String(unsafe.SliceData(b), n), b[n:], true
}

// WireSize returns about how many bytes [Position.AppendWire] appends: the same at each call.
func (p *Position) WireSize() int {
	size := 32 + len(p.VehicleID) + len(p.head)
	for _, t := range p.Topics {
		size += 2 + len(t)
	}
	return size
}
