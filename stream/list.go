package stream

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"livemap/geo"
)

// Part is which part of a list a page is.
type Part struct {
	After string // id behind which the page begins; "": at the first
	Limit int    // how many the page has at most; at least 1
}

// Page is one page of the list of vehicles. [Hub.List] makes it. It holds 16 bytes for each vehicle and
// nothing of the log.
type Page struct {
	Next string // Part.After of the next page; "": this is the last one
	view Snapshot
}

// candidate is a vehicle in scope with its place and Feature at one moment.
type candidate struct {
	viewEntry
	point   geo.Point
	feature []byte
}

// List returns a page of the vehicles in scope, in the order of the bytes of their ids. q has the scope: its
// Topics, Box and Only. match, unless nil, chooses vehicles by their Features; it is called without a lock.
//
// A walk over all pages meets every vehicle once that was there all the time. A page is not of one moment.
func (h *Hub) List(q *Query, part Part, match func(feature []byte) bool) *Page {
	s := newScope(q.Topics, q.Box, q.Only...)
	page := &Page{view: Snapshot{hub: h, scope: s, view: &stateView{}}}
	entries := make([]viewEntry, 0, part.Limit+1) // one more, to know whether there is a next page
	var some []candidate
	for w := h.walk(&s, part.After); len(entries) <= part.Limit && !w.done; {
		some = w.next(some[:0])
		for _, c := range some {
			if len(entries) <= part.Limit && (match == nil || match(c.feature)) {
				entries = append(entries, c.viewEntry)
			}
		}
	}
	if len(entries) > part.Limit {
		entries = entries[:part.Limit]
		page.Next = entries[part.Limit-1].vehicle.id
	}
	page.view.view.entries = entries
	return page
}

// Nearest returns a page of the vehicles in scope that are nearest to a point, the nearest first. There are
// at most limit of them, and no next page. q and match mean what they mean in [Hub.List]. Each Feature has a
// member distance_m.
func (h *Hub) Nearest(q *Query, to geo.Point, limit int, match func(feature []byte) bool) *Page {
	type found struct {
		viewEntry
		metres float64
	}
	byDistance := func(a, b found) int {
		return cmp.Or(cmp.Compare(a.metres, b.metres), strings.Compare(a.vehicle.id, b.vehicle.id))
	}
	s := newScope(q.Topics, q.Box, q.Only...)
	nearest := make([]found, 0, 2*limit) // what is behind the first limit is dropped when it is full
	farthest := math.Inf(1)              // of the first limit, when they were last sorted
	var some []candidate
	for w := h.walk(&s, ""); !w.done; {
		some = w.next(some[:0])
		for _, c := range some {
			metres := geo.Distance(to, c.point)
			if metres > farthest || match != nil && !match(c.feature) {
				continue
			}
			if nearest = append(nearest, found{c.viewEntry, metres}); len(nearest) == 2*limit {
				slices.SortFunc(nearest, byDistance)
				nearest = nearest[:limit]
				farthest = nearest[limit-1].metres
			}
		}
	}
	slices.SortFunc(nearest, byDistance)
	page := &Page{view: Snapshot{hub: h, scope: s, view: &stateView{}, near: &to}}
	for _, f := range nearest[:min(limit, len(nearest))] {
		page.view.view.entries = append(page.view.view.entries, f.viewEntry)
	}
	return page
}

// Tag identifies what the page holds. It is of [0-9a-z-].
func (p *Page) Tag() string {
	hash := fnv.New64a()
	var text []byte
	for _, e := range p.view.view.entries {
		text = append(strconv.AppendUint(text[:0], uint64(e.number), 10), ' ')
		hash.Write(text)
	}
	hash.Write([]byte(p.Next))
	return p.view.hub.epoch + "-list-" + strconv.FormatUint(hash.Sum64(), 36)
}

// Write writes the page as a GeoJSON FeatureCollection, as [Snapshot.Write] does. If there is a next page,
// the collection has a member next, which is the Next of the page.
func (p *Page) Write(write func([]byte) error) error {
	if p.Next == "" {
		return p.view.Write(write)
	}
	return p.view.write(write, "],\"next\":"+string(geo.AppendString(nil, p.Next))+"}\n")
}

// walk is a walk over the vehicles in scope, in the order of their ids.
type walk struct {
	hub   *Hub
	scope *scope
	after string     // the id behind which it goes on
	few   []*vehicle // what is left of them; nil: the whole fleet
	done  bool
}

// walk begins a walk behind an id.
func (h *Hub) walk(s *scope, after string) *walk {
	w := &walk{hub: h, scope: s, after: after}
	if s.all {
		return w
	}
	if view := h.freezeFew(s); view != nil {
		w.few = []*vehicle{}
		for _, e := range view.entries {
			if e.vehicle.id > after {
				w.few = append(w.few, e.vehicle)
			}
		}
		slices.SortFunc(w.few, func(a, b *vehicle) int { return strings.Compare(a.id, b.id) })
	}
	return w
}

// next appends the next vehicles. It examines at most scanLimit of them under one lock.
func (w *walk) next(dst []candidate) []candidate {
	w.hub.mu.RLock()
	defer w.hub.mu.RUnlock()
	if w.few != nil {
		w.done = true // they are at most smallView
		for _, v := range w.few {
			dst = w.appendInScope(dst, v)
		}
		return dst
	}
	examined := 0
	w.done = true
	w.hub.fleet.inOrder.Ascend(&vehicle{id: w.after}, func(v *vehicle) bool {
		if v.id == w.after {
			return true
		}
		if examined == scanLimit {
			w.done = false
			return false
		}
		examined++
		dst, w.after = w.appendInScope(dst, v), v.id
		return true
	})
	return dst
}

func (w *walk) appendInScope(dst []candidate, v *vehicle) []candidate {
	if !w.scope.contains(v.id, v.here) {
		return dst
	}
	return append(dst, candidate{viewEntry{v, v.number}, v.here.point, v.feature()})
}

// TopicCount is a topic and the number of vehicles that are in it.
type TopicCount struct {
	ID       string
	Vehicles int
}

// Topics returns a page of the topics that vehicles are in, in the order of the bytes of their ids, and After
// of the next page; "" after the last. match chooses topics by their ids; it is called without a lock.
func (h *Hub) Topics(part Part, match func(id string) bool) (page []TopicCount, next string) {
	after, some := part.After, []TopicCount(nil)
	for done := false; !done; {
		some, done = h.topicsAfter(after, some[:0])
		for _, t := range some {
			after = t.ID
			if !match(t.ID) {
				continue
			}
			if len(page) == part.Limit {
				return page, page[len(page)-1].ID
			}
			page = append(page, t)
		}
	}
	return page, ""
}

// topicsAfter appends the topics behind an id, at most scanLimit. done: there are no more.
func (h *Hub) topicsAfter(after string, dst []TopicCount) (_ []TopicCount, done bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	done = true
	h.topics.inOrder.Ascend(&topic{id: after}, func(t *topic) bool {
		if t.id == after {
			return true
		}
		if done = len(dst) < scanLimit; done {
			dst = append(dst, TopicCount{t.id, len(t.members)})
		}
		return done
	})
	return dst, done
}
