package stream_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// verdictsOf publishes positions of a source, each of a vehicle of its own and without a timestamp.
func verdictsOf(
	t *testing.T, h *stream.Hub, source stream.Source, vehicles ...string,
) (all []stream.Verdict) {
	t.Helper()
	var positions []geo.Position
	for _, v := range vehicles {
		positions = append(positions, *position(t, v, fmt.Sprintf(`"n":%d`, source.Seq)))
	}
	h.PublishFrom(source, positions, func(_ int, receipt stream.Receipt, err error) {
		require.NoError(t, err)
		all = append(all, receipt.Verdict)
	})
	return all
}

// TestPublishSeq publishes each number of a source once, also after a restart; a source belongs to its
// publisher.
func TestPublishSeq(t *testing.T) {
	const a, d = stream.Accepted, stream.Duplicate
	withAndWithoutJournal(t, stream.Config{}, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		gps := func(seq uint64) stream.Source { return stream.Source{Publisher: "me", Name: "gps", Seq: seq} }
		assert.Equal(t, []stream.Verdict{a, a, a}, verdictsOf(t, h, gps(1), "u", "v", "w"))
		again := save()
		for _, h := range []*stream.Hub{h, again} {
			assert.Equal(t, []stream.Verdict{d, d}, verdictsOf(t, h, gps(2), "x", "y"), "whatever they say")
			checked, err := h.CheckFrom(gps(3), position(t, "x", ""))
			require.NoError(t, err)
			assert.Equal(t, d, checked)
		}
		assert.Equal(t, []stream.Verdict{d, a}, verdictsOf(t, h, gps(3), "w", "w"))
		assert.Equal(t, []stream.Verdict{a}, verdictsOf(t, h, gps(1000), "w"), "with a hole")
		assert.Equal(t, []stream.Verdict{d}, verdictsOf(t, h, gps(999), "w"))
		other := stream.Source{Publisher: "other", Name: "gps", Seq: 1}
		assert.Equal(t, []stream.Verdict{a}, verdictsOf(t, h, other, "w"))
		other = stream.Source{Publisher: "me", Name: "gps2", Seq: 2}
		assert.Equal(t, []stream.Verdict{a}, verdictsOf(t, h, other, "w"))
		assert.Equal(t, []stream.Verdict{a, a}, verdictsOf(t, h, stream.Source{Publisher: "me"}, "w", "x"))
	})
}

// TestManySources keeps a bounded number of sources: a publisher with many loses its own.
func TestManySources(t *testing.T) {
	withAndWithoutJournal(t, stream.Config{}, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		verdictsOf(t, h, stream.Source{Publisher: "good", Name: "gps", Seq: 7}, "v")
		for n := range 10_100 {
			verdictsOf(t, h, stream.Source{Publisher: "evil", Name: fmt.Sprint(n), Seq: 7}, "e")
		}
		for _, h := range []*stream.Hub{h, save()} {
			assert.Equal(t, 10_000, h.Sources())
			for _, c := range []struct {
				publisher, name string
				want            stream.Verdict
			}{{"good", "gps", stream.Duplicate}, {"evil", "10099", stream.Duplicate}, {"evil", "0", stream.Accepted}} {
				source := stream.Source{Publisher: c.publisher, Name: c.name, Seq: 7}
				got, err := h.CheckFrom(source, position(t, "new", ""))
				require.NoError(t, err)
				assert.Equal(t, c.want, got, c)
			}
		}
	})
}

// TestNothingAfterAPartThatFailed has no room for the first part of a request, and room for the second: a
// repeat with the same numbers must find neither published, or it would lose the first.
func TestNothingAfterAPartThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h *stream.Hub
		parts := 0
		config := stream.Config{Clock: func() time.Time {
			if parts > 0 { // counted from the publish on: a part asks for the time before it is proposed
				h.SetNoRoom(parts == 1)
				parts++
			}
			return time.Now()
		}}
		h = startOn(t, config, quietJournal(), nil)
		defer h.Close()
		var positions []geo.Position
		for n := range 300 { // of which a message holds 256
			positions = append(positions, *position(t, fmt.Sprint("v", n), ""))
		}
		source := stream.Source{Publisher: "me", Name: "gps", Seq: 1}
		failed := 0
		parts = 1
		h.PublishFrom(source, positions, func(_ int, _ stream.Receipt, err error) {
			parts = 0
			require.ErrorIs(t, err, stream.ErrNoRoom)
			failed++
		})
		assert.Equal(t, len(positions), failed)
		h.PublishFrom(source, positions, func(_ int, receipt stream.Receipt, err error) {
			require.NoError(t, err)
			require.Equal(t, stream.Accepted, receipt.Verdict)
		})
	})
}
