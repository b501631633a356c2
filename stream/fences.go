package stream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/btree"
	"github.com/tidwall/rtree"

	"livemap/geo"
	"livemap/geo/geofence"
)

// FencePrefix with a fence's id is the topic of that fence: the positions of the vehicles inside, and its
// events.
const FencePrefix = "fence:"

// Limits of fences.
const (
	MaxFences          = 25_000
	MaxVertices        = 1_000_000 // of all fences
	MaxFencesOfMaker   = 100       // of one token
	MaxVerticesOfMaker = 100_000   // of the fences of one token
)

// fence is a fence with what the hub knows of it. All but members, edged and next is immutable: a fence that
// is changed is another one.
type fence struct {
	*geofence.Fence
	maker    Maker
	version  uint64 // by which of all changes of fences it was made
	readable *patternSet
	vehicles idPatterns // whom it concerns
	topics   idPatterns
	size     float64
	rects    []geofence.Rect

	topic  *topic
	alone  *topicSet // its topic alone
	nobody *vehicle  // stands in events of the fence as a whole; its id is ""

	members *btree.BTreeG[*vehicle] // those with a standing, by id
	edged   int64                   // up to when its schedule was told; Unix nanoseconds
	next    int64                   // when its schedule begins or ends after that; maxTime: never
}

// Maker is who made a fence. The zero Maker has every right.
type Maker struct {
	Name string // authenticated name
	// Reads are the topics that the maker may read, as patterns; Limited says that there are no others. A
	// limited maker's fence concerns no other vehicles.
	Reads   []string
	Limited bool
}

// fences are the fences, and where vehicles are by them. Hub.mu guards them.
type fences struct {
	byID     map[string]*fence
	inOrder  *btree.BTreeG[*fence] // by id
	boxes    rtree.RTreeG[*fence]
	makers   map[string]*fencesOfMaker // limited ones
	vertices int
	versions uint64 // how often a fence was made, changed or ended
	near     []nearby
	due      *btree.BTreeG[due]
	judgeAll bool   // for tests: nothing is nearby.free
	beyond   uint64 // how many fences did not judge a position, since there were too many; no part of the state

	// Memory that is used again.
	candidates []*fence
	happened   []happened
	events     []geofence.Event
	standings  []standing
}

type fencesOfMaker struct{ fences, vertices int }

func newFences() fences {
	return fences{
		byID: map[string]*fence{}, inOrder: newTree(func(f *fence) string { return f.ID }),
		makers: map[string]*fencesOfMaker{},
		due:    btree.NewBTreeGOptions(dueLess, btree.Options{NoLocks: true}),
	}
}

// idPatterns are ids and beginnings of ids.
type idPatterns struct {
	all             bool
	ids, beginnings []string
}

func newIDPatterns(patterns []string) idPatterns {
	p := idPatterns{all: patterns == nil}
	for _, pattern := range patterns {
		if beginning, open := strings.CutSuffix(pattern, "*"); open {
			p.beginnings = append(p.beginnings, beginning)
		} else {
			p.ids = append(p.ids, pattern)
		}
	}
	p.ids = sortUnique(p.ids)
	return p
}

func (p *idPatterns) match(id string) bool { return p.all || matchesID(p.ids, p.beginnings, id) }

// concerns reports whether a vehicle in some topics is judged by the fence.
func (f *fence) concerns(vehicleID string, published *topicSet) bool {
	if !f.vehicles.match(vehicleID) || f.readable != nil && !f.readable.matchesVehicle(vehicleID) &&
		!f.readable.matchesTopic(published) {
		return false
	}
	return f.topics.all || slices.ContainsFunc(*published, func(t *topic) bool { return f.topics.match(t.id) })
}

// Match is a condition for changing a fence: see [Hub.PutFence].
type Match struct {
	kind    matchKind
	version uint64
}

type matchKind uint8

const (
	matchAny matchKind = iota
	matchAbsent
	matchPresent
	matchVersion
	matchEnd
)

// Conditions. The zero Match is that there is none.
var (
	IfAbsent  = Match{kind: matchAbsent}
	IfPresent = Match{kind: matchPresent}
)

// IfVersion is the condition that a fence has a version.
func IfVersion(version uint64) Match { return Match{matchVersion, version} }

// holds reports whether the condition holds for a fence; nil: there is none.
func (m Match) holds(f *fence) bool {
	switch m.kind {
	case matchAbsent:
		return f == nil
	case matchPresent:
		return f != nil
	case matchVersion:
		return f != nil && f.version == m.version
	}
	return true
}

