package stream_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// startHubs starts hubs on one journal, each from what one of them saved: a state has its digest.
func startHubs(t *testing.T, count int) (hubs []*stream.Hub) {
	j := quietJournal()
	first := startOn(t, stream.Config{}, j, nil)
	publish(t, first, "a", "")
	var state bytes.Buffer
	require.NoError(t, first.Save(&state))
	publish(t, first, "b", "")
	hubs = append(hubs, first)
	for range count - 1 {
		hubs = append(hubs, startOn(t, stream.Config{}, j, state.Bytes()))
	}
	return hubs
}

// keepBusy publishes for some time, at all hubs that take it.
func keepBusy(t *testing.T, hubs []*stream.Hub, seconds int) {
	for n := range seconds * 10 {
		for i, h := range hubs {
			if h.JournalError() == nil {
				publish(t, h, fmt.Sprint("v", i), fmt.Sprintf(`"n":%d`, n))
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Hubs compare their states also while they are busy. The one that has another stops, and the others say so
// until it is gone.
func TestHubWithAnotherStateStops(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprint("busy ", busy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hubs := startHubs(t, 3)
				during := func(seconds int) {
					if busy {
						keepBusy(t, hubs, seconds)
					} else {
						time.Sleep(time.Duration(seconds) * time.Second)
					}
				}
				during(30)
				for i, h := range hubs {
					alarms, differ := h.StatesDiffer()
					assert.NoError(t, differ, "hub %d", i)
					assert.Zero(t, alarms)
				}
				hubs[1].Corrupt()
				during(8) // 4 s to the next checkpoint, 2 s to the next tick; who stopped counts for 10 s
				require.ErrorIs(t, hubs[1].JournalError(), stream.ErrDiverged)
				for _, i := range []int{0, 2} {
					_, differ := hubs[i].StatesDiffer()
					assert.ErrorContains(t, differ, "1 of 3 hubs have another state after message")
					assert.NoError(t, hubs[i].JournalError())
				}
				during(30)
				for _, i := range []int{0, 2} {
					alarms, differ := hubs[i].StatesDiffer()
					assert.NoError(t, differ, "the two have one state")
					assert.Positive(t, alarms)
				}
				for _, h := range hubs {
					h.Close()
				}
			})
		})
	}
}

// Without a majority nobody knows who is right: all say so, and none stops.
func TestNoStateIsThatOfMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := startHubs(t, 2)
		hubs[0].Corrupt()
		time.Sleep(15 * time.Second)
		for i, h := range hubs {
			_, differ := h.StatesDiffer()
			assert.ErrorIs(t, differ, stream.ErrUndecided, "hub %d", i)
			assert.NoError(t, h.JournalError())
			h.Close()
		}
	})
}

// TestDigestSeesOwnersAndSources compares states that differ in what made no other event.
func TestDigestSeesOwnersAndSources(t *testing.T) {
	digestOf := func(sources ...stream.Source) (digest uint64) {
		synctest.Test(t, func(t *testing.T) {
			h := startOn(t, stream.Config{}, quietJournal(), nil)
			defer h.Close()
			for _, source := range sources {
				verdictsOf(t, h, source, "v")
				time.Sleep(time.Millisecond)
			}
			digest = h.Digest()
		})
		return digest
	}
	numbered := func(publisher, name string) stream.Source {
		return stream.Source{Publisher: publisher, Name: name, Seq: 1}
	}
	a, b := stream.Source{Publisher: "a"}, stream.Source{Publisher: "b"}
	require.Equal(t, digestOf(a, a), digestOf(a, a), "else the rest proves nothing")
	assert.NotEqual(t, digestOf(a), digestOf(b))
	assert.NotEqual(t, digestOf(a, a), digestOf(a, b))
	assert.NotEqual(t, digestOf(numbered("a", "x")), digestOf(numbered("a", "y")))
	assert.NotEqual(t, digestOf(a, numbered("a", "x")), digestOf(a, numbered("b", "x")))
}
