//go:build !race

package e2e

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// austinFile is a day of 146 buses: whole where the recording lies beside the repository, else the part of
// it that the repository has.
var austinFile, austinFixes = func() (string, int) {
	const whole = "../../../../shared/data/austin-2015-09-06.ndjson.gz"
	if _, err := os.Stat(whole); err == nil {
		return whole, 53569
	}
	return "testdata/austin-excerpt.ndjson.gz", 4515
}()

// fix is a position as it is published.
type fix struct {
	VehicleID string  `json:"vehicle_id"`
	Lat       float64 `json:"lat"`
	Lon       float64 `json:"lon"`
	Timestamp int64   `json:"timestamp"`
	line      string
}

func austin(t *testing.T) []fix {
	t.Helper()
	file, err := os.Open(austinFile)
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var fixes []fix
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		f := fix{line: lines.Text()}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &f))
		fixes = append(fixes, f)
	}
	require.Len(t, fixes, austinFixes)
	return fixes
}

// disturbed is how a careless gateway would send fixes: some come again, at once
// or later, some late.
func disturbed(fixes []fix, random *rand.Rand) []fix {
	fixes = slices.Clone(fixes)
	for i := range fixes {
		if random.IntN(40) == 0 {
			j := min(len(fixes)-1, i+1+random.IntN(2000))
			f := fixes[i]
			copy(fixes[i:], fixes[i+1:j+1])
			fixes[j] = f
		}
	}
	var sent []fix
	for i, f := range fixes {
		sent = append(sent, f)
		if random.IntN(50) == 0 {
			sent = append(sent, f)
		}
		if random.IntN(100) == 0 {
			sent = append(sent, fixes[max(0, i-random.IntN(300))])
		}
	}
	return sent
}

