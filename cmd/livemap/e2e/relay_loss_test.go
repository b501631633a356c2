package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// badPath loses and doubles datagrams, and lets others pass before them.
type badPath struct {
	lost, doubled, late float64 // shares

	mu     sync.Mutex
	random *rand.Rand
	held   map[bool]func() // up or down; sent after those that overtake it

	passed, dropped int
}

func (b *badPath) pass(up bool, datagram []byte, send func([]byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passed++
	switch p := b.random.Float64(); {
	case p < b.lost:
		b.dropped++
	case p < b.lost+b.late:
		before, datagram := b.held[up], bytes.Clone(datagram)
		b.held[up] = func() { send(datagram) }
		if before != nil {
			before()
		}
	default:
		send(datagram)
		if p > 1-b.doubled {
			send(datagram)
		}
		if before := b.held[up]; before != nil && b.random.IntN(3) == 0 {
			before()
			b.held[up] = nil
		}
	}
}

// Packets are lost, doubled and overtaken: streams over HTTP/3 are delayed, and
// miss nothing.
func TestLostPackets(t *testing.T) {
	t.Parallel()
	for i, lost := range []float64{0, 0.01, 0.05, 0.10} {
		t.Run(fmt.Sprintf("%.0f percent", 100*lost), func(t *testing.T) {
			t.Parallel()
			hub := startHub(t, "--drain", "0s")
			book := &ledger{vehicles: 30, prefix: "V"}
			book.publish(t, hub)
			path := &badPath{lost: lost, doubled: 0.02, late: 0.05, random: rand.New(rand.NewPCG(1, uint64(i))),
				held: map[bool]func(){}}
			r := book.follow(t, hub.client(t, "h3"), "https://"+relayTo(t, hub.public, path.pass).address+"/stream")
			var delays []time.Duration
			for range 50 {
				began := time.Now()
				number := book.publish(t, hub)
				r.await(t, "its positions", func(ledgerCounts) bool { return r.holds("V29", number) })
				delays = append(delays, time.Since(began))
			}
			book.settle(t, hub, r)
			assert.Equal(t, 1, r.counts().opened, "on one connection all the time")
			path.mu.Lock()
			defer path.mu.Unlock()
			t.Logf("%d of %d datagrams lost: %s", path.dropped, path.passed, percentiles(delays))
		})
	}
}
