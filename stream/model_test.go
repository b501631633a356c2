package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// truth is a naive hub that keeps everything: one entry per event, with
// the state of the vehicle it concerns before and after.
type truth struct {
	events   []modelEvent // events[i] has seq i+1
	vehicles map[string]*modelVehicle
	max      int
	ttl      time.Duration
	filler   int // bytes in a Feature at most: with large ones the log is short
	born     time.Time
	clock    int // orders arrivals
}

type modelVehicle struct {
	id      string
	gone    bool
	stamp   int64 // Unix seconds of the newest position
	state   modelState
	arrived int
	at      time.Time
	wentAt  int // orders tombstones
}

type modelState struct {
	known  bool
	data   string // the Feature
	point  geo.Point
	topics []string
}

type modelEvent struct {
	kind          string // "", late, gone
	vehicle       string
	data          string
	before, after modelState
}

// publish tells the verdict and records the events that the hub must make.
func (m *truth) publish(id string, stamp int64, point geo.Point, topics []string, data string, now time.Time) stream.Verdict {
	v := m.vehicles[id]
	if v == nil {
		for len(m.vehicles) >= m.max {
			m.evict()
		}
		v = &modelVehicle{id: id, gone: true, stamp: -1}
		m.vehicles[id] = v
	}
	m.clock++
	v.arrived, v.at = m.clock, now
	if v.gone {
		v.wentAt = m.clock
	}
	if stamp < v.stamp {
		before := v.state
		m.add(modelEvent{kind: "late", vehicle: id, data: data, before: before, after: before})
		return stream.Late
	}
	if v.state.data == data && (topics == nil || equalSets(topics, v.state.topics) || v.gone) {
		return stream.Duplicate
	}
	before := v.state
	before.known = !v.gone
	after := modelState{known: true, data: data, point: point, topics: topics}
	if topics == nil && !v.gone {
		after.topics = before.topics
	}
	v.stamp, v.gone, v.state = stamp, false, after
	m.add(modelEvent{vehicle: id, data: data, before: before, after: after})
	return stream.Accepted
}