// lastFix closes a recording: a position of the vehicle that everyone follows.
func lastFix(fixes []fix) fix {
	newest := slices.MaxFunc(fixes, func(a, b fix) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	f := fix{VehicleID: followed, Lat: 30.2672, Lon: -97.7431, Timestamp: newest.Timestamp + 1}
	f.line = fmt.Sprintf(`{"vehicle_id":%q,"lat":%v,"lon":%v,"timestamp":%d}`, f.VehicleID, f.Lat, f.Lon,
		f.Timestamp)
	return f
}

// area is the part of the fleet that a stream covers.
type area struct {
	name    string
	vehicle string // "": all
	box     []float64
}

const followed = "BUS-5015"

var areas = []area{
	{name: "all"},
	{name: "vehicle", vehicle: followed},
	{name: "downtown", box: []float64{-97.76, 30.25, -97.73, 30.285}},
}

func (a area) path() string {
	topic := "live_updates:all"
	if a.vehicle != "" {
		topic = "vehicle:" + a.vehicle
	}
	path := "/topics/" + url.PathEscape(topic) + "/stream"
	if a.box != nil {
		path += fmt.Sprintf("?bbox=%v,%v,%v,%v", a.box[0], a.box[1], a.box[2], a.box[3])
	}
	return path
}

func (a area) holds(f fix) bool {
	if a.vehicle != "" && f.VehicleID != a.vehicle {
		return false
	}
	return a.box == nil || a.box[0] <= f.Lon && f.Lon <= a.box[2] && a.box[1] <= f.Lat && f.Lat <= a.box[3]
}

// sights returns what a reader of the area must see of the fixes. It follows the contract and uses
// none of the hub's code.
func (a area) sights(fixes []fix) (want []sight) {
	newest := map[string]fix{}
	told := map[string]bool{} // lines; a late one that was told before is a duplicate
	for _, f := range fixes {
		before, known := newest[f.VehicleID]
		again := told[f.line]
		told[f.line] = true
		if known && f.Timestamp < before.Timestamp {
			if !again && a.holds(before) {
				want = append(want, sight{"late", f.VehicleID, f.Timestamp, f.Lon, f.Lat})
			}
			continue
		}
		if known && f.line == before.line {
			continue
		}
		newest[f.VehicleID] = f
		if a.holds(f) {
			want = append(want, sight{"", f.VehicleID, f.Timestamp, f.Lon, f.Lat})
		} else if known && a.holds(before) {
			want = append(want, sight{what: "gone left", vehicle: f.VehicleID})
		}
	}
	return want
}

// witness follows a stream, over as many connections as it takes, and checks it against the
// expected events.
type witness struct {
	client *wireClient
	url    string
	want   []sight
	random *rand.Rand // where to cut; nil: nowhere

	began func() // called at the first `live`
	next  int    // in want
	id    string // of the event that came last
	cuts  int
}

// follow returns when all has come, or something else.
func (f *witness) follow(ctx context.Context) error {
	for {
		s, err := f.client.open(ctx, f.url, f.id)
		if f.cuts > 0 && errors.Is(err, net.ErrClosed) {
			continue // the client has yet to notice that its connection was cut
		}
		if err != nil {
			return err
		}
		if f.random != nil && f.id != "" {
			s.cutIn = 1 + f.random.IntN(len(f.want)*240/8)
		}
		err = f.read(s)
		hard := f.random != nil && f.random.IntN(2) == 0
		if hard && errors.Is(err, errCut) {
			f.client.reset()
		}
		s.close()
		if !errors.Is(err, errCut) {
			return err
		}
		f.cuts++
	}
}

func (f *witness) read(s *wireStream) error {
	first, began := f.id == "", f.next
	for f.next < len(f.want) {
		e, err := s.next()
		if err != nil {
			return err
		}
		switch e.name {
		case "reset":
			if !first || e.data != `{"reason":"new"}` {
				return fmt.Errorf("event %d: a reset, %s", f.next, e.data)
			}
			continue
		case "live":
			err = f.live(e, first, f.next-began)
		default:
			err = f.take(e)
		}
		if err != nil {
			return err
		}
		if f.id = e.id; first && f.random != nil { // from now on the connection may be cut
			return errCut
		}
	}
	return nil
}

// live checks the data of a `live` event, which follows the given number of events.
func (f *witness) live(e wireEvent, first bool, events int) error {
	told, err := decode[liveData](e.data)
	mode := "replay"
	if first {
		mode = "snapshot"
		f.began()
	}
	if err != nil || told.Mode != mode || told.Events != events || told.Protocol != f.client.protocol ||
		told.Skipped == nil || *told.Skipped != 0 {
		return fmt.Errorf("event %d, %d in this connection: live is %s", f.next, events, e.data)
	}
	return nil
}

func (f *witness) take(e wireEvent) error {
	got, err := sightOf(e)
	if err != nil {
		return err
	}
	if want := f.want[f.next]; got != want {
		return fmt.Errorf("event %d of %d is %+v, must be %+v (id %s after %s, cuts %d)", f.next, len(f.want), got,
			want, e.id, f.id, f.cuts)
	}
	_, was, _ := seqOf(f.id)
	if _, is, err := seqOf(e.id); err != nil || is <= was {
		return fmt.Errorf("event %d has id %q after %q", f.next, e.id, f.id)
	}
	f.next++
	return nil
}

// followAll has every area followed over every protocol while publish runs.
func followAll(t *testing.T, hub *runningHub, fixes []fix, seed uint64, publish func()) {
	t.Helper()
	var reading, began sync.WaitGroup
	for _, a := range areas {
		want := a.sights(fixes)
		for i, protocol := range protocolNames {
			f := &witness{client: hub.client(t, protocol), url: hub.public + a.path(), want: want, began: began.Done}
			if seed != 0 {
				f.random = rand.New(rand.NewPCG(seed, uint64(i+len(want))))
			}
			began.Add(1)
			reading.Go(func() {
				err := f.follow(t.Context())
				assert.NoError(t, err, "%s over %s, seed %d", a.name, protocol, seed)
				if f.id == "" {
					began.Done()
				}
				assert.True(t, f.cuts > 3 || seed == 0, "cut only %d times", f.cuts)
				t.Logf("%s over %s: %d events, %d cuts", a.name, protocol, f.next, f.cuts)
			})
		}
	}
	began.Wait()
	publish()
	reading.Wait()
}

func TestAustin(t *testing.T) {
	t.Parallel()
	fixes := austin(t)
	hub := startHub(t, "--max-backlog", "64MiB", "--history", "128MiB")
	last := lastFix(fixes)
	followAll(t, hub, append(fixes, last), 0, func() {
		out, stderr, status := command(t, "", "replay", "--speed", "0", "--to", hub.publish, austinFile)
		assert.Zero(t, status, stderr)
		assert.Equal(t, fmt.Sprintf("accepted %d, rejected 0, late 0, duplicate 0\n", austinFixes), out)
		hub.publishLines(t, last.line)
	})
	assert.Zero(t, hub.metric(t, "livemap_conflations_total"))
	await(t, "streams to be closed", func() bool { return hub.openStreams(t) == 0 })
}

func TestAustinCutAtRandom(t *testing.T) {
	t.Parallel()
	const seed = 20150906
	fixes := disturbed(austin(t), rand.New(rand.NewPCG(seed, 0)))
	fixes = append(fixes, lastFix(fixes))
	all := area{}.sights(fixes)
	late := 0
	for _, s := range all {
		if s.what == "late" {
			late++
		}
	}
	require.Greater(t, late, austinFixes/200)
	require.Greater(t, len(fixes)-len(all), austinFixes/200, "duplicates")
	var text strings.Builder
	for _, f := range fixes {
		text.WriteString(f.line + "\n")
	}
	hub := startHub(t, "--max-backlog", "64MiB", "--history", "128MiB")
	followAll(t, hub, fixes, seed, func() {
		out, stderr, status := command(t, text.String(), "replay", "--speed", "0", "--to", hub.publish, "-")
		assert.Zero(t, status, stderr)
		assert.Equal(t, fmt.Sprintf("accepted %d, rejected 0, late %d, duplicate %d\n", len(all), late,
			len(fixes)-len(all)), out)
	})
	assert.Zero(t, hub.metric(t, "livemap_conflations_total"))
	await(t, "streams to be closed", func() bool { return hub.openStreams(t) == 0 })
}
