//go:build soak && linux

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The soak's size. 25 positions a second are 12,500 deliveries a second to 500 streams.
const (
	soakStreams  = 500
	soakVehicles = 25
	soakEvery    = time.Second
	soakSamples  = 60
)

// TestSoak runs a hub and 500 streams for half an hour (LIVEMAP_SOAK), over all three protocols,
// with and without Caddy (LIVEMAP_CADDY) in between. In each ten streams, seven go on, one is cut
// again and again, one reads slowly, and one belongs to clients that come and go. The hub restarts
// after a third of the time, and Caddy is killed after a half. Nothing may be lost. From the middle
// of the hub's second life on, the hub may not grow.
func TestSoak(t *testing.T) {
	lasts := 30 * time.Minute
	if text := os.Getenv("LIVEMAP_SOAK"); text != "" {
		var err error
		lasts, err = time.ParseDuration(text)
		require.NoError(t, err, "LIVEMAP_SOAK")
	}
	s := startSoak(t)
	s.gather(t)
	stop := s.publishEvery(t, s.hub.current, soakEvery)
	s.watch(t, lasts)
	stop()
	s.slow.Store(false)
	s.settle(t, s.hub.current(), s.readers...)
	s.leave(t)
	s.report(t)
}

// soak is a hub, perhaps with Caddy in front, and all readers.
type soak struct {
	*ledger
	hub     *proxiedHub
	caddy   *runningCaddy // nil: none
	idle    soakSample    // before anybody came
	began   time.Time
	samples []soakSample

	readers  []*ledgerReader
	slow     atomic.Bool // slow readers are slow
	away     atomic.Bool // no more come and go
	churning sync.WaitGroup
	visits   atomic.Int64 // of those that come and go
	cuts     atomic.Int64
}

func startSoak(t *testing.T) *soak {
	s := &soak{ledger: &ledger{vehicles: soakVehicles, prefix: "SOAK-"}, began: time.Now()}
	s.hub = &proxiedHub{dir: socketDir(t), publish: freePort(t),
		args: []string{"--listen", freePort(t), "--history", "2MiB", "--max-backlog", "512KiB", "--drain", "2s"}}
	s.hub.start(t)
	s.publish(t, s.hub.current())
	s.idle = s.sample(t)
	s.slow.Store(true)
	if os.Getenv("LIVEMAP_CADDY") != "" {
		s.caddy = startCaddy(t, s.hub.dir)
	} else {
		t.Log("LIVEMAP_CADDY names no Caddy: all streams go to the hub itself")
	}
	return s
}

// address returns where stream i goes to.
func (s *soak) address(i int) (base string) {
	if s.caddy != nil && i/3%2 == 1 {
		return s.caddy.base
	}
	return s.hub.current().public
}

func (s *soak) gather(t *testing.T) {
	for i := range soakStreams {
		client := soakClient(t, protocolNames[i%3], i%10 == 8)
		url := s.address(i) + "/stream"
		switch i % 10 {
		case 9:
			s.churning.Go(func() { s.comeAndGo(t, client, url) })
			continue
		case 8:
			s.readers = append(s.readers, s.begin(t, client, url,
				func(r *ledgerReader) { r.conflate, r.pause = true, s.dawdle }))
		case 7:
			s.readers = append(s.readers, s.begin(t, client, url,
				func(r *ledgerReader) { r.pause = func() { s.cut(client) } }))
		default:
			s.readers = append(s.readers, s.begin(t, client, url))
		}
	}
	for _, r := range s.readers {
		r.await(t, "live", func(c ledgerCounts) bool { return len(c.lives) > 0 })
	}
}

