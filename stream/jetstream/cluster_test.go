package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
	"livemap/stream/jetstream"
)

// node is one hub of a cluster, with its own server.
type node struct {
	config  jetstream.Config
	journal *jetstream.Journal
	hub     *stream.Hub
}

// newNodes returns so many nodes of a cluster on loopback, none of which is started.
func newNodes(t *testing.T, count int) (nodes []*node) {
	var addresses []string
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	for i, address := range addresses {
		peers := append(append([]string{}, addresses[:i]...), addresses[i+1:]...)
		n := &node{config: config(t.TempDir())}
		n.config.Cluster = &jetstream.Cluster{Node: fmt.Sprint("n", i), Listen: address, Peers: peers}
		nodes = append(nodes, n)
		t.Cleanup(func() { n.stop(t) })
	}
	return nodes
}

// start starts a node's server, and a hub from a state or from the whole journal.
func (n *node) start(t *testing.T, state []byte) {
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	j, err := jetstream.Open(ctx, n.config)
	if !assert.NoError(t, err) {
		return
	}
	n.journal = j
	settings := stream.Config{PublishWait: time.Minute}
	if state == nil {
		n.hub, _, err = stream.NewWithJournal(ctx, settings, j, nil)
	} else {
		n.hub, _, err = stream.NewWithJournal(ctx, settings, j, bytes.NewReader(state))
	}
	assert.NoError(t, err)
}

// startAll starts nodes side by side: a server waits for the others.
func startAll(t *testing.T, nodes []*node) {
	var starting sync.WaitGroup
	for _, n := range nodes {
		starting.Go(func() { n.start(t, nil) })
	}
	starting.Wait()
	require.False(t, t.Failed())
}

func (n *node) stop(t *testing.T) {
	if n.hub != nil {
		n.hub.Drain(context.Background(), 0)
		n.hub.Close()
		n.hub = nil
	}
	if n.journal != nil {
		assert.NoError(t, n.journal.Close())
		n.journal = nil
	}
}

// reader keeps the events of all vehicles that a hub tells.
type reader struct {
	cancel context.CancelFunc
	ended  chan struct{}
	mu     sync.Mutex
	text   bytes.Buffer
}

// read opens a stream of all vehicles after an id.
func read(h *stream.Hub, lastID string) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{cancel: cancel, ended: make(chan struct{})}
	s := h.Subscribe(stream.Query{Topics: []string{stream.AllTopic}, LastEventID: lastID})
	go func() {
		defer close(r.ended)
		s.Serve(ctx, func(b []byte) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.text.Write(b)
			return nil
		})
	}()
	return r
}

func (r *reader) close() {
	r.cancel()
	<-r.ended
}

// events returns the positions, late and gone events so far, each whole.
func (r *reader) events() (events []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for event := range strings.SplitSeq(r.text.String(), "\n\n") {
		if strings.HasPrefix(event, "data: {") || strings.HasPrefix(event, "event: late") ||
			strings.HasPrefix(event, "event: gone") {
			events = append(events, event)
		}
	}
	return events
}

func idOf(event string) string { return event[strings.LastIndex(event, "id: ")+4:] }

// someone returns the n-th position of a publisher, of one of 200 vehicles, that may come late.
func someone(t *testing.T, label string) geo.Position {
	at := time.Now().Add(-time.Duration(rand.IntN(200)) * time.Millisecond)
	p, err := geo.ParsePosition(fmt.Appendf(nil,
		`{"vehicle_id":"V%d","lat":%d,"lon":%d,"timestamp":%.3f,"label":%q}`,
		rand.IntN(200), rand.IntN(90), rand.IntN(90), float64(at.UnixMilli())/1000, label))
	require.NoError(t, err)
	return p
}

// TestThreeHubs publishes to three hubs of a cluster while the leader is stopped and started again. All
// readers get the same bytes, each acknowledged position is among them once, and a reader resumes at any hub.
func TestThreeHubs(t *testing.T) {
	nodes := newNodes(t, 3)
	startAll(t, nodes)
	require.Equal(t, life(t, nodes[0].journal).Epoch, life(t, nodes[2].journal).Epoch)
	readers := []*reader{read(nodes[0].hub, ""), read(nodes[1].hub, ""), read(nodes[2].hub, "")}
	leader := int(jetstream.Leader(t.Context(), nodes[0].journal)[1] - '0')

	var acked sync.Map // label by id
	var count, done atomic.Int64
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	for k := range 6 {
		if k%3 == leader {
			continue // its hub stops with it
		}
		publishing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				var some []geo.Position
				var labels []string
				for i := range 1 + rand.IntN(40) {
					labels = append(labels, fmt.Sprint(k, "/", n, "/", i))
					some = append(some, someone(t, labels[i]))
				}
				nodes[k%3].hub.PublishAll(some, func(i int, r stream.Receipt, err error) {
					if !assert.NoError(t, err) || r.Verdict == stream.Duplicate {
						return
					}
					count.Add(1)
					if other, twice := acked.Swap(r.ID.String(), labels[i]); twice {
						t.Errorf("%s is of %s and %s", r.ID, other, labels[i])
					}
				})
				if n%50 == 7 {
					nodes[k%3].hub.Delete(fmt.Sprint("V", rand.IntN(200)))
				}
				done.Add(1)
			}
		})
	}
	more := func(n int64) {
		from := done.Load()
		eventually(t, "publishers go on", func() bool { return done.Load() >= from+n })
	}
	more(50)
	readers[leader].close()
	nodes[leader].stop(t)
	more(100)
	nodes[leader].start(t, nil)
	require.False(t, t.Failed())
	more(50)
	close(stop)
	publishing.Wait()

	last, err := nodes[leader].hub.Publish(&[]geo.Position{someone(t, "last")}[0])
	require.NoError(t, err)
	readers[leader] = read(nodes[leader].hub, "")
	var all [][]string
	for i, r := range readers {
		if i == leader {
			continue
		}
		eventually(t, "a reader has all", func() bool {
			events := r.events()
			return len(events) > 0 && idOf(events[len(events)-1]) == last.ID.String()
		})
		all = append(all, r.events())
	}
	require.Equal(t, len(all[0]), len(all[1]))
	require.Equal(t, all[0], all[1])
	label := map[string]string{}
	for _, event := range all[0] {
		id := idOf(event)
		require.NotContains(t, label, id)
		label[id] = event
	}
	acked.Range(func(id, of any) bool {
		return assert.Contains(t, label[id.(string)], fmt.Sprintf(`"label":%q`, of))
	})
	t.Logf("%d positions, %d events, leader n%d", count.Load(), len(all[0]), leader)

	for range 10 {
		from := len(all[0]) - 1 - rand.IntN(min(len(all[0]), 2000))
		r := read(nodes[rand.IntN(3)].hub, idOf(all[0][from]))
		eventually(t, "a reader resumes", func() bool { return len(r.events()) >= len(all[0])-from-1 })
		require.Equal(t, all[0][from+1:], r.events())
		r.close()
	}
	for _, r := range readers {
		r.close()
	}
}