// FenceChange says what a change of a fence did.
type FenceChange uint8

// What a change of a fence did.
const (
	FenceSame     FenceChange = iota // nothing: it was the same before
	FenceMade                        // there is another fence
	FenceChanged                     // the fence is another one
	FenceDeleted                     // there is one fence less
	FenceUnknown                     // nothing: there is no such fence
	FenceMismatch                    // nothing: the condition does not hold
	FenceLimit                       // nothing: there are too many
)

// FenceOutcome is what came of a change of a fence.
type FenceOutcome struct {
	FenceChange
	Version uint64 // that the fence has now; 0: there is none
	Limit   string // which limit it is; "": none
}

// fenceEntry is what an entry asks for.
type fenceEntry struct {
	id    string
	fence *geofence.Fence // nil: it is deleted
	maker Maker
	match Match
}

// PutFence makes a fence or changes it, if the condition holds.
func (h *Hub) PutFence(f *geofence.Fence, by Maker, match Match) (FenceOutcome, error) {
	return h.changeFence(&fenceEntry{id: f.ID, fence: f, maker: by, match: match})
}

// DeleteFence deletes a fence, if the condition holds.
func (h *Hub) DeleteFence(id string, match Match) (FenceOutcome, error) {
	return h.changeFence(&fenceEntry{id: id, match: match})
}

