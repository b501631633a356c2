package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// foreignEvent is an event as a client delivers it. An unnamed event has no name, and id is the
// client's last event id.
type foreignEvent struct{ Name, ID, Data string }

// foreignSeen is what a client has reported so far. It is safe for concurrent use.
type foreignSeen struct {
	t       *testing.T
	mu      sync.Mutex
	changed *sync.Cond
	events  []foreignEvent
	notes   []string // "retry 1234" (milliseconds), "error …", "gave up …", "ended …"
}

func newForeignSeen(t *testing.T) *foreignSeen {
	s := &foreignSeen{t: t}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *foreignSeen) event(name, id, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, foreignEvent{name, id, data})
	s.changed.Broadcast()
}

func (s *foreignSeen) note(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, kind+" "+text)
	s.changed.Broadcast()
}

// all returns the events so far but pings, of which each stream begins with one.
func (s *foreignSeen) all() (events []foreignEvent, pings int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.split()
}

func (s *foreignSeen) split() (events []foreignEvent, pings int) {
	for _, e := range s.events {
		if e.Name == "ping" {
			pings++
			continue
		}
		events = append(events, e)
	}
	return events, pings
}

// foreignNamed returns the data of events of one name, "" for the unnamed, and their ids.
func foreignNamed(events []foreignEvent, name string) (data, ids []string) {
	for _, e := range events {
		if e.Name == name {
			data, ids = append(data, e.Data), append(ids, e.ID)
		}
	}
	return data, ids
}

// wait waits for n events of a name and returns all events.
func (s *foreignSeen) wait(name string, n int) []foreignEvent {
	s.t.Helper()
	var events []foreignEvent
	s.until(func() bool {
		events, _ = s.split()
		data, _ := foreignNamed(events, name)
		return len(data) >= n
	})
	return events
}

// waitNote waits for a note that begins so, and returns the rest of it.
func (s *foreignSeen) waitNote(kind string) (text string) {
	s.t.Helper()
	s.until(func() bool {
		i := slices.IndexFunc(s.notes, func(n string) bool { return strings.HasPrefix(n, kind+" ") })
		if i >= 0 {
			text = strings.TrimPrefix(s.notes[i], kind+" ")
		}
		return i >= 0
	})
	return text
}

func (s *foreignSeen) until(met func() bool) {
	s.t.Helper()
	foreignWait(s.t, s.changed, met, func() string {
		events, notes := s.events, s.notes
		return strings.Join(notes, "\n") + "\n" + foreignText(events)
	})
}

// foreignWait waits for a condition that changed's lock guards. On failure the test prints the
// reports so far.
func foreignWait(t *testing.T, changed *sync.Cond, met func() bool, tell func() string) {
	t.Helper()
	expired := false
	timer := time.AfterFunc(foreignLimit, func() {
		changed.L.Lock()
		defer changed.L.Unlock()
		expired = true
		changed.Broadcast()
	})
	defer timer.Stop()
	changed.L.Lock()
	defer changed.L.Unlock()
	for !met() {
		if expired {
			require.FailNow(t, "what was waited for did not come", "%s", tell())
		}
		changed.Wait()
	}
}

// foreignText returns events a line each, long ones shortened.
func foreignText(events []foreignEvent) string {
	var text strings.Builder
	for _, e := range events {
		e.Data = e.Data[:min(len(e.Data), 200)]
		line, _ := json.Marshal(e)
		text.Write(append(line, '\n'))
	}
	return text.String()
}

// foreignModes returns the modes of the `live` events.
func foreignModes(t *testing.T, events []foreignEvent) (modes []string) {
	told, _ := foreignNamed(events, "live")
	for _, data := range told {
		modes = append(modes, foreignMember(t, data, "mode"))
	}
	return modes
}

// foreignMember returns a string that is a member of an object.
func foreignMember(t *testing.T, object, member string) string {
	t.Helper()
	var o map[string]any
	require.NoError(t, json.Unmarshal([]byte(object), &o), "%s", object)
	text, _ := o[member].(string)
	return text
}
