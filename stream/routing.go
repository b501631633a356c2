package stream

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/rtree"
)

// router holds the subscribers by what they asked for, so that an event finds its subscribers
// without asking every one.
type router struct {
	mu       sync.Mutex // guards what follows; locked before Hub.mu, never after
	all      map[*Subscription]struct{}
	whole    []*Subscription             // subscribers of the whole fleet, everywhere
	boxes    rtree.RTreeG[*Subscription] // subscribers of the whole fleet in a box, patterns or not
	vehicles map[string][]*Subscription
	topics   map[string][]*Subscription
	empty    chan struct{} // closed when no subscriber is left; nil: nobody waits

	vehiclePrefixes, topicPrefixes prefixIndex // for patterns
}

func (rt *router) init() {
	rt.all = map[*Subscription]struct{}{}
	rt.vehicles = map[string][]*Subscription{}
	rt.topics = map[string][]*Subscription{}
	rt.vehiclePrefixes.init()
	rt.topicPrefixes.init()
}

func (rt *router) size() int {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return len(rt.all)
}

func (rt *router) add(s *Subscription) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.all[s] = struct{}{}
	switch {
	case s.scope.whole():
		rt.whole = append(rt.whole, s)
	case s.scope.scans() && s.scope.box != nil:
		for _, rect := range s.scope.box.Rects() {
			rt.boxes.Insert(rect[0], rect[1], s)
		}
	}
	keys := s.scope.keys()
	for _, id := range keys.vehicles {
		rt.vehicles[id] = append(rt.vehicles[id], s)
	}
	for _, id := range keys.topics {
		rt.topics[id] = append(rt.topics[id], s)
	}
	for _, prefix := range keys.vehiclePrefixes {
		rt.vehiclePrefixes.add(prefix, s)
	}
	for _, prefix := range keys.topicPrefixes {
		rt.topicPrefixes.add(prefix, s)
	}
}

// routingKeys is what the router finds a subscriber by, besides its box.
type routingKeys struct {
	vehicles, topics               []string // ids
	vehiclePrefixes, topicPrefixes []string
}

func (s *scope) keys() routingKeys {
	keys := routingKeys{vehicles: s.vehicles, topics: s.topics}
	if p := s.patterns; p != nil && s.all && s.box == nil {
		keys.vehicles = slices.Concat(s.vehicles, p.vehicles)
		keys.topics = slices.Concat(s.topics, p.topics)
		keys.vehiclePrefixes, keys.topicPrefixes = p.vehiclePrefixes, p.topicPrefixes
	}
	return keys
}

func (rt *router) remove(s *Subscription) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	delete(rt.all, s)
	switch {
	case s.scope.whole():
		rt.whole = removeSubscriber(rt.whole, s)
	case s.scope.scans() && s.scope.box != nil:
		for _, rect := range s.scope.box.Rects() {
			rt.boxes.Delete(rect[0], rect[1], s)
		}
	}
	keys := s.scope.keys()
	for _, id := range keys.vehicles {
		removeKey(rt.vehicles, id, s)
	}
	for _, id := range keys.topics {
		removeKey(rt.topics, id, s)
	}
	for _, prefix := range keys.vehiclePrefixes {
		rt.vehiclePrefixes.remove(prefix, s)
	}
	for _, prefix := range keys.topicPrefixes {
		rt.topicPrefixes.remove(prefix, s)
	}
	rt.closeIfEmpty()
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

// routePause is how long the router waits for more events after it has routed some. Waking a
// goroutine costs more than all else that the hub does for a position.
const routePause = 2 * time.Millisecond

// route notifies the subscribers of new events, until the hub is closed.
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

// routeSegment routes the events of one segment and reports whether there may be more.
func (h *Hub) routeSegment() bool {
	routed := number(h.routed.Load())
	h.router.mu.Lock()
	defer h.router.mu.Unlock()
	records, dropped := h.unrouted(routed)
	if len(records) == 0 {
		return false
	}
	if dropped {
		// Publishing was ahead by the whole log: every subscriber must look for itself.
		for s := range h.router.all {
			s.notify(routed + 1)
		}
	}
	h.router.notify(records)
	h.routed.Store(uint64(records[len(records)-1].number))
	return true
}

// unrouted returns the records after event routed, up to the end of one segment. dropped reports
// whether some of them have left the log.
func (h *Hub) unrouted(routed number) (records []record, dropped bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	first := h.log.upTo(routed) + 1
	if first > h.log.head() {
		return nil, false
	}
	s := h.log.find(first)
	return s.records[first-s.first:], h.log.dropped > routed
}

// notify notifies the subscribers that have one of these consecutive events in scope.
func (rt *router) notify(records []record) {
	for _, s := range rt.whole {
		s.notify(records[0].number)
	}
	if len(rt.all) == len(rt.whole) {
		return
	}
	for i := range records {
		rt.notifyEvent(&records[i])
	}
}

func (rt *router) notifyEvent(r *record) {
	if r.isOfNobody() {
		for s := range rt.all {
			s.notifyIfInScope(r)
		}
		return
	}
	for _, s := range rt.vehicles[r.vehicle.id] {
		s.notify(r.number)
	}
	rt.vehiclePrefixes.notify(r.vehicle.id, r)
	rt.notifyTopics(r, r.before)
	rt.notifyBoxes(r, r.before)
	if r.after != r.before {
		rt.notifyTopics(r, r.after)
		rt.notifyBoxes(r, r.after)
	}
}

func (rt *router) notifyTopics(r *record, at place) {
	if at.nowhere() || len(rt.topics)+len(rt.topicPrefixes.subscribers) == 0 {
		return
	}
	for _, t := range *at.topics {
		for _, s := range rt.topics[t.id] {
			s.notifyIfInScope(r)
		}
		rt.topicPrefixes.notify(t.id, r)
	}
}

func (rt *router) notifyBoxes(r *record, at place) {
	if at.nowhere() || rt.boxes.Len() == 0 {
		return
	}
	rt.boxes.Search(at.point, at.point, func(_, _ [2]float64, s *Subscription) bool {
		s.notifyIfInScope(r)
		return true
	})
}

// notifyIfInScope notifies a subscriber if the event is in its scope.
func (s *Subscription) notifyIfInScope(r *record) {
	if s.pending.Load() == 0 && s.scope.delivery(r) != deliverNothing {
		s.notify(r.number)
	}
}

// notify records that n is the first event for a subscriber since it last looked, and wakes it.
// It does nothing to a subscriber that has not looked since the last notify.
func (s *Subscription) notify(n number) {
	if s.pending.CompareAndSwap(0, uint64(n)) {
		s.wake()
	}
}

// list returns all subscribers, in no order.
func (rt *router) list() []*Subscription {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return slices.Collect(maps.Keys(rt.all))
}

// has reports whether a subscriber is left.
func (rt *router) has(s *Subscription) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	_, left := rt.all[s]
	return left
}

// whenEmpty returns a channel that is closed when no subscriber is left.
func (rt *router) whenEmpty() <-chan struct{} {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	empty := make(chan struct{})
	rt.empty = empty
	rt.closeIfEmpty()
	return empty
}

func (rt *router) closeIfEmpty() {
	if len(rt.all) == 0 && rt.empty != nil {
		close(rt.empty)
		rt.empty = nil
	}
}
