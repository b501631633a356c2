package stream

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

func publish(t testing.TB, h *Hub, text string, args ...any) {
	t.Helper()
	p, err := geo.ParsePosition(fmt.Appendf(nil, text, args...))
	require.NoError(t, err)
	_, err = h.Publish(&p)
	require.NoError(t, err)
}

// requireConsistent checks the invariants of a hub's indexes.
func requireConsistent(t testing.TB, h *Hub) {
	t.Helper()
	h.mu.RLock()
	defer h.mu.RUnlock()
	require.LessOrEqual(t, h.fleet.size(), h.settings.maxVehicles())
	size, entries, vehicles, topics := 0, 0, map[*vehicle]bool{}, map[*topic]bool{}
	for _, s := range h.log.segments {
		size += s.size()
		for i := range s.records {
			r := &s.records[i]
			seq := s.first + uint64(i)
			vehicles[r.vehicle] = true
			requireData(t, s.event(uint64(i)))
			eachIndex(r.vehicle, r.before.topics, r.after.topics, func(index *seqIndex) {
				require.Contains(t, index.from(seq), seq)
				entries++
			})
			for _, at := range []place{r.before, r.after} {
				if at.topics != nil {
					for _, topic := range *at.topics {
						topics[topic] = true
						require.Same(t, topic, h.topics.byID[topic.id])
					}
				}
			}
		}
	}
	require.Equal(t, size, h.log.size)
	require.LessOrEqual(t, size, h.config.History+h.log.segmentSize*3/2)
	listed := 0
	for id, v := range h.fleet.byID {
		require.Equal(t, id, v.id)
		require.True(t, v.slot >= 0 || vehicles[v], "a forgotten vehicle without events: %s", id)
		if v.slot >= 0 {
			require.Same(t, v, h.fleet.slots[v.slot])
			requireData(t, v.frame())
			listed++
		}
		entries -= len(v.index.list)
		require.True(t, len(v.index.list) == 0 || v.index.list[0] >= h.log.first())
	}
	require.Equal(t, h.fleet.size(), listed)
	present := slices.DeleteFunc(slices.Collect(maps.Values(h.fleet.byID)),
		func(v *vehicle) bool { return !v.present() })
	slices.SortFunc(present, func(a, b *vehicle) int { return strings.Compare(a.id, b.id) })
	require.True(t, slices.Equal(present, h.fleet.inOrder.Items()))
	withMembers := slices.DeleteFunc(slices.Collect(maps.Values(h.topics.byID)),
		func(t *topic) bool { return len(t.members) == 0 })
	slices.SortFunc(withMembers, func(a, b *topic) int { return strings.Compare(a.id, b.id) })
	require.True(t, slices.Equal(withMembers, h.topics.inOrder.Items()))
	for slot, v := range h.fleet.slots {
		require.True(t, v == nil || v.slot == int32(slot), "a free slot holds a vehicle")
	}
	for id, topic := range h.topics.byID {
		require.Equal(t, id, topic.id)
		require.True(t, len(topic.members) > 0 || topics[topic], "a topic without members or events: %s", id)
		for v := range topic.members {
			require.Contains(t, *v.here.topics, topic)
		}
		entries -= len(topic.index.list)
	}
	require.Zero(t, entries, "index entries without events")
}

// requireData checks where the data of an event begins and ends. A line has "data: " at its start
// just once, and the id and a blank line follow.
func requireData(t testing.TB, event frame) {
	t.Helper()
	_, rest, _ := bytes.Cut(append([]byte("\n"), event.text...), []byte("\ndata: "))
	data, rest, _ := bytes.Cut(rest, []byte("\n"))
	require.Equal(t, string(data), string(event.feature()))
	id, rest, _ := bytes.Cut(rest, []byte("\n"))
	require.True(t, bytes.HasPrefix(id, []byte("id: ")))
	require.Equal(t, "\n", string(rest))
}

