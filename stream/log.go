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
	minSegmentSize = 64 << 10  // with a small history; far above the largest event
	recordSize     = int(unsafe.Sizeof(record{}))
	seqSize        = 8 * 2 // bytes of an index entry, with the slack of a growing slice
)

// number is the place of an event in the order of all events of an epoch. Numbers rise, with holes:
// not every number names an event. Readers hold numbers, as part of an [ID].
//
// A seq is the place of an event in the log of this process. Seqs have no holes, so that an index
// finds its events without a search.
type number uint64

// eventKind is what an event says about its vehicle.
type eventKind uint8

const (
	kindPosition eventKind = iota // its newest position
	kindLate                      // an older position
	kindGone                      // that it is gone
	// kindMoved is its newest position again, since a timer changed which fences it is in. It is for those
	// whose scope it came into; those whose scope it left get `gone`.
	kindMoved
	kindFence     // what happened at a fence; before and after have its topic alone
	kindFenceMade // a fence was made; the vehicle is fence.nobody
	kindFenceOver // a fence was changed or has ended, and nobody is inside; likewise
)

// isPlain reports whether all who read everything get the event as it stands in the log.
func (k eventKind) isPlain() bool { return k < kindMoved }

// ofFence reports whether the event is one of a fence.
func (k eventKind) ofFence() bool { return k >= kindFence }

// isState reports whether the event says what is known of its vehicle from then on. Readers of
// newest positions get such events alone.
func (k eventKind) isState() bool { return k == kindPosition || k == kindGone || k == kindMoved }

// hasFeature reports whether the data is a Feature; a track is made of these.
func (k eventKind) hasFeature() bool { return k == kindPosition || k == kindLate }

// topicSet is the topics that a publisher gave a vehicle, and then those of the fences that it is in, by id.
// It is immutable: a vehicle that changes topics gets another set.
type topicSet []*topic

var noTopics = &topicSet{}

// published returns the topics that publishers name. Those of fences follow them.
func (s topicSet) published() topicSet {
	n := len(s)
	for n > 0 && s[n-1].fence != nil {
		n--
	}
	return s[:n]
}

func (s topicSet) hasIndex(index *seqIndex) bool {
	return slices.ContainsFunc(s, func(t *topic) bool { return t.index == index })
}

// place is where a vehicle is: on the map and in which topics. The zero value is nowhere: the
// vehicle is unknown or gone.
type place struct {
	topics *topicSet
	point  geo.Point
}

func (p place) nowhere() bool { return p.topics == nil }

// record is what the hub knows about an event besides its bytes. A late event is indexed where its
// vehicle is, not where it was: before and after are equal.
type record struct {
	number        number
	end           uint32 // of the event's bytes in the segment; they begin where those before end
	kind          eventKind
	dataAt        uint8 // see frame
	idSize        uint8 // see frame
	vehicle       *vehicle
	before, after place
	published     int64 // on the hub's monotonic clock, nanoseconds
}

// segment holds some hundreds of consecutive events. Its bytes and records are append-only. A
// reader may keep a slice of them for as long as it likes, without a lock.
type segment struct {
	first   uint64 // seq of records[0]
	start   uint64 // bytes of all events before this segment
	bytes   []byte
	records []record
	extra   int // bytes of its events in indexes
	special int // how many of its events are not for all who read everything: see eventKind.isPlain
}

func (s *segment) next() uint64 { return s.first + uint64(len(s.records)) }

func (s *segment) size() int { return cap(s.bytes) + cap(s.records)*recordSize + s.extra }

// off returns where the bytes of records[i] begin.
func (s *segment) off(i uint64) uint32 {
	if i == 0 {
		return 0
	}
	return s.records[i-1].end
}

// event returns the event of records[i].
func (s *segment) event(i uint64) frame {
	r := &s.records[i]
	return frame{s.bytes[s.off(i):r.end:r.end], r.dataAt, r.idSize}
}

// eventLog is the newest events in the order of seq, as many as fit into limit bytes. Hub.mu guards
// it.
type eventLog struct {
	segments    []*segment // never empty
	limit       int        // bytes, of all segments with their records and index entries
	size        int        // bytes in use
	segmentSize int
	special     int // of all segments

	newest  number // of the newest event, also when it has left the log; 0: there was none
	dropped number // of the newest event that has left the log; 0: none has
}

// newLog returns an empty log whose first event will have the seq first.
func newLog(limit int, first uint64) *eventLog {
	l := &eventLog{limit: limit, segmentSize: max(minSegmentSize, min(segmentSize, limit/16))}
	l.open(&segment{first: first})
	return l
}

