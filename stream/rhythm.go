package stream

import (
	"slices"
	"time"

	"livemap/geo"
)

// rhythm is what is known of when a vehicle reports. Each time its newest position is replaced, two durations
// are counted: how old the fix that is replaced had become, and how long nothing was heard of the vehicle. It
// is part of the state, in integers, so that hubs come to the same Features.
type rhythm struct {
	ages, gaps [len(rhythmSteps)]uint8 // by step
	total      uint8                   // of ages, and of gaps
	stale      int32                   // the age from which the vehicle is stale, seconds; 0: not known yet
}

// rhythmSteps are the durations that a rhythm can tell apart, in seconds. One counts to a step up to a tenth
// and a second above it: vehicles that report each minute do so a little later at times.
var rhythmSteps = [...]int32{1, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 7200}

// staleSteps are the ages from which a vehicle is stale, in seconds. They are few, so that its Features
// seldom change in this.
var staleSteps = [...]int32{
	15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 172800,
}

const (
	rhythmKnown = 8  // positions after which a rhythm is known, and how often it is looked at anew
	rhythmMost  = 64 // positions that count; with more, older ones count half
)

// learn counts a position that replaced another.
func (r *rhythm) learn(age, gap time.Duration) {
	r.ages[rhythmStep(age)]++
	r.gaps[rhythmStep(gap)]++
	r.total++
	if r.total%rhythmKnown == 0 {
		r.stale = roundStale(r.percentile(&r.ages, 95) + 2*r.percentile(&r.gaps, 50))
	}
	if r.total < rhythmMost {
		return
	}
	r.total = rhythmMost / 2
	halve(&r.ages)
	halve(&r.gaps)
}

// append appends the rhythm in a form for a saved state: the place of stale in staleSteps plus 1, 0 for none;
// then for each count that is not 0 two bytes: its step, plus 16 if it is of gaps, and the count.
func (r *rhythm) append(dst []byte) []byte {
	if r.total == 0 {
		return dst
	}
	dst = append(dst, byte(slices.Index(staleSteps[:], r.stale)+1))
	for i, n := range r.ages {
		if n > 0 {
			dst = append(dst, byte(i), n)
		}
	}
	for i, n := range r.gaps {
		if n > 0 {
			dst = append(dst, byte(len(r.ages)+i), n)
		}
	}
	return dst
}

// read reads what append appended, and reports whether it is a rhythm.
func (r *rhythm) read(b []byte) bool {
	*r = rhythm{}
	if len(b) == 0 {
		return true
	}
	if int(b[0]) > len(staleSteps) || len(b)%2 == 0 {
		return false
	}
	if b[0] > 0 {
		r.stale = staleSteps[b[0]-1]
	}
	ages, gaps := 0, 0
	for b = b[1:]; len(b) > 0; b = b[2:] {
		switch step, n := int(b[0]), b[1]; {
		case step < len(r.ages):
			r.ages[step] = n
			ages += int(n)
		case step < 2*len(r.ages):
			r.gaps[step-len(r.ages)] = n
			gaps += int(n)
		default:
			return false
		}
	}
	r.total = uint8(ages)
	return ages == gaps && 0 < ages && ages < rhythmMost
}

// halve halves counts whose sum is rhythmMost. Their sum is half of it afterwards: what odd ones lose goes to
// the most frequent.
func halve(counts *[len(rhythmSteps)]uint8) {
	sum, most := uint8(0), 0
	for i := range counts {
		if counts[i] > counts[most] {
			most = i
		}
	}
	for i := range counts {
		counts[i] /= 2
		sum += counts[i]
	}
	counts[most] += rhythmMost/2 - sum
}

func rhythmStep(d time.Duration) int {
	seconds := int64(d / time.Second)
	for i, step := range rhythmSteps[:len(rhythmSteps)-1] {
		if seconds <= int64(step+step/10+1) {
			return i
		}
	}
	return len(rhythmSteps) - 1
}

// percentile returns the smallest step, in seconds, up to which so many in a hundred are.
func (r *rhythm) percentile(counts *[len(rhythmSteps)]uint8, percent int) int32 {
	need, sum := (int(r.total)*percent+99)/100, 0
	for i, n := range counts {
		if sum += int(n); sum >= need {
			return rhythmSteps[i]
		}
	}
	return rhythmSteps[len(rhythmSteps)-1] // unreachable
}

func roundStale(seconds int32) int32 {
	for _, step := range staleSteps {
		if seconds <= step {
			return step
		}
	}
	return staleSteps[len(staleSteps)-1]
}

// staleAfter returns the age in seconds from which a position of a vehicle is stale, 0 if it is not known.
func (a *applier) staleAfter(p *geo.Position, v *vehicle) int {
	if p.ExpectWithin > 0 {
		return int(roundStale(int32((2*p.ExpectWithin + time.Second - 1) / time.Second)))
	}
	if v.slot < 0 {
		return 0
	}
	return int(a.fleet.rhythms[v.slot].stale)
}

// learnRhythm counts that the newest position of a vehicle, last heard of at a time of fleet.touch, is
// replaced. A silence of the hubs' own says nothing about the vehicle.
func (a *applier) learnRhythm(v *vehicle, heardBefore int64) {
	if heardBefore > a.quiet.mark {
		age := time.Duration(a.arrived.UnixNano() - v.time)
		a.fleet.rhythms[v.slot].learn(age, time.Duration(a.heard-heardBefore))
	}
}

// quietAfter is the shortest time in which no hub took anything that is told to readers.
const quietAfter = 5 * time.Second

// quiet is the newest time in which no hub took anything, not even a tick: none was running, or they were
// without quorum. No vehicle is stale for it.
type quiet struct {
	until int64 // its end, Unix nanoseconds; 0: there was none
	mark  int64 // what was heard of up to here, on the clock of fleet.touch, was before it
}

// setQuiet sets quiet. Hub.mu is held.
func (h *Hub) setQuiet(until, mark int64) {
	h.quiet = quiet{until, mark}
	h.quietFrom.Store(until)
}

// watchQuiet notices that the process or the machine stood still, until the hub is closed. A hub with a
// journal learns it from the messages.
func (h *Hub) watchQuiet() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
			now := time.Now()
			if now.Sub(last) > quietAfter || now.Round(0).Sub(last.Round(0)) > quietAfter {
				until := h.moment()
				h.mu.Lock()
				h.setQuiet(until.wall.UnixNano(), int64(until.mono))
				h.mu.Unlock()
			}
			last = now
		}
	}
}