func equalSets(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func (m *truth) add(e modelEvent) { m.events = append(m.events, e) }

func (m *truth) evict() {
	var present, gone *modelVehicle
	for _, v := range m.vehicles {
		if !v.gone && (present == nil || v.arrived < present.arrived) {
			present = v
		}
		if v.gone && (gone == nil || v.wentAt < gone.wentAt) {
			gone = v
		}
	}
	v := present
	if present == nil || gone != nil && gone.at.Before(present.at) {
		v = gone
	}
	if !v.gone {
		m.end(v)
	}
	delete(m.vehicles, v.id)
}

func (m *truth) end(v *modelVehicle) {
	before := v.state
	m.clock++
	v.gone, v.wentAt = true, m.clock
	v.state.known, v.state.topics = false, nil
	m.add(modelEvent{kind: "gone", vehicle: v.id, before: before})
}

func (m *truth) delete(id string) bool {
	v := m.vehicles[id]
	if v == nil || v.gone {
		return false
	}
	m.end(v)
	return true
}

// expire ends vehicles as the hub does: every second, the longest silent first.
func (m *truth) expire() {
	now := m.born.Add(time.Since(m.born).Truncate(time.Second))
	var due []*modelVehicle
	for _, v := range m.vehicles {
		if !v.gone && now.Sub(v.at) >= m.ttl {
			due = append(due, v)
		}
	}
	slices.SortFunc(due, func(a, b *modelVehicle) int { return a.arrived - b.arrived })
	for _, v := range due {
		m.end(v)
	}
}

// holds says in the contract's words whether a query wants a vehicle.
func holds(q *stream.Query, id string, s modelState) bool {
	if !s.known {
		return false
	}
	for _, topic := range q.Topics {
		if topic == "vehicle:"+id {
			return true
		}
		if topic == "live_updates:all" || slices.Contains(s.topics, topic) {
			if q.Box == nil || q.Box.Contains(s.point) {
				return true
			}
		}
	}
	return false
}

// at gives what a reader of q must hold after event seq.
func (m *truth) at(q *stream.Query, seq int) map[string]int {
	state := map[string]modelState{}
	for _, e := range m.events[:seq] {
		if e.kind != "late" {
			state[e.vehicle] = e.after
		}
	}
	held := map[string]int{}
	for id, s := range state {
		if holds(q, id, s) {
			held[id] = number(s.data)
		}
	}
	return held
}

// wanted tells what a reader that hears every event gets of event seq: "" for
// a position, "-" for nothing.
func (m *truth) wanted(q *stream.Query, seq int) string {
	e := m.events[seq-1]
	switch {
	case e.kind == "late":
		s := e.after
		s.known = true // filed where the vehicle is, or was when it went
		if !e.after.known {
			s.topics = nil
		}
		if holds(q, e.vehicle, s) {
			return "late"
		}
	case e.kind == "gone" && holds(q, e.vehicle, e.before):
		return "gone"
	case e.kind == "" && holds(q, e.vehicle, e.after):
		return ""
	case e.kind == "" && holds(q, e.vehicle, e.before):
		return "gone"
	}
	return "-"
}

// reader is a client: it holds a map, and checks what it is told.
type reader struct {
	t     *testing.T
	name  string
	truth *truth
	query stream.Query

	vehicles  map[string]int  // the number of the position it has
	repeated  map[string]bool // since a reset; nil: none is under way
	newest    map[string]int  // the number of the newest position seen, per vehicle
	following int             // every event in scope up to this seq was seen; -1: not so
	lastID    string
	lives     int
	byMode    map[string]int
	skipping  bool   // events were left out, which a `live` must announce
	read      []byte // and not looked at yet; the test looks when the model is up to date

	cancel context.CancelFunc
	gate   chan struct{} // a write takes one; nil: never blocks
	ended  chan struct{}
}

// event takes one event off the wire.
func (r *reader) event(text string) {
	var id, name, data string
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		}
	}
	seq := -1
	if id != "" {
		r.lastID = id
		parsed, ok := stream.ParseID(id)
		require.True(r.t, ok, id)
		seq = int(parsed.Seq)
	}
	if data == "" {
		if id != "" {
			r.rest(seq)
		}
		return
	}
	switch name {
	case "":
		r.position(data)
		r.follow(seq, name)
	case "late":
		r.follow(seq, name)
	case "gone":
		vehicle := between(data, `"vehicle_id":"`, `"`)
		delete(r.vehicles, vehicle)
		r.follow(seq, name)
	case "reset":
		r.repeated, r.following, r.skipping = map[string]bool{}, -1, false
	case "live":
		r.live(seq, between(data, `"mode":"`, `"`))
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// number gives the number that the test gave to a position.
func number(data string) int {
	n, err := strconv.Atoi(between(data, `"n":`, ","))
	if err != nil {
		panic(err)
	}
	return n
}

func (r *reader) position(data string) {
	vehicle := between(data, `"vehicle_id":"`, `"`)
	n := number(data)
	require.GreaterOrEqual(r.t, n, r.newest[vehicle], "%s: %s went back in time", r.name, vehicle)
	r.newest[vehicle] = n
	r.vehicles[vehicle] = n
	if r.repeated != nil {
		r.repeated[vehicle] = true
	}
}

// follow checks that between the event before and this one nothing was in scope.
func (r *reader) follow(seq int, name string) {
	if seq < 0 || r.following < 0 || r.query.Interval > 0 {
		if seq < 0 {
			r.following = -1
		}
		return
	}
	require.Greater(r.t, seq, r.following, "%s: an event came twice, or ids fell", r.name)
	for s := r.following + 1; s < seq; s++ {
		if r.truth.wanted(&r.query, s) != "-" {
			r.skipping = true
		}
	}
	if !r.skipping {
		require.Equal(r.t, r.truth.wanted(&r.query, seq), name, "%s: event %d", r.name, seq)
	}
	r.following = seq
}

// rest checks a heartbeat's id: the reader must have had everything up to it.
func (r *reader) rest(seq int) {
	if r.following < 0 || r.query.Interval > 0 {
		return
	}
	require.GreaterOrEqual(r.t, seq, r.following, "%s: heartbeat", r.name)
	for s := r.following + 1; s <= seq; s++ {
		require.Equal(r.t, "-", r.truth.wanted(&r.query, s), "%s: heartbeat %d passes over %d", r.name, seq, s)
	}
	r.following = seq
}

func (r *reader) live(seq int, mode string) {
	r.lives++
	r.byMode[mode]++
	if r.repeated != nil {
		for id := range r.vehicles {
			if !r.repeated[id] {
				delete(r.vehicles, id)
			}
		}
		r.repeated = nil
	}
	if r.skipping {
		require.Equal(r.t, "conflated", mode, "%s: events were left out and not announced", r.name)
		r.skipping = false
	}
	if seq < 0 {
		return // ids are held back: more is to come at once
	}
	if mode == "replay" {
		r.rest(seq)
	}
	if !r.query.Tail {
		require.Equal(r.t, r.expected(seq), r.vehicles, "%s: at live (%s)", r.name, mode)
	}
	r.following = seq
}

// expected is what the reader must hold at the live of seq. A vehicle that has
// left since, while the log lost where it was at seq, may be missing already.
func (r *reader) expected(seq int) map[string]int {
	expected := r.truth.at(&r.query, seq)
	for _, e := range r.truth.events[seq:] {
		if _, held := r.vehicles[e.vehicle]; !held && e.kind != "late" && !holds(&r.query, e.vehicle, e.after) {
			delete(expected, e.vehicle)
		}
	}
	return expected
}

// connect opens the reader's stream. What the connection before left of an
// event is lost.
func (r *reader) connect(h *stream.Hub) {
	r.query.LastEventID = r.lastID
	if seq, ok := stream.ParseID(r.lastID); ok && r.following >= 0 {
		r.following = int(seq.Seq)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended, r.read = cancel, make(chan struct{}), nil
	r.t.Cleanup(r.disconnect)
	s := h.Subscribe(r.query)
	go func() {
		defer close(r.ended)
		s.Serve(ctx, func(p []byte) error {
			if r.gate != nil {
				select {
				case <-r.gate:
				case <-ctx.Done():
					// What was under way may arrive in part.
					if n := len(p) - int(time.Now().UnixNano()+int64(r.lives))%3*len(p)/5; n < len(p) {
						r.read = append(r.read, p[:n]...)
					}
					return ctx.Err()
				}
			}
			r.read = append(r.read, p...)
			return nil
		})
	}()
}

// look takes the whole events off what was read.
func (r *reader) look() {
	for {
		i := bytes.Index(r.read, []byte("\n\n"))
		if i < 0 {
			return
		}
		r.event(string(r.read[:i+1]))
		r.read = r.read[i+2:]
	}
}

func (r *reader) disconnect() {
	r.cancel()
	<-r.ended
	r.look()
}

// TestModel lets random things happen to a small hub and compares, at every
// live and at the end, what readers hold with a model that keeps everything.
func TestModel(t *testing.T) {
	modes := map[string]int{}
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, seed, modes) })
		})
	}
	for _, mode := range []string{"snapshot", "tail", "replay", "conflated"} {
		require.Greater(t, modes[mode], 100, "the runs must see enough of %s: %v", mode, modes)
	}
}

