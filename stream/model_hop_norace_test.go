//go:build !race

package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// hopper is a reader that comes back to one hub after another with its id. It does with events what a client
// is to do.
type hopper struct {
	run     *journalRun
	lastID  string
	newest  uint64            // number of the newest event with an id
	shown   map[string]string // Features by vehicle
	base    uint64            // from which number on it was told of every event
	every   []string          // all events since then
	resets  []string
	resumed int      // times that it came back and was told the rest
	fences  []string // data of all events of fences
}

// hop reads at a hub for some time.
func (p *hopper) hop(h *stream.Hub, s *stream.Subscription, during time.Duration) {
	var text bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), during)
	defer cancel()
	summary := s.Serve(ctx, func(b []byte) error {
		text.Write(b)
		return nil
	})
	if summary.Reason == stream.Panicked {
		panic(summary.Err)
	}
	for event := range strings.SplitSeq(text.String(), "\n\n") {
		p.take(event)
	}
}

// take takes one event.
func (p *hopper) take(event string) {
	fields := map[string]string{}
	for line := range strings.SplitSeq(event, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		fields[name] = value
	}
	if fields["id"] != "" {
		p.lastID = fields["id"]
	}
	var data struct {
		Reason, Mode string
		ID           string
		VehicleID    string `json:"vehicle_id"`
	}
	if fields["data"] != "" {
		require.NoError(p.run.t, json.Unmarshal([]byte(fields["data"]), &data))
	}
	if fields["event"] == "fence" {
		p.fences = append(p.fences, fields["data"])
		if strings.Count(fields["id"], "-") > 1 {
			return // ahead of its place
		}
	}
	switch fields["event"] {
	case "reset":
		p.resets = append(p.resets, data.Reason)
		p.newest = 0
		clear(p.shown)
		return
	case "live":
		if data.Mode != "replay" && data.Mode != "resumed" {
			id, _ := stream.ParseID(plainID(p.lastID))
			p.base, p.every = id.Number, nil
		} else if data.Mode == "replay" {
			p.resumed++
		}
		return
	case "":
		if fields["data"] == "" {
			return
		}
		p.shown[data.ID] = fields["data"]
	case "gone":
		delete(p.shown, data.VehicleID)
	case "late", "fence":
	default:
		return
	}
	p.every = append(p.every, event)
	if id, ok := stream.ParseID(fields["id"]); ok {
		assert.Greater(p.run.t, id.Number, p.newest, "an event after a newer one")
		p.newest = id.Number
	}
}

// plainID returns an id without what says how many loss-free events its reader had.
func plainID(id string) string {
	if parts := strings.SplitN(id, "-", 3); len(parts) == 3 {
		return parts[0] + "-" + parts[1]
	}
	return id
}

// readUntil hops until a channel is closed.
func (p *hopper) readUntil(done chan struct{}) {
	for {
		p.run.mu.Lock()
		h := p.run.hubs[p.run.random.IntN(len(p.run.hubs))]
		s := h.Subscribe(stream.Query{Topics: fleetQuery.Topics, LastEventID: p.lastID})
		p.run.mu.Unlock()
		p.hop(h, s, time.Duration(p.run.intN(4000))*time.Millisecond)
		select {
		case <-done:
			return
		case <-time.After(time.Duration(p.run.intN(2)*p.run.intN(2000)) * time.Millisecond):
		}
	}
}

// check compares what the reader was told with the log and the vehicles of a hub that has all.
func (p *hopper) check(h *stream.Hub) {
	t := p.run.t
	p.hop(h, h.Subscribe(stream.Query{Topics: fleetQuery.Topics, LastEventID: p.lastID}), time.Minute)
	require.NotContains(t, p.resets, "epoch")
	var snapshot bytes.Buffer
	require.NoError(t, h.Snapshot(fleetQuery.Topics, nil).Write(func(b []byte) error {
		snapshot.Write(b)
		return nil
	}))
	var now struct{ Features []json.RawMessage }
	require.NoError(t, json.Unmarshal(snapshot.Bytes(), &now))
	shown := []string{}
	for _, feature := range now.Features {
		shown = append(shown, string(feature))
	}
	assert.ElementsMatch(t, shown, slices.Collect(maps.Values(p.shown)), "what the reader shows")
	every, log := []string(nil), h.Log()
	for _, n := range slices.Sorted(maps.Keys(log)) {
		if n > p.base && n <= p.newest {
			every = append(every, strings.TrimSuffix(log[n], "\n\n"))
		}
	}
	require.Equal(t, fmt.Sprint(every), fmt.Sprint(p.every), "every event once, in its order, after %d", p.base)
	var fences []string
	for _, n := range slices.Sorted(maps.Keys(log)) {
		if strings.HasPrefix(log[n], "event: fence\n") {
			fences = append(fences, strings.Split(log[n], "\n")[1][len("data: "):])
		}
	}
	missing := len(fences) - len(p.fences) // those before the reader came
	require.GreaterOrEqual(t, missing, 0)
	require.Equal(t, fences[missing:], p.fences, "every event of a fence once, in its order")
}