func (h *Hub) changeFence(e *fenceEntry) (came FenceOutcome, err error) {
	if h.following != nil {
		p := h.newProposal()
		p.add(entryFence, appendFenceBody(nil, e))
		err = h.proposeFor(p, func(outcomes []outcome) { came = outcomes[0].fence })
		return came, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.signalRouter()
	return h.applyNow(Source{}, h.moment()).changeFence(e), nil
}

// decided returns what time it is by the order of entries, Unix nanoseconds.
func (a *applier) decided() int64 {
	if a.following != nil {
		return a.heard
	}
	return a.arrived.UnixNano()
}

// changeFence applies a change of a fence.
func (a *applier) changeFence(e *fenceEntry) FenceOutcome {
	was := a.fences.byID[e.id]
	switch {
	case !e.match.holds(was):
		return FenceOutcome{FenceChange: FenceMismatch}
	case e.fence == nil && was == nil:
		return FenceOutcome{FenceChange: FenceUnknown}
	case e.fence == nil:
		a.endFence(was, fenceDeleted)
		return FenceOutcome{FenceChange: FenceDeleted}
	case was != nil && string(was.Feature) == string(e.fence.Feature) && sameMaker(&was.maker, &e.maker) &&
		was.Active.Zone() == e.fence.Active.Zone():
		return FenceOutcome{FenceChange: FenceSame, Version: was.version}
	}
	if limit := a.fences.limit(e, was); limit != "" {
		return FenceOutcome{FenceChange: FenceLimit, Limit: limit}
	}
	a.fences.versions++
	f := newFence(e.fence, e.maker, a.fences.versions)
	f.edged = a.decided()
	if was != nil {
		a.fences.remove(was)
	}
	a.addFence(f)
	if was == nil {
		a.tellFence(f, kindFenceMade, fenceChanged)
		return FenceOutcome{FenceChange: FenceMade, Version: f.version}
	}
	a.tellFence(f, kindFenceOver, fenceChanged)
	return FenceOutcome{FenceChange: FenceChanged, Version: f.version}
}

func sameMaker(a, b *Maker) bool {
	return a.Name == b.Name && a.Limited == b.Limited && slices.Equal(a.Reads, b.Reads)
}

// endFence ends a fence: nobody is inside any more.
func (a *applier) endFence(f *fence, how fenceEvent) {
	a.fences.versions++
	a.fences.remove(f)
	f.topic.over.Store(true)
	if len(f.topic.members) > 0 {
		a.topics.inOrder.Delete(f.topic)
	}
	f.topic.members = nil
	a.tellFence(f, kindFenceOver, how)
}

// limit says which limit a fence would exceed; "": none. was is the one in whose place it comes.
func (fs *fences) limit(e *fenceEntry, was *fence) string {
	count, vertices := len(fs.byID), fs.vertices
	var own fencesOfMaker
	if share := fs.makers[e.maker.Name]; share != nil {
		own = *share
	}
	if was != nil {
		count, vertices = count-1, vertices-was.Vertices
		if was.maker.Limited && was.maker.Name == e.maker.Name {
			own.fences, own.vertices = own.fences-1, own.vertices-was.Vertices
		}
	}
	add := e.fence.Vertices
	switch {
	case count+1 > MaxFences:
		return fmt.Sprintf("there are %d fences, the limit", count)
	case vertices+add > MaxVertices:
		return fmt.Sprintf("all fences have %d vertices, and this one has %d; the limit is %d",
			vertices, add, MaxVertices)
	case e.maker.Limited && own.fences+1 > MaxFencesOfMaker:
		return fmt.Sprintf("this token has made %d fences, the limit", own.fences)
	case e.maker.Limited && own.vertices+add > MaxVerticesOfMaker:
		return fmt.Sprintf("the fences that this token has made have %d vertices, and this one has %d; the "+
			"limit is %d", own.vertices, add, MaxVerticesOfMaker)
	}
	return ""
}

func newFence(f *geofence.Fence, maker Maker, version uint64) *fence {
	return &fence{
		Fence: f, maker: maker, version: version, readable: readableBy(&maker),
		vehicles: newIDPatterns(f.Vehicles), topics: newIDPatterns(f.Topics),
		size: f.Size(), rects: f.Bounds(),
		members: newTree(func(v *vehicle) string { return v.id }), next: maxTime,
	}
}

// readableBy returns the vehicles that a maker may read; nil: every one.
func readableBy(m *Maker) *patternSet {
	if !m.Limited {
		return nil
	}
	return newPatternSet(m.Reads)
}

// addFence adds a fence, which has no event yet. One of its id must have been removed.
func (a *applier) addFence(f *fence) {
	fs, id := &a.fences, FencePrefix+f.ID
	before := a.topics.byID[id]
	f.topic = &topic{id: id, members: map[*vehicle]struct{}{}, fence: f}
	if before != nil { // its events are still in the log
		before.over.Store(true)
		if len(before.members) > 0 {
			a.topics.inOrder.Delete(before)
		}
		f.topic.index, before.members = before.index, nil
	} else {
		f.topic.index = &seqIndex{dropped: a.log.dropped}
	}
	a.topics.byID[id] = f.topic
	f.alone = &topicSet{f.topic}
	f.nobody = &vehicle{index: seqIndex{dropped: a.log.dropped}}
	fs.byID[f.ID] = f
	fs.inOrder.Set(f)
	for _, r := range f.rects {
		fs.boxes.Insert(r[0], r[1], f)
	}
	fs.vertices += f.Vertices
	if f.maker.Limited {
		share := fs.makers[f.maker.Name]
		if share == nil {
			share = &fencesOfMaker{}
			fs.makers[f.maker.Name] = share
		}
		share.fences, share.vertices = share.fences+1, share.vertices+f.Vertices
	}
	if fs.near == nil {
		fs.near = make([]nearby, 0, len(a.fleet.slots))
	}
	fs.schedule(f)
}

// remove removes a fence. Those inside keep a standing, which counts no longer.
func (fs *fences) remove(f *fence) {
	delete(fs.byID, f.ID)
	fs.inOrder.Delete(f)
	for _, r := range f.rects {
		fs.boxes.Delete(r[0], r[1], f)
	}
	fs.vertices -= f.Vertices
	if f.maker.Limited {
		share := fs.makers[f.maker.Name]
		share.fences, share.vertices = share.fences-1, share.vertices-f.Vertices
		if share.fences == 0 {
			delete(fs.makers, f.maker.Name)
		}
	}
	fs.unschedule(f)
	f.members.Scan(func(v *vehicle) bool {
		n := &fs.near[v.slot]
		for i := range n.standings {
			if s := &n.standings[i]; s.fence == f {
				fs.clearDue(v, s)
			}
		}
		return true
	})
	f.members.Clear()
}

// FenceInfo describes a fence. All of it is immutable.
type FenceInfo struct {
	ID      string
	Feature []byte // one line of GeoJSON
	Version uint64
}

// Fence returns a fence. ok is false when there is none.
func (h *Hub) Fence(id string) (info FenceInfo, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f := h.fences.byID[id]
	if f == nil {
		return FenceInfo{}, false
	}
	return FenceInfo{f.ID, f.Feature, f.version}, true
}

// Fences returns the fences that may allows, by id.
func (h *Hub) Fences(may func(id string) bool) (all []FenceInfo) {
	h.mu.RLock()
	h.fences.inOrder.Scan(func(f *fence) bool {
		all = append(all, FenceInfo{f.ID, f.Feature, f.version})
		return true
	})
	h.mu.RUnlock()
	return slices.DeleteFunc(all, func(f FenceInfo) bool { return !may(f.ID) })
}

// Insider is a vehicle that is inside of a fence.
type Insider struct {
	VehicleID string
	Since     time.Time
	Feature   []byte // its last-known position
}

// Inside returns who is inside of a fence, by id. ok is false when there is no such fence.
func (h *Hub) Inside(id string) (all []Insider, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	f := h.fences.byID[id]
	if f == nil {
		return nil, false
	}
	f.members.Scan(func(v *vehicle) bool {
		if s := h.fences.near[v.slot].standing(f); s != nil && s.Told {
			all = append(all, Insider{v.id, s.Since, v.feature()})
		}
		return true
	})
	return all, true
}

// dueKind is what is due.
type dueKind uint8

const (
	dueDwell  dueKind = iota + 1 // a dwell is fulfilled
	dueEdge                      // a schedule begins or ends
	dueExpiry                    // a fence expires
	dueEnd
)

// due is what a timer will bring about: see applier.timer.
type due struct {
	at      int64 // Unix nanoseconds
	kind    dueKind
	fence   *fence
	vehicle *vehicle // of a dwell
}

// maxTime is a time that never comes, Unix nanoseconds.
const maxTime = 1<<63 - 1

func dueLess(a, b due) bool {
	order := cmp.Or(
		cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind), strings.Compare(a.fence.ID, b.fence.ID))
	if order == 0 && a.vehicle != nil && b.vehicle != nil {
		order = strings.Compare(a.vehicle.id, b.vehicle.id)
	}
	return order < 0
}

