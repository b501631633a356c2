package client

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/workload"
)

// TestChecks: each check counts every kind of fault, and no fault that is none.
func TestChecks(t *testing.T) {
	for _, test := range []struct {
		name  string
		check Check
		got   []int
		want  Faults
	}{
		{"every", Every(3), []int{0, 1, 2}, Faults{}},
		{"every: the first missing", Every(3), []int{1, 2}, Faults{Missing: 1}},
		{"every: some in the middle missing", Every(9), []int{0, 1, 5, 6, 7, 8}, Faults{Missing: 3}},
		{"every: the end missing", Every(9), []int{0, 1, 2}, Faults{Missing: 6}},
		{"every: nothing", Every(9), nil, Faults{Missing: 9}},
		{"every: twice", Every(3), []int{0, 1, 1, 2}, Faults{Repeated: 1}},
		{"every: swapped", Every(4), []int{0, 2, 1, 3}, Faults{Missing: 1, Repeated: 1}},
		{"every: the end twice", Every(3), []int{0, 1, 2, 2}, Faults{Repeated: 1}},
		{"every: one beyond the end", Every(3), []int{0, 1, 2, 3}, Faults{Foreign: 1}},
		{"every: one before the first", Every(3), []int{-1, 0, 1, 2}, Faults{Foreign: 1}},
		{"every third", EveryOf(10, 3, 1), []int{1, 4, 7}, Faults{}},
		{"every third: the end is missing", EveryOf(11, 3, 1), []int{1, 4}, Faults{Missing: 2}},
		{"every third: just one is missing at the end", EveryOf(10, 3, 1), []int{1, 4}, Faults{Missing: 1}},
		{"every third: a gap", EveryOf(11, 3, 1), []int{1, 10}, Faults{Missing: 2}},
		{"every third: others'", EveryOf(10, 3, 1), []int{1, 2, 4, 7}, Faults{Foreign: 1}},
		{"every third: others' before its own", EveryOf(10, 3, 2), []int{1, 2, 5, 8}, Faults{Foreign: 1}},
		{"every third: twice", EveryOf(10, 3, 1), []int{1, 4, 1, 7}, Faults{Repeated: 1}},
		{"nothing is due", EveryOf(3, 10, 5), nil, Faults{}},
		{"none", None(5), nil, Faults{}},
		{"none: one came", None(5), []int{3}, Faults{Foreign: 1}},
		{"none: one beyond the end", None(5), []int{5}, Faults{Foreign: 1}},
		{"newest: all", NewestOf(5, 2), []int{0, 1, 2, 3, 4}, Faults{}},
		{"newest: the last of each", NewestOf(5, 2), []int{4, 3}, Faults{}},
		{"newest: not the last", NewestOf(5, 2), []int{0, 1, 4}, Faults{Missing: 1}},
		{"newest: nothing", NewestOf(5, 2), nil, Faults{Missing: 2}},
		{"newest: back in time", NewestOf(5, 2), []int{2, 0, 4, 3}, Faults{Repeated: 1}},
		{"newest: twice", NewestOf(5, 2), []int{4, 3, 3}, Faults{Repeated: 1}},
		{"newest: after the end", NewestOf(5, 2), []int{4, 3, 5}, Faults{Foreign: 1}},
		{"newest: before the first", NewestOf(5, 2), []int{-1, 4, 3}, Faults{Foreign: 1}},
		{"newest: fewer events than vehicles", NewestOf(1, 2), []int{0}, Faults{}},
		{"state: any order, and others", StateOf(3), []int{2, 7, 0, 7, 1}, Faults{}},
		{"state: not all", StateOf(3), []int{2, 0}, Faults{Missing: 1}},
		{"state: nothing", StateOf(3), nil, Faults{Missing: 3}},
		{"state: one twice", StateOf(3), []int{2, 0, 2, 1}, Faults{Repeated: 1}},
		{"state: one before the first", StateOf(1), []int{-1, 0}, Faults{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var faults Faults
			for _, n := range test.got {
				test.check.take(n, &faults)
			}
			if !test.want.Any() {
				assert.True(t, test.check.complete())
			}
			test.check.finish(&faults)
			faults.Example = ""
			assert.Equal(t, test.want, faults)
		})
	}
}

// TestConsecutive: a source that publishes by itself has no first and no last event.
func TestConsecutive(t *testing.T) {
	for _, test := range []struct {
		name string
		got  []int
		want Faults
	}{
		{"from any event on", []int{7, 8, 9}, Faults{}},
		{"from before the first on", []int{-5, -4}, Faults{}},
		{"a gap", []int{7, 8, 11}, Faults{Missing: 2}},
		{"twice", []int{7, 8, 8}, Faults{Repeated: 1}},
		{"back", []int{7, 8, 3}, Faults{Repeated: 1}},
		{"nothing", nil, Faults{Missing: 1}},
	} {
		var faults Faults
		check := Consecutive()
		for _, n := range test.got {
			check.take(n, &faults)
		}
		assert.False(t, check.complete(), test.name)
		check.finish(&faults)
		faults.Example = ""
		assert.Equal(t, test.want, faults, test.name)
	}
}

// TestStreamsAreCutAnywhere: the events are the same, wherever reads cut a stream.
func TestStreamsAreCutAnywhere(t *testing.T) {
	var e workload.Events
	text := []byte("retry: 1000\n: hello\n\nevent: live\ndata: {}\n\n")
	for n := range 5 {
		text = e.AppendSSE(text, n, time.Unix(0, 0), 300)
	}
	m := NewMeter()
	for size := 1; size < len(text); size++ {
		r := m.newReceiver(0, Every(5))
		for rest := text; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			r.feed(rest[:min(size, len(rest))], time.Now())
		}
		require.True(t, r.check.complete(), "cut every %d bytes", size)
		require.False(t, r.faults.Any())
		require.EqualValues(t, 5, r.received.Load())
		<-r.live
	}
}