// soakClient makes a client, for slow readers with hardly any buffers.
func soakClient(t *testing.T, protocol string, slow bool) *wireClient {
	client := newWireClient(t, protocol, &tls.Config{InsecureSkipVerify: true})
	const window = 64 << 10
	switch {
	case !slow:
	case protocol == "h3":
		client.quic = &http3.Transport{TLSClientConfig: client.quic.TLSClientConfig, QUICConfig: &quic.Config{
			KeepAlivePeriod: time.Second, InitialStreamReceiveWindow: window, MaxStreamReceiveWindow: window,
		}}
		client.http.Transport = client.quic
		t.Cleanup(func() { client.quic.Close() })
	default:
		client.tcp.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: window}
		client.tcp.DialContext = (&net.Dialer{Control: func(_, _ string, conn syscall.RawConn) error {
			return conn.Control(func(fd uintptr) {
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET,
					syscall.SO_RCVBUF, 16<<10)
			})
		}}).DialContext
	}
	return client
}

// dawdle limits a slow reader to ten events a second, more than the rate at which the hub would
// close it.
func (s *soak) dawdle() {
	if s.slow.Load() {
		time.Sleep(100 * time.Millisecond)
	}
}

// cut breaks a connection once in a thousand events, which is every 40 s or so.
func (s *soak) cut(client *wireClient) {
	if rand.N(1000) == 0 && !s.away.Load() {
		s.cuts.Add(1)
		client.reset()
	}
}

// comeAndGo runs one client after another, each for some seconds.
func (s *soak) comeAndGo(t *testing.T, client *wireClient, url string) {
	for !s.away.Load() {
		r := newLedgerReader(client, url)
		ctx, leave := context.WithTimeout(t.Context(), time.Second+rand.N(9*time.Second))
		_ = r.connect(ctx)
		<-ctx.Done()
		leave()
		if _, _, err := r.state(); !assert.NoError(t, err, "who came and went over %s", client.protocol) {
			return
		}
		if r.opened > 0 {
			s.visits.Add(1)
		}
		client.hangUp()
	}
}

// hangUp lets go of a client's connection.
func (c *wireClient) hangUp() {
	if c.quic != nil {
		c.reset()
		return
	}
	c.tcp.CloseIdleConnections()
}

// watch samples the hub, restarts it, and kills Caddy.
func (s *soak) watch(t *testing.T, lasts time.Duration) {
	s.began = time.Now()
	t.Logf("%6s %8s %8s %6s %6s %12s %8s %8s", "time", "streams", "memory", "gorout", "files", "events",
		"visits", "cuts")
	for i := range soakSamples {
		time.Sleep(time.Until(s.began.Add(lasts * time.Duration(i+1) / soakSamples)))
		now := s.sample(t)
		s.samples = append(s.samples, now)
		t.Log(now)
		for _, r := range s.readers {
			_, _, err := r.state()
			require.NoError(t, err, "%s over %s", r.url, r.client.protocol)
		}
		switch i + 1 {
		case soakSamples / 3:
			s.restartHub(t)
		case soakSamples / 2:
			s.killCaddy(t)
		}
	}
	s.level(t)
}

func (s *soak) restartHub(t *testing.T) {
	took := s.back(t, s.readers, func() {
		s.hub.current().stop(t)
		s.hub.start(t)
	})
	t.Logf("%s the hub was restarted; all were back after %v", s.at(), took)
}

func (s *soak) killCaddy(t *testing.T) {
	if s.caddy == nil {
		return
	}
	behind := slices.DeleteFunc(slices.Clone(s.readers),
		func(r *ledgerReader) bool { return !strings.HasPrefix(r.url, s.caddy.base) })
	took := s.back(t, behind, func() {
		s.caddy.kill(t)
		s.caddy.start(t)
	})
	t.Logf("%s Caddy was killed and started again; all were back after %v", s.at(), took)
}

// back runs an event on readers, and returns how long it takes until all have come back, by
// protocol. It does not wait for slow readers and for those that are cut anyway.
func (s *soak) back(t *testing.T, readers []*ledgerReader, event func()) (took map[string]time.Duration) {
	lives := map[*ledgerReader]int{}
	for _, r := range readers {
		if r.pause == nil {
			lives[r] = r.counts().livesInAll()
		}
	}
	began := time.Now()
	event()
	took = map[string]time.Duration{}
	for _, protocol := range protocolNames {
		for r, before := range lives {
			if r.client.protocol == protocol {
				r.await(t, "to be back", func(c ledgerCounts) bool { return c.livesInAll() > before })
			}
		}
		took[protocol] = time.Since(began).Round(100 * time.Millisecond)
	}
	return took
}

