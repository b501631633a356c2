//go:build !race

package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/geo/geofence"
	"livemap/stream"
)

// TestJournalModel runs hubs on one journal that misbehaves, and publishers at all of them. In the end all
// hubs have one state and log; what was acknowledged is in it once, and nothing is in it twice.
func TestJournalModel(t *testing.T) {
	seeds := 200
	if given, err := strconv.Atoi(os.Getenv("LIVEMAP_SEEDS")); err == nil {
		seeds = given
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testJournalSeed(t, uint64(seed)) })
		})
	}
}

// journalRun is one run of the model.
type journalRun struct {
	t       *testing.T
	journal *fakeJournal
	config  stream.Config

	mu     sync.Mutex
	random *rand.Rand
	hubs   []*stream.Hub
	states [][]byte          // that a hub saved at some time
	acked  map[uint64]string // events of receipts, and the label of each
	sent   int               // labels given
	once   []string          // labels of numbered positions, and of those under a key, that were answered
	failed int               // publishes that were not answered
	told   map[string]int    // events of fences by type
	fenced int               // 2: there are fences; 0: there are none
}

func testJournalSeed(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	r := &journalRun{
		t: t, random: random, acked: map[uint64]string{}, told: map[string]int{}, states: [][]byte{nil},
		journal: newFakeJournal(rand.New(rand.NewPCG(seed, 1)), []float64{0, 0.02, 0.1, 0.3}[seed%4]),
		config: stream.Config{
			Settings: settings(5+random.IntN(20), time.Duration(random.IntN(3))*20*time.Second),
			History:  8 << 20, PublishWait: 5 * time.Second,
		},
	}
	r.journal.local = random.IntN(2) == 0
	r.fenced = 2 * random.IntN(2)
	defer func() {
		for _, h := range r.hubs {
			h.Close()
		}
	}()
	for range 1 + random.IntN(3) {
		r.hubs = append(r.hubs, r.open(nil))
	}
	var publishers sync.WaitGroup
	for range 4 {
		publishers.Go(r.publish)
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	reader := &hopper{run: r, shown: map[string]string{}}
	readers.Go(func() { reader.readUntil(done) })
	for range r.intN(6) {
		time.Sleep(time.Duration(r.intN(20_000)) * time.Millisecond)
		r.disturb()
	}
	publishers.Wait()
	close(done)
	readers.Wait()
	r.check(reader)
}

// open starts a hub from a state.
func (r *journalRun) open(state []byte) *stream.Hub {
	h, err := r.openWith(state)
	require.NoError(r.t, err)
	return h
}

func (r *journalRun) openWith(state []byte) (h *stream.Hub, err error) {
	for range 100 { // with most faults, one of some tries succeeds
		var from io.Reader
		if state != nil {
			from = bytes.NewReader(state)
		}
		var loaded stream.Loaded
		h, loaded, err = stream.NewWithJournal(context.Background(), r.config, r.journal, from)
		assert.Zero(r.t, loaded.Skipped, loaded.Reason)
		if !errors.Is(err, stream.ErrUnavailable) {
			break
		}
	}
	return h, err
}

func (r *journalRun) intN(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

// publish publishes positions to any hub and deletes vehicles.
func (r *journalRun) publish() {
	publisher := []string{"", "a", "b"}[r.intN(3)]
	source := stream.Source{Publisher: publisher, Name: fmt.Sprint("s", r.intN(1e6)), Seq: 1}
	for range 40 {
		time.Sleep(time.Duration(r.intN(3000)) * time.Millisecond)
		r.mu.Lock()
		h := r.hubs[r.random.IntN(len(r.hubs))]
		r.mu.Unlock()
		switch r.intN(12 + r.fenced) {
		case 12:
			f := r.fence()
			_, err := h.PutFence(f, stream.Maker{}, stream.Match{})
			r.fail(err)
		case 13:
			if r.intN(4) == 0 {
				_, err := h.DeleteFence(fmt.Sprint("f", r.intN(5)), stream.Match{})
				r.fail(err)
			}
		case 0:
			h.Delete(fmt.Sprint("V", r.intN(30)))
		case 1:
			h.DeleteAll([]string{fmt.Sprint("t", r.intN(3))}, func(string) bool { return r.intN(2) == 0 })
		case 2:
			p, label := r.position()
			receipt, err := h.Publish(&p)
			r.take(label, receipt, err)
		default:
			var some []geo.Position
			var labels []string
			for range 1 + r.intN(100) {
				p, label := r.position()
				some, labels = append(some, p), append(labels, label)
			}
			if r.intN(2) == 0 {
				h.PublishFrom(stream.Source{Publisher: source.Publisher}, some,
					func(i int, receipt stream.Receipt, err error) { r.take(labels[i], receipt, err) })
				continue
			}
			if r.intN(2) == 0 {
				r.publishUnderKey(publisher, some, labels)
				continue
			}
			r.publishOnce(source, some, labels)
			source.Seq += uint64(len(some))
		}
	}
}

// publishOnce publishes numbered positions, to any hub and again until it has an answer: all must be in the
// log in the end, once.
func (r *journalRun) publishOnce(source stream.Source, some []geo.Position, labels []string) {
	for tries := 0; ; tries++ {
		r.mu.Lock()
		h := r.hubs[r.random.IntN(len(r.hubs))]
		r.mu.Unlock()
		whole := true
		h.PublishFrom(source, some, func(i int, receipt stream.Receipt, err error) {
			r.take(labels[i], receipt, err)
			whole = whole && err == nil
		})
		if whole {
			break
		}
		if tries == 100 {
			r.t.Errorf("no answer in %d tries", tries)
			return
		}
		time.Sleep(time.Second)
	}
	r.mu.Lock()
	r.once = append(r.once, labels...)
	r.mu.Unlock()
}

// publishUnderKey publishes a request of some parts under a key, by two callers at any hubs, each again until
// it has the answer: both have the same, and all positions are in the log in the end, once.
func (r *journalRun) publishUnderKey(publisher string, some []geo.Position, labels []string) {
	key := stream.Key{ID: [16]byte{byte(r.intN(256)), byte(r.intN(256)), byte(r.intN(256)), byte(r.intN(256))}}
	size := 1 + r.intN(len(some))
	var answers [2][]string
	var callers sync.WaitGroup
	for caller := range answers {
		callers.Go(func() {
			for first := 0; first < len(some); first += size {
				end := min(first+size, len(some))
				part := partOf(first/size, end == len(some), some[first:end])
				answers[caller] = append(answers[caller], r.publishPart(publisher, key, part, labels[first:end]))
			}
		})
	}
	callers.Wait()
	assert.Equal(r.t, answers[0], answers[1])
	r.mu.Lock()
	r.once = append(r.once, labels...)
	r.mu.Unlock()
}

// publishPart publishes a part until it has an answer, which it returns in words.
func (r *journalRun) publishPart(
	publisher string, key stream.Key, part stream.RequestPart, labels []string,
) string {
	for range 100 {
		time.Sleep(time.Duration(r.intN(1000)) * time.Millisecond)
		r.mu.Lock()
		h := r.hubs[r.random.IntN(len(r.hubs))]
		r.mu.Unlock()
		answer, err := h.PublishOnce(stream.Source{Publisher: publisher}, key, part)
		if err != nil {
			assert.ErrorIs(r.t, err, stream.ErrUnavailable)
			continue
		}
		assert.Len(r.t, answer.Receipts, len(labels))
		text := answer.Newest.String()
		for i, receipt := range answer.Receipts {
			if !answer.Repeated {
				r.take(labels[i], receipt, nil)
			}
			text += fmt.Sprint(" ", receipt.Verdict)
		}
		return text + string(answer.Note)
	}
	r.t.Error("no answer in 100 tries")
	return ""
}

// position makes a position with a label of its own.
func (r *journalRun) position() (geo.Position, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	label := fmt.Sprintf(`"label":%d,`, r.sent)
	members := label
	if n := r.random.IntN(4); n < 3 {
		members += fmt.Sprintf(`"topics":["t%d"],`, n)
	}
	if r.random.IntN(3) > 0 {
		at := time.Now().Add(-time.Duration(r.random.IntN(30)) * time.Second)
		members += fmt.Sprintf(`"timestamp":%d,`, at.Unix())
	}
	p, err := geo.ParsePosition(fmt.Appendf(nil, `{%s"vehicle_id":"V%d","lon":%d,"lat":%d}`,
		members, r.random.IntN(30), r.random.IntN(90), r.random.IntN(90)))
	require.NoError(r.t, err)
	return p, label
}

func (r *journalRun) take(label string, receipt stream.Receipt, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		assert.ErrorIs(r.t, err, stream.ErrUnavailable)
		r.failed++
		return
	}
	if receipt.Verdict == stream.Duplicate {
		return
	}
	if other, twice := r.acked[receipt.ID.Number]; twice {
		r.t.Errorf("event %d is of %s and of %s", receipt.ID.Number, other, label)
	}
	r.acked[receipt.ID.Number] = label
}

func (r *journalRun) fail(err error) {
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		assert.ErrorIs(r.t, err, stream.ErrUnavailable)
		r.failed++
	}
}

