//go:build faults && linux

package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
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

// F57: connections use up all descriptors that the hub gives to them: silent ones first, then streams.
// Existing streams go on and publishers find room, the hub does not spin, and clients that wait are
// accepted when others have gone.
func TestFaultNoDescriptors(t *testing.T) {
	t.Parallel()
	hub := withDescriptors(t, "128", "--drain", "0s") // 70 of them for the public and the proxy port
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	var readers []*ledgerReader
	for i := range 30 {
		readers = append(readers, book.follow(t, hub.client(t, protocolNames[i%3]), hub.public+"/stream"))
	}
	spent, began := hub.spent(t), time.Now()
	silent(t, 300, hub.proxy)
	plain := newWireClient(t, "h1", &tls.Config{})
	over := book.follow(t, hub.client(t, "h3"), hub.public+"/stream")
	readers = append(readers, over, book.follow(t, plain, hub.proxy+"/stream"))
	for range 30 {
		number := book.publish(t, hub)
		for _, r := range readers {
			r.await(t, "positions", func(ledgerCounts) bool { return r.holds("V0", number) })
		}
	}
	t.Logf("%v silent connections were cut", hub.metric(t, `livemap_connections_cut_total{reason="full"}`))

	var streams []*wireStream // on the proxy port, until there is no room
	waiting := make(chan *wireStream, 100)
	for range 100 {
		go func() {
			s, err := plain.open(t.Context(), hub.proxy+"/stream", "")
			if err == nil {
				waiting <- s
			}
		}()
	}
	for len(streams) < 70-20-1 {
		s := <-waiting
		defer s.close()
		streams = append(streams, s)
	}
	for time.Since(began) < 10*time.Second {
		book.publish(t, hub)
		<-time.After(100 * time.Millisecond)
	}
	without := time.Since(began).Round(100 * time.Millisecond)
	require.Empty(t, waiting, "there is room for more than the hub gives")
	t.Logf("%.2f s of processor in the %s without room", spent(), without)
	resp, err := hub.operator.Get(hub.publish + "/readyz")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
	released := time.Now()
	for _, s := range streams {
		s.close()
	}
	for range 100 - len(streams) {
		s := <-waiting
		s.until(t, "live")
		s.close()
	}
	t.Logf("all who waited were let in %s after there was room again",
		time.Since(released).Round(time.Millisecond))
	book.settle(t, hub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened)
	}
	assert.Empty(t, hub.log.find("cannot accept connections"))
}

// Connections without a request end after two minutes, whatever they send besides: a PING of HTTP/2 or
// HTTP/3 each second.
func TestFaultPingsWithoutRequests(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	to, err := net.ResolveUDPAddr("udp", strings.TrimPrefix(hub.public, "https://"))
	require.NoError(t, err)
	h3, err := quicTransport(t).Dial(t.Context(), to, &tls.Config{InsecureSkipVerify: true,
		NextProtos: []string{http3.NextProtoH3}}, &quic.Config{KeepAlivePeriod: time.Second})
	require.NoError(t, err)
	conn, framer := h2Conn(t, hub)
	ended := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := io.Copy(io.Discard, conn)
		ended <- err
	}()
	go func() {
		for framer.WritePing(false, [8]byte{}) == nil {
			<-time.After(time.Second)
		}
	}()
	for _, over := range []struct {
		protocol string
		done     func()
	}{{"h3", func() { <-h3.Context().Done() }}, {"h2", func() { <-ended }}} {
		over.done()
		t.Logf("%s: cut after %s", over.protocol, time.Since(began).Round(time.Second))
	}
	await(t, "both to be counted", func() bool {
		return hub.metric(t, `livemap_connections_cut_total{reason="idle"}`)+
			hub.metric(t, `livemap_connections_cut_total{reason="request"}`) == 2
	})
}
