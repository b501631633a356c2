package stream

import (
	"math"
	"slices"
	"sort"
	"unsafe"

	"livemap/geo"
)

const (
	segmentSize    = 256 << 10 // bytes of encoded events in a segment
	minSegmentSize = 64 << 10  // with a small history; well over the largest event
	recordSize     = int(unsafe.Sizeof(record{}))
	seqSize        = 8 * 2 // an index entry, with the slack that growing slices have
)

// eventKind tells what an event says of its vehicle.
type eventKind uint8

const (
	kindPosition eventKind = iota // where it is now
	kindLate                      // where it was at a time before
	kindGone                      // that it went
)

// topicSet is the topics a vehicle is in, besides its own and the whole
// fleet's. It never changes: a vehicle that changes topics gets another set.
type topicSet []*topic

var noTopics = &topicSet{}

// place is where a vehicle is: on the map, and in which topics. The zero value
// is nowhere: not known, or gone.
type place struct {
	topics *topicSet
	point  geo.Point
}

func (p place) nowhere() bool { return p.topics == nil }

// record is what the hub knows of an event beside its bytes. A late event is
// filed where its vehicle is, not where it was: before and after are the same.
type record struct {
	off, end      uint32 // of the event's bytes in the segment
	kind          eventKind
	dataAt        uint8 // as in frame
	vehicle       *vehicle
	before, after place
	published     int64 // hub's monotonic clock, nanoseconds
}

// segment holds some hundreds of consecutive events. Bytes and records are
// appended and never changed, so that a reader may keep a slice of them as long
// as it likes, without a lock.
type segment struct {
	first   uint64 // seq of records[0]
	start   uint64 // bytes of all events before this segment
	bytes   []byte
	records []record
	extra   int // bytes that its events take in indexes
}

func (s *segment) next() uint64 { return s.first + uint64(len(s.records)) }

func (s *segment) size() int { return cap(s.bytes) + cap(s.records)*recordSize + s.extra }

func (s *segment) event(r *record) frame { return frame{s.bytes[r.off:r.end:r.end], r.dataAt} }

// eventLog is the events of the hub in order of seq, as far back as limit
// bytes go. Hub.mu guards it.
type eventLog struct {
	segments    []*segment // never empty
	limit       int        // bytes, of all segments with their records and index entries
	size        int        // bytes in use
	segmentSize int
}

// newLog makes a log whose first event will be seq first.
func newLog(limit int, first uint64) *eventLog {
	l := &eventLog{limit: limit, segmentSize: max(minSegmentSize, min(segmentSize, limit/16))}
	l.open(&segment{first: first})
	return l
}

// open begins a new segment after last, with room for as many records as last
// turned out to need.
func (l *eventLog) open(last *segment) {
	records := l.segmentSize / 256
	if len(last.bytes) > 0 {
		records = int(math.Ceil(1.05 * float64(len(last.records)) * float64(l.segmentSize) / float64(len(last.bytes))))
	}
	s := &segment{
		first:   last.next(),
		start:   last.start + uint64(len(last.bytes)),
		bytes:   make([]byte, 0, l.segmentSize),
		records: make([]record, 0, records),
	}
	l.segments = append(l.segments, s)
	l.size += s.size()
}

func (l *eventLog) last() *segment { return l.segments[len(l.segments)-1] }

// first is the seq of the oldest event the log holds, head that of the newest.
// An empty log has first = head + 1.
func (l *eventLog) first() uint64 { return l.segments[0].first }
func (l *eventLog) head() uint64  { return l.last().next() - 1 }

// total is the bytes of all events there ever were.
func (l *eventLog) total() uint64 { return l.last().start + uint64(len(l.last().bytes)) }

// append puts an event at the end, as seq head+1, and returns the bytes that
// the log holds of it from now on. indexed is in how many indexes it is filed.
func (l *eventLog) append(event frame, r record, indexed int) []byte {
	s := l.last()
	if len(s.bytes)+len(event.text) > cap(s.bytes) || len(s.records) == cap(s.records) {
		l.open(s)
		s = l.last()
	}
	r.off = uint32(len(s.bytes))
	s.bytes = append(s.bytes, event.text...)
	r.end, r.dataAt = uint32(len(s.bytes)), event.dataAt
	s.records = append(s.records, r)
	s.extra += indexed * seqSize
	l.size += indexed * seqSize
	return s.event(&r).text
}

// drop takes the oldest segment off while the log is over its limit, or
// returns nil.
func (l *eventLog) drop() *segment {
	if l.size <= l.limit || len(l.segments) == 1 {
		return nil
	}
	s := l.segments[0]
	l.segments = slices.Delete(l.segments, 0, 1)
	l.size -= s.size()
	return s
}

// find gives the segment that holds seq, which must be in the log.
func (l *eventLog) find(seq uint64) *segment {
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > seq })
	return l.segments[i-1]
}

func (l *eventLog) holds(seq uint64) bool { return seq >= l.first() && seq <= l.head() }

// at gives the record and bytes of seq, which must be in the log.
func (l *eventLog) at(seq uint64) (*record, frame) {
	s := l.find(seq)
	r := &s.records[seq-s.first]
	return r, s.event(r)
}

// distance is the bytes of all events from seq on; seq is in the log or next.
func (l *eventLog) distance(seq uint64) uint64 {
	if seq > l.head() {
		return 0
	}
	s := l.find(seq)
	return l.total() - s.start - uint64(s.records[seq-s.first].off)
}

// run gives the bytes of consecutive events from seq on, at most limit bytes
// (but one event at least) from one segment, and how many events they are.
func (l *eventLog) run(seq uint64, limit int) (events []byte, n int) {
	s := l.find(seq)
	records := s.records[seq-s.first:]
	off := records[0].off
	n = sort.Search(len(records), func(i int) bool { return int(records[i].end-off) > limit })
	n = max(n, 1)
	return s.bytes[off:records[n-1].end:records[n-1].end], n
}

// seqIndex is an index: the events of one topic or vehicle that the log holds, in
// rising order.
type seqIndex struct {
	list    []uint64
	dropped uint64 // the newest that left with its segment
}

func (s *seqIndex) add(seq uint64) { s.list = append(s.list, seq) }

// trim forgets the events up to and including seq.
func (s *seqIndex) trim(seq uint64) {
	n := 0
	for n < len(s.list) && s.list[n] <= seq {
		n++
	}
	if n == 0 {
		return
	}
	s.dropped = s.list[n-1]
	switch left := s.list[n:]; {
	case len(left) == 0 && cap(s.list) > fewSeqs:
		s.list = nil
	case len(left) <= fewSeqs:
		s.list = append(s.list[:0], left...)
	default:
		s.list = left
	}
}

// fewSeqs are moved to the front of their memory when others before them go, so
// that there is room for the next. Of many the memory is let go of in time.
const fewSeqs = 4

// from gives the events from seq on.
func (s *seqIndex) from(seq uint64) []uint64 {
	i, _ := slices.BinarySearch(s.list, seq)
	return s.list[i:]
}
