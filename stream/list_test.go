package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// pageOf returns the ids and the next of a page as it is written.
func pageOf(t testing.TB, p *stream.Page) (ids []string, next string) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, p.Write(func(p []byte) error {
		text.Write(p)
		return nil
	}))
	var page struct {
		Features []struct{ ID string }
		Next     string
	}
	require.NoError(t, json.Unmarshal(text.Bytes(), &page), text.String())
	for _, f := range page.Features {
		ids = append(ids, f.ID)
	}
	require.Equal(t, p.Next, page.Next)
	return ids, page.Next
}

// walkList reads all pages of a list, and calls between after each.
func walkList(t testing.TB, h *stream.Hub, q stream.Query, limit int, between func()) (ids []string) {
	t.Helper()
	for after, more := "", true; more; {
		var page []string
		page, after = pageOf(t, h.List(&q, stream.Part{After: after, Limit: limit}, nil))
		require.LessOrEqual(t, len(page), limit)
		ids, more = append(ids, page...), after != ""
		between()
	}
	return ids
}

// Every scope lists the vehicles of its snapshot, in the order of their ids, whatever the size of pages.
func TestListIsTheSnapshotInOrder(t *testing.T) {
	h := start(t, stream.Config{})
	const vehicles = 5000 // more than are examined under one lock, in one topic too
	for n := range vehicles {
		publish(t, h, fmt.Sprintf("v%d \"é\"", n),
			fmt.Sprintf(`"lat":1,"lon":%d,"topics":["all","mod:%d"]`, n%9, n%7))
	}
	for _, q := range []stream.Query{
		fleetQuery, topicQuery("all"), topicQuery("mod:3"), topicQuery("mod:3", "mod:4", `vehicle:v1 "é"`),
		topicQuery("nothing"), topicQuery(`vehicle:v7 "é"`), patternQuery("mod:1*", "vehicle:v2*"),
		{Topics: []string{stream.AllTopic}, Box: box(t, "2,0,3,2")},
		{Topics: []string{"mod:5"}, Box: box(t, "2,0,3,2")},
	} {
		ids, _ := collection(t, h.Snapshot(q.Topics, q.Box, q.Only...))
		var want []string
		for id := range strings.SplitSeq(ids, ` "é"`) {
			if id = strings.TrimSpace(id); id != "" {
				want = append(want, id+` "é"`)
			}
		}
		slices.Sort(want)
		for _, limit := range []int{1000, 999, 333} {
			require.Equal(t, want, walkList(t, h, q, limit, func() {}), q)
		}
	}
}

// A walk meets every vehicle once that is there all the time, and none twice, though others come and go and
// all of them move.
func TestListWalkWhileVehiclesComeAndGo(t *testing.T) {
	for _, q := range []stream.Query{fleetQuery, topicQuery("x")} {
		h := start(t, stream.Config{History: 1 << 20})
		name := func(n int) string { return fmt.Sprintf("%04d", n) }
		var stay []string
		for n := range 4000 {
			publish(t, h, name(n), `"topics":["x"]`)
			if n%3 == 0 {
				stay = append(stay, name(n))
			}
		}
		met := walkList(t, h, q, 97, func() {
			for range 200 {
				n := rand.IntN(4000)
				switch moved := fmt.Sprintf(`"n":%d`, rand.Int()); {
				case n%3 == 0:
					publish(t, h, name(n), moved)
				case rand.IntN(2) == 0:
					h.Delete(name(n))
				default:
					publish(t, h, name(n), moved+`,"topics":["x"]`)
				}
			}
		})
		require.True(t, slices.IsSorted(met))
		require.Len(t, slices.Compact(slices.Clone(met)), len(met), "none twice")
		met = slices.DeleteFunc(met, func(id string) bool { return !slices.Contains(stay, id) })
		require.Equal(t, stay, met)
	}
}

// match is called without the lock, and sees no more than scanLimit vehicles before publishers have their
// turn.
func TestListLetsPublishersThrough(t *testing.T) {
	h := start(t, stream.Config{})
	for n := range 5000 {
		publish(t, h, fmt.Sprintf("v%04d", n), `"topics":["x"]`)
	}
	seen := 0
	page := h.List(&fleetQuery, stream.Part{Limit: 10}, func(feature []byte) bool {
		if seen++; seen == 1 {
			publish(t, h, "v4999", `"wanted":true`) // behind what was read under the first lock
		}
		return bytes.Contains(feature, []byte("wanted"))
	})
	ids, next := pageOf(t, page)
	require.Equal(t, []string{"v4999"}, ids)
	require.Empty(t, next)
	require.Equal(t, 5000, seen)
}

func TestTopics(t *testing.T) {
	h := start(t, stream.Config{})
	for n := range 5000 {
		publish(t, h, fmt.Sprint("v", n), fmt.Sprintf(`"topics":["even:%d","t%04d"]`, n%2, n))
	}
	publish(t, h, "v0", `"topics":[]`)
	h.Delete("v1")
	all := func(string) bool { return true }
	page, next := h.Topics(stream.Part{Limit: 3}, all)
	require.Equal(t, []stream.TopicCount{{"even:0", 2499}, {"even:1", 2499}, {"t0002", 1}}, page)
	require.Equal(t, "t0002", next)
	page, next = h.Topics(stream.Part{After: "t0002", Limit: 4997}, all)
	require.Len(t, page, 4997)
	require.Empty(t, next)
	page, next = h.Topics(stream.Part{After: "t0002", Limit: 4996}, all)
	require.Len(t, page, 4996)
	require.Equal(t, "t4998", next)
	published := false
	page, next = h.Topics(stream.Part{Limit: 1}, func(id string) bool {
		if !published { // it is called without the lock
			publish(t, h, "new", `"topics":["z"]`)
		}
		published = true
		return id == "z"
	})
	require.Equal(t, []stream.TopicCount{{"z", 1}}, page)
	require.Empty(t, next)
}
