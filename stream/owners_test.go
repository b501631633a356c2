package stream_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// publishAs publishes positions of vehicles whose names are prefix and a number, from first to last.
func publishAs(t *testing.T, h *stream.Hub, publisher, prefix string, first, last int) {
	t.Helper()
	var all []geo.Position
	for n := first; n <= last; n++ {
		all = append(all, *position(t, fmt.Sprint(prefix, n), ""))
	}
	h.PublishFrom(stream.Source{Publisher: publisher}, all, func(_ int, _ stream.Receipt, err error) {
		require.NoError(t, err)
	})
}

// known counts the vehicles whose names have a prefix.
func known(h *stream.Hub, prefix string) (n int) {
	for line := range strings.Lines(h.Dump()) {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// withAndWithoutJournal runs a test with hubs of each kind; save returns a hub that goes on from what the
// first has saved, on the same journal if there is one.
func withAndWithoutJournal(
	t *testing.T, config stream.Config, test func(t *testing.T, h *stream.Hub, save func() *stream.Hub),
) {
	saved := func(t *testing.T, h *stream.Hub) []byte {
		var state bytes.Buffer
		require.NoError(t, h.Save(&state))
		return state.Bytes()
	}
	t.Run("journal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j := quietJournal()
			h := startOn(t, config, j, nil)
			defer h.Close()
			test(t, h, func() *stream.Hub {
				again := startOn(t, config, j, saved(t, h))
				t.Cleanup(again.Close)
				synctest.Wait()
				return again
			})
		})
	})
	t.Run("off", func(t *testing.T) {
		h := start(t, config)
		test(t, h, func() *stream.Hub {
			again := start(t, config)
			loaded, err := again.Load(bytes.NewReader(saved(t, h)))
			require.NoError(t, err)
			require.NoError(t, loaded.Reason)
			return again
		})
	})
}

// TestEvictionTakesFromTheOwnerOfMost floods a hub with vehicles: others keep theirs, though they were silent
// for longer.
func TestEvictionTakesFromTheOwnerOfMost(t *testing.T) {
	config := stream.Config{Settings: stream.Settings{stream.MaxVehicles: 100}}
	withAndWithoutJournal(t, config, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		publishAs(t, h, "subject good", "good-", 1, 20)
		publishAs(t, h, "", "local-", 1, 20)
		publishAs(t, h, "subject evil", "EVIL-", 1, 500)
		for _, h := range []*stream.Hub{h, save()} {
			assert.Equal(t, 20, known(h, "good-"))
			assert.Equal(t, 20, known(h, "local-"))
			assert.Equal(t, 60, known(h, "EVIL-"))
			assert.Contains(t, h.Dump(), "\nEVIL-500 ")
			assert.NotContains(t, h.Dump(), "\nEVIL-440 ", "the longest silent")
		}
		publishAs(t, h, "subject good", "good-", 21, 40)
		assert.Equal(t, 40, known(h, "good-"))
		assert.Equal(t, 40, known(h, "EVIL-"))
		publishAs(t, h, "subject good", "good-", 41, 60)
		assert.Equal(t, 41, known(h, "good-"), "it had as many, then most")
		assert.Equal(t, 39, known(h, "EVIL-"))
		assert.NotContains(t, h.Dump(), "\ngood-1 ")
	})
}

// TestOwnerIsThePublisherOfTheNewestPosition: neither a late position nor a duplicate makes a vehicle another
// publisher's, a newer one does.
func TestOwnerIsThePublisherOfTheNewestPosition(t *testing.T) {
	withAndWithoutJournal(t, stream.Config{}, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		give := func(publisher, members string) {
			all := []geo.Position{*position(t, "v", members)}
			h.PublishFrom(stream.Source{Publisher: publisher}, all, func(_ int, _ stream.Receipt, err error) {
				require.NoError(t, err)
			})
		}
		give("a", `"timestamp":900000010`)
		give("b", `"timestamp":900000000`)
		give("b", `"timestamp":900000010`)
		assert.Contains(t, h.Dump(), "\nowner a 1 ")
		assert.NotContains(t, h.Dump(), "\nowner b")
		give("b", `"timestamp":900000020`)
		assert.Contains(t, h.Dump(), "\nowner b 1 ")
		assert.NotContains(t, h.Dump(), "\nowner a")
		_, err := h.Delete("v")
		require.NoError(t, err)
		for _, h := range []*stream.Hub{h, save()} {
			assert.Contains(t, h.Dump(), "\nowner b 1 ", "gone, too")
		}
	})
}

