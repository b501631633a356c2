//go:build !race

package stream_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

var seeds = flag.Uint64("seeds", 24, "how many runs the model test makes")

// TestModel makes random calls of a small hub. At every `live` and at the end, it compares what
// readers hold with a model that keeps everything.
func TestModel(t *testing.T) {
	var mu sync.Mutex
	modes, runs := map[string]int{}, *seeds
	if testing.Short() {
		runs = min(runs, 3)
	}
	t.Run("seeds", func(t *testing.T) {
		for seed := range runs {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					seen := runModel(t, seed)
					mu.Lock()
					defer mu.Unlock()
					for mode, n := range seen {
						modes[mode] += n
					}
				})
			})
		}
	})
	for _, mode := range []string{"snapshot", "tail", "replay", "conflated"} {
		require.Greater(t, modes[mode], 2*int(runs), "the runs must see enough of %s: %v", mode, modes)
	}
}

// runModel makes one run and counts the modes of `live` that readers saw.
func runModel(t *testing.T, seed uint64) map[string]int {
	random := rand.New(rand.NewPCG(seed, 1))
	m := &model{vehicles: map[string]*modelVehicle{}, told: map[string]bool{}, max: 40, ttl: 90 * time.Second,
		filler: 900, born: time.Now(), next: denseNumbers}
	sparse := random.IntN(2) == 0
	if sparse {
		m.next = sparseNumbers
	}
	if seed%2 == 1 {
		m.filler = 9000
	}
	h := stream.New(stream.Config{
		History: 256 << 10, MaxBacklog: 48 << 10, Settings: settings(m.max, m.ttl),
		Heartbeat: 2 * time.Second,
	})
	t.Cleanup(h.Close)
	if sparse {
		h.Sparse(m.next)
	}
	readers := makeReaders(t, m, random)
	for _, r := range readers {
		r.connect(h)
	}
	n := 0
	for range 40 {
		for range random.IntN(60) {
			n++
			modelStep(t, m, h, random, n)
		}
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(40)) * time.Second)
		} else {
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
		synctest.Wait()
		m.expire()
		for _, r := range readers {
			r.parse()
			r.step(h, random)
		}
	}
	for _, r := range readers {
		if r.gate != nil {
			close(r.gate)
		}
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
	m.expire()
	modes := map[string]int{}
	for _, r := range readers {
		r.finish(m)
		for mode, n := range r.byMode {
			modes[mode] += n
		}
	}
	return modes
}

// makeReaders returns a fast and a slow reader of every kind of query.
func makeReaders(t *testing.T, m *model, random *rand.Rand) (readers []*reader) {
	box := func(s string) *geo.Box {
		b, err := geo.ParseBox(s)
		require.NoError(t, err)
		return &b
	}
	queries := map[string]stream.Query{
		"all":         {Topics: []string{"live_updates:all"}},
		"box":         {Topics: []string{"live_updates:all"}, Box: box("170,-10,-170,10")},
		"box+vehicle": {Topics: []string{"live_updates:all", "vehicle:v3"}, Box: box("-5,-5,5,5")},
		"vehicle":     {Topics: []string{"vehicle:v1"}},
		"vehicles":    {Topics: []string{"vehicle:v1", "vehicle:v2", "vehicle:nobody", "vehicle:v40"}},
		"topic":       {Topics: []string{"depot:1"}},
		"topics":      {Topics: []string{"depot:1", "depot:2", "vehicle:v4"}},
		"topic box":   {Topics: []string{"depot:2"}, Box: box("-90,-45,90,45")},
		"world":       {Topics: []string{"live_updates:all"}, Box: box("-180,-90,180,90")},
		"tail":        {Topics: []string{"live_updates:all"}, Tail: true},
		"tail box":    {Topics: []string{"depot:1"}, Box: box("0,-90,180,90"), Tail: true},
		"interval":    {Topics: []string{"live_updates:all"}, Interval: time.Second},
		"interval box": {Topics: []string{"live_updates:all"}, Interval: time.Second,
			Box: box("-90,-45,90,45")},
		"only": {Topics: []string{"live_updates:all"}, Only: []string{"vehicle:v1*", "vehicle:v4"}},
		"only topics": {Topics: []string{"live_updates:all"},
			Only: []string{"depot:*", "vehicle:v2*", "vehicle:v20*"}},
		"only everything": {Topics: []string{"live_updates:all"}, Only: []string{"v*"}},
		"only box": {Topics: []string{"live_updates:all"}, Only: []string{"vehicle:v3*", "depot:1"},
			Box: box("-90,-45,90,45")},
		"only interval": {Topics: []string{"live_updates:all"}, Only: []string{"vehicle:v2*"},
			Interval: time.Second},
		"interval topic": {Topics: []string{"depot:1", "vehicle:v5"}, Interval: 300 * time.Millisecond},
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range queries {
			if !yield(name) {
				return
			}
		}
	}) {
		for _, slow := range []bool{false, true} {
			r := &reader{
				t: t, name: name, model: m, query: queries[name], following: -1,
				vehicles: map[string]int{}, newest: map[string]int{}, byMode: map[string]int{},
			}
			if r.query.Ping = time.Duration(random.IntN(3)) * 700 * time.Millisecond; slow {
				r.name, r.gate = "slow "+name, make(chan struct{})
			}
			readers = append(readers, r)
		}
	}
	return readers
}

// modelStep makes one call of the hub and of the model.
func modelStep(t *testing.T, m *model, h *stream.Hub, random *rand.Rand, n int) {
	id := fmt.Sprint("v", random.IntN(48))
	switch random.IntN(30) {
	case 0:
		require.Equal(t, m.delete(id), must(h.Delete(id)))
		return
	}
	stamp := time.Now().Unix() + int64(random.IntN(8)) - 3
	point := geo.Point{float64(random.IntN(360) - 180), float64(random.IntN(120) - 60)}
	members := ""
	var topics []string
	if random.IntN(3) == 0 {
		topics = []string{}
		for _, id := range []string{"depot:1", "depot:2", "depot:3"} {
			if random.IntN(2) == 0 {
				topics = append(topics, id)
			}
		}
		members = fmt.Sprintf(`"topics":["%s"],`, strings.Join(topics, `","`))
		if len(topics) == 0 {
			members = `"topics":[],`
		}
	}
	filler := strings.Repeat("x", random.IntN(m.filler))
	p, err := geo.ParsePosition(fmt.Appendf(nil,
		`{"vehicle_id":%q,"lon":%v,"lat":%v,%s"n":%d,"filler":"%s","timestamp":%d}`,
		id, point[0], point[1], members, n, filler, stamp))
	require.NoError(t, err)
	data := string(p.AppendFeature(nil, p.Time))
	for range 1 + random.IntN(20)/19 { // sometimes twice
		receipt, err := h.Publish(&p)
		require.NoError(t, err)
		require.Equal(t, m.publish(id, stamp, point, topics, data, time.Now()), receipt.Verdict)
		if receipt.Verdict != stream.Duplicate {
			require.Equal(t, m.newest(), receipt.ID.Number)
		}
	}
}
