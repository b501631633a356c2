package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
)

// deliveries are scopes whose cost per event is measured. Their readers are up to date, with a
// fleet of 1,000.
var deliveries = []struct {
	name  string
	query Query
	box   string
}{
	{"whole", Query{Topics: []string{AllTopic}}, ""},
	{"box", Query{Topics: []string{AllTopic}}, "0,0,90,45"},
	{"topic", Query{Topics: []string{"x"}}, ""},
	{"topic box", Query{Topics: []string{"x"}}, "0,0,90,45"},
	{"vehicles", Query{Topics: []string{"vehicle:v1", "vehicle:v2", "vehicle:v3"}}, ""},
	{"interval", Query{Topics: []string{AllTopic}, Interval: time.Second}, ""},
}

// newDelivery returns a hub with a reader at its head. publish publishes n more positions.
func newDelivery(t testing.TB, query Query, box string) (h *Hub, s *Subscription, publish func(n int)) {
	if box != "" {
		b, err := geo.ParseBox(box)
		require.NoError(t, err)
		query.Box = &b
	}
	h = New(Config{MaxBacklog: 64 << 20})
	t.Cleanup(h.Close)
	fleet := make([]geo.Position, 1000)
	for i := range fleet {
		p, err := geo.ParsePosition(fmt.Appendf(nil,
			`{"vehicle_id":"v%d","lat":%d,"lon":%d,"speed_kmh":85,"heading":271,"topics":["x","t%d"]}`,
			i, i%45, i%90, i%10))
		require.NoError(t, err)
		fleet[i] = p
	}
	count := 0
	publish = func(n int) {
		for range n {
			p := &fleet[count%len(fleet)]
			p.Time = time.UnixMilli(1_700_000_000_000 + int64(count))
			_, err := h.Publish(p)
			require.NoError(t, err)
			count++
		}
	}
	publish(len(fleet))
	s = h.Subscribe(query)
	s.out = outletFunc(func([]byte) error { return nil })
	s.sendAndFreeze(s.cursor.begin())
	readAll(s)
	return h, s, publish
}

var buffer [chunkSize + 1024]byte

// readAll reads all there is and returns the number of events.
func readAll(s *Subscription) (events int) {
	for {
		p, n, _ := s.cursor.read(buffer[:0])
		events += n
		if len(p) == 0 {
			return events
		}
	}
}

// rewind moves a reader back to event n.
func rewind(s *Subscription, n uint64) {
	s.pos, s.more, s.replayEnd = number(n), true, 0
}

// The log after a stale view would take a vehicle back in time. Another view follows instead.
func TestStaleViewIsFollowedByAnother(t *testing.T) {
	h := New(Config{History: 256 << 10})
	defer h.Close()
	filler := strings.Repeat("x", 8000)
	fill := func(n int) { publish(t, h, `{"vehicle_id":"f","lat":1,"lon":2,"n":%d,"filler":%q}`, n, filler) }
	publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2,"move":0}`)
	for n := range 20 {
		fill(n)
	}
	s := h.Subscribe(Query{Topics: []string{AllTopic}})
	s.out = outletFunc(func([]byte) error { return nil })
	s.sendAndFreeze(s.cursor.begin())
	head := s.view.head
	publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2,"move":1}`)
	publish(t, h, `{"vehicle_id":"a","lat":1,"lon":2,"move":2}`)
	for n := 100; h.log.holds(1); n++ {
		fill(n)
	}
	require.True(t, h.log.holds(uint64(head)+1), "the log could go on from the view")

	p, events, _ := s.cursor.read(buffer[:0])
	require.Positive(t, events)
	require.True(t, strings.Contains(string(p), `"move":2`))
	require.False(t, strings.Contains(string(p), "id: "), "no id while the view is stale")
	_, events, _ = s.cursor.read(buffer[:0])
	require.Zero(t, events, "not from the log")
	require.True(t, s.behind)
	s.sendAndFreeze(s.cursor.catchUp())
	p, _, _ = s.cursor.read(buffer[:0])
	require.True(t, strings.Contains(string(p), "id: "+h.Head().String()+"\n"))
}

// BenchmarkDelivery measures one event from the log to one reader.
func BenchmarkDelivery(b *testing.B) {
	for _, test := range deliveries {
		b.Run(test.name, func(b *testing.B) {
			h, s, publish := newDelivery(b, test.query, test.box)
			from, events := h.Head().Number, 0
			publish(10_000)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				rewind(s, from)
				events += readAll(s)
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
			b.ReportMetric(float64(events)/float64(n), "events/op")
		})
	}
}