// fence makes a fence that holds a good part of all positions.
func (r *journalRun) fence() *geofence.Fence {
	r.mu.Lock()
	defer r.mu.Unlock()
	west, south := r.random.IntN(60), r.random.IntN(60)
	geometry := fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%[1]d,%[2]d],[%[3]d,%[2]d],[%[3]d,%[4]d],`+
		`[%[1]d,%[4]d],[%[1]d,%[2]d]]]}`, west, south, west+30, south+30)
	properties := `"max_gap_s":10`
	for _, p := range []string{
		`"dwell_s":7`, `"enter_after_s":3`, `"exit_after_s":3`, `"vehicles":["V1*","V2"]`, `"topics":["t1"]`,
		`"initial":"events"`, `"expires":"2000-01-01T00:01:30Z"`,
		`"active":{"tz":"UTC","windows":[{"from":"00:00","to":"00:01"},{"from":"00:02","to":"00:03"}]}`,
	} {
		if r.random.IntN(4) == 0 {
			properties += "," + p
		}
	}
	return parseFence(r.t, fmt.Sprint("f", r.random.IntN(5)), geometry, properties)
}

// checkFences checks what the log tells of fences: entries and exits of a vehicle take turns, and no event is
// older than the one before.
func (r *journalRun) checkFences(log map[uint64]string) {
	type stay struct{ fence, vehicle string }
	inside, newest := map[stay]bool{}, map[stay]float64{}
	for _, n := range slices.Sorted(maps.Keys(log)) {
		if text, isGone := strings.CutPrefix(log[n], `event: gone`+"\n"+`data: {"vehicle_id":"`); isGone {
			id, _, _ := strings.Cut(text, `"`) // it may be forgotten, and come back with an older position
			maps.DeleteFunc(newest, func(at stay, _ float64) bool { return at.vehicle == id })
		}
		text, isFence := strings.CutPrefix(log[n], "event: fence\ndata: ")
		if !isFence {
			continue
		}
		text, _, _ = strings.Cut(text, "\n")
		var e struct {
			Type  string
			Fence struct {
				ID      string
				Version int
			}
			VehicleID string `json:"vehicle_id"`
			Time      float64
		}
		require.NoError(r.t, json.Unmarshal([]byte(text), &e))
		at := stay{fmt.Sprint(e.Fence.ID, " ", e.Fence.Version), e.VehicleID}
		r.told[e.Type]++
		switch e.Type {
		case "enter":
			require.False(r.t, inside[at], "event %d: %s", n, text)
			inside[at] = true
		case "exit":
			// Who was there when the fence was made is so silently.
			delete(inside, at)
		case "crossed":
			require.False(r.t, inside[at], "event %d: %s", n, text)
		}
		if e.VehicleID != "" {
			require.GreaterOrEqual(r.t, e.Time, newest[at], "event %d: %s", n, text)
			newest[at] = e.Time
		}

	}
}

