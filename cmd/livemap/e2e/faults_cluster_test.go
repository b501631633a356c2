//go:build faults && linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// clusterLedger numbers the positions of vehicles, which publishers publish to any hub, and which readers
// follow from hub to hub.
type clusterLedger struct {
	cluster  *hubCluster
	taken    atomic.Int64 // positions that were acknowledged
	unknown  atomic.Int64 // requests without an answer, or with a 5xx
	longest  atomic.Int64 // time without an Ack since it was set to 0, nanoseconds
	readers  []*hopper
	mu       sync.Mutex
	vehicles map[string]int // newest number of each
}

const ledgerBatch = 100 // vehicles of a publisher

// publish publishes rounds of positions until ctx is done or there are so many. What has no answer goes to
// the next hub, and is a duplicate there if it was taken.
func (l *clusterLedger) publish(ctx context.Context, name string, rounds int, pause time.Duration) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DialContext: l.cluster.dial}}
	defer client.CloseIdleConnections()
	hub, last := rand.IntN(3), time.Now()
	for n := 1; n <= rounds && ctx.Err() == nil; {
		var lines strings.Builder
		for v := range ledgerBatch {
			fmt.Fprintf(&lines, "{\"vehicle_id\":\"%s-%d\",\"lat\":1,\"lon\":%v,\"timestamp\":%d,\"n\":%d}\n", name, v,
				float64(n%1000)/10, 1_700_000_000+n, n)
		}
		taken, err := l.post(client, hub, lines.String())
		l.taken.Add(int64(taken))
		if err != nil {
			l.unknown.Add(1)
			hub = (hub + 1) % 3
			<-time.After(50 * time.Millisecond)
			continue
		}
		l.longest.Store(max(l.longest.Load(), int64(time.Since(last))))
		last = time.Now()
		l.mu.Lock()
		for v := range ledgerBatch {
			l.vehicles[fmt.Sprint(name, "-", v)] = n
		}
		l.mu.Unlock()
		if n++; rand.IntN(50) == 0 {
			hub = rand.IntN(3)
		}
		<-time.After(pause)
	}
}

func (l *clusterLedger) post(client *http.Client, hub int, lines string) (accepted int, err error) {
	resp, err := client.Post(l.cluster.hubs[hub].Load().publish+"/publish", "application/x-ndjson",
		strings.NewReader(lines))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct{ Accepted, Duplicate, Late int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Accepted+answer.Duplicate != ledgerBatch {
		return answer.Accepted, fmt.Errorf("%s: %+v", resp.Status, answer)
	}
	return answer.Accepted, nil
}

// hopper is a reader of all vehicles that comes back to one hub after another.
type hopper struct {
	cluster *hubCluster
	mu      sync.Mutex
	id      string
	newest  int
	holes   bool // it may be brought to date with newest positions
	held    map[string]int
	lives   map[string]int // by mode
	errors  []string
}

func (r *hopper) run(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: r.cluster.dial}}
	for hub := rand.IntN(3); ctx.Err() == nil; hub = (hub + 1 + rand.IntN(2)) % 3 {
		during, cancel := context.WithTimeout(ctx, time.Second+time.Duration(rand.IntN(9000))*time.Millisecond)
		r.read(during, cancel, client, r.cluster.hubs[hub].Load().proxy)
		cancel()
		<-time.After(20 * time.Millisecond)
	}
}

// read reads a stream until ctx is done, it ends, or it is silent for long.
func (r *hopper) read(ctx context.Context, cancel func(), client *http.Client, url string) {
	silent := time.AfterFunc(4*time.Second, cancel)
	defer silent.Stop()
	req, _ := http.NewRequestWithContext(ctx, "GET", url+"/stream", nil)
	if r.id != "" {
		req.Header.Set("Last-Event-ID", r.id)
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	in, fields := bufio.NewReader(resp.Body), map[string]string{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return // what was cut counts for nothing
		}
		silent.Reset(4 * time.Second)
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			name, value, _ := strings.Cut(line, ": ")
			fields[name] = value
			continue
		}
		r.take(fields)
		fields = map[string]string{}
	}
}

// take takes an event, and notes what breaks the rules.
func (r *hopper) take(fields map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wrong := func(format string, args ...any) {
		if len(r.errors) < 10 {
			r.errors = append(r.errors, fmt.Sprintf(format, args...))
		}
	}
	if fields["id"] != "" {
		r.id = fields["id"]
	}
	var data struct {
		Mode, Reason string
		ID           string
		Properties   struct{ N int }
	}
	json.Unmarshal([]byte(fields["data"]), &data)
	switch fields["event"] {
	case "live":
		r.lives[data.Mode]++
	case "reset":
		if r.lives["reset "+data.Reason]++; data.Reason != "new" && !r.holes {
			wrong("reset %s", data.Reason)
		}
		r.newest = 0
		clear(r.held)
	case "gone", "late":
		wrong("%s %s", fields["event"], fields["data"])
	case "":
		if data.ID == "" {
			return
		}
		_, number, err := seqOf(fields["id"])
		if err != nil || number <= r.newest {
			wrong("event %q came after number %d (%v)", fields["id"], r.newest, err)
		}
		r.newest = number
		was, known := r.held[data.ID]
		if known && data.Properties.N != was+1 && (!r.holes || data.Properties.N <= was) {
			wrong("%s is at %d after %d", data.ID, data.Properties.N, was)
		}
		r.held[data.ID] = data.Properties.N
	}
}

