package stream

import "github.com/cespare/xxhash/v2"

// knownSums is how many of the newest accepted positions are known again.
const knownSums = 1 << 18

// sums are the sums of the Features of the newest accepted positions that carry a timestamp. By them a
// position that comes late is known again, so that it is delivered once. Hub.mu guards them.
type sums struct {
	ring  []uint64 // sum n is at n % knownSums
	count uint64   // sums so far
	// newest says which sum was the last of its value. It is made when the first position comes late, and
	// then has the first indexed sums: few fleets are ever late.
	newest  map[uint64]uint64
	indexed uint64
}

func (s *sums) add(feature []byte) { s.append(xxhash.Sum64(feature)) }

func (s *sums) append(sum uint64) {
	if len(s.ring) < knownSums {
		s.ring = append(s.ring, sum)
	} else {
		s.ring[s.count%knownSums] = sum
	}
	s.count++
}

// has reports whether a Feature is that of one of the newest knownSums positions. It writes to s.
func (s *sums) has(feature []byte) bool {
	if s.newest == nil {
		s.newest = map[uint64]uint64{}
	}
	oldest := s.count - uint64(len(s.ring))
	for s.indexed = max(s.indexed, oldest); s.indexed < s.count; s.indexed++ {
		s.newest[s.ring[s.indexed%knownSums]] = s.indexed
	}
	if len(s.newest) > 2*knownSums {
		for sum, n := range s.newest {
			if n < oldest {
				delete(s.newest, sum)
			}
		}
	}
	n, found := s.newest[xxhash.Sum64(feature)]
	return found && n >= oldest
}

// inOrder returns the sums, the oldest first.
func (s *sums) inOrder() []uint64 {
	all := make([]uint64, 0, len(s.ring))
	for n := s.count - uint64(len(s.ring)); n < s.count; n++ {
		all = append(all, s.ring[n%knownSums])
	}
	return all
}
