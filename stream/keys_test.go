package stream_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// partOf returns a part of positions, with a note of its own.
func partOf(n int, last bool, positions []geo.Position) stream.RequestPart {
	part := stream.RequestPart{N: n, Last: last, Positions: positions, Note: fmt.Appendf(nil, "note %d", n)}
	for i := range positions {
		part.Items = append(part.Items, i)
	}
	return part
}

// untimed returns positions of vehicles, without timestamps: each that is published makes an event.
func untimed(t *testing.T, vehicles ...string) (positions []geo.Position) {
	t.Helper()
	for i, v := range vehicles {
		positions = append(positions, *position(t, v, fmt.Sprintf(`"n":%d`, i)))
	}
	return positions
}

func keyOf(id, body byte) stream.Key { return stream.Key{ID: [16]byte{id}, Body: [16]byte{body}} }

// TestPublishOnce publishes the parts of a request once, also after a restart, and nothing of another request
// under the key. Each repeat has the answer of the first.
func TestPublishOnce(t *testing.T) {
	withAndWithoutJournal(t, stream.Config{}, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		me := stream.Source{Publisher: "me"}
		parts := []stream.RequestPart{
			partOf(0, false, untimed(t, "a", "b", "a")), partOf(1, false, nil), partOf(2, true, untimed(t, "c")),
		}
		var first []stream.Answer
		for _, part := range parts {
			answer, err := h.PublishOnce(me, keyOf(1, 1), part)
			require.NoError(t, err)
			require.False(t, answer.Repeated)
			for _, receipt := range answer.Receipts {
				require.Equal(t, stream.Accepted, receipt.Verdict)
			}
			first = append(first, answer)
		}
		require.Equal(t, first[0].Receipts[2].ID, first[0].Newest)
		require.Equal(t, first[0].Newest, first[1].Newest, "it has no events")
		publish(t, h, "a", "")
		for _, hub := range []*stream.Hub{h, save()} {
			head := hub.Head().Number
			for n, part := range parts {
				known, err := hub.IsKnown(keyOf(1, 1), n)
				require.NoError(t, err)
				require.True(t, known)
				again, err := hub.PublishOnce(me, keyOf(1, 1), part)
				require.NoError(t, err)
				require.True(t, again.Repeated)
				require.Equal(t, first[n].Newest.Number, again.Newest.Number)
				require.Equal(t, string(part.Note), string(again.Note))
				require.Len(t, again.Receipts, len(part.Positions))
				for _, receipt := range again.Receipts {
					require.Equal(t, stream.Receipt{Verdict: stream.Accepted, ID: again.Newest}, receipt)
				}
			}
			_, err := hub.IsKnown(keyOf(1, 2), 0)
			require.ErrorIs(t, err, stream.ErrKeyReused)
			_, err = hub.PublishOnce(me, keyOf(1, 2), parts[0])
			require.ErrorIs(t, err, stream.ErrKeyReused)
			known, err := hub.IsKnown(keyOf(1, 1), 3)
			require.NoError(t, err)
			require.False(t, known)
			assert.Equal(t, head, hub.Head().Number, "something was published again")
		}
		assert.Equal(t, uint64(5), h.Stats().Accepted)
		answer, err := h.PublishOnce(me, keyOf(2, 2), parts[0])
		require.NoError(t, err)
		require.False(t, answer.Repeated)
	})
}

// TestKeysOfTwoHubs publishes each part of a request at both hubs of a journal at once, and another request
// under the key.
func TestKeysOfTwoHubs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := quietJournal()
		hubs := []*stream.Hub{startOn(t, stream.Config{}, j, nil), startOn(t, stream.Config{}, j, nil)}
		j.hold(true) // all are asked before one is published
		answers := make(chan stream.Answer, 4)
		errs := make(chan error, 4)
		for caller := range 4 {
			go func() {
				answer, err := hubs[caller%2].PublishOnce(stream.Source{}, keyOf(1, byte(caller/2)),
					partOf(0, true, untimed(t, "a", "b")))
				answers <- answer
				errs <- err
			}()
		}
		synctest.Wait()
		j.hold(false)
		published, repeated, reused := 0, 0, 0
		for range 4 {
			switch answer, err := <-answers, <-errs; {
			case err != nil:
				require.ErrorIs(t, err, stream.ErrKeyReused)
				reused++
			case answer.Repeated:
				repeated++
			default:
				published++
			}
		}
		synctest.Wait()
		assert.Equal(t, []int{1, 1, 2}, []int{published, repeated, reused})
		assert.Len(t, hubs[0].Log(), 2)
		assert.Equal(t, hubs[0].Dump(), hubs[1].Dump())
		counted := uint64(0)
		for _, h := range hubs {
			counted += h.Stats().Accepted
			h.Close()
		}
		assert.Equal(t, uint64(2), counted, "at the hub that published them")
	})
}

