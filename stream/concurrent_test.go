package stream_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// published is the receipts of all publishers: events by number, each with that of its position.
type published struct {
	mu     sync.Mutex
	events map[uint64]modelEvent
	next   func(newest uint64) uint64 // the number after newest
}

func (m *published) add(number uint64, e modelEvent) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events[number] = e
}

// model returns a model of all events up to the last. It must know each of them.
func (m *published) model(t *testing.T) *model {
	all := &model{next: m.next}
	for range len(m.events) {
		e, ok := m.events[m.next(all.newest())]
		require.True(t, ok, "the event after %d was not answered", all.newest())
		all.add(e)
	}
	return all
}

// heldAtLive is what a client of q held at a `live` event.
type heldAtLive struct {
	number uint64
	held   map[string]int
	mode   string
}

var shortLog = stream.Config{FlushInterval: time.Millisecond, History: 256 << 10, MaxBacklog: 64 << 10}

// TestConcurrentReadersHoldTheState has many publishers at full speed, for vehicles of their own,
// and many subscribers. At each `live` a subscriber must hold exactly what the receipts say.
func TestConcurrentReadersHoldTheState(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	for name, test := range map[string]struct {
		config stream.Config
		next   func(newest uint64) uint64
	}{
		"long log":         {stream.Config{FlushInterval: time.Millisecond}, denseNumbers},
		"short log":        {shortLog, denseNumbers},
		"short log, holes": {shortLog, sparseNumbers},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, test.config)
			h.Sparse(test.next)
			m := &published{events: map[uint64]modelEvent{}, next: test.next}
			var stop atomic.Bool
			var publishers, readers sync.WaitGroup
			for g := range 4 {
				publishers.Go(func() { m.publish(t, h, g, &stop) })
			}
			queries := []stream.Query{
				fleetQuery, topicQuery("depot:1"), topicQuery("depot:2", "vehicle:v1-7"), topicQuery("vehicle:v0-1",
					"vehicle:v3-2"),
				{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,90,45")},
				{Topics: []string{stream.AllTopic}, Interval: 2 * time.Millisecond},
			}
			views := make([][]heldAtLive, len(queries)*2)
			for i := range views {
				readers.Go(func() { views[i] = follow(t, h, queries[i%len(queries)]) })
			}
			readers.Wait()
			stop.Store(true)
			publishers.Wait()
			all := m.model(t)
			for i, views := range views {
				require.NotEmpty(t, views)
				q := &queries[i%len(queries)]
				for _, v := range views {
					r := &reader{model: all, query: *q, vehicles: v.held}
					require.Equal(t, r.expected(all.seq(v.number)), v.held, "%v: at live (%s)", q.Topics, v.mode)
				}
			}
		})
	}
}

// publish publishes for the vehicles of publisher g until stop is set.
func (m *published) publish(t *testing.T, h *stream.Hub, g int, stop *atomic.Bool) {
	random := rand.New(rand.NewPCG(uint64(g), 3))
	states := map[string]modelState{}
	for n := 1; !stop.Load(); n++ {
		id := fmt.Sprintf("v%d-%d", g, random.IntN(100))
		topics := [][]string{nil, {}, {"depot:1"}, {"depot:2"}, {"depot:1", "depot:2"}}[random.IntN(5)]
		p, err := geo.ParsePosition(fmt.Appendf(nil,
			`{"vehicle_id":%q,"lat":%d,"lon":%d,"n":%d,"filler":%q,"timestamp":900000100}`,
			id, random.IntN(90), random.IntN(180), n, strings.Repeat("x", random.IntN(500))))
		if err != nil {
			panic(err)
		}
		p.Topics = topics
		receipt, err := h.Publish(&p)
		if err != nil || receipt.Verdict != stream.Accepted {
			panic(fmt.Sprint(receipt.Verdict, err))
		}
		before := states[id]
		if topics == nil {
			topics = before.topics
		}
		states[id] = modelState{known: true, data: string(p.AppendFeature(nil, p.Time)), point: p.Point,
			topics: topics}
		m.add(receipt.ID.Number, modelEvent{vehicle: id, before: before, after: states[id]})
		if n%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

var errCut = errors.New("cut")

// follow reads the streams of a client that is cut now and then. It returns what the client held at
// each `live`.
func follow(t *testing.T, h *stream.Hub, q stream.Query) (views []heldAtLive) {
	held, repeated := map[string]int{}, map[string]bool(nil)
	for range 8 {
		writes := 0
		h.Subscribe(q).Serve(t.Context(), func(p []byte) error {
			for event := range strings.SplitSeq(string(p), "\n\n") {
				_, id, found := strings.Cut(event, "\nid: ")
				if found {
					q.LastEventID = id
				}
				if strings.HasPrefix(event, "retry: ") {
					continue
				}
				vehicle := between(event, `"vehicle_id":"`, `"`)
				switch {
				case strings.Contains(event, "event: reset"):
					repeated = map[string]bool{}
				case strings.Contains(event, "event: gone"):
					delete(held, vehicle)
				case strings.Contains(event, "event: live"):
					for vehicle := range held {
						if repeated != nil && !repeated[vehicle] {
							delete(held, vehicle)
						}
					}
					repeated = nil
					if seq, ok := stream.ParseID(id); ok {
						views = append(views, heldAtLive{seq.Number, clone(held), between(event, `"mode":"`, `"`)})
					}
				case strings.Contains(event, `"n":`):
					held[vehicle] = number(event)
					if repeated != nil {
						repeated[vehicle] = true
					}
				}
			}
			if writes++; writes > 12 {
				return errCut
			}
			return nil
		})
	}
	return views
}

func clone(held map[string]int) map[string]int {
	copied := map[string]int{}
	for vehicle, n := range held {
		copied[vehicle] = n
	}
	return copied
}