// open adds a segment after last, with room for as many records as last turned out to need.
func (l *eventLog) open(last *segment) {
	records := l.segmentSize / 256
	if len(last.bytes) > 0 {
		needed, bytes := float64(len(last.records)), float64(len(last.bytes))
		records = int(math.Ceil(1.05 * needed * float64(l.segmentSize) / bytes))
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

// first returns the seq of the oldest event in the log, head that of the newest. In an empty log
// first is head + 1.
func (l *eventLog) first() uint64 { return l.segments[0].first }
func (l *eventLog) head() uint64  { return l.last().next() - 1 }

// total returns the bytes of all events since the log began.
func (l *eventLog) total() uint64 { return l.last().start + uint64(len(l.last().bytes)) }

// append appends an event as seq head+1 and returns its bytes in the log. Its number is above newest.
// indexed is the number of indexes that hold it.
func (l *eventLog) append(event frame, r record, indexed int) []byte {
	s := l.last()
	if len(s.bytes)+len(event.text) > cap(s.bytes) || len(s.records) == cap(s.records) {
		l.open(s)
		s = l.last()
	}
	s.bytes = append(s.bytes, event.text...)
	r.end, r.dataAt, r.idSize = uint32(len(s.bytes)), event.dataAt, event.idSize
	s.records = append(s.records, r)
	if !r.kind.isPlain() {
		s.special, l.special = s.special+1, l.special+1
	}
	l.newest = max(l.newest, r.number) // a loaded state is older
	s.extra += indexed * seqSize
	l.size += indexed * seqSize
	return s.event(uint64(len(s.records) - 1)).text
}

// drop removes and returns the oldest segment while the log is over its limit, with the bytes beside it
// of what it alone keeps; nil when it is not.
func (l *eventLog) drop(beside int) *segment {
	if l.size+beside <= l.limit || len(l.segments) == 1 {
		return nil
	}
	s := l.segments[0]
	l.segments = slices.Delete(l.segments, 0, 1)
	l.size, l.special = l.size-s.size(), l.special-s.special
	l.dropped = max(l.dropped, s.records[len(s.records)-1].number) // a loaded state is older
	return s
}

// upTo returns the seq of the newest event in the log whose number is at most n. It returns
// first - 1 when there is none.
func (l *eventLog) upTo(n number) uint64 {
	i := sort.Search(len(l.segments), func(i int) bool {
		records := l.segments[i].records
		return len(records) == 0 || records[0].number > n
	})
	if i == 0 {
		return l.first() - 1
	}
	s := l.segments[i-1]
	// Without holes, the event is found at once.
	if i := n - s.records[0].number; i < number(len(s.records)) && s.records[i].number == n {
		return s.first + uint64(i)
	}
	after := sort.Search(len(s.records), func(i int) bool { return s.records[i].number > n })
	return s.first + uint64(after) - 1
}

// find returns the segment that holds seq, which must be in the log.
func (l *eventLog) find(seq uint64) *segment {
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > seq })
	return l.segments[i-1]
}

func (l *eventLog) holds(seq uint64) bool { return seq >= l.first() && seq <= l.head() }

// at returns the record and the bytes of seq, which must be in the log.
func (l *eventLog) at(seq uint64) (*record, frame) {
	s := l.find(seq)
	return &s.records[seq-s.first], s.event(seq - s.first)
}

// distance returns the bytes of all events from seq on. seq is in the log, or the next.
func (l *eventLog) distance(seq uint64) uint64 {
	if seq > l.head() {
		return 0
	}
	s := l.find(seq)
	return l.total() - s.start - uint64(s.off(seq-s.first))
}

// run returns the bytes and the number of consecutive events from seq up to the event to, all from one
// segment. They are at most limit bytes, but at least one event.
func (l *eventLog) run(seq uint64, limit int, to uint64) (events []byte, n int) {
	s := l.find(seq)
	records := s.records[seq-s.first : min(s.next(), to+1)-s.first]
	off := s.off(seq - s.first)
	n = sort.Search(len(records), func(i int) bool { return int(records[i].end-off) > limit })
	n = max(n, 1)
	return s.bytes[off:records[n-1].end:records[n-1].end], n
}

// seqIndex is an index: the events of one topic or vehicle in the log, in rising order.
type seqIndex struct {
	list    []uint64 // seqs
	dropped number   // of the newest event that left with its segment
}

func (s *seqIndex) add(seq uint64) { s.list = append(s.list, seq) }

// trim removes the events of a segment, the oldest of the log.
func (s *seqIndex) trim(oldest *segment) {
	n := 0
	for n < len(s.list) && s.list[n] < oldest.next() {
		n++
	}
	if n == 0 {
		return
	}
	s.dropped = max(s.dropped, oldest.records[s.list[n-1]-oldest.first].number)
	switch left := s.list[n:]; {
	case len(left) == 0 && cap(s.list) > fewSeqs:
		s.list = nil
	case len(left) <= fewSeqs:
		s.list = append(s.list[:0], left...)
	default:
		s.list = left
	}
}

// fewSeqs: an index of up to so many entries is moved to the front of its memory after a trim. That
// makes room for the next entries. A longer one is reallocated as it grows, and frees its memory
// then.
const fewSeqs = 4

// from returns the events from seq on.
func (s *seqIndex) from(seq uint64) []uint64 {
	i, _ := slices.BinarySearch(s.list, seq)
	return s.list[i:]
}