// Many vehicles and topics pass through a small hub, which frees them.
func TestVehiclesAndTopicsAreFreed(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	const n = 50_000
	h := New(Config{History: 1 << 20, Settings: Settings{MaxVehicles: 1000}})
	defer h.Close()
	p := geo.Position{}
	peak := 0
	for i := range n {
		p.VehicleID, p.Topics = fmt.Sprint("vehicle ", i), []string{fmt.Sprint("topic ", i), "all"}
		_, err := h.Publish(&p)
		require.NoError(t, err)
		if i%1000 == 0 {
			stats := h.Stats()
			require.LessOrEqual(t, stats.Vehicles+stats.Gone, 1000)
			peak = max(peak, len(h.fleet.byID), stats.Topics)
		}
		if i%(n/4) == 0 {
			requireConsistent(t, h)
		}
	}
	requireConsistent(t, h)
	events := int(h.Stats().LogEvents)
	require.Less(t, events, 10_000, "the log is small")
	require.LessOrEqual(t, peak, 1000+events+1000, "no more than the fleet's and the log's")
	require.LessOrEqual(t, cap(h.fleet.slots), 4000)
	require.LessOrEqual(t, cap(h.fleet.free), 4000)

	// A fleet that stays replaces them all.
	for i := range 30_000 {
		publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"n":%d}`, i%1000, i)
	}
	requireConsistent(t, h)
	require.Len(t, h.fleet.byID, 1000)
	require.Empty(t, h.topics.byID)
}

// An index frees the entries that it has dropped.
func TestIndexIsBounded(t *testing.T) {
	var index seqIndex
	for seq := range uint64(1_000_000) {
		index.add(seq + 1)
		if seq >= 1000 {
			index.trim(segmentOf(seq-1000, seq-1000))
		}
	}
	require.Len(t, index.list, 1001)
	require.Less(t, cap(index.list), 4096)
	require.EqualValues(t, 10*(999_000-1), index.dropped)
	index.trim(segmentOf(999_000, 1_000_000))
	require.Nil(t, index.list)
}

// A parked vehicle does not pin the segment of its last event.
func TestParkedVehiclePinsNoSegment(t *testing.T) {
	h := New(Config{History: 1 << 20})
	defer h.Close()
	publish(t, h, `{"vehicle_id":"parked","lat":1,"lon":2}`)
	freed := make(chan struct{})
	runtime.AddCleanup(h.log.segments[0], func(done chan struct{}) { close(done) }, freed)
	first := &h.log.segments[0].bytes[:1][0]
	for i := range 10_000 {
		publish(t, h, `{"vehicle_id":"v","lat":1,"lon":2,"n":%d}`, i)
	}
	require.NotSame(t, first, &h.fleet.byID["parked"].event[0])
	require.Less(t, cap(h.fleet.byID["parked"].event), 400)
	for range 10 {
		runtime.GC()
	}
	<-freed
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestSubscribersAreFreed(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	box, err := geo.ParseBox("170,-10,-170,10")
	require.NoError(t, err)
	var all []*Subscription
	for i := range 20 {
		all = append(all,
			h.Subscribe(Query{Topics: []string{AllTopic}}),
			h.Subscribe(Query{Topics: []string{AllTopic, "vehicle:a"}, Box: &box}),
			h.Subscribe(Query{Topics: []string{"x", "x", "vehicle:b", fmt.Sprint("t", i)}}))
	}
	require.Equal(t, 60, h.Stats().Streams)
	require.Len(t, h.router.topics["x"], 20)
	require.Equal(t, 40, h.router.boxes.Len())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range all {
		s.Serve(ctx, func([]byte) error { return nil })
	}
	a := &h.router
	require.Zero(t, len(a.all)+len(a.whole)+a.boxes.Len()+len(a.vehicles)+len(a.topics))
	for _, s := range a.whole[:cap(a.whole)] {
		require.Nil(t, s)
	}
}

// TestTopicsOfTheLogAreBounded names new topics in each position. The log keeps those that have no members
// any more, and has less room for events.
func TestTopicsOfTheLogAreBounded(t *testing.T) {
	const history = 16 << 20
	h := New(Config{History: history})
	defer h.Close()
	most := 0
	for n := range 8000 {
		var topics []string
		for i := range 16 {
			topics = append(topics, fmt.Sprintf(`"t%d"`, 16*n+i))
		}
		publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2,"n":%d,"topics":[%s]}`, n, strings.Join(topics, ","))
		most = max(most, len(h.topics.byID))
	}
	ofSegment := len(h.log.segments[0].records) * 16 * topicSize
	require.Less(t, most*topicSize, history+2*ofSegment)
	require.Greater(t, most*topicSize, history/2)
}