// disturb saves the state of a hub, ends a hub, or starts one from an earlier state.
func (r *journalRun) disturb() {
	n := r.intN(len(r.hubs))
	r.mu.Lock()
	h := r.hubs[n]
	r.mu.Unlock()
	var state bytes.Buffer
	require.NoError(r.t, h.Save(&state))
	r.mu.Lock()
	r.states = append(r.states, state.Bytes())
	again := r.states[r.random.IntN(len(r.states))]
	r.mu.Unlock()
	if r.intN(2) == 0 {
		return
	}
	began, err := r.openWith(again)
	require.NoError(r.t, err)
	r.mu.Lock()
	r.hubs[n] = began
	r.mu.Unlock()
	h.Drain(context.Background(), 0)
	h.Close() // publishers that wait are told that it is unknown
}

// check compares what all hubs have in the end.
func (r *journalRun) check(reader *hopper) {
	r.journal.mu.Lock()
	r.journal.faults = 0
	r.journal.mu.Unlock()
	time.Sleep(time.Minute) // virtual: what is under way ends
	for _, state := range r.states {
		r.hubs = append(r.hubs, r.open(state))
	}
	whole := r.open(nil)
	r.hubs = append(r.hubs, whole)
	for i, h := range r.hubs {
		_, err := h.Publish(position(r.t, "V0", ""))
		require.NoError(r.t, err, "hub %d", i)
	}
	dumps := r.quiet()
	for ; dumps == nil; dumps = r.quiet() {
		time.Sleep(10 * time.Millisecond)
	}
	log := whole.Log()
	for i, h := range r.hubs {
		require.Equal(r.t, dumps[len(dumps)-1], dumps[i], "hub %d", i)
		for n, event := range h.Log() {
			if log[n] != event {
				r.t.Errorf("hub %d has event %d otherwise: %s", i, n, event)
			}
		}
		require.NoError(r.t, h.JournalError())
		alarms, _ := h.StatesDiffer()
		require.Zero(r.t, alarms, "hub %d", i)
	}
	reader.check(whole)
	r.checkFences(log)
	for n, label := range r.acked {
		if !strings.Contains(log[n], label) {
			r.t.Errorf("event %d, acknowledged for %s, is %q", n, label, log[n])
		}
	}
	seen := map[string]uint64{}
	for n, event := range log {
		if at := strings.Index(event, `"label":`); at >= 0 && !strings.HasPrefix(event, "event: fence") {
			label, _, _ := strings.Cut(event[at:], ",")
			if other, twice := seen[label]; twice {
				r.t.Errorf("events %d and %d are of %s", n, other, label)
			}
			seen[label] = n
		}
	}
	for _, label := range r.once {
		if seen[strings.TrimSuffix(label, ",")] == 0 {
			r.t.Errorf("%s was numbered and acknowledged, and is nowhere", label)
		}
	}
	if r.journal.faults == 0 && r.failed == 0 {
		require.NotEmpty(r.t, seen)
	}
}

// quiet returns the states of all hubs, when they are those after one message; nil otherwise.
func (r *journalRun) quiet() (dumps []string) {
	synctest.Wait() // nothing is applied until time goes on
	for _, h := range r.hubs {
		if h.Applied() != r.hubs[0].Applied() {
			return nil
		}
		dumps = append(dumps, h.Dump())
	}
	return dumps
}
