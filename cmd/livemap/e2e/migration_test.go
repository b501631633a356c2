package e2e

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const migrationsMetric = "livemap_http3_migrations_total"

// A NAT changes clients' ports in mid-stream. Their streams continue on their connections, and miss
// nothing.
func TestPortChangesInMidStream(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	relay := relayTo(t, hub.public, nil)
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	var readers []*ledgerReader
	for range 4 {
		readers = append(readers, book.follow(t, hub.client(t, "h3"), "https://"+relay.address+"/stream"))
	}
	stop := book.publishEvery(t, func() *runningHub { return hub }, 10*time.Millisecond)
	for moves := range 2 {
		began, events := time.Now(), readers[0].counts().events
		relay.rebind()
		await(t, "the move to be counted", func() bool {
			return hub.metric(t, migrationsMetric) >= float64((moves+1)*len(readers))
		})
		readers[0].await(t, "positions", func(c ledgerCounts) bool { return c.events > events+100 })
		t.Logf("moved and counted after %s", time.Since(began).Round(time.Millisecond))
	}
	stop()
	book.settle(t, hub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened, "on one connection all the time")
	}
	assert.Equal(t, float64(2*len(readers)), hub.metric(t, migrationsMetric))
	assert.Equal(t, float64(len(readers)), hub.openStreams(t))
}

// quicOn makes a client that speaks from a socket, and from others later.
func quicOn(t *testing.T, hub *runningHub, socket net.PacketConn) (*wireClient, *quic.Conn) {
	t.Helper()
	from := &quic.Transport{Conn: socket}
	t.Cleanup(func() { from.Close(); socket.Close() })
	server, err := net.ResolveUDPAddr("udp", strings.TrimPrefix(hub.public, "https://"))
	require.NoError(t, err)
	conn, err := from.Dial(t.Context(), server, &tls.Config{InsecureSkipVerify: true,
		NextProtos: []string{http3.NextProtoH3}}, &quic.Config{KeepAlivePeriod: time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { conn.CloseWithError(0, "") })
	return &wireClient{protocol: "h3", http: &http.Client{Transport: new(http3.Transport).NewClientConn(conn)}},
		conn
}

// moveTo moves a connection to another socket.
func moveTo(t *testing.T, conn *quic.Conn, socket net.PacketConn) {
	t.Helper()
	to := &quic.Transport{Conn: socket}
	t.Cleanup(func() { to.Close(); socket.Close() })
	path, err := conn.AddPath(to)
	require.NoError(t, err)
	require.NoError(t, path.Probe(t.Context()))
	require.NoError(t, path.Switch())
}

func udpSocket(t *testing.T, address string) net.PacketConn {
	t.Helper()
	socket, err := net.ListenPacket("udp", address)
	require.NoError(t, err)
	return socket
}

// A client moves to another address by itself: all of its streams go with it.
func TestClientMovesInMidStream(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s")
	book := &ledger{vehicles: 20, prefix: "V"}
	book.publish(t, hub)
	client, conn := quicOn(t, hub, udpSocket(t, "127.0.0.1:0"))
	one := book.follow(t, client, hub.public+"/stream")
	other := book.follow(t, client, hub.public+"/stream")
	book.publish(t, hub)
	stop := book.publishEvery(t, func() *runningHub { return hub }, 10*time.Millisecond)
	for _, address := range []string{"127.0.0.2:0", "127.0.0.1:0"} {
		moves, events := hub.metric(t, migrationsMetric), one.counts().events
		moveTo(t, conn, udpSocket(t, address))
		await(t, "the move to be counted", func() bool { return hub.metric(t, migrationsMetric) == moves+1 })
		one.await(t, "positions", func(c ledgerCounts) bool { return c.events > events+100 })
	}
	stop()
	book.settle(t, hub, one, other)
	assert.Equal(t, 1, one.counts().opened)
	assert.Equal(t, 1, other.counts().opened)
	assert.Empty(t, hub.log.find("stream closed"))
}
