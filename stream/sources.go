package stream

import (
	"strings"
	"time"
)

// Source says who publishes. The zero Source is the publisher that needs no authentication.
type Source struct {
	// Publisher is its authenticated name, which a vehicle belongs to when its newest position came from
	// there. When the hub has no room for a new vehicle, it forgets one of the publisher of most.
	Publisher string
	// Name is what the publisher calls the source, for a stream of positions that are published exactly
	// once; "": they are not.
	Name string
	// Seq is the number of the first position, from 1; each further one has the next. A position whose
	// number is not above the greatest of its source is a [Duplicate].
	Seq uint64
}

// maxSourcesKept is how many sources are known. Beyond that the longest silent of the publisher that has most
// goes.
const maxSourcesKept = 10_000

// sourceKey names a source: two publishers may have sources of the same name.
type sourceKey struct{ publisher, name string }

// isNew reports whether a numbered position comes for the first time, and remembers its number.
func (h *Hub) isNew(s Source, now int64) bool {
	known := h.sources.get(sourceKey{s.Publisher, s.Name})
	if known == nil {
		for len(h.sources.byKey) >= maxSourcesKept {
			h.sources.dropOne()
		}
		h.addSource(s, now)
		return true
	}
	h.sources.use(known, now)
	if s.Seq <= known.value {
		return false
	}
	known.value = s.Seq
	return true
}

func (h *Hub) addSource(s Source, now int64) {
	publisher := strings.Clone(s.Publisher)
	h.sources.put(publisher, sourceKey{publisher, strings.Clone(s.Name)}, s.Seq, 1, now)
}

// stateSource is a line of a saved state: a source and the greatest number of its positions.
type stateSource struct {
	Publisher string `json:"publisher,omitempty"`
	Name      string `json:"source"`
	Seq       uint64 `json:"publish_seq"`
	Silent    int64  `json:"unused"` // for how long, nanoseconds
}

// sourcesToSave returns all sources as of a time, the longest silent first. Hub.mu is held.
func (h *Hub) sourcesToSave(now int64) (all []stateSource) {
	for item := range h.sources.inOrder() {
		all = append(all, stateSource{item.key.publisher, item.key.name, item.value, now - item.used})
	}
	return all
}

// restoreSource adds a source of a state. The hub was down for a time. Hub.mu is held.
func (h *Hub) restoreSource(s *stateSource, down time.Duration) {
	if h.sources.get(sourceKey{s.Publisher, s.Name}) == nil {
		h.addSource(Source{s.Publisher, s.Name, s.Seq}, h.restoredTime(down)-s.Silent)
	}
}

// restoredTime returns the time as of which a state was saved, on the clock of fleet.touch. Hub.mu is held.
func (h *Hub) restoredTime(down time.Duration) int64 {
	if h.following != nil {
		return h.journaled.time
	}
	return int64(h.now() - down)
}
