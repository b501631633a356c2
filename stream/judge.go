package stream

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"livemap/geo"
	"livemap/geo/geofence"
)

// maxJudged is how many fences judge a position: those where the vehicle has a standing, and the smallest.
const maxJudged = 256

// nearby is what is remembered of one vehicle for fences.
type nearby struct {
	// free is a box around its newest position in which no fence can bring anything about. It is no part of
	// the state: with and without it, the same happens.
	free      geofence.Rect
	isFree    bool
	asOf      uint64     // fences.versions when its newest position was judged
	published *topicSet  // its topics without those of fences, if it is in one; else nil
	standings []standing // where it is inside, or may be soon, by fence id; some fences may be over
}

// standing is where a vehicle stands at a fence.
type standing struct {
	fence *fence
	geofence.Standing
}

func (n *nearby) standing(f *fence) *standing {
	for i := range n.standings {
		if n.standings[i].fence == f {
			return &n.standings[i]
		}
	}
	return nil
}

// publishedTopics returns the topics of a vehicle without those of fences; nil: it is unknown or gone.
func (a *applier) publishedTopics(v *vehicle) *topicSet {
	if len(a.fences.near) > int(v.slot) && v.present() {
		if n := &a.fences.near[v.slot]; n.published != nil {
			return n.published
		}
	}
	return v.here.topics
}

// happened is what happened to a vehicle at a fence.
type happened struct {
	fence *fence
	geofence.Event
	cause string // "": a fix, a schedule or time
}

// causes of what happened.
const (
	causeGone    = "gone"    // the vehicle went, or the fence concerns it no longer
	causeCreated = "created" // the fence was made around the vehicle
)

