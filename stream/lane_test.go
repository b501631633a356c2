package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// laneReader reads a stream in pieces: each connection is cut somewhere, and the next one resumes with the
// newest id of whole events.
type laneReader struct {
	query  stream.Query
	lastID string
	fences []string // data of events
	modes  []string // of `live`
	ahead  int      // events that came ahead of their place
	missed []string
}

// read reads for some virtual time, and at most so many bytes.
func (p *laneReader) read(h *stream.Hub, during time.Duration, most int) {
	q := p.query
	q.LastEventID = p.lastID
	var text bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), during)
	defer cancel()
	h.Subscribe(q).Serve(ctx, func(b []byte) error {
		text.Write(b[:min(len(b), most-text.Len())])
		if text.Len() == most {
			return errCut
		}
		return nil
	})
	events := strings.Split(text.String(), "\n\n")
	for _, event := range events[:len(events)-1] { // the last one is empty, or was cut
		p.take(event)
	}
}

func (p *laneReader) take(event string) {
	fields := map[string]string{}
	for line := range strings.SplitSeq(event, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		fields[name] = value
	}
	if fields["id"] != "" {
		p.lastID = fields["id"]
	}
	switch fields["event"] {
	case "fence":
		p.fences = append(p.fences, fields["data"])
		if strings.Count(fields["id"], "-") != 1 {
			p.ahead++
		}
	case "live":
		p.modes = append(p.modes, members.FindStringSubmatch(fields["data"])[2])
	case "missed":
		p.missed = append(p.missed, fields["data"])
	}
}

// TestFenceEventsAreNotLost has readers that are slow, cut, conflated and filtered. Each gets every event of
// the fence, once and in order.
func TestFenceEventsAreNotLost(t *testing.T) {
	all := []string{stream.AllTopic}
	queries := map[string]stream.Query{
		"all":        {Topics: all},
		"tail":       {Topics: all, Tail: true},
		"fence tail": {Topics: []string{"fence:f"}, Tail: true},
		"rights":     {Topics: all, Rights: []string{"live_updates:all", "fence:f"}},
		"box":        {Topics: all, Box: box(t, "0,0,10,10")},
		"fence":      {Topics: []string{"fence:f"}},
		"vehicle":    {Topics: []string{"vehicle:V"}},
		"interval":   {Topics: all, Interval: time.Second},
		"patterns":   {Topics: all, Only: []string{"fence:*"}, Rights: []string{"fence:*"}},
		"with topic": {Topics: []string{"d", "fence:f"}},
	}
	for name, query := range queries {
		t.Run(name, func(t *testing.T) {
			const seeds = 4
			conflated, ahead := 0, 0
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(seed, 0))
					h := start(t, stream.Config{
						History: 256 << 10, MaxBacklog: 64 << 10, FlushInterval: time.Millisecond, Heartbeat: time.Second,
					})
					time.Sleep(3 * time.Hour) // positions are never ahead of the clock
					putFence(t, h, "f", yard, "")
					reader := &laneReader{query: query}
					reader.read(h, time.Second, 1<<20)
					filler := strings.Repeat("x", 2000)
					var want []string
					fast := listen(t, h, stream.Query{Topics: all, Tail: true})
					synctest.Wait()
					second := 0
					act := func(random *rand.Rand) {
						for range random.IntN(30) {
							second++
							longitude := 2.0 + float64(random.IntN(2))
							at(t, h, "V", second, longitude, fmt.Sprintf(`"x":%q`, filler))
						}
						for n := range random.IntN(60) {
							second++
							at(t, h, fmt.Sprint("W", n), second, 5, fmt.Sprintf(`"x":%q`, filler))
						}
					}
					for round := range uint64(60) {
						act(random)
						done := make(chan struct{})
						if random.IntN(3) == 0 { // something happens while it reads
							go func() {
								defer close(done)
								own := rand.New(rand.NewPCG(seed, round))
								time.Sleep(time.Duration(own.IntN(5)) * time.Millisecond)
								act(own)
							}()
						} else {
							close(done)
						}
						reader.read(h, time.Duration(random.IntN(3000))*time.Millisecond, 500+random.IntN(60_000))
						<-done
					}
					reader.read(h, time.Minute, 1<<30)
					time.Sleep(time.Second)
					for event := range strings.SplitSeq(fast.takeText(), "\n\n") {
						if data, isFence := strings.CutPrefix(event, "event: fence\ndata: "); isFence {
							data, _, _ = strings.Cut(data, "\n")
							want = append(want, data)
						}
					}
					got := slices.DeleteFunc(slices.Clone(reader.fences), func(data string) bool {
						return strings.Contains(data, `"type":"changed"`)
					})
					require.Greater(t, len(want), 100)
					for i := range min(len(want), len(got)) {
						require.Equal(t, want[i], got[i], "seed %d, event %d", seed, i)
					}
					require.Len(t, got, len(want), "seed %d", seed)
					require.Empty(t, reader.missed)
					for _, mode := range reader.modes {
						if mode != "replay" {
							conflated++
						}
					}
					ahead += reader.ahead
				})
			}
			require.Greater(t, conflated, seeds, "readers fell behind: the first of each has the state in any case")
			require.Positive(t, ahead, "events came ahead of positions")
		})
	}
}
