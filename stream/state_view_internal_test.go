package stream

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// requireView checks that a view is in order and holds each vehicle once. It returns the seqs by
// vehicle.
func requireView(t *testing.T, r *stateView) map[string]uint64 {
	t.Helper()
	last, seqs := number(0), map[string]uint64{}
	for _, e := range r.entries {
		require.Greater(t, e.number, last)
		last = e.number
		if e.vehicle.slot >= 0 {
			require.Zero(t, seqs[e.vehicle.id], e.vehicle.id)
			seqs[e.vehicle.id] = uint64(e.number)
		}
	}
	require.LessOrEqual(t, last, r.head)
	return seqs
}

func liveView(t *testing.T, h *Hub) map[string]uint64 { return requireView(t, h.freezeUnderLock()) }

// The three ways to freeze agree when nothing moves.
func TestFreezeWaysAgree(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	for i := range 5000 {
		publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"topics":["all","t%d"],"n":%d}`, i%3000, i%3, i)
	}
	for i := range 100 {
		h.Delete(fmt.Sprint("v", i*7))
	}
	want := liveView(t, h)
	require.Len(t, want, 3000, "the gone ones, too")
	require.Equal(t, want, requireView(t, h.freezeFleet()))
	require.Equal(t, want, requireView(t, h.freezer.freeze(h)))
	for _, topics := range [][]string{{"all"}, {"t0", "t1"}, {"all", "vehicle:v3"}} {
		s := newScope(topics, nil)
		require.Nil(t, h.freezeFew(&s), "more members than are frozen under the lock")
		require.Equal(t, want, requireView(t, h.freeze(&s)))
	}
	s := newScope([]string{"t0", "vehicle:v1", "vehicle:v0", "vehicle:nobody", "nothing"}, nil)
	few := requireView(t, h.freezeFew(&s))
	require.Len(t, few, 2+966)
	for id, seq := range few {
		require.Equal(t, want[id], seq)
	}
}

// The log may be replaced while the fleet is collected. Then it does not know what changed.
func TestFreezeWhileTheLogIsReplaced(t *testing.T) {
	for events := 0; events < 900; events += 19 {
		h := New(Config{History: 128 << 10, Settings: Settings{MaxVehicles: 50}})
		for i := range 50 {
			publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2}`, i)
		}
		began, entries := h.collectEntries(func() {})
		for i := range events {
			publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"n":%d}`, i%60, i)
		}
		require.Equal(t, liveView(t, h), requireView(t, h.completeView(began, entries)), "after %d events", events)
		h.Close()
	}
}

// Up to smallView members are frozen under one lock. Their topics may overlap.
func TestFreezeOfManyMembers(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	for i := range smallView {
		publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"topics":["x","y"]}`, i)
	}
	x, y, both := newScope([]string{"x"}, nil), newScope([]string{"y", "vehicle:v7"},
		nil), newScope([]string{"x", "y"}, nil)
	require.Len(t, requireView(t, h.freezeFew(&x)), smallView)
	require.Nil(t, h.freezeFew(&y))
	require.Nil(t, h.freezeFew(&both))
	for i := range smallView / 2 {
		publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"topics":["x","y"],"n":1}`, i*2)
		publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"topics":["z"],"n":1}`, i*2+1)
	}
	require.Len(t, requireView(t, h.freezeFew(&both)), smallView/2)
	require.Len(t, requireView(t, h.freezeFew(&y)), smallView/2+1)
}

// changedSince returns moved, ended and forgotten vehicles, and not late positions.
func TestChangedSince(t *testing.T) {
	h := New(Config{Settings: Settings{MaxVehicles: 4}})
	defer h.Close()
	for _, id := range []string{"parked", "late", "moved", "ended"} {
		publish(t, h, `{"vehicle_id":%q,"lat":1,"lon":2,"timestamp":900000100}`, id)
	}
	began := number(h.Head().Number)
	publish(t, h, `{"vehicle_id":"late","lat":1,"lon":2,"timestamp":900000099}`)
	publish(t, h, `{"vehicle_id":"moved","lat":1,"lon":2,"timestamp":900000101}`)
	publish(t, h, `{"vehicle_id":"moved","lat":1,"lon":2,"timestamp":900000102}`)
	h.Delete("ended")
	publish(t, h, `{"vehicle_id":"new","lat":1,"lon":2}`)
	changed := map[string]number{}
	for v, seq := range h.changedSince(began) {
		changed[v.id] = seq
	}
	require.Equal(t, map[string]number{"moved": 7, "ended": 8, "new": 10, "parked": 0}, changed)
	require.Empty(t, h.changedSince(number(h.Head().Number)))
}

