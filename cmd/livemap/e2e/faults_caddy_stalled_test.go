//go:build faults && linux

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// F2 to F4 behind Caddy: readers that never read, whom Caddy shields from the hub. It
// cuts them, and others notice nothing.
func TestFaultStalledReadersBehindCaddy(t *testing.T) {
	hub, caddy := startBehindCaddy(t, "--stall-timeout", "10m")
	book := &ledger{vehicles: 10, prefix: "V", more: `"topics":["book"],`}
	book.publish(t, hub.runningHub)
	var readers []*ledgerReader
	for _, protocol := range protocolNames {
		readers = append(readers, book.follow(t, caddy.client(t, protocol), caddy.base+"/topics/book/stream"))
	}
	memory := caddy.metric(t, "process_resident_memory_bytes")
	for _, begin := range deafReaders {
		t.Cleanup(begin(t, &runningHub{public: caddy.base}))
	}
	await(t, "the streams", func() bool { return hub.openStreams(t) == float64(len(readers)+len(deafReaders)) })
	began := time.Now()
	stop := book.publishEvery(t, func() *runningHub { return hub.runningHub }, 100*time.Millisecond)
	most := memory
	await(t, "those who do not read to be cut", func() bool {
		hub.publishLines(t, padded("DEAF", 8<<10, 20)...)
		most = max(most, caddy.metric(t, "process_resident_memory_bytes"))
		return hub.openStreams(t) == float64(len(readers))
	})
	t.Logf("cut after %s; Caddy's memory: %.0f MB before, %.0f MB at most",
		time.Since(began).Round(100*time.Millisecond), memory/1e6, most/1e6)
	stop()
	book.settle(t, hub.runningHub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened, "over %s", r.client.protocol)
	}
	assert.Less(t, most, memory+100e6)
}
