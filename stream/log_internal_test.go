package stream

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// logOf returns a log that begins with seq 11, number 1, and holds events of 1,000 bytes; 65 fill a segment.
func logOf(events, limit int) *eventLog {
	l := newLog(limit, 11)
	v := &vehicle{}
	for i := range events {
		l.append(frame{bytes.Repeat([]byte{byte(i)}, 1000), 7, 9}, record{number: l.newest + 1, vehicle: v}, 1)
	}
	return l
}

const perSegment = minSegmentSize / 1000

func TestLogGrowsBySegments(t *testing.T) {
	l := logOf(0, 1<<20)
	require.EqualValues(t, 11, l.first())
	require.EqualValues(t, 10, l.head())
	require.Zero(t, l.total())
	require.Zero(t, l.distance(11))
	require.False(t, l.holds(10) || l.holds(11))

	l = logOf(3*perSegment, 1<<20)
	require.Len(t, l.segments, 3)
	require.EqualValues(t, 10+3*perSegment, l.head())
	require.True(t, l.holds(11) && l.holds(l.head()))
	require.False(t, l.holds(10) || l.holds(l.head()+1))
	for seq := l.first(); seq <= l.head(); seq++ {
		_, event := l.at(seq)
		require.EqualValues(t, 7, event.dataAt)
		require.EqualValues(t, 9, event.idSize)
		require.Equal(t, byte(seq-11), event.text[0])
		require.Len(t, event.text, 1000)
		require.Equal(t, 1000, cap(event.text), "nobody can append to an event in place")
		require.Equal(t, 1000*(l.head()+1-seq), l.distance(seq))
	}
	require.EqualValues(t, 3000*perSegment, l.total())
	require.Zero(t, l.distance(l.head()+1))
}

// A number leads to the newest event up to it, with holes between numbers and without.
func TestLogUpTo(t *testing.T) {
	for _, gap := range []number{1, 2, 1000} {
		l := newLog(1<<20, 11)
		require.EqualValues(t, 10, l.upTo(0))
		require.EqualValues(t, 10, l.upTo(99))
		for range 3 * perSegment {
			l.append(frame{make([]byte, 1000), 7, 9}, record{number: l.newest + gap, vehicle: &vehicle{}}, 1)
		}
		for l.limit = 1; len(l.segments) > 1; {
			first, dropped := l.first(), l.dropped
			require.Equal(t, first-1, l.upTo(0))
			require.Equal(t, first-1, l.upTo(dropped))
			for seq := first; seq <= l.head(); seq++ {
				r, _ := l.at(seq)
				require.Equal(t, dropped+gap*number(seq-first+1), r.number)
				require.Equal(t, seq, l.upTo(r.number))
				require.Equal(t, seq, l.upTo(r.number+gap-1))
				require.Equal(t, seq-1, l.upTo(r.number-1))
			}
			require.Equal(t, l.head(), l.upTo(math.MaxUint64))
			require.NotNil(t, l.drop(0))
		}
	}
}

func TestLogRun(t *testing.T) {
	l := logOf(2*perSegment, 1<<20)
	for _, test := range []struct {
		seq   uint64
		limit int
		n     int
	}{
		{11, 1999, 1},
		{11, 2000, 2},
		{11, 2001, 2},
		{12, 5000, 5},
		{11, 999, 1}, // at least one
		{11, 0, 1},
		{11, 1 << 30, perSegment},
		{10 + perSegment, 1 << 30, 1},
		{11 + perSegment, 1 << 30, perSegment},
		{10 + 2*perSegment, 3000, 1},
	} {
		run, n := l.run(test.seq, test.limit, l.head())
		require.Equal(t, test.n, n, test)
		require.Len(t, run, n*1000)
		require.Equal(t, len(run), cap(run))
		for i := range n {
			require.Equal(t, byte(int(test.seq)-11+i), run[i*1000])
		}
	}
	for _, to := range []uint64{11, 12, 20, 10 + perSegment} {
		run, n := l.run(11, 1<<30, to)
		require.EqualValues(t, to-10, n)
		require.Len(t, run, n*1000)
	}
}

func TestLogDropsWhatIsOverItsLimit(t *testing.T) {
	l := logOf(3*perSegment, 1<<20)
	size := 0
	for _, s := range l.segments {
		size += s.size()
		require.Equal(t, perSegment*seqSize, s.extra)
	}
	require.Equal(t, size, l.size)
	l.limit = size
	require.Nil(t, l.drop(0), "no more than the limit")
	l.limit--
	s := l.drop(0)
	require.EqualValues(t, 11, s.first)
	require.EqualValues(t, 11+perSegment, l.first())
	require.Equal(t, size-s.size(), l.size)
	require.Nil(t, l.drop(0))
	l.limit = 0
	require.NotNil(t, l.drop(0))
	require.Nil(t, l.drop(0), "never the last")
	require.EqualValues(t, 10+3*perSegment, l.head())
	require.EqualValues(t, 1000*perSegment, l.distance(l.first()))
}

// segmentOf returns a segment of events whose numbers are ten times their seqs.
func segmentOf(first, last uint64) *segment {
	s := &segment{first: first}
	for seq := first; seq <= last; seq++ {
		s.records = append(s.records, record{number: number(10 * seq)})
	}
	return s
}

func TestSeqs(t *testing.T) {
	var index seqIndex
	for _, seq := range []uint64{3, 5, 9} {
		index.add(seq)
	}
	require.Equal(t, []uint64{3, 5, 9}, index.from(0))
	require.Equal(t, []uint64{5, 9}, index.from(4))
	require.Equal(t, []uint64{5, 9}, index.from(5))
	require.Empty(t, index.from(10))
	index.trim(segmentOf(1, 4))
	require.EqualValues(t, 30, index.dropped)
	index.trim(segmentOf(4, 4))
	require.EqualValues(t, 30, index.dropped)
	index.trim(segmentOf(5, 9))
	require.EqualValues(t, 90, index.dropped)
	require.Empty(t, index.from(0))
}