// judge judges the position in a.event, which is about to become the newest of v. It returns the topics that
// the vehicle is in then: those that are published, and those of fences. What happened is in
// a.fences.happened. at is the time of the fix.
func (a *applier) judge(v *vehicle, point geo.Point, at int64, published *topicSet) *topicSet {
	fs := &a.fences
	n := fs.nearbyOf(v.slot)
	fs.happened = fs.happened[:0]
	if n.isFree && n.asOf == fs.versions && n.free.Contains(point) && published == a.publishedTopics(v) {
		return v.here.topics
	}
	a.leaveOver(v, n)
	judged := n.asOf
	fs.findCandidates(v, n, at, point, published)
	fs.standings = fs.standings[:0]
	var fix, before geofence.Fix
	var previous *geofence.Fix
	if len(fs.candidates) > 0 { // else nobody asks
		fix = fixOf(a.event.feature(), at, point)
		if v.present() {
			before = fixOf(v.feature(), v.time, v.here.point)
			previous = &before
		}
	}
	for _, f := range fs.candidates {
		known := n.standing(f)
		var s geofence.Standing
		if known != nil {
			s = known.Standing
			fs.clearDue(v, known)
		}
		fs.events = fs.events[:0]
		cause := ""
		switch {
		case !f.concerns(v.id, published):
			if s.Told {
				left := geofence.Event{Type: geofence.Exit, At: latest(fix.At, s.AsOf), Stay: fix.At.Sub(s.Since)}
				fs.happened = append(fs.happened, happened{f, left, causeGone})
			}
			s = geofence.Standing{AsOf: s.AsOf}
		case previous != nil && f.version > judged:
			s, fs.events = f.Adopt(fs.events, fix)
			cause = causeCreated
		default:
			s, fs.events = f.Judge(fs.events, s, previous, fix)
		}
		for _, e := range fs.events {
			fs.happened = append(fs.happened, happened{f, e, cause})
		}
		if s.Inside || !s.Contrary.IsZero() || s.AsOf.After(fix.At) {
			fs.standings = append(fs.standings, standing{f, s})
			f.members.Set(v)
		} else if known != nil {
			f.members.Delete(v)
		}
	}
	n.standings = append(n.standings[:0], fs.standings...)
	for i := range n.standings {
		fs.setDue(v, &n.standings[i], at, staysFresh(geo.StaleAfterOf(a.event.feature())))
	}
	n.asOf = fs.versions
	slices.SortStableFunc(fs.happened, func(a, b happened) int { return cmp.Compare(a.rank(), b.rank()) })
	n.free, n.isFree = fs.freeBox(v, n, point, published)
	n.isFree = n.isFree && !fs.judgeAll
	return a.topicsOf(v, n, published)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// rank orders what one position brings about.
func (e happened) rank() int {
	return slices.Index([]geofence.EventType{
		geofence.Exit, geofence.Crossed, geofence.Enter, geofence.Dwell,
	}, e.Type)
}

// leaveOver takes a vehicle out of the topics and standings of fences that are over. No event says so: that
// of the fence did.
func (a *applier) leaveOver(v *vehicle, n *nearby) {
	isOver := func(s standing) bool { return s.fence.topic.over.Load() }
	if !slices.ContainsFunc(n.standings, isOver) {
		return
	}
	n.standings = slices.DeleteFunc(n.standings, isOver)
	if v.present() {
		published := a.publishedTopics(v)
		a.moveTo(v, a.topicsOf(v, n, published))
	}
}

// moveTo changes the topics of a vehicle without an event.
func (a *applier) moveTo(v *vehicle, topics *topicSet) {
	before := v.here.topics
	a.topics.moveMember(v, before, topics)
	v.here.topics = topics
	a.topics.release(before)
}

// topicsOf returns the topics of a vehicle: those that are published, and those of the fences that it is in.
func (a *applier) topicsOf(v *vehicle, n *nearby, published *topicSet) *topicSet {
	inside := 0
	for i := range n.standings {
		if n.standings[i].Told {
			inside++
		}
	}
	if n.published = nil; inside == 0 {
		return published
	}
	n.published = published
	set := make(topicSet, 0, len(*published)+inside)
	set = append(set, *published...)
	for i := range n.standings {
		if s := &n.standings[i]; s.Told {
			set = append(set, s.fence.topic)
		}
	}
	if v.present() && slices.Equal(*v.here.topics, set) {
		return v.here.topics
	}
	return shareTopicSet(set)
}

// findCandidates finds the fences that judge a position, by id: those in whose bounds it or the way to it is,
// and those where the vehicle has a standing.
func (fs *fences) findCandidates(
	v *vehicle, n *nearby, at int64, point geo.Point, published *topicSet,
) {
	fs.candidates = fs.candidates[:0]
	from, took := point, time.Duration(0)
	if v.present() {
		from, took = v.here.point, time.Duration(at-v.time)
	}
	add := func(low, high [2]float64, f *fence) bool {
		r := geofence.Rect{low, high}
		if (took <= f.MaxGap || r.Contains(point)) && f.concerns(v.id, published) {
			fs.candidates = append(fs.candidates, f)
		}
		return true
	}
	for _, r := range wayBetween(from, point) {
		fs.boxes.Search(r[0], r[1], add)
	}
	for i := range n.standings {
		fs.candidates = append(fs.candidates, n.standings[i].fence)
	}
	byID := func(a, b *fence) int { return strings.Compare(a.ID, b.ID) }
	slices.SortFunc(fs.candidates, byID)
	fs.candidates = slices.Compact(fs.candidates)
	if beyond := len(fs.candidates) - maxJudged; beyond > 0 {
		slices.SortStableFunc(fs.candidates, func(a, b *fence) int {
			return cmp.Or(cmp.Compare(n.rank(a), n.rank(b)), cmp.Compare(a.size, b.size))
		})
		fs.candidates = fs.candidates[:maxJudged]
		slices.SortFunc(fs.candidates, byID)
		fs.beyond += uint64(beyond)
	}
}

// rank puts fences first where the vehicle has a standing.
func (n *nearby) rank(f *fence) int {
	if n.standing(f) != nil {
		return 0
	}
	return 1
}

// wayBetween returns rectangles that hold the way between two points, which goes the short way round.
func wayBetween(from, to geo.Point) (all []geofence.Rect) {
	south, north := min(from[1], to[1]), max(from[1], to[1])
	west, east := min(from[0], to[0]), max(from[0], to[0])
	if east-west <= 180 {
		return append(all, geofence.Rect{{west, south}, {east, north}})
	}
	return append(all, geofence.Rect{{east, south}, {180, north}}, geofence.Rect{{-180, south}, {west, north}})
}

// Half the sizes of the boxes that are searched for fences around a position, in degrees: the larger if there
// are few. freeSpare is how much of a degree is left out at the edges, so that rounding decides nothing.
const (
	freeSmall = 0.002
	freeHalf  = 0.02
	freeSpare = 1e-7
)

// freeBox returns a box around a position in which the next ones bring nothing about: the vehicle is deep
// inside of all fences where it has a standing, and no other one is near. ok is false if there is none.
func (fs *fences) freeBox(
	v *vehicle, n *nearby, point geo.Point, published *topicSet,
) (free geofence.Rect, ok bool) {
	half := [2]float64{freeHalf, freeHalf} // of longitude and latitude
	if math.Abs(point[0]) > 180-2*freeHalf || math.Abs(point[1]) > 85 {
		return free, false
	}
	const perLatitude = 111_200 // metres of a degree, more than by the radius that fences are judged with
	perLongitude := perLatitude * math.Cos(max(0, math.Abs(point[1])-freeHalf)*math.Pi/180)
	// within keeps the box within a distance from the position, in millimetres.
	within := func(distance int64) {
		side := float64(distance) / 1000 * 0.7 // less than the root of a half
		half[0], half[1] = min(half[0], side/perLongitude), min(half[1], side/perLatitude)
	}
	for i := range n.standings {
		s := &n.standings[i]
		f := s.fence
		if !s.Inside || !s.Contrary.IsZero() || !f.Active.Always() || f.HasAltitudes() {
			return free, false
		}
		if _, pending := f.DwellEnd(s.Standing); pending {
			return free, false
		}
		within(-f.Distance(point))
	}
	shrink := func(low, high [2]float64, f *fence) bool {
		aside := max(low[0]-point[0], point[0]-high[0])
		above := max(low[1]-point[1], point[1]-high[1])
		if aside >= half[0] || above >= half[1] { // most are; then the fence is not looked at
			return true
		}
		if n.standing(f) != nil || !f.concerns(v.id, published) {
			return true
		}
		switch {
		case aside <= 0 && above <= 0:
			within(max(0, f.Distance(point)))
		case aside/half[0] > above/half[1]:
			half[0] = min(half[0], aside)
		default:
			half[1] = min(half[1], above)
		}
		return half[0] > 2*freeSpare && half[1] > 2*freeSpare
	}
	search := func(size float64) {
		fs.boxes.Search([2]float64{point[0] - size, point[1] - size}, [2]float64{point[0] + size, point[1] + size},
			shrink)
	}
	most := half
	half = [2]float64{min(most[0], freeSmall), min(most[1], freeSmall)}
	small := half
	if search(freeSmall); half == small && most != small {
		half = most
		search(freeHalf)
	}
	half[0], half[1] = half[0]-freeSpare, half[1]-freeSpare
	if half[0] <= freeSpare || half[1] <= freeSpare {
		return free, false
	}
	return geofence.Rect{
		{point[0] - half[0], point[1] - half[1]}, {point[0] + half[0], point[1] + half[1]},
	}, true
}

// tellHappened appends the events of what happened to a vehicle, which was at the place before.
func (a *applier) tellHappened(v *vehicle, before place) {
	for i := range a.fences.happened {
		h := &a.fences.happened[i]
		n := a.number()
		a.event = frameFence(a.event.text, a.epoch, n, h, v, a.decided())
		a.appendEvent(v, n, kindFence, place{h.fence.alone, before.point}, place{h.fence.alone, v.here.point})
	}
	a.fences.happened = a.fences.happened[:0]
}

// leaveFences tells that a vehicle that is about to be gone leaves all fences.
func (a *applier) leaveFences(v *vehicle) {
	if int(v.slot) >= len(a.fences.near) {
		return
	}
	fs, n := &a.fences, &a.fences.near[v.slot]
	a.leaveOver(v, n)
	fs.happened = fs.happened[:0]
	now := time.Unix(0, v.time)
	for i := range n.standings {
		s := &n.standings[i]
		fs.clearDue(v, s)
		s.fence.members.Delete(v)
		if s.Told {
			at := latest(now, s.AsOf)
			fs.happened = append(fs.happened, happened{s.fence, geofence.Event{
				Type: geofence.Exit, At: at, Stay: at.Sub(s.Since), Distance: s.fence.Distance(v.here.point),
			}, causeGone})
		}
	}
	a.tellHappened(v, v.here)
	*n = nearby{}
}
