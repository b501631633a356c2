package geofence

import (
	"encoding/binary"
	"errors"
	"sort"
	"sync"
	"time"
	_ "time/tzdata" // on machines without zones of their own
)

// zone is what the clocks of a time zone show, for some decades. Hubs on several machines, or of several
// versions, know different zones. So the hub that takes a fence reads them, and the fence carries them.
type zone struct {
	first   int64 // seconds that the clocks are ahead of UTC, before all changes
	changes []zoneChange
	text    string // see [Schedule.Zone]
}

type zoneChange struct{ at, ahead int64 } // Unix seconds; seconds from then on

// Before the first of these days a zone's clocks are as on it, after the last as on that.
var (
	zonesFrom = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	zonesTo   = time.Date(2060, time.January, 1, 0, 0, 0, 0, time.UTC)
)

const maxZoneChanges = 1000

var errZone = errors.New("bytes that are no time zone")

// zones has zones by their texts: there are some hundreds, and thousands of fences.
var zones sync.Map

// loadZone reads a zone of this machine, or of the binary.
func loadZone(name string) (*zone, error) {
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	_, ahead := zonesFrom.In(location).Zone()
	text := binary.AppendVarint(nil, int64(ahead))
	for last, probe := zonesFrom, zonesFrom; probe.Before(zonesTo); {
		_, change := probe.In(location).ZoneBounds()
		if change.IsZero() {
			break
		}
		if !change.After(probe) { // so it is on the last day of a leap year, with Go 1.26
			probe = probe.AddDate(0, 0, 1)
			continue
		}
		probe = change
		_, then := change.In(location).Zone()
		if then != ahead { // not so at the end of a year
			text = binary.AppendUvarint(text, uint64(change.Unix()-last.Unix()))
			text = binary.AppendVarint(text, int64(then))
			last, ahead = change, then
		}
	}
	return readZone(string(text))
}

// readZone reads a zone as loadZone writes it: seconds ahead of UTC; then for each change the seconds since
// the one before, or since zonesFrom, and the seconds ahead. Numbers are those of package encoding/binary.
func readZone(text string) (*zone, error) {
	if known, ok := zones.Load(text); ok {
		return known.(*zone), nil
	}
	b := []byte(text)
	z := &zone{text: text}
	var size int
	if z.first, size = binary.Varint(b); size <= 0 || !isZoneOffset(z.first) {
		return nil, errZone
	}
	at := zonesFrom.Unix()
	for b = b[size:]; len(b) > 0; {
		since, size := binary.Uvarint(b)
		if size <= 0 || since == 0 || since > uint64(zonesTo.Unix()) || len(z.changes) == maxZoneChanges {
			return nil, errZone
		}
		ahead, more := binary.Varint(b[size:])
		if more <= 0 || !isZoneOffset(ahead) {
			return nil, errZone
		}
		at += int64(since)
		z.changes, b = append(z.changes, zoneChange{at, ahead}), b[size+more:]
	}
	known, _ := zones.LoadOrStore(text, z)
	return known.(*zone), nil
}

// isZoneOffset bounds what [time.Time.Add] gets from elsewhere.
func isZoneOffset(seconds int64) bool { return -86_400 < seconds && seconds < 86_400 }

// after returns the index of the first change after a time.
func (z *zone) after(at time.Time) int {
	return sort.Search(len(z.changes), func(i int) bool { return z.changes[i].at > at.Unix() })
}

// ahead returns how far the clocks are ahead of UTC at a time.
func (z *zone) ahead(at time.Time) time.Duration {
	seconds := z.first
	if i := z.after(at); i > 0 {
		seconds = z.changes[i-1].ahead
	}
	return time.Duration(seconds) * time.Second
}

// local returns a time of UTC that shows what the clocks show at a time.
func (z *zone) local(at time.Time) time.Time { return at.UTC().Add(z.ahead(at)) }