func (c ledgerCounts) livesInAll() (n int) {
	for _, times := range c.lives {
		n += times
	}
	return n
}

func (s *soak) at() string { return time.Since(s.began).Round(time.Second).String() }

// soakSample is a sample of the hub's metrics.
type soakSample struct {
	at                          string
	streams, memory, goroutines float64
	files, events, visits, cut  float64
}

func (s *soak) sample(t *testing.T) soakSample {
	hub := s.hub.current()
	return soakSample{
		at: s.at(), streams: hub.openStreams(t), memory: hub.metric(t, "process_resident_memory_bytes"),
		goroutines: hub.metric(t, "go_goroutines"), files: hub.metric(t, "process_open_fds"),
		events: hub.metric(t, "livemap_events_written_total"), visits: float64(s.visits.Load()),
		cut: float64(s.cuts.Load()),
	}
}

func (n soakSample) String() string {
	return fmt.Sprintf("%6s %8.0f %7.1fM %6.0f %6.0f %12.0f %8.0f %8.0f", n.at, n.streams, n.memory/(1<<20),
		n.goroutines, n.files, n.events, n.visits, n.cut)
}

// level holds the last tenth of the time to the tenth in the middle of the hub's
// second life.
func (s *soak) level(t *testing.T) {
	tenth := soakSamples / 10
	early, late := s.samples[soakSamples*6/10:][:tenth], s.samples[soakSamples-tenth:]
	for name, of := range map[string]func(soakSample) float64{
		"memory, MiB": func(n soakSample) float64 { return n.memory / (1 << 20) },
		"goroutines":  func(n soakSample) float64 { return n.goroutines },
		"files":       func(n soakSample) float64 { return n.files },
	} {
		before, after := median(early, of), median(late, of)
		t.Logf("%s: %.1f, in the end %.1f", name, before, after)
		assert.Less(t, after, before*1.2+20, name)
	}
}

func median(samples []soakSample, of func(soakSample) float64) float64 {
	var values []float64
	for _, n := range samples {
		values = append(values, of(n))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// leave ends all readers, and requires that nothing of them is left.
func (s *soak) leave(t *testing.T) {
	s.away.Store(true)
	s.churning.Wait()
	for _, r := range s.readers {
		r.leave()
		r.client.hangUp()
	}
	hub := s.hub.current()
	await(t, "streams to be closed", func() bool { return hub.openStreams(t) == 0 })
	if s.caddy != nil {
		s.caddy.kill(t) // it keeps connections to the hub
	}
	await(t, "goroutines to end", func() bool { return hub.metric(t, "go_goroutines") <= s.idle.goroutines+10 })
	await(t, "files to be closed", func() bool { return hub.metric(t, "process_open_fds") <= s.idle.files+10 })
	t.Logf("nobody is there: %s", s.sample(t))
}

// report logs the totals of the readers.
func (s *soak) report(t *testing.T) {
	for _, protocol := range protocolNames {
		var all ledgerCounts
		all.resets, all.lives = map[string]int{}, map[string]int{}
		n := 0
		for _, r := range s.readers {
			if r.client.protocol != protocol {
				continue
			}
			c := r.counts()
			n++
			all.events, all.opened, all.refused, all.byes, all.noStreams = all.events+c.events, all.opened+c.opened,
				all.refused+c.refused, all.byes+c.byes, all.noStreams+c.noStreams
			for reason, times := range c.resets {
				all.resets[reason] += times
			}
			for mode, times := range c.lives {
				all.lives[mode] += times
			}
		}
		assert.Zero(t, all.noStreams, "answers that an EventSource does not come back from")
		t.Logf("%s: %d readers, %d events, %d streams, %d refused (%d of them an answer that is no stream), %d "+
			"byes, resets %v, lives %v",
			protocol, n, all.events, all.opened, all.refused, all.noStreams, all.byes, all.resets, all.lives)
	}
	t.Logf("%d positions published, %d cuts, %d clients came and went", s.taken[0]*soakVehicles, s.cuts.Load(),
		s.visits.Load())
}
