package stream

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/rtree"
)

// router is the subscribers, by what they asked for, so that an event finds
// those concerned without asking every one.
type router struct {
	mu       sync.Mutex // guards what follows; taken before Hub.mu, never after
	all      map[*Subscription]struct{}
	whole    []*Subscription             // of the whole fleet, everywhere
	boxes    rtree.RTreeG[*Subscription] // of the whole fleet, or some of it, in a box
	vehicles map[string][]*Subscription
	topics   map[string][]*Subscription
	empty    chan struct{} // closed when nobody is left; nil: nobody waits for that

	vehiclePrefixes, topicPrefixes prefixIndex // by how ids begin
}

func (a *router) init() {
	a.all = map[*Subscription]struct{}{}
	a.vehicles = map[string][]*Subscription{}
	a.topics = map[string][]*Subscription{}
	a.vehiclePrefixes.init()
	a.topicPrefixes.init()
}

func (a *router) size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

func (a *router) add(s *Subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[s] = struct{}{}
	switch {
	case s.scope.whole():
		a.whole = append(a.whole, s)
	case s.scope.scans() && s.scope.box != nil:
		for _, rect := range s.scope.box.Rects() {
			a.boxes.Insert(rect[0], rect[1], s)
		}
	}
	s.scope.eachKey(func(vehicle string) {
		a.vehicles[vehicle] = append(a.vehicles[vehicle], s)
	}, func(topic string) {
		a.topics[topic] = append(a.topics[topic], s)
	}, func(vehicles string) {
		a.vehiclePrefixes.add(vehicles, s)
	}, func(topics string) {
		a.topicPrefixes.add(topics, s)
	})
}

// eachKey tells by what a subscriber is found, besides its box: ids of vehicles
// and of topics, and beginnings of them.
func (s *scope) eachKey(vehicle, topic, vehiclesOf, topicsOf func(id string)) {
	eachID(s.vehicles, vehicle)
	eachID(s.topics, topic)
	if s.patterns != nil && s.all && s.box == nil {
		eachID(s.patterns.vehicles, vehicle)
		eachID(s.patterns.topics, topic)
		eachID(s.patterns.vehiclePrefixes, vehiclesOf)
		eachID(s.patterns.topicPrefixes, topicsOf)
	}
}

func eachID(ids []string, do func(id string)) {
	for _, id := range ids {
		do(id)
	}
}

func (a *router) remove(s *Subscription) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, s)
	switch {
	case s.scope.whole():
		a.whole = removeSubscriber(a.whole, s)
	case s.scope.scans() && s.scope.box != nil:
		for _, rect := range s.scope.box.Rects() {
			a.boxes.Delete(rect[0], rect[1], s)
		}
	}
	s.scope.eachKey(func(vehicle string) {
		removeKey(a.vehicles, vehicle, s)
	}, func(topic string) {
		removeKey(a.topics, topic, s)
	}, func(vehicles string) {
		a.vehiclePrefixes.drop(vehicles, s)
	}, func(topics string) {
		a.topicPrefixes.drop(topics, s)
	})
	a.closeIfEmpty()
}

func removeSubscriber(list []*Subscription, s *Subscription) []*Subscription {
	i, last := slices.Index(list, s), len(list)-1
	list[i], list[last] = list[last], nil
	return list[:last]
}

func removeKey(lists map[string][]*Subscription, id string, s *Subscription) {
	if list := removeSubscriber(lists[id], s); len(list) > 0 {
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
		case <-h.published:
			for h.routeSegment() {
			}
			time.Sleep(routePause)
		}
	}
}

// routeSegment routes the events of one segment and tells whether there may be more.
func (h *Hub) routeSegment() bool {
	from := h.routed.Load() + 1
	h.router.mu.Lock()
	defer h.router.mu.Unlock()
	first, records := h.unrouted(from)
	if first > from {
		// Publishing outran us by the whole log: each must look for itself.
		for s := range h.router.all {
			s.notify(from)
		}
	}
	h.router.notify(first, records)
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

// notify notifies those whose scope one of the consecutive events is in.
func (a *router) notify(first uint64, records []record) {
	if len(records) == 0 {
		return
	}
	for _, s := range a.whole {
		s.notify(first)
	}
	if len(a.all) == len(a.whole) {
		return
	}
	for i := range records {
		a.notifyEvent(first+uint64(i), &records[i])
	}
}

func (a *router) notifyEvent(seq uint64, r *record) {
	for _, s := range a.vehicles[r.vehicle.id] {
		s.notify(seq)
	}
	a.vehiclePrefixes.notify(r.vehicle.id, seq, r)
	a.notifyTopics(seq, r, r.before)
	a.notifyBoxes(seq, r, r.before)
	if r.after != r.before {
		a.notifyTopics(seq, r, r.after)
		a.notifyBoxes(seq, r, r.after)
	}
}

func (a *router) notifyTopics(seq uint64, r *record, at place) {
	if at.nowhere() || len(a.topics)+len(a.topicPrefixes.subscribers) == 0 {
		return
	}
	for _, t := range *at.topics {
		for _, s := range a.topics[t.id] {
			s.notifyIfInScope(seq, r)
		}
		a.topicPrefixes.notify(t.id, seq, r)
	}
}

func (a *router) notifyBoxes(seq uint64, r *record, at place) {
	if at.nowhere() || a.boxes.Len() == 0 {
		return
	}
	a.boxes.Search(at.point, at.point, func(_, _ [2]float64, s *Subscription) bool {
		s.notifyIfInScope(seq, r)
		return true
	})
}

// notifyIfInScope notifies a subscriber if the event is in its scope.
func (s *Subscription) notifyIfInScope(seq uint64, r *record) {
	if s.pending.Load() == 0 && s.scope.delivery(r) != deliverNothing {
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
func (a *router) list() []*Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.all))
}

// whenEmpty gives a channel that is closed when nobody is left.
func (a *router) whenEmpty() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	empty := make(chan struct{})
	a.empty = empty
	a.closeIfEmpty()
	return empty
}

func (a *router) closeIfEmpty() {
	if len(a.all) == 0 && a.empty != nil {
		close(a.empty)
		a.empty = nil
	}
}
