package stream_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// reader is a client that holds a map and checks each event that it receives.
type reader struct {
	t     *testing.T
	name  string
	model *model
	query stream.Query

	vehicles  map[string]int  // number of the newest position that it holds, by id
	repeated  map[string]bool // vehicles seen since a reset; nil: no reset is in progress
	newest    map[string]int  // number of the newest position seen, per vehicle
	following int             // every event in scope up to this seq was seen; -1: not so
	lastID    string
	liveCount int
	byMode    map[string]int
	skipping  bool // events were left out, which `live` must announce

	mu   sync.Mutex // guards read
	read []byte     // not parsed yet: the model must be up to date for that

	cancel context.CancelFunc
	gate   chan struct{} // a write takes one; nil: never blocks
	ended  chan struct{}
}

// event checks one event.
func (r *reader) event(text string) {
	if strings.HasPrefix(text, "retry: ") {
		require.NotContains(r.t, text+"\n", "\nid: \n")
		if id := between(text, "\nid: ", "\n"); id != "" {
			require.Equal(r.t, r.query.LastEventID, id, "%s: the greeting", r.name)
		}
		return
	}
	var id, name, data string
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		}
	}
	seq := -1
	if id != "" {
		r.lastID = id
		parsed, ok := stream.ParseID(id)
		require.True(r.t, ok, id)
		seq = r.model.seq(parsed.Number)
	}
	switch name {
	case "ping":
		r.ping(seq)
	case "":
		r.position(data)
		r.checkOrder(seq, name)
	case "late":
		r.checkOrder(seq, name)
	case "gone":
		vehicle := between(data, `"vehicle_id":"`, `"`)
		delete(r.vehicles, vehicle)
		r.checkOrder(seq, name)
	case "reset":
		r.repeated, r.following, r.skipping = map[string]bool{}, -1, false
		// After a cut, a reset continues from an id within it. That may be older than what came
		// before the reset.
		clear(r.newest)
	case "live":
		r.live(seq, between(data, `"mode":"`, `"`))
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// number returns the number that the test gave to a position.
func number(data string) int {
	n, err := strconv.Atoi(between(data, `"n":`, ","))
	if err != nil {
		panic(err)
	}
	return n
}

func (r *reader) position(data string) {
	vehicle := between(data, `"vehicle_id":"`, `"`)
	n := number(data)
	require.GreaterOrEqual(r.t, n, r.newest[vehicle], "%s: %s went back in time", r.name, vehicle)
	r.newest[vehicle] = n
	r.vehicles[vehicle] = n
	if r.repeated != nil {
		r.repeated[vehicle] = true
	}
}

// checkOrder checks that no event between the last one and this was in scope.
func (r *reader) checkOrder(seq int, name string) {
	if seq < 0 || r.following < 0 || r.query.Interval > 0 {
		if seq < 0 {
			r.following = -1
		}
		return
	}
	require.Greater(r.t, seq, r.following, "%s: an event came twice, or ids fell", r.name)
	r.passOver(seq - 1)
	if !r.skipping {
		require.Equal(r.t, r.model.expectedEvent(&r.query, seq), name, "%s: event %d", r.name, seq)
	}
	r.following = seq
}

// passOver notes whether an event up to seq was in scope and did not come.
func (r *reader) passOver(seq int) {
	for s := r.following + 1; s <= seq; s++ {
		if r.model.expectedEvent(&r.query, s) != "-" {
			r.skipping = true
		}
	}
}

// ping checks the id of a ping: the reader must have everything up to it, or the newest of each vehicle
// that changed. The id is withheld until a view ends that may take a vehicle back in time.
func (r *reader) ping(seq int) {
	if seq < 0 || r.following < 0 || r.query.Interval > 0 {
		return
	}
	require.GreaterOrEqual(r.t, seq, r.following, "%s: ping", r.name)
	r.passOver(seq)
	r.following = seq
}

func (r *reader) live(seq int, mode string) {
	r.liveCount++
	r.byMode[mode]++
	if r.repeated != nil {
		for id := range r.vehicles {
			if !r.repeated[id] {
				delete(r.vehicles, id)
			}
		}
		r.repeated = nil
	}
	if r.skipping {
		require.Equal(r.t, "conflated", mode, "%s: events were left out and not announced", r.name)
		r.skipping = false
	}
	if seq < 0 {
		return // ids are withheld: another view follows at once
	}
	if mode == "replay" {
		r.ping(seq)
		require.False(r.t, r.skipping, "%s: live %d passes over an event", r.name, seq)
	}
	if !r.query.Tail {
		require.Equal(r.t, r.expected(seq), r.vehicles, "%s: at live (%s)", r.name, mode)
	}
	r.following = seq
}

// expected returns what the reader must hold at the live of seq. A vehicle that has left since may
// be missing already, if the log has dropped its position at seq.
func (r *reader) expected(seq int) map[string]int {
	expected := r.model.heldAfter(&r.query, seq)
	for _, e := range r.model.events[seq:] {
		if _, held := r.vehicles[e.vehicle]; !held && e.kind != "late" && !holds(&r.query, e.vehicle, e.after) {
			delete(expected, e.vehicle)
		}
	}
	return expected
}

// connect opens the reader's stream. It drops a part of an event that the last connection left.
func (r *reader) connect(h *stream.Hub) {
	r.query.LastEventID = r.lastID
	r.skipping = false // the cut lost the `live` that had to announce it
	if seq, ok := stream.ParseID(r.lastID); ok && r.following >= 0 {
		r.following = r.model.seq(seq.Number)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended, r.read = cancel, make(chan struct{}), nil
	r.t.Cleanup(r.disconnect)
	s, lives := h.Subscribe(r.query), int64(r.liveCount)
	go func() {
		defer close(r.ended)
		run(ctx, r.t, s, r.gate != nil, func(p []byte) error {
			if r.gate != nil {
				select {
				case <-r.gate:
				case <-ctx.Done():
					// The current write may arrive in part.
					if n := len(p) - int(time.Now().UnixNano()+lives)%3*len(p)/5; n < len(p) {
						r.add(p[:n])
					}
					return ctx.Err()
				}
			}
			r.add(p)
			return nil
		})
	}()
}

func (r *reader) add(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = append(r.read, p...)
}

// parse parses the whole events of what was read.
func (r *reader) parse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		i := bytes.Index(r.read, []byte("\n\n"))
		if i < 0 {
			return
		}
		r.event(string(r.read[:i+1]))
		r.read = r.read[i+2:]
	}
}