// A view that is frozen while many publish must be exactly the state at its head: what comes before
// and after must meet.
func TestFreezeUnderPublishing(t *testing.T) {
	for name, config := range map[string]Config{
		"long log": {Settings: Settings{MaxVehicles: 3000}},
		// Now and then the whole log is replaced while the fleet is collected.
		"short log": {Settings: Settings{MaxVehicles: 3000}, History: 128 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(config)
			defer h.Close()
			var stop atomic.Bool
			var publishers sync.WaitGroup
			defer publishers.Wait()
			defer stop.Store(true)
			for g := range 4 {
				publishers.Go(func() { churn(h, uint64(g), &stop) })
			}
			for range 40 {
				r := h.freezeFleet()
				seqs := map[string]uint64{}
				last := number(0)
				for _, e := range r.entries {
					require.True(t, last < e.number && e.number <= r.head)
					last = e.number
				}

				// Where the log still holds the events before head, it must agree with the view.
				h.mu.RLock()
				for seq := h.log.first(); seq <= uint64(r.head); seq++ {
					if record, _ := h.log.at(seq); record.kind != kindLate {
						seqs[record.vehicle.id] = seq
					}
				}
				first := h.log.first()
				h.mu.RUnlock()
				inView := map[string]uint64{}
				for _, e := range r.entries {
					if uint64(e.number) >= first {
						require.Zero(t, inView[e.vehicle.id], e.vehicle.id)
						inView[e.vehicle.id] = uint64(e.number)
					}
				}
				for id, seq := range inView {
					require.True(t, seqs[id] == seq, id)
				}
				for id, seq := range seqs {
					if inView[id] == seq {
						continue
					}
					h.mu.RLock()
					record, _ := h.log.at(max(seq, h.log.first()))
					gone := record.kind == kindGone || !h.log.holds(seq)
					h.mu.RUnlock()
					require.True(t, gone, "only who went can have been forgotten: %s", id)
				}
			}
		})
	}
}

// churn publishes for vehicles of its own until stop is set. Some of them are deleted and come
// back.
func churn(h *Hub, seed uint64, stop *atomic.Bool) {
	random := rand.New(rand.NewPCG(seed, 2))
	for n := 0; !stop.Load(); n++ {
		id := fmt.Sprintf("v%d-%d", seed, random.IntN(1000))
		if random.IntN(50) == 0 {
			h.Delete(id)
			continue
		}
		p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":%q,"lat":1,"lon":2,"n":%d}`, id, n))
		if err == nil {
			_, err = h.Publish(&p)
		}
		if err != nil {
			panic(err)
		}
	}
}

// All callers that ask before a freeze begins share its view.
func TestFreezeIsShared(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2}`)
	shared := false
	for try := 0; !shared && try < 1000; try++ { // callers may come one after the other, if late
		distinct := freezeTogether(h, 50)
		shared = len(distinct) < 50
		for v := range distinct {
			require.Len(t, v.entries, 1)
		}
	}
	require.True(t, shared, "callers that wait get one view")
	publish(t, h, `{"vehicle_id":"b","lat":1,"lon":2}`)
	require.Len(t, h.freezer.freeze(h).entries, 2, "no older than the call")
	require.Nil(t, h.freezer.next)
}

// freezeTogether freezes the fleet for callers that come while the freezer is busy, and returns
// their views.
func freezeTogether(h *Hub, callers int) map[*stateView]int {
	h.freezer.busy.Lock()
	views := make(chan *stateView)
	for range callers {
		go func() { views <- h.freezer.freeze(h) }()
	}
	for waiting := false; !waiting; {
		h.freezer.mu.Lock()
		waiting = h.freezer.next != nil
		h.freezer.mu.Unlock()
	}
	h.freezer.busy.Unlock()
	distinct := map[*stateView]int{}
	for range callers {
		distinct[<-views]++
	}
	return distinct
}
