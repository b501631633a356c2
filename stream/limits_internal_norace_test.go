//go:build !race

package stream

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// PublishAll has the effects and results of Publish for one position after the other. The fleet
// does not fit into the hub, so that vehicles are forgotten and added again within a batch.
func TestPublishAllIsPublishForEach(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		config := Config{Settings: Settings{MaxVehicles: 20}, History: 256 << 10}
		each, all := New(config), New(config)
		defer each.Close()
		defer all.Close()
		random := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			positions := somePositions(t, random, random.IntN(3*publishBatch))
			var want, got []answer
			for i := range positions {
				want = append(want, outcomeOf(each.Publish(&positions[i])))
			}
			all.PublishAll(positions, func(i int, receipt Receipt, err error) {
				require.Len(t, got, i, "in order, each once")
				got = append(got, outcomeOf(receipt, err))
			})
			require.Equal(t, want, got)
			require.Equal(t, newestEvents(each), newestEvents(all))
			requireConsistent(t, all)
		}
		want, got := each.Stats(), all.Stats()
		require.Equal(t, []uint64{want.Accepted, want.Late, want.Duplicate},
			[]uint64{got.Accepted, got.Late, got.Duplicate})
		require.NotZero(t, got.Accepted*got.Late*got.Duplicate)
	})
}

// The memory of a stream does not grow with its backlog: readers whose first write never returns
// hold no segment and no events.
func TestReaderThatNeverReadsCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{History: 1 << 20, MaxBacklog: 256 << 10})
		ctx, cancel := context.WithCancel(t.Context())
		var streams sync.WaitGroup
		for range 500 {
			for _, q := range []Query{
				{Topics: []string{AllTopic}},
				{Topics: []string{"x"}},
				{Topics: []string{AllTopic}, Interval: time.Second},
			} {
				s := h.Subscribe(q)
				streams.Go(func() {
					s.Serve(ctx, func([]byte) error {
						<-ctx.Done()
						return ctx.Err()
					})
				})
			}
		}
		filler := strings.Repeat("x", 1000)
		churn := func() {
			for i := range 3000 {
				publish(t, h, `{"vehicle_id":"v%d","lat":1,"lon":2,"topics":["x"],"n":%d,"filler":%q}`, i%100, i, filler)
			}
			synctest.Wait()
		}
		churn()
		before := heapInUse()
		for range 5 {
			churn()
		}
		require.Less(t, heapInUse()-before, int64(256<<10))
		cancel()
		streams.Wait()
		h.Close()
	})
}