func (r *reader) disconnect() {
	r.cancel()
	<-r.ended
	r.parse()
}

// step lets a reader read some, or cuts it off and reconnects it.
func (r *reader) step(h *stream.Hub, random *rand.Rand) {
	if r.gate != nil {
		for range random.IntN(3) {
			select {
			case r.gate <- struct{}{}:
				synctest.Wait()
			default:
			}
		}
	}
	switch random.IntN(12) {
	case 0:
		r.disconnect()
		r.connect(h)
	case 1:
		r.disconnect()
		if random.IntN(6) == 0 {
			r.lastID = []string{"", "nonsense", "0-0", r.lastID + "0000000"}[random.IntN(4)]
			if r.lastID == "" {
				// A new client holds nothing.
				clear(r.vehicles)
			}
			r.following, r.skipping = -1, false
		}
		r.connect(h)
	}
	synctest.Wait()
}

// finish compares the reader with the model after it has read everything.
func (r *reader) finish(m *model) {
	r.parse()
	require.False(r.t, r.skipping, "%s: events were left out and not announced", r.name)
	if !r.query.Tail {
		require.Equal(r.t, m.heldAfter(&r.query, len(m.events)), r.vehicles, "%s: at the end", r.name)
	}
	if r.following >= 0 && r.query.Interval == 0 {
		for s := r.following + 1; s <= len(m.events); s++ {
			require.Equal(r.t, "-", m.expectedEvent(&r.query, s), "%s: event %d never came", r.name, s)
		}
	}
}