func runModel(t *testing.T, seed uint64, modes map[string]int) {
	random := rand.New(rand.NewPCG(seed, 1))
	m := &truth{vehicles: map[string]*modelVehicle{}, max: 40, ttl: 90 * time.Second, filler: 900, born: time.Now()}
	if seed%2 == 1 {
		m.filler = 9000
	}
	h := stream.New(stream.Config{
		History: 256 << 10, MaxBacklog: 48 << 10, MaxVehicles: m.max, VehicleTTL: m.ttl,
		Heartbeat: 2 * time.Second,
	})
	t.Cleanup(h.Close)
	readers := makeReaders(t, m, random)
	for _, r := range readers {
		r.connect(h)
	}
	n := 0
	for range 40 {
		for range random.IntN(60) {
			n++
			modelStep(t, m, h, random, n)
		}
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(40)) * time.Second)
		} else {
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
		synctest.Wait()
		m.expire()
		for _, r := range readers {
			r.look()
			r.move(h, random)
		}
	}
	for _, r := range readers {
		if r.gate != nil {
			close(r.gate)
		}
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
	m.expire()
	for _, r := range readers {
		r.finish(m)
		for mode, n := range r.byMode {
			modes[mode] += n
		}
	}
}

// makeReaders makes fast and slow readers of every kind of query.
func makeReaders(t *testing.T, m *truth, random *rand.Rand) (readers []*reader) {
	box := func(s string) *geo.Box {
		b, err := geo.ParseBox(s)
		require.NoError(t, err)
		return &b
	}
	queries := map[string]stream.Query{
		"all":         {Topics: []string{"live_updates:all"}},
		"box":         {Topics: []string{"live_updates:all"}, Box: box("170,-10,-170,10")},
		"box+vehicle": {Topics: []string{"live_updates:all", "vehicle:v3"}, Box: box("-5,-5,5,5")},
		"vehicle":     {Topics: []string{"vehicle:v1"}},
		"vehicles":    {Topics: []string{"vehicle:v1", "vehicle:v2", "vehicle:nobody", "vehicle:v40"}},
		"topic":       {Topics: []string{"depot:1"}},
		"topics":      {Topics: []string{"depot:1", "depot:2", "vehicle:v4"}},
		"topic box":   {Topics: []string{"depot:2"}, Box: box("-90,-45,90,45")},
		"world":       {Topics: []string{"live_updates:all"}, Box: box("-180,-90,180,90")},
		"tail":        {Topics: []string{"live_updates:all"}, Tail: true},
		"tail box":    {Topics: []string{"depot:1"}, Box: box("0,-90,180,90"), Tail: true},
		"interval":    {Topics: []string{"live_updates:all"}, Interval: time.Second},
		"interval box": {Topics: []string{"live_updates:all"}, Interval: time.Second,
			Box: box("-90,-45,90,45")},
		"interval topic": {Topics: []string{"depot:1", "vehicle:v5"}, Interval: 300 * time.Millisecond},
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range queries {
			if !yield(name) {
				return
			}
		}
	}) {
		for _, slow := range []bool{false, true} {
			r := &reader{
				t: t, name: name, truth: m, query: queries[name], following: -1,
				vehicles: map[string]int{}, newest: map[string]int{}, byMode: map[string]int{},
			}
			if slow {
				r.name, r.gate = "slow "+name, make(chan struct{})
			}
			readers = append(readers, r)
		}
	}
	return readers
}