// TestMaxState bounds the bytes of Features and topics. Who has most of them loses the longest silent
// vehicles.
func TestMaxState(t *testing.T) {
	const most = 1 << 20
	for name, members := range map[string]func(n int) string{
		"Features": func(int) string { return `"text":"` + strings.Repeat("x", 15_000) + `"` },
		"topics": func(n int) string {
			topics := make([]string, 16)
			for i := range topics {
				topics[i] = fmt.Sprintf(`"%s-%d-%d"`, strings.Repeat("t", 200), n, i)
			}
			return `"topics":[` + strings.Join(topics, ",") + `]`
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := stream.Config{Settings: stream.Settings{stream.MaxState: most}}
			withAndWithoutJournal(t, config, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
				publishAs(t, h, "good", "good-", 1, 500)
				for n := range 300 {
					large := []geo.Position{*position(t, fmt.Sprint("EVIL-", n), members(n))}
					h.PublishFrom(stream.Source{Publisher: "evil"}, large, func(_ int, r stream.Receipt, err error) {
						require.NoError(t, err)
						require.Equal(t, stream.Accepted, r.Verdict)
					})
				}
				again := save()
				assert.Equal(t, 500, known(h, "good-"))
				assert.Contains(t, h.Dump(), "\nEVIL-299 ")
				assert.NotContains(t, h.Dump(), "\nEVIL-0 ")
				assert.Greater(t, known(h, "EVIL-"), 10, "no more than it must")
				assert.Greater(t, h.Weight(), int64(most-50_000))
				assert.LessOrEqual(t, h.Weight(), int64(most+25_000), "one too many, until the next entry")
				assert.LessOrEqual(t, again.Weight(), h.Weight())
			})
		})
	}
}

// TestMaxVehiclesPerPublisher refuses a publisher's further vehicles, and those of no other.
func TestMaxVehiclesPerPublisher(t *testing.T) {
	config := stream.Config{Settings: stream.Settings{stream.MaxVehiclesPerPublisher: 2}}
	withAndWithoutJournal(t, config, func(t *testing.T, h *stream.Hub, _ func() *stream.Hub) {
		n := 0
		verdict := func(publisher, vehicle string) (v stream.Verdict) {
			n++
			one := []geo.Position{*position(t, vehicle, fmt.Sprintf(`"n":%d`, n))}
			h.PublishFrom(stream.Source{Publisher: publisher}, one, func(_ int, r stream.Receipt, err error) {
				require.NoError(t, err)
				v = r.Verdict
			})
			return v
		}
		checked := func(publisher, vehicle string) stream.Verdict {
			v, err := h.CheckFrom(stream.Source{Publisher: publisher}, position(t, vehicle, `"n":"checked"`))
			require.NoError(t, err)
			return v
		}
		assert.Equal(t, stream.Accepted, verdict("a", "a1"))
		assert.Equal(t, stream.Accepted, verdict("a", "a2"))
		assert.Equal(t, stream.Refused, verdict("a", "a3"))
		assert.Equal(t, stream.Refused, verdict("a", "a3"), "as before")
		assert.Equal(t, stream.Accepted, verdict("a", "a1"), "it is known")
		assert.Equal(t, stream.Accepted, verdict("b", "b1"))
		_, err := h.Delete("a1")
		require.NoError(t, err)
		assert.Equal(t, stream.Accepted, verdict("a", "a3"))
		assert.Equal(t, stream.Refused, verdict("a", "a1"), "one that comes back is a further one")
		assert.Equal(t, stream.Refused, checked("a", "a1"))
		assert.Equal(t, stream.Refused, checked("a", "a4"))
		assert.Equal(t, stream.Accepted, checked("a", "a3"))
		assert.Equal(t, 3, h.Stats().Vehicles)
	})
}

// TestLateThreeTimes delivers a position that comes late once, however often it comes.
func TestLateThreeTimes(t *testing.T) {
	withAndWithoutJournal(t, stream.Config{}, func(t *testing.T, h *stream.Hub, save func() *stream.Hub) {
		verdict := func(h *stream.Hub, second int) stream.Verdict {
			receipt, err := h.Publish(position(t, "v", fmt.Sprintf(`"timestamp":9000000%02d`, second)))
			require.NoError(t, err)
			return receipt.Verdict
		}
		assert.Equal(t, stream.Accepted, verdict(h, 10))
		assert.Equal(t, stream.Accepted, verdict(h, 20))
		assert.Equal(t, stream.Late, verdict(h, 15))
		again := save()
		for _, h := range []*stream.Hub{h, again} {
			checked, err := h.Check(position(t, "v", `"timestamp":900000015`))
			require.NoError(t, err)
			assert.Equal(t, stream.Duplicate, checked)
			assert.Equal(t, stream.Duplicate, verdict(h, 15))
			assert.Equal(t, stream.Duplicate, verdict(h, 15))
			assert.Equal(t, stream.Duplicate, verdict(h, 10), "it was the newest once")
		}
		assert.Equal(t, stream.Late, verdict(h, 16))
		assert.Equal(t, stream.Accepted, verdict(h, 21))
		assert.Equal(t, stream.Duplicate, verdict(h, 16))
	})
}
