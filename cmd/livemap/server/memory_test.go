package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMemoryIsLimitedUnlessGOGCSaysOtherwise checks the collector's pace with and without GOGC.
func TestMemoryIsLimitedUnlessGOGCSaysOtherwise(t *testing.T) {
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	for _, test := range []struct {
		env  string
		want int
	}{{"", gcPercent}, {"100", 70}, {"off", 70}} { // the runtime itself has read the variable
		debug.SetGCPercent(70)
		t.Setenv("GOGC", test.env)
		limitMemory()
		require.Equal(t, test.want, debug.SetGCPercent(70), "GOGC=%q", test.env)
	}
}

var garbage []byte

// TestMemoryIsReturnedAfterAWave checks when the tidier collects and when it does not.
func TestMemoryIsReturnedAfterAWave(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the tidier alone collects
	resting := newTidier()
	for range 2 + extraTidies { // garbage of other tests
		resting.look()
	}
	var before, after runtime.MemStats
	for range 64 {
		garbage = make([]byte, 1<<20)
	}
	garbage = nil
	runtime.ReadMemStats(&before)
	require.True(t, resting.look())
	runtime.ReadMemStats(&after)
	require.Less(t, after.HeapAlloc+48<<20, before.HeapAlloc)
	require.Less(t, after.HeapSys-after.HeapReleased, before.HeapSys-before.HeapReleased)
	for range extraTidies {
		require.True(t, resting.look(), "stacks shrink once in a collection")
	}
	require.False(t, resting.look(), "there is nothing to do")

	for range 64 {
		garbage = make([]byte, 1<<20)
	}
	runtime.GC()
	require.False(t, resting.look(), "the collector runs by itself")
	require.True(t, resting.look())
}

// TestHistoryFitsIntoTheLimit checks how much of GOMEMLIMIT the log may take, and what the log then says.
func TestHistoryFitsIntoTheLimit(t *testing.T) {
	for _, test := range []struct {
		history, limit, want Size
	}{
		{64 << 20, math.MaxInt64, 64 << 20},
		{64 << 30, math.MaxInt64, 64 << 30},
		{64 << 20, 1 << 30, 64 << 20},
		{64 << 20, 160 << 20, 64 << 20},
		{64 << 20, 128 << 20, 48 << 20},
		{64 << 20, 64 << 20, 16 << 20},
		{2 << 20, 64 << 20, 2 << 20},
		{64 << 20, 33 << 20, 1 << 20},
		{64 << 20, 1 << 20, 1 << 20},
		{1 << 20, 0, 1 << 20},
	} {
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, nil))
		require.Equal(t, test.want, fitHistory(test.history, uint64(test.limit), log), test)
		if test.want == test.history {
			require.Empty(t, text.String())
			continue
		}
		require.Contains(t, text.String(), fmt.Sprintf("--history does not fit into GOMEMLIMIT; keeping less\" "+
			"history=%s keeping=%s GOMEMLIMIT=%s\n", test.history, test.want, test.limit))
	}
}

// TestMemoryIsShort checks at which use new streams and publishing wait, and that it ends.
func TestMemoryIsShort(t *testing.T) {
	var text bytes.Buffer
	p := newPressure(1600, slog.New(slog.NewTextHandler(&text, nil)))
	for _, c := range []struct {
		used        uint64
		high, short bool
		says        string
	}{
		{1399, false, false, ""},
		{1400, true, false, "memory is short; rejecting new streams"},
		{1499, true, false, ""},
		{1500, true, true, "memory is nearly used up; publishing waits"},
		{1600, true, true, ""},
		{1499, true, false, "publishing goes on"},
		{1399, false, false, "accepting new streams"},
		{1700, true, true, "publishing waits"},
	} {
		text.Reset()
		p.judge(c.used)
		require.Equal(t, [2]bool{c.high, c.short}, [2]bool{p.high.Load(), p.short.Load()}, c.used)
		require.Contains(t, text.String(), c.says)
		require.Equal(t, c.says == "", text.Len() == 0, "%d: %s", c.used, text.String())
	}
}

// TestShortMemoryEnds notices that memory is free again although nothing has the collector run.
func TestShortMemoryEnds(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	garbage = make([]byte, 64<<20)
	runtime.GC()
	p := newPressure(64<<20, slog.New(slog.DiscardHandler))
	p.look()
	require.True(t, p.high.Load())
	require.True(t, p.short.Load())
	garbage = nil
	p.look()
	require.False(t, p.short.Load())
}