// modelStep does one thing to the hub and the model.
func modelStep(t *testing.T, m *truth, h *stream.Hub, random *rand.Rand, n int) {
	id := fmt.Sprint("v", random.IntN(48))
	switch random.IntN(30) {
	case 0:
		require.Equal(t, m.delete(id), h.Delete(id))
		return
	}
	stamp := time.Now().Unix() + int64(random.IntN(8)) - 3
	point := geo.Point{float64(random.IntN(360) - 180), float64(random.IntN(120) - 60)}
	members := ""
	var topics []string
	if random.IntN(3) == 0 {
		topics = []string{}
		for _, id := range []string{"depot:1", "depot:2", "depot:3"} {
			if random.IntN(2) == 0 {
				topics = append(topics, id)
			}
		}
		members = fmt.Sprintf(`"topics":["%s"],`, strings.Join(topics, `","`))
		if len(topics) == 0 {
			members = `"topics":[],`
		}
	}
	filler := strings.Repeat("x", random.IntN(m.filler))
	p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":%q,"lon":%v,"lat":%v,%s"n":%d,"filler":%q,"timestamp":%d}`,
		id, point[0], point[1], members, n, filler, stamp))
	require.NoError(t, err)
	data := string(p.AppendFeature(nil, p.Time))
	for range 1 + random.IntN(20)/19 { // sometimes twice
		receipt, err := h.Publish(&p)
		require.NoError(t, err)
		require.Equal(t, m.publish(id, stamp, point, topics, data, time.Now()), receipt.Verdict)
		if receipt.Verdict != stream.Duplicate {
			require.EqualValues(t, len(m.events), receipt.ID.Seq)
		}
	}
}

// move lets a reader read some, or cuts it off and has it come back.
func (r *reader) move(h *stream.Hub, random *rand.Rand) {
	if r.gate != nil {
		for range random.IntN(3) {
			select {
			case r.gate <- struct{}{}:
				synctest.Wait()
			default:
			}
		}
	}
	switch random.IntN(12) {
	case 0:
		r.disconnect()
		r.connect(h)
	case 1:
		r.disconnect()
		if random.IntN(6) == 0 {
			r.lastID = []string{"", "nonsense", "0-0", r.lastID + "0000000"}[random.IntN(4)]
			if r.lastID == "" {
				// A new page holds nothing.
				clear(r.vehicles)
			}
			r.following, r.skipping = -1, false
		}
		r.connect(h)
	}
	synctest.Wait()
}

// finish compares, after the reader has read all there is.
func (r *reader) finish(m *truth) {
	r.look()
	require.False(r.t, r.skipping, "%s: events were left out and not announced", r.name)
	if !r.query.Tail {
		require.Equal(r.t, m.at(&r.query, len(m.events)), r.vehicles, "%s: at the end", r.name)
	}
	if r.following >= 0 && r.query.Interval == 0 {
		for s := r.following + 1; s <= len(m.events); s++ {
			require.Equal(r.t, "-", m.wanted(&r.query, s), "%s: event %d never came", r.name, s)
		}
	}
}
