//go:build faults && linux

package e2e

import (
	"cmp"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// behindCaddy is a fleet that drives, and readers that follow it through Caddy.
type behindCaddy struct {
	hub     *proxiedHub
	caddy   *runningCaddy
	book    *ledger
	readers []*ledgerReader
	stop    func() // ends publishing
}

const caddyReaders = 30

// startReadersBehindCaddy starts readers, over all protocols, of 50 vehicles that report ten times
// a second.
func startReadersBehindCaddy(t *testing.T) *behindCaddy {
	t.Helper()
	return startFleetBehindCaddy(t, &ledger{vehicles: 50, prefix: "V"}, 100*time.Millisecond).with(t,
		caddyReaders, protocolNames...)
}

func startFleetBehindCaddy(t *testing.T, book *ledger, every time.Duration) *behindCaddy {
	t.Helper()
	b := &behindCaddy{book: book}
	b.hub, b.caddy = startBehindCaddy(t)
	b.book.publish(t, b.hub.runningHub)
	b.stop = b.book.publishEvery(t, func() *runningHub { return b.hub.current() }, every)
	return b
}

// with adds n readers, over each of the protocols in turn, and waits for them.
func (b *behindCaddy) with(t *testing.T, n int, protocols ...string) *behindCaddy {
	t.Helper()
	for _, r := range b.join(t, n, protocols...) {
		r.await(t, "live", func(c ledgerCounts) bool { return len(c.lives) > 0 })
	}
	return b
}

// join adds n more readers, each over a connection of its own.
func (b *behindCaddy) join(t *testing.T, n int, protocols ...string) (joined []*ledgerReader) {
	t.Helper()
	for i := range n {
		client := b.caddy.client(t, protocols[i%len(protocols)])
		joined = append(joined, b.book.begin(t, client, b.caddy.base+"/stream",
			func(r *ledgerReader) { r.obedient = true }))
	}
	b.readers = append(b.readers, joined...)
	return joined
}

// awaitRounds waits until every vehicle has reported n times more.
func (b *behindCaddy) awaitRounds(t *testing.T, n int) {
	t.Helper()
	goal := b.book.newest() + n
	await(t, "positions to be published", func() bool { return b.book.newest() >= goal })
}

// awaitOutages waits until that many readers were cut and are live again.
func (b *behindCaddy) awaitOutages(t *testing.T, n int) {
	t.Helper()
	await(t, "all to be back", func() bool {
		back := 0
		for _, r := range b.readers {
			if c := r.counts(); len(c.outages) > 0 && !c.outages[0].back.IsZero() {
				back++
			}
		}
		return back >= n
	})
}

// settle ends publishing and requires that every map is right.
func (b *behindCaddy) settle(t *testing.T) {
	t.Helper()
	b.awaitRounds(t, 2)
	b.stop()
	b.book.settle(t, b.hub.current(), b.readers...)
}

// requireReplays requires that readers came back by replay, as often as is right for their
// protocol, and that none got an answer that is not a stream.
func (b *behindCaddy) requireReplays(t *testing.T, right func(protocol string, outages int) bool) {
	t.Helper()
	for _, r := range b.readers {
		c := r.counts()
		assert.True(t, right(r.client.protocol, len(c.outages)), "%d outages over %s", len(c.outages),
			r.client.protocol)
		assert.Equal(t, 1, c.lives["snapshot"], "over %s: %+v", r.client.protocol, c)
		assert.Equal(t, len(c.outages), c.lives["replay"], "over %s: %+v", r.client.protocol, c)
		assert.Zero(t, c.noStreams, "over %s", r.client.protocol)
	}
}

// tell logs how long readers were without a stream.
func (b *behindCaddy) tell(t *testing.T, since time.Time) {
	t.Helper()
	for _, protocol := range protocolNames {
		var noticed, back []time.Duration
		for _, r := range b.readers {
			for _, o := range r.counts().outages {
				if r.client.protocol == protocol && !o.back.IsZero() {
					noticed, back = append(noticed, o.ended.Sub(since)), append(back, o.back.Sub(o.ended))
				}
			}
		}
		t.Logf("%s: %d outages, that began after %s and lasted %s", protocol, len(back), spread(noticed),
			spread(back))
	}
}

// spread returns median and maximum.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	slices.SortFunc(all, cmp.Compare[time.Duration])
	return all[len(all)/2].Round(10*time.Millisecond).String() + " (at most " +
		all[len(all)-1].Round(10*time.Millisecond).String() + ")"
}