// schedule calculates what is due of a fence as a whole.
func (fs *fences) schedule(f *fence) {
	if next, ok := f.Active.Next(time.Unix(0, f.edged)); ok {
		f.next = next.UnixNano()
		fs.due.Set(due{at: f.next, kind: dueEdge, fence: f})
	}
	if !f.Expires.IsZero() {
		fs.due.Set(due{at: f.Expires.UnixNano(), kind: dueExpiry, fence: f})
	}
}

func (fs *fences) unschedule(f *fence) {
	fs.due.Delete(due{at: f.next, kind: dueEdge, fence: f})
	if !f.Expires.IsZero() {
		fs.due.Delete(due{at: f.Expires.UnixNano(), kind: dueExpiry, fence: f})
	}
}

// staysFresh returns how long after its newest fix a vehicle counts as where it was, for a dwell: until it is
// stale. Where that is not known, 0, it is ten minutes.
func staysFresh(staleAfter time.Duration) time.Duration { return cmp.Or(staleAfter, 10*time.Minute) }

// setDue adds the dwell that time will fulfil for a standing of a vehicle, whose newest fix is of a time, in
// Unix nanoseconds, and fresh for some time.
func (fs *fences) setDue(v *vehicle, s *standing, fix int64, fresh time.Duration) {
	end, ok := s.fence.DwellEnd(s.Standing)
	if ok && end.UnixNano()-fix <= int64(fresh) {
		fs.due.Set(due{end.UnixNano(), dueDwell, s.fence, v})
	}
}

// clearDue removes what setDue added, before the standing changes.
func (fs *fences) clearDue(v *vehicle, s *standing) {
	if end, ok := s.fence.DwellEnd(s.Standing); ok {
		fs.due.Delete(due{end.UnixNano(), dueDwell, s.fence, v})
	}
}

// nearbyOf returns what is remembered of a vehicle by its slot.
func (fs *fences) nearbyOf(slot int32) *nearby {
	if int(slot) >= len(fs.near) {
		fs.near = append(fs.near, make([]nearby, int(slot)+1-len(fs.near))...)
	}
	return &fs.near[slot]
}

// fixOf returns a fix from a Feature.
func fixOf(feature []byte, at int64, point geo.Point) geofence.Fix {
	fix := geofence.Fix{At: time.Unix(0, at), Point: point, Accuracy: geo.Accuracy(feature)}
	if altitude, ok := geo.Altitude(feature); ok {
		fix.Altitude = altitude
	} else {
		fix.Altitude = geofence.NoAltitude
	}
	return fix
}
