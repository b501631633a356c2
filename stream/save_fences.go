package stream

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"livemap/geo"
	"livemap/geo/geofence"
)

// stateFence is a line of a saved state: a fence, or how often one was changed if it has no Feature. These
// lines precede those of vehicles.
type stateFence struct {
	Versions uint64   `json:"fence_version"`
	ID       string   `json:"fence_id,omitempty"`
	Edged    int64    `json:"edged,omitempty"`
	Maker    string   `json:"maker,omitempty"`
	Limited  bool     `json:"limited,omitempty"`
	Reads    []string `json:"reads,omitempty"`
	Zone     []byte   `json:"zone,omitempty"` // of its schedule

	Fence json.RawMessage `json:"fence,omitempty"` // its Feature
}

// stateNearby is what a line of a vehicle has for fences.
type stateNearby struct {
	AsOf      uint64          `json:"judged,omitempty"`
	Standings []stateStanding `json:"at,omitempty"`
}

// stateStanding is where a vehicle stands at a fence. Times are Unix nanoseconds; 0: none.
type stateStanding struct {
	Fence    string `json:"fence"`
	Inside   bool   `json:"inside,omitempty"`
	Told     bool   `json:"told,omitempty"`
	Dwelt    bool   `json:"dwelt,omitempty"`
	Since    int64  `json:"since,omitempty"`
	Contrary int64  `json:"contrary,omitempty"`
	AsOf     int64  `json:"as_of,omitempty"`
}

// stateLane is a line of a saved state of a hub with a journal: a loss-free event, or how many there were if
// it has no data. These lines precede those of vehicles.
type stateLane struct {
	Count   uint64    `json:"lane,omitempty"` // of all up to this one; in the first line, of those that are gone
	Number  number    `json:"event,omitempty"`
	Kind    eventKind `json:"kind,omitempty"`
	Vehicle string    `json:"of,omitempty"`
	Topic   string    `json:"topic,omitempty"`
	Before  geo.Point `json:"from"`
	After   geo.Point `json:"to"`

	Data json.RawMessage `json:"data,omitempty"`
}

// write writes the lines of the lane as it is now.
func (l *lane) write(out io.Writer) error {
	if l.count == 0 {
		return nil
	}
	// A count of 0 is as good as no line, so it is told from 1.
	first, err := json.Marshal(stateLane{Count: l.before() + 1, Number: l.dropped})
	if err != nil {
		return err
	}
	if _, err := out.Write(sumLine(first, 0)); err != nil {
		return err
	}
	for i, e := range l.events {
		line, err := json.Marshal(stateLane{
			Count: l.before() + uint64(i) + 1, Number: e.record.number, Kind: e.kind, Vehicle: e.vehicle.id,
			Topic: (*e.before.topics)[0].id, Before: e.before.point, After: e.after.point,
		})
		if err != nil {
			return err
		}
		line = append(append(line[:len(line)-1], `,"data":`...), e.feature()...)
		if _, err := out.Write(sumLine(append(line, '}'), 0)); err != nil {
			return err
		}
	}
	return nil
}

// restoreLane takes a line that lane.write wrote. Hub.mu is held.
func (h *Hub) restoreLane(s *stateLane) error {
	if s.Data == nil {
		h.lane = lane{count: s.Count - 1, dropped: s.Number}
		return nil
	}
	if s.Count != h.lane.count+1 || !s.Kind.ofFence() {
		return errors.New("a loss-free event is missing, or is none")
	}
	head := appendName(nil, "fence")
	text := append(head, s.Data...)
	r := laneRecord(s.Number, s.Kind, s.Vehicle, s.Topic, s.Before, s.After)
	h.lane.add(r, endFrame(text, len(head), h.epoch, s.Number))
	return nil
}

func nanoseconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// toSave returns the lines of all fences, by id. Hub.mu is held.
func (fs *fences) toSave() (lines [][]byte) {
	if fs.versions == 0 {
		return nil
	}
	add := func(s stateFence, feature []byte) {
		line, err := json.Marshal(s)
		if err != nil {
			panic("stream: " + err.Error()) // unreachable: it holds whole numbers and text
		}
		if feature != nil { // encoding/json would change its bytes
			line = append(append(line[:len(line)-1], `,"fence":`...), feature...)
			line = append(line, '}')
		}
		lines = append(lines, sumLine(line, 0))
	}
	add(stateFence{Versions: fs.versions}, nil)
	fs.inOrder.Scan(func(f *fence) bool {
		add(stateFence{
			Versions: f.version, ID: f.ID, Edged: f.edged,
			Maker: f.maker.Name, Limited: f.maker.Limited, Reads: f.maker.Reads, Zone: []byte(f.Active.Zone()),
		}, f.Feature)
		return true
	})
	return lines
}

// restoreFence takes a line that toSave returned. Hub.mu is held.
func (h *Hub) restoreFence(s *stateFence) error {
	if s.Fence == nil {
		h.fences.versions = s.Versions
		return nil
	}
	parsed, err := geofence.Restore(s.ID, s.Fence, string(s.Zone))
	if err == nil && h.fences.byID[s.ID] != nil {
		err = errors.New("the state has the fence twice")
	}
	if err != nil {
		return err
	}
	f := newFence(parsed, Maker{s.Maker, s.Reads, s.Limited}, s.Versions)
	f.edged = s.Edged
	h.applyNow(Source{}, h.moment()).addFence(f)
	return nil
}

func (n *nearby) saved() stateNearby {
	s := stateNearby{AsOf: n.asOf}
	for _, at := range n.standings {
		if at.fence.topic.over.Load() {
			continue
		}
		s.Standings = append(s.Standings, stateStanding{
			at.fence.ID, at.Inside, at.Told, at.Dwelt,
			nanoseconds(at.Since), nanoseconds(at.Contrary), nanoseconds(at.AsOf),
		})
	}
	return s
}

// restoreNearby takes what a line has of a present vehicle for fences. It returns its topics.
func (a *applier) restoreNearby(v *vehicle, s *stateNearby, published *topicSet) *topicSet {
	n := a.fences.nearbyOf(v.slot)
	*n = nearby{asOf: s.AsOf}
	for i, at := range s.Standings {
		f := a.fences.byID[at.Fence]
		if f == nil || i > 0 && strings.Compare(s.Standings[i-1].Fence, at.Fence) >= 0 {
			continue
		}
		n.standings = append(n.standings, standing{f, geofence.Standing{
			Inside: at.Inside, Told: at.Told, Dwelt: at.Dwelt,
			Since: timeOf(at.Since), Contrary: timeOf(at.Contrary), AsOf: timeOf(at.AsOf),
		}})
		f.members.Set(v)
		fresh := staysFresh(geo.StaleAfterOf(a.event.feature()))
		a.fences.setDue(v, &n.standings[len(n.standings)-1], v.time, fresh)
	}
	return a.topicsOf(v, n, published)
}
