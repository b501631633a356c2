package stream_test

import (
	"path"
	"slices"
	"sort"
	"time"

	"livemap/geo"
	"livemap/stream"
)

// denseNumbers numbers events without holes, as a hub alone does, sparseNumbers with holes.
func denseNumbers(newest uint64) uint64  { return newest + 1 }
func sparseNumbers(newest uint64) uint64 { return newest + 1 + newest%7*(newest%11)*5 }

// model is a naive hub that keeps everything: one entry per event, with the state of its vehicle
// before and after.
type model struct {
	events   []modelEvent               // events[i] has seq i+1
	numbers  []uint64                   // and the number numbers[i]
	next     func(newest uint64) uint64 // the number after newest
	vehicles map[string]*modelVehicle
	told     map[string]bool // Features; a late one that comes again is a duplicate
	max      int
	ttl      time.Duration
	filler   int // bytes in a Feature at most: with large ones the log is short
	born     time.Time
	clock    int // orders arrivals
}

type modelVehicle struct {
	id      string
	gone    bool
	stamp   int64 // Unix seconds of the newest position
	state   modelState
	arrived int
	at      time.Time
	wentAt  int // orders tombstones
}

type modelState struct {
	known  bool
	data   string // the Feature
	point  geo.Point
	topics []string
}

type modelEvent struct {
	kind          string // "", late, gone
	vehicle       string
	data          string
	before, after modelState
}

// publish returns the verdict and records the events that the hub must make.
func (m *model) publish(
	id string, stamp int64, point geo.Point, topics []string, data string, now time.Time,
) stream.Verdict {
	v := m.vehicles[id]
	if v == nil {
		for len(m.vehicles) >= m.max {
			m.evict()
		}
		v = &modelVehicle{id: id, gone: true, stamp: -1}
		m.vehicles[id] = v
	}
	m.clock++
	if !v.gone {
		v.arrived, v.at = m.clock, now
	}
	again := m.told[data]
	m.told[data] = true
	if stamp < v.stamp {
		if again {
			return stream.Duplicate
		}
		before := v.state
		m.add(modelEvent{kind: "late", vehicle: id, data: data, before: before, after: before})
		return stream.Late
	}
	if v.state.data == data && (topics == nil || equalSets(topics, v.state.topics) || v.gone) {
		return stream.Duplicate
	}
	before := v.state
	before.known = !v.gone
	after := modelState{known: true, data: data, point: point, topics: topics}
	if topics == nil && !v.gone {
		after.topics = before.topics
	}
	v.stamp, v.gone, v.state = stamp, false, after
	v.arrived, v.at = m.clock, now
	m.add(modelEvent{vehicle: id, data: data, before: before, after: after})
	return stream.Accepted
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func (m *model) add(e modelEvent) {
	m.events, m.numbers = append(m.events, e), append(m.numbers, m.next(m.newest()))
}

// newest returns the number of the newest event.
func (m *model) newest() uint64 {
	if len(m.numbers) == 0 {
		return 0
	}
	return m.numbers[len(m.numbers)-1]
}

// seq returns the seq of the newest event with a number up to n.
func (m *model) seq(n uint64) int {
	return sort.Search(len(m.numbers), func(i int) bool { return m.numbers[i] > n })
}

func (m *model) evict() {
	var present, gone *modelVehicle
	for _, v := range m.vehicles {
		if !v.gone && (present == nil || v.arrived < present.arrived) {
			present = v
		}
		if v.gone && (gone == nil || v.wentAt < gone.wentAt) {
			gone = v
		}
	}
	v := present
	if present == nil || gone != nil && gone.at.Before(present.at) {
		v = gone
	}
	if !v.gone {
		m.end(v)
	}
	delete(m.vehicles, v.id)
}

func (m *model) end(v *modelVehicle) {
	before := v.state
	m.clock++
	v.gone, v.wentAt = true, m.clock
	v.state.known, v.state.topics = false, nil
	m.add(modelEvent{kind: "gone", vehicle: v.id, before: before})
}

func (m *model) delete(id string) bool {
	v := m.vehicles[id]
	if v == nil || v.gone {
		return false
	}
	m.end(v)
	return true
}

// expire expires vehicles as the hub does: every second, the longest silent first.
func (m *model) expire() {
	now := m.born.Add(time.Since(m.born).Truncate(time.Second))
	var due []*modelVehicle
	for _, v := range m.vehicles {
		if !v.gone && now.Sub(v.at) >= m.ttl {
			due = append(due, v)
		}
	}
	slices.SortFunc(due, func(a, b *modelVehicle) int { return a.arrived - b.arrived })
	for _, v := range due {
		m.end(v)
	}
}

// holds reports, in the words of the contract, whether a vehicle is in the scope of a query.
func holds(q *stream.Query, id string, s modelState) bool {
	if !s.known {
		return false
	}
	for _, topic := range q.Topics {
		if topic == "vehicle:"+id {
			return true
		}
		if topic == "live_updates:all" && allowed(q, id, s.topics) || slices.Contains(s.topics, topic) {
			if q.Box == nil || q.Box.Contains(s.point) {
				return true
			}
		}
	}
	return false
}

// allowed reports whether one of the query's patterns matches a vehicle.
func allowed(q *stream.Query, id string, topics []string) bool {
	if q.Only == nil {
		return true
	}
	for _, topic := range append([]string{"live_updates:all", "vehicle:" + id}, topics...) {
		for _, pattern := range q.Only {
			if ok, _ := path.Match(pattern, topic); ok {
				return true
			}
		}
	}
	return false
}

// heldAfter returns what a reader of q must hold after event seq.
func (m *model) heldAfter(q *stream.Query, seq int) map[string]int {
	state := map[string]modelState{}
	for _, e := range m.events[:seq] {
		if e.kind != "late" {
			state[e.vehicle] = e.after
		}
	}
	held := map[string]int{}
	for id, s := range state {
		if holds(q, id, s) {
			held[id] = number(s.data)
		}
	}
	return held
}

// expectedEvent returns what a reader that reads every event gets of event seq: "" for a position,
// "-" for nothing.
func (m *model) expectedEvent(q *stream.Query, seq int) string {
	e := m.events[seq-1]
	switch {
	case e.kind == "late":
		s := e.after
		s.known = true // indexed where the vehicle is, or was when it went
		if !e.after.known {
			s.topics = nil
		}
		if holds(q, e.vehicle, s) {
			return "late"
		}
	case e.kind == "gone" && holds(q, e.vehicle, e.before):
		return "gone"
	case e.kind == "" && holds(q, e.vehicle, e.after):
		return ""
	case e.kind == "" && holds(q, e.vehicle, e.before):
		return "gone"
	}
	return "-"
}
