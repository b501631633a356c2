//go:build faults && linux

package e2e

import (
	"crypto/tls"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// F55: streams are added until memory in use comes close to GOMEMLIMIT. The hub then rejects new
// streams and continues the existing ones. When some have ended, it accepts new ones again.
func TestFaultMemoryPressure(t *testing.T) {
	hub := startHubUnder(t, []string{"env", "GOMEMLIMIT=80MiB"}, "--drain", "0s")
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	var readers []*ledgerReader
	for i := range 30 {
		readers = append(readers, book.follow(t, hub.client(t, protocolNames[i%3]), hub.public+"/stream"))
	}
	stop := book.publishEvery(t, func() *runningHub { return hub }, 100*time.Millisecond)
	crowd := hub.client(t, "h1") // over TLS, which costs most
	turnedAway := func() float64 { return hub.metric(t, `livemap_streams_closed_total{reason="memory"}`) }
	var added []*wireStream
	for turnedAway() == 0 && len(added) < 4000 {
		for range 50 {
			s, err := crowd.open(t.Context(), hub.public+"/topics/quiet/stream", "")
			require.NoError(t, err)
			added = append(added, s)
		}
	}
	t.Logf("turned away after %d streams more; memory %.1f MiB", len(added), hub.resident(t))
	require.Positive(t, turnedAway())
	hub.log.await(t, "memory is short; rejecting new streams")
	last := crowd.mustOpen(t, hub.public+"/stream", "")
	require.Equal(t, `{"reason":"too-many"}`, last.until(t, "bye")[0].data)
	for range 20 {
		number := book.publish(t, hub)
		for _, r := range readers {
			r.await(t, "positions while memory is short", func(ledgerCounts) bool { return r.holds("V0", number) })
		}
	}
	for _, s := range added {
		s.close()
	}
	left := time.Now()
	await(t, "others to be let in", func() bool {
		s, err := crowd.open(t.Context(), hub.public+"/stream", "")
		require.NoError(t, err)
		defer s.close()
		for {
			if e, err := s.next(); err != nil || e.name == "bye" || e.name == "live" {
				return e.name == "live"
			}
		}
	})
	t.Logf("others are let in %s after the crowd has gone; memory %.1f MiB",
		time.Since(left).Round(100*time.Millisecond), hub.resident(t))
	stop()
	book.settle(t, hub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened)
	}
}

// F56: the hub's process stands still for ten seconds.
func TestFaultStandsStill(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	var readers []*ledgerReader
	for i := range 30 {
		readers = append(readers, book.follow(t, hub.client(t, protocolNames[i%3]), hub.public+"/stream"))
	}
	stop := book.publishEvery(t, func() *runningHub { return hub }, 20*time.Millisecond)
	readers[0].await(t, "positions", func(c ledgerCounts) bool { return c.events > 500 })
	hub.signal(syscall.SIGSTOP)
	<-time.After(10 * time.Second) // the fault
	hub.signal(syscall.SIGCONT)
	resumed := time.Now()
	number := book.publish(t, hub)
	for _, r := range readers {
		r.await(t, "positions", func(ledgerCounts) bool { return r.holds("V19", number) })
	}
	t.Logf("all were right %s after it went on", time.Since(resumed).Round(time.Millisecond))
	stop()
	book.settle(t, hub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened, "%s", r.client.protocol)
	}
}

// F57: silent connections use up all file descriptors. Streams go on, the hub does not spin, and
// waiting clients are accepted once descriptors are free.
func TestFaultNoDescriptors(t *testing.T) {
	t.Parallel()
	hub := startHubUnder(t, []string{"prlimit", "--nofile=128:128"}, "--drain", "0s")
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	var readers []*ledgerReader
	for i := range 30 {
		readers = append(readers, book.follow(t, hub.client(t, protocolNames[i%3]), hub.public+"/stream"))
	}
	spent := hub.spent(t) // which takes a descriptor
	var silent []net.Conn
	for range 300 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(hub.proxy, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		silent = append(silent, conn)
	}
	line := hub.log.await(t, "cannot accept connections")
	t.Logf("the log: %v", line["error"])
	began := time.Now()
	for range 30 {
		number := book.publish(t, hub)
		for _, r := range readers {
			r.await(t, "positions", func(ledgerCounts) bool { return r.holds("V0", number) })
		}
	}
	over := book.follow(t, hub.client(t, "h3"), hub.public+"/stream") // which needs none
	waiting := book.begin(t, newWireClient(t, "h1", &tls.Config{}), hub.proxy+"/stream")
	for time.Since(began) < 3*time.Second {
		book.publish(t, hub)
		<-time.After(100 * time.Millisecond)
	}
	without := time.Since(began).Round(100 * time.Millisecond)
	for _, conn := range silent {
		conn.Close()
	}
	released := time.Now()
	waiting.await(t, "to be let in", func(c ledgerCounts) bool { return len(c.lives) > 0 })
	t.Logf("who waited was let in %s after there were descriptors again; %.2f s of processor in the %s without",
		time.Since(released).Round(time.Millisecond), spent(), without)
	readers = append(readers, over, waiting)
	book.settle(t, hub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened)
	}
}
