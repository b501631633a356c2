//go:build faults && linux

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// F24: the proxy of 10,000 readers is killed, or of as many as the limit of open
// files allows. They all come back at once, and are served.
func TestFaultCrowdBehindCaddy(t *testing.T) {
	var files syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	crowd := min(10_000, (int(files.Max)-500)/2) // Caddy has two for each
	b := startFleetBehindCaddy(t, &ledger{vehicles: 2, prefix: "V"}, 2*time.Second)
	idle := b.memory(t)
	began := time.Now()
	b.with(t, crowd, "h1")
	before := b.memory(t)
	t.Logf("%d readers were live after %s; MB: %s", crowd, time.Since(began).Round(100*time.Millisecond), before)

	killed := time.Now()
	b.caddy.kill(t)
	await(t, "the hub to notice", func() bool { return b.hub.openStreams(t) == 0 })
	t.Logf("the hub had no stream left after %s", time.Since(killed).Round(10*time.Millisecond))
	b.caddy.start(t)
	b.awaitOutages(t, crowd)
	back := time.Since(killed)
	b.settle(t)
	after := b.memory(t)
	t.Logf("all were back %s after the kill; MB: %s", back.Round(100*time.Millisecond), after)
	b.tell(t, killed)
	refused := 0
	for _, r := range b.readers {
		refused += r.counts().refused
	}
	t.Logf("%d attempts failed", refused)
	b.requireReplays(t, func(_ string, outages int) bool { return outages == 1 })
	require.Equal(t, float64(crowd), b.hub.openStreams(t))
	assert.Less(t, after.hub, 1.5*before.hub+50, "MB of the hub")
	assert.Less(t, after.caddy, 1.5*before.caddy+100, "MB of Caddy")

	for _, r := range b.readers {
		r.leave()
	}
	await(t, "the hub's streams to be closed", func() bool { return b.hub.openStreams(t) == 0 })
	await(t, "the hub's memory to be given back",
		func() bool { return b.memory(t).hub < idle.hub+(before.hub-idle.hub)/2+30 })
	t.Logf("when all had gone; MB: %s", b.memory(t))
}

// megabytes are what hub and Caddy have in memory.
type megabytes struct{ hub, caddy float64 }

func (m megabytes) String() string { return fmt.Sprintf("hub %.0f, Caddy %.0f", m.hub, m.caddy) }

func (b *behindCaddy) memory(t *testing.T) megabytes {
	t.Helper()
	const resident = "process_resident_memory_bytes"
	return megabytes{b.hub.metric(t, resident) / 1e6, b.caddy.metric(t, resident) / 1e6}
}
