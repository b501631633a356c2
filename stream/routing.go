package stream

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/rtree"
)

// audience is the subscribers, by what they asked for, so that an event finds
// those concerned without asking every one.
type audience struct {
	mu       sync.Mutex // guards what follows; taken before Hub.mu, never after
	everyone map[*Subscription]struct{}
	whole    []*Subscription             // of the whole fleet, everywhere
	boxes    rtree.RTreeG[*Subscription] // of the whole fleet, or some of it, in a box
	vehicles map[string][]*Subscription
	topics   map[string][]*Subscription
	empty    chan struct{} // closed when nobody is left; nil: nobody waits for that

	vehiclesOf, topicsOf beginnings // by how ids begin
}

func (a *audience) init() {
	a.everyone = map[*Subscription]struct{}{}
	a.vehicles = map[string][]*Subscription{}
	a.topics = map[string][]*Subscription{}
	a.vehiclesOf.init()
	a.topicsOf.init()
}

func (a *audience) size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.everyone)
}

func (a *audience) join(s *Subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.everyone[s] = struct{}{}
	switch {
	case s.scope.whole():
		a.whole = append(a.whole, s)
	case s.scope.scans() && s.scope.box != nil:
		for _, rect := range s.scope.box.Rects() {
			a.boxes.Insert(rect[0], rect[1], s)
		}
	}
	s.scope.eachIndex(func(vehicle string) {
		a.vehicles[vehicle] = append(a.vehicles[vehicle], s)
	}, func(topic string) {
		a.topics[topic] = append(a.topics[topic], s)
	}, func(vehicles string) {
		a.vehiclesOf.add(vehicles, s)
	}, func(topics string) {
		a.topicsOf.add(topics, s)
	})
}

// eachIndex tells by what a subscriber is found, besides its box: ids of vehicles
// and of topics, and beginnings of them.
func (s *scope) eachIndex(vehicle, topic, vehiclesOf, topicsOf func(id string)) {
	each(s.vehicles, vehicle)
	each(s.topics, topic)
	if s.only != nil && s.all && s.box == nil {
		each(s.only.vehicles, vehicle)
		each(s.only.topics, topic)
		each(s.only.vehiclesOf, vehiclesOf)
		each(s.only.topicsOf, topicsOf)
	}
}

func each(ids []string, do func(id string)) {
	for _, id := range ids {
		do(id)
	}
}

func (a *audience) leave(s *Subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.everyone, s)
	switch {
	case s.scope.whole():
		a.whole = without(a.whole, s)
	case s.scope.scans() && s.scope.box != nil:
		for _, rect := range s.scope.box.Rects() {
			a.boxes.Delete(rect[0], rect[1], s)
		}
	}
	s.scope.eachIndex(func(vehicle string) {
		drop(a.vehicles, vehicle, s)
	}, func(topic string) {
		drop(a.topics, topic, s)
	}, func(vehicles string) {
		a.vehiclesOf.drop(vehicles, s)
	}, func(topics string) {
		a.topicsOf.drop(topics, s)
	})
	a.tellEmpty()
}

func without(list []*Subscription, s *Subscription) []*Subscription {
	i, last := slices.Index(list, s), len(list)-1
	list[i], list[last] = list[last], nil
	return list[:last]
}

func drop(lists map[string][]*Subscription, id string, s *Subscription) {
	if list := without(lists[id], s); len(list) > 0 {
		lists[id] = list
	} else {
		delete(lists, id)
	}
}

// routePause is how long events wait for company before their subscribers are
// looked for, if others were routed just before: waking costs more than all else
// that is done for a position.
const routePause = 2 * time.Millisecond

// route tells the subscribers concerned of new events, until the hub is closed.
func (h *Hub) route() {
	for {
		select {
		case <-h.done:
			return
		case <-h.poked:
			for h.routeSome() {
			}
			time.Sleep(routePause)
		}
	}
}

// routeSome routes the events of one segment and tells whether there may be more.
func (h *Hub) routeSome() bool {
	from := h.routed.Load() + 1
	h.audience.mu.Lock()
	defer h.audience.mu.Unlock()
	first, records := h.unrouted(from)
	if first > from {
		// Publishing outran us by the whole log: each must look for itself.
		for s := range h.audience.everyone {
			s.notify(from)
		}
	}
	h.audience.tell(first, records)
	h.routed.Store(first + uint64(len(records)) - 1)
	return len(records) > 0
}

// unrouted gives the records of events from seq on, as far as one segment
// goes; first is the seq of the first, which is later when the log has dropped
// some.
func (h *Hub) unrouted(from uint64) (first uint64, records []record) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	first = max(from, h.log.first())
	if first > h.log.head() {
		return first, nil
	}
	s := h.log.find(first)
	return first, s.records[first-s.first:]
}

// tell notifies those whose scope one of the consecutive events is in.
func (a *audience) tell(first uint64, records []record) {
	if len(records) == 0 {
		return
	}
	for _, s := range a.whole {
		s.notify(first)
	}
	if len(a.everyone) == len(a.whole) {
		return
	}
	for i := range records {
		a.tellOf(first+uint64(i), &records[i])
	}
}

func (a *audience) tellOf(seq uint64, r *record) {
	for _, s := range a.vehicles[r.vehicle.id] {
		s.notify(seq)
	}
	a.vehiclesOf.consider(r.vehicle.id, seq, r)
	a.tellTopics(seq, r, r.before)
	a.tellBoxes(seq, r, r.before)
	if r.after != r.before {
		a.tellTopics(seq, r, r.after)
		a.tellBoxes(seq, r, r.after)
	}
}

func (a *audience) tellTopics(seq uint64, r *record, at place) {
	if at.nowhere() || len(a.topics)+len(a.topicsOf.of) == 0 {
		return
	}
	for _, t := range *at.topics {
		for _, s := range a.topics[t.id] {
			s.consider(seq, r)
		}
		a.topicsOf.consider(t.id, seq, r)
	}
}

func (a *audience) tellBoxes(seq uint64, r *record, at place) {
	if at.nowhere() || a.boxes.Len() == 0 {
		return
	}
	a.boxes.Search(at.point, at.point, func(_, _ [2]float64, s *Subscription) bool {
		s.consider(seq, r)
		return true
	})
}

// consider notifies a subscriber if the event is in its scope.
func (s *Subscription) consider(seq uint64, r *record) {
	if s.pending.Load() == 0 && s.scope.judge(r) != nothing {
		s.notify(seq)
	}
}

// notify tells a subscriber that seq is the first event for it since it last
// looked. One that has been told and has not looked yet is left in peace.
func (s *Subscription) notify(seq uint64) {
	if s.pending.CompareAndSwap(0, seq) {
		s.wake()
	}
}

// list gives all subscribers, in no order.
func (a *audience) list() []*Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.everyone))
}

// emptied gives a channel that is closed when nobody is left.
func (a *audience) emptied() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	empty := make(chan struct{})
	a.empty = empty
	a.tellEmpty()
	return empty
}

func (a *audience) tellEmpty() {
	if len(a.everyone) == 0 && a.empty != nil {
		close(a.empty)
		a.empty = nil
	}
}
