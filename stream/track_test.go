package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"livemap/stream"

	"github.com/stretchr/testify/require"
)

// lineOf is a track as a client reads it.
type lineOf struct {
	Geometry *struct {
		Type        string
		Coordinates json.RawMessage
	}
	Properties struct{ Timestamps []json.Number }
}

// writeTrack writes a track, and calls between after each piece. It checks that positions and times are in
// step.
func writeTrack(t *testing.T, track *stream.Track, between func()) (line lineOf) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, track.Write(func(p []byte) error {
		require.LessOrEqual(t, len(p), 17<<10, "a reader gets it piece by piece")
		text.Write(p)
		between()
		return nil
	}))
	require.NoError(t, json.Unmarshal(text.Bytes(), &line), text.String())
	positions := 0
	switch g := line.Geometry; {
	case g == nil:
	case g.Type == "Point":
		positions = 1
	default:
		var all [][]float64
		require.NoError(t, json.Unmarshal(g.Coordinates, &all))
		positions = len(all)
		require.Greater(t, positions, 1)
	}
	require.Len(t, line.Properties.Timestamps, positions)
	return line
}

func timesOf(t *testing.T, track *stream.Track) (times []string) {
	t.Helper()
	line := writeTrack(t, track, func() {})
	for _, at := range line.Properties.Timestamps {
		times = append(times, at.String())
	}
	return times
}

// A long track is written piece by piece, with late positions in their place and times to the nanosecond.
func TestTrackInPieces(t *testing.T) {
	h := start(t, stream.Config{History: 16 << 20})
	const n = 5000
	var want []string
	for i := range n {
		at := strconv.Itoa(1_700_000_000 + i)
		if i%10 == 3 {
			at = strconv.Itoa(1_700_000_000+i-2) + ".000000001" // late
		}
		want = append(want, at)
		publish(t, h, "a", `"timestamp":`+at)
		publish(t, h, "b", "")
	}
	slices.Sort(want) // they have as many digits before the point
	track, ok := h.Track("a", time.Time{}, time.Time{})
	require.True(t, ok)
	require.Equal(t, n, h.TrackSize("a"))
	require.Equal(t, want, timesOf(t, track))
}

// A slow reader gets what the log still has: positions and times stay in step, in order, and a line has two
// positions at least.
func TestTrackWhileTheLogTurnsOver(t *testing.T) {
	for _, fill := range []int{100 << 10, 800 << 10, 2 << 20} {
		t.Run(fmt.Sprint(fill), func(t *testing.T) {
			h := start(t, stream.Config{History: 1 << 20})
			for i := range 4000 {
				publish(t, h, "a", `"timestamp":`+strconv.Itoa(1_700_000_000+i))
			}
			track, ok := h.Track("a", time.Time{}, time.Time{})
			require.True(t, ok)
			whole := h.TrackSize("a")
			line := writeTrack(t, track, func() { fillLog(t, h, "b", fill) })
			times := line.Properties.Timestamps
			if fill == 100<<10 {
				require.Len(t, times, whole, "what is dropped was written before")
			} else {
				require.Less(t, len(times), whole)
			}
			require.True(t, slices.IsSorted(times))
		})
	}
}