// TestKeysAreForgotten after five minutes, by the journal's time where there is one, and however often they
// were asked for. They then take no memory.
func TestKeysAreForgotten(t *testing.T) {
	for name, begin := range map[string]func(*testing.T) *stream.Hub{
		"journal": func(t *testing.T) *stream.Hub { return startOn(t, stream.Config{}, quietJournal(), nil) },
		"off":     func(*testing.T) *stream.Hub { return stream.New(stream.Config{Settings: ttl(0)}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := begin(t)
				defer h.Close()
				once := func(body byte) error {
					_, err := h.PublishOnce(stream.Source{}, keyOf(1, body), partOf(0, true, untimed(t, "a")))
					return err
				}
				require.NoError(t, once(1))
				time.Sleep(stream.KeyLife - time.Second)
				require.NoError(t, once(1))
				require.ErrorIs(t, once(2), stream.ErrKeyReused)
				time.Sleep(3 * time.Second)
				synctest.Wait()
				require.Zero(t, h.Keys())
				require.NoError(t, once(2))
				require.ErrorIs(t, once(1), stream.ErrKeyReused)
			})
		})
	}
}

// TestKeyOfNothing remembers no request of which nothing was published: it may be sent again.
func TestKeyOfNothing(t *testing.T) {
	config := stream.Config{Settings: stream.Settings{stream.MaxVehiclesPerPublisher: 1}}
	withAndWithoutJournal(t, config, func(t *testing.T, h *stream.Hub, _ func() *stream.Hub) {
		publish(t, h, "a", "")
		once := func() stream.Verdict {
			answer, err := h.PublishOnce(stream.Source{}, keyOf(1, 1), partOf(0, true, untimed(t, "b")))
			require.NoError(t, err)
			return answer.Receipts[0].Verdict
		}
		require.Equal(t, stream.Refused, once())
		require.True(t, must(h.Delete("a")))
		require.Equal(t, stream.Accepted, once())
		require.Equal(t, stream.Accepted, once(), "as at first")
	})
}

// TestKeysAreBounded in bytes and in number; a publisher with many loses its own.
func TestKeysAreBounded(t *testing.T) {
	withAndWithoutJournal(t, stream.Config{}, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		once := func(publisher string, n int, note int) {
			key := stream.Key{ID: [16]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(len(publisher))}}
			part := partOf(0, true, untimed(t, "a"))
			part.Note = []byte(strings.Repeat("x", note))
			_, err := h.PublishOnce(stream.Source{Publisher: publisher}, key, part)
			require.NoError(t, err)
		}
		once("good", 0, 1000)
		for n := range 700 {
			once("evil", n, 30_000)
		}
		for _, hub := range []*stream.Hub{h, save()} {
			assert.Less(t, hub.KeysWeight(), int64(16<<20+1))
			assert.Greater(t, hub.KeysWeight(), int64(15<<20))
			for name, known := range map[string]bool{"good": true, "evil": false} {
				got, err := hub.IsKnown(stream.Key{ID: [16]byte{3: byte(len(name))}}, 0)
				require.NoError(t, err)
				assert.Equal(t, known || len(name) == len("evil"), got, name)
			}
		}
	})
}

// TestDamagedKeys passes over a line of a state that is no key.
func TestDamagedKeys(t *testing.T) {
	h := start(t, stream.Config{})
	_, err := h.PublishOnce(stream.Source{}, keyOf(1, 1), partOf(0, true, untimed(t, "a")))
	require.NoError(t, err)
	var state bytes.Buffer
	require.NoError(t, h.Save(&state))
	lines := strings.SplitAfter(state.String(), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, `{"key":`) {
			lines[i] = strings.Replace(line, `"part":0`, `"part":1`, 1)
		}
	}
	again := start(t, stream.Config{})
	loaded, err := again.Load(strings.NewReader(strings.Join(lines, "")))
	require.NoError(t, err)
	require.ErrorContains(t, loaded.Reason, "checksum")
	require.Equal(t, 1, loaded.Vehicles)
	require.Zero(t, again.Keys())
}
