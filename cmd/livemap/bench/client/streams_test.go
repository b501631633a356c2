package client

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/cmd/livemap/bench/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// textOf returns some events as a server sends them.
func textOf(numbers ...int) (text []byte) {
	for _, n := range numbers {
		text = workload.Events{}.AppendSSE(text, n, time.Unix(0, 0), 0)
	}
	return text
}

// fed returns a receiver that has read some events.
func fed(m *Meter, c Check, numbers ...int) *receiver {
	r := m.newReceiver(0, c)
	r.feed(textOf(numbers...), time.Unix(0, 0))
	return r
}

func TestProgress(t *testing.T) {
	m := NewMeter()
	for _, test := range []struct {
		name        string
		streams     [][]int // events of each
		least, most int64
		missing     int64 // of FaultsOfReturn
	}{
		{"all as far", [][]int{{0, 1, 2}, {0, 1, 2}}, 2, 2, 0},
		{"one behind", [][]int{{0, 1, 2}, {0, 1}, {0, 1, 2}}, 1, 2, 1},
		{"the first ahead", [][]int{{0, 1, 2}, {0, 1}, {0, 1}}, 1, 2, 2},
		{"one without an event", [][]int{{0}, {}}, -1, 0, 1},
		{"no event at all", [][]int{{}, {}}, -1, -1, 2},
	} {
		s := &Streams{}
		for _, numbers := range test.streams {
			s.receivers = append(s.receivers, fed(m, Every(workload.Endless), numbers...))
		}
		least, most := s.Progress()
		assert.Equal(t, [2]int64{test.least, test.most}, [2]int64{least, most}, test.name)
		assert.Equal(t, test.missing, s.FaultsOfReturn().Missing, test.name)
	}
}

// TestFaultsAreSummed: faults of all streams count, those that were found on the way and
// those that come out at the end.
func TestFaultsAreSummed(t *testing.T) {
	m := NewMeter()
	s := &Streams{
		receivers: []*receiver{fed(m, Every(5), 0, 1, 3, 4), fed(m, Every(5), 0, 0), fed(m, Every(5))},
	}
	for _, r := range s.receivers {
		r.closing.Store(true)
		r.end(io.EOF)
	}
	faults := s.Faults()
	assert.Equal(t, "event 3 where 2 was due", faults.Example)
	faults.Example = ""
	assert.Equal(t, Faults{Missing: 1 + 4 + 5, Repeated: 1}, faults)
	events, text := s.Received()
	assert.EqualValues(t, 6, events)
	assert.EqualValues(t, len(textOf(0, 1, 3, 4, 0, 0)), text)
}

func TestFaultsText(t *testing.T) {
	var faults Faults
	assert.False(t, faults.Any())
	for _, one := range []Faults{
		{Missing: 1, Example: "a"},
		{Repeated: 2, Example: "b"},
		{Foreign: 3},
		{Other: 4},
		{Ended: 5},
	} {
		assert.True(t, one.Any(), one)
		faults.add(one)
	}
	assert.Equal(
		t, "1 missing, 2 repeated or out of order, 3 foreign, 4 other, 5 streams ended: a", faults.String(),
	)
}

// TestSuccessor: the receiver of a client that comes back goes on where the last one ended.
func TestSuccessor(t *testing.T) {
	m := NewMeter()
	r := fed(m, Every(9), 0, 1, 3)
	again := r.successor(m, 0)
	assert.Equal(t, "bench-3", string(again.lastID))
	assert.EqualValues(t, 3, again.newest.Load())
	again.feed(textOf(3, 4), time.Unix(0, 0))
	again.faults.Example = ""
	assert.Equal(t, Faults{Missing: 1, Repeated: 1}, again.faults)
	assert.EqualValues(t, 4, again.newest.Load())
	assert.Equal(t, "bench-3", string(r.lastID), "each has an id of its own")
}

func TestAwaitComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, began := NewMeter(), time.Now()
		complete, ended, behind := fed(m, Every(2), 0, 1), fed(m, Every(2), 0), fed(m, Every(2), 0)
		close(ended.ended)
		(&Streams{receivers: []*receiver{complete, ended}}).AwaitComplete(t.Context(), time.Hour)
		assert.Zero(t, time.Since(began), "one has everything, the other will get no more")
		s := &Streams{receivers: []*receiver{complete, behind}}
		s.AwaitComplete(t.Context(), time.Minute)
		assert.Equal(t, time.Minute, time.Since(began))
		time.AfterFunc(time.Second, func() { behind.feed(textOf(1), time.Now()) })
		s.AwaitComplete(t.Context(), time.Minute)
		assert.Equal(t, time.Minute+time.Second, time.Since(began))
	})
}

func TestAwaitLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter()
		live := m.newReceiver(0, Every(1))
		live.feed([]byte("event: live\ndata: {}\n\nevent: live\ndata: {}\n\n"), time.Now())
		require.NoError(t, live.awaitLive(t.Context()))

		ended := m.newReceiver(0, Every(1))
		ended.read(strings.NewReader(": hello\n\n"), 10)
		err := ended.awaitLive(t.Context())
		require.ErrorIs(t, err, errNotLive)
		require.ErrorIs(t, err, io.EOF)

		began := time.Now()
		require.ErrorContains(t, m.newReceiver(0, Every(1)).awaitLive(t.Context()), "within 1m0s")
		assert.Equal(t, liveWithin, time.Since(began))

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, m.newReceiver(0, Every(1)).awaitLive(ctx), context.Canceled)
	})
}

// stub is a connection that received some bytes.
type stub struct {
	bytes  int64
	closed *atomic.Int64
	r      *receiver
}

func (s stub) Close() error {
	s.closed.Add(1)
	close(s.r.ended)
	return nil
}

func (s stub) wire() int64 { return s.bytes }

// TestOpenEach: streams are opened so many at once; if one cannot be, those that were opened
// are closed again.
func TestOpenEach(t *testing.T) {
	m := NewMeter()
	var closed atomic.Int64
	open := func(_ context.Context, i int) (connection, *receiver, error) {
		r := m.newReceiver(i, Every(0))
		return stub{int64(10 + i), &closed, r}, r, nil
	}
	s, err := openEach(t.Context(), 3, 2, open)
	require.NoError(t, err)
	assert.EqualValues(t, 10+11+12, s.Wire())

	refused := errors.New("refused")
	_, err = openEach(t.Context(), 3, 1, func(ctx context.Context, i int) (connection, *receiver, error) {
		if i == 2 {
			return nil, nil, refused
		}
		return open(ctx, i)
	})
	require.ErrorIs(t, err, refused)
	require.ErrorContains(t, err, "stream 3 of 3")
	assert.EqualValues(t, 2, closed.Load())

	_, err = openEach(t.Context(), 1<<40, 1, open)
	require.ErrorContains(t, err, "open files")
}