// F11: Caddy is reloaded again and again. Streams over TCP go on, those over HTTP/3
// are cut at the end of the grace period and resume; of old configurations nothing
// is left.
func TestFaultCaddyReloads(t *testing.T) {
	b := startReadersBehindCaddy(t)
	goroutines, memory := b.caddy.metric(t, "go_goroutines"), b.caddy.metric(t, "process_resident_memory_bytes")
	began := time.Now()
	for range 20 {
		b.caddy.reload(t)
		b.awaitRounds(t, 10) // a second
	}
	ended := time.Now()
	t.Logf("20 reloads in %s", ended.Sub(began).Round(time.Second))
	await(t, "all over HTTP/3 to come to the last configuration", func() bool {
		return !slices.ContainsFunc(b.readers, func(r *ledgerReader) bool {
			outages := r.counts().outages
			return r.client.protocol == "h3" && (len(outages) == 0 || outages[len(outages)-1].back.Before(ended))
		})
	})
	b.settle(t)
	b.tell(t, began)
	b.requireReplays(t, func(protocol string, outages int) bool { return (outages > 0) == (protocol == "h3") })
	require.Equal(t, float64(caddyReaders), b.hub.openStreams(t))
	await(t, "what served the old configurations to end",
		func() bool { return b.caddy.metric(t, "go_goroutines") < goroutines+caddyReaders })
	t.Logf("Caddy's memory: %.0f MB before, %.0f MB after; goroutines: %.0f before, %.0f after",
		memory/1e6, b.caddy.metric(t, "process_resident_memory_bytes")/1e6, goroutines,
		b.caddy.metric(t, "go_goroutines"))
}

// F12: Caddy is killed, and started again.
func TestFaultCaddyKilled(t *testing.T) {
	b := startReadersBehindCaddy(t)
	began := time.Now()
	b.caddy.kill(t)
	await(t, "the hub to notice", func() bool { return b.hub.openStreams(t) == 0 })
	t.Logf("the hub had no stream left %s after Caddy was killed", time.Since(began).Round(time.Millisecond))
	b.caddy.start(t)
	t.Logf("Caddy served again after %s", time.Since(began).Round(10*time.Millisecond))
	b.awaitOutages(t, caddyReaders)
	b.settle(t)
	b.tell(t, began)
	b.requireReplays(t, func(_ string, outages int) bool { return outages == 1 })
}

// Caddy is stopped as a service manager does it, and started again. It ends, though
// no reader has gone.
func TestFaultCaddyStopped(t *testing.T) {
	b := startReadersBehindCaddy(t)
	began := time.Now()
	require.NoError(t, b.caddy.cmd.Process.Signal(syscall.SIGTERM))
	b.caddy.awaitEnd(t)
	t.Logf("Caddy ended after %s", time.Since(began).Round(10*time.Millisecond))
	b.caddy.start(t)
	b.awaitOutages(t, caddyReaders)
	b.settle(t)
	b.tell(t, began)
	b.requireReplays(t, func(_ string, outages int) bool { return outages == 1 })
}

// The hub restarts. All streams get `bye`, and Caddy holds their requests until a hub runs again.
func TestFaultHubRestartBehindCaddy(t *testing.T) {
	b := startReadersBehindCaddy(t)
	began := time.Now()
	b.hub.stop(t)
	b.hub.start(t)
	t.Logf("the next hub was ready after %s", time.Since(began).Round(10*time.Millisecond))
	b.awaitNextHub(t)
	b.settle(t)
	b.tell(t, began)
}

// awaitNextHub waits until readers that got `bye` from one hub have resumed at the next. No request may have
// been rejected in between.
func (b *behindCaddy) awaitNextHub(t *testing.T) {
	t.Helper()
	b.awaitOutages(t, caddyReaders)
	for _, r := range b.readers[:caddyReaders] {
		c := r.counts()
		assert.Zero(t, c.refused, "over %s: %+v", r.client.protocol, c)
		assert.Equal(t, 1, c.byes, "over %s: %+v", r.client.protocol, c)
		assert.Equal(t, map[string]int{"new": 1}, c.resets, "over %s: %+v", r.client.protocol, c)
		assert.Equal(t, 1, c.lives["replay"], "over %s: %+v", r.client.protocol, c)
	}
}

// F15: the hub is down for 5 s. Requests in the meantime wait, and the next hub answers them; none
// gets a 502.
func TestFaultHubDownBehindCaddy(t *testing.T) {
	b := startReadersBehindCaddy(t)
	began := time.Now()
	b.hub.stop(t)
	late := b.join(t, 6, protocolNames...)
	read := make(chan string, 1)
	go func() { read <- b.read(t, "/snapshot") }()
	<-time.After(5 * time.Second) // which is the fault
	for _, r := range late {
		c := r.counts()
		require.Zero(t, c.opened+c.refused, "over %s", r.client.protocol)
	}
	b.hub.start(t)
	up := time.Now()
	require.Contains(t, <-read, "FeatureCollection")
	for _, r := range late {
		r.await(t, "live", func(c ledgerCounts) bool { return len(c.lives) > 0 })
		assert.Zero(t, r.counts().refused, "over %s", r.client.protocol)
	}
	b.awaitNextHub(t)
	t.Logf("all were live %s after the hub was up again", time.Since(up).Round(10*time.Millisecond))
	b.settle(t)
	b.tell(t, began)
}

// read sends one ordinary request, and returns status and text of the answer.
func (b *behindCaddy) read(t *testing.T, path string) string {
	resp, err := b.caddy.client(t, "h2").http.Get(b.caddy.base + path)
	if !assert.NoError(t, err) {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return resp.Status + " " + string(text)
}