// startLedger starts publishers and readers. finish waits until every reader has everything.
func startLedger(
	t *testing.T, c *hubCluster, rounds int, pause time.Duration,
) (l *clusterLedger, finish func()) {
	l = &clusterLedger{cluster: c, vehicles: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	reading, leave := context.WithCancel(t.Context())
	var publishers, readers sync.WaitGroup
	for p := range 3 {
		publishers.Go(func() { l.publish(ctx, fmt.Sprint("P", p), rounds, pause) })
	}
	for range 6 {
		r := &hopper{cluster: c, held: map[string]int{}, lives: map[string]int{}}
		l.readers = append(l.readers, r)
		readers.Go(func() { r.run(reading) })
	}
	t.Cleanup(func() {
		stop()
		leave()
		publishers.Wait()
		readers.Wait()
	})
	return l, func() {
		if pause > 0 {
			stop()
		}
		publishers.Wait()
		replays := 0
		for i, r := range l.readers {
			await(t, "reader "+fmt.Sprint(i)+" has everything", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return len(r.errors) > 0 || fmt.Sprint(r.held) == fmt.Sprint(l.vehicles)
			})
			r.mu.Lock()
			assert.Empty(t, r.errors, "reader %d", i)
			replays += r.lives["replay"]
			t.Log("reader", i, r.lives)
			r.mu.Unlock()
		}
		assert.Positive(t, replays)
		t.Logf("%d positions acknowledged, %d requests without an answer", l.taken.Load(), l.unknown.Load())
		states := map[string]bool{}
		for i := range c.hubs {
			client := newWireClient(t, "h1", nil)
			client.tcp.DialContext = c.dial
			_, text := client.ask(t, "GET", c.hubs[i].Load().proxy+"/snapshot")
			states[text] = true
		}
		assert.Len(t, states, 1, "all hubs have one state")
	}
}

// acks waits until so many more positions were acknowledged, and says how long the longest time without was.
func (l *clusterLedger) acks(t *testing.T, what string) {
	from := l.taken.Load()
	await(t, what+": publishers go on", func() bool { return l.taken.Load() > from+5000 })
	t.Logf("%-40s longest time without an Ack %s", what,
		time.Duration(l.longest.Swap(0)).Round(time.Millisecond))
}

// TestFaultHubsOfCluster stops, kills and freezes hubs of a cluster one after the other, and two at a time.
func TestFaultHubsOfCluster(t *testing.T) {
	c := startCluster(t)
	l, finish := startLedger(t, c, 1<<30, 5*time.Millisecond)
	l.acks(t, "nothing")
	for i := range 3 {
		c.hubs[i].Load().stop(t)
		l.acks(t, fmt.Sprintf("hub %d stopped", i))
		c.start(t, i)
		l.acks(t, fmt.Sprintf("hub %d back", i))
	}
	for i := range 3 {
		c.hubs[i].Load().kill()
		l.acks(t, fmt.Sprintf("hub %d killed", i))
		c.start(t, i)
		l.acks(t, fmt.Sprintf("hub %d back", i))
	}
	for i := range 3 {
		c.hubs[i].Load().signal(syscall.SIGSTOP)
		l.acks(t, fmt.Sprintf("hub %d frozen", i))
		c.hubs[i].Load().signal(syscall.SIGCONT)
		l.acks(t, fmt.Sprintf("hub %d goes on", i))
	}
	c.hubs[1].Load().kill()
	c.hubs[2].Load().kill()
	await(t, "the last hub to say that it is frozen", func() bool {
		resp, err := http.Get(c.hubs[0].Load().publish + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode == 503 && strings.Contains(string(text), "2 of the 2 other hubs")
	})
	c.start(t, 1)
	l.acks(t, "two killed, one back")
	c.start(t, 2)
	l.acks(t, "both back")
	finish()
}

// TestFaultClusterMillion publishes a million positions while hubs are killed at random.
func TestFaultClusterMillion(t *testing.T) {
	c := startCluster(t)
	l, finish := startLedger(t, c, 1_000_000/3/ledgerBatch+1, 0)
	for i := 0; l.taken.Load() < 900_000; i++ {
		from := l.taken.Load()
		await(t, "publishers go on", func() bool {
			return l.taken.Load() > from+100_000 || l.taken.Load() >= 950_000
		})
		c.hubs[i%3].Load().kill()
		c.start(t, i%3)
	}
	finish()
	sum := 0
	for _, n := range l.vehicles {
		sum += n
	}
	assert.GreaterOrEqual(t, sum, 1_000_000)
}
