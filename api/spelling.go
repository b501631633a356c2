package api

import (
	"strconv"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// spellings remembers which vehicle ids were reported to have two spellings. The zero value is ready to use.
type spellings struct {
	mu       sync.Mutex
	reported map[string]bool // ids in NFC; guarded by mu
}

// maxSpellings is how many ids are reported. A publisher must not fill the log.
const maxSpellings = 1000

// first reports whether an id, in NFC, has not been reported.
func (s *spellings) first(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reported[id] || len(s.reported) >= maxSpellings {
		return false
	}
	if s.reported == nil {
		s.reported = map[string]bool{}
	}
	s.reported[id] = true
	return true
}

// checkSpelling logs if a new vehicle has the id of another one in another form of Unicode normalization
// (UAX #15). The two look alike, but are two vehicles: most probably one that has two publishers.
func (a *API) checkSpelling(id string) {
	composed := norm.NFC.String(id) // an ASCII id stays as it is, without an allocation
	for _, other := range [...]string{composed, norm.NFD.String(id)} {
		if other == id {
			continue
		}
		if _, _, known := a.Hub.Vehicle(other); known && a.spellings.first(composed) {
			a.Log.Warn("two vehicles have ids that differ only by Unicode normalization",
				"new", strconv.QuoteToASCII(id), "other", strconv.QuoteToASCII(other))
		}
	}
}
