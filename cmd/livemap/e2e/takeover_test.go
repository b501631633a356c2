package e2e

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// narrowClient makes a client whose streams take no more than 64 KiB that is not
// read. All are on one connection.
func narrowClient(t *testing.T) *wireClient {
	c := newWireClient(t, "h3", &tls.Config{InsecureSkipVerify: true})
	c.quic.QUICConfig.InitialStreamReceiveWindow = 64 << 10
	c.quic.QUICConfig.MaxStreamReceiveWindow = 64 << 10
	return c
}

func vehicleStream(hub *runningHub, id string) string {
	return hub.public + "/topics/vehicle:" + id + "/stream"
}

// isCut reports whether a stream over HTTP/3 ended other than a complete one does.
func isCut(t *testing.T, s *wireStream) {
	t.Helper()
	_, err := io.Copy(io.Discard, s.lines)
	failure, ok := errors.AsType[*http3.Error](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, http3.ErrCodeRequestCanceled, failure.ErrorCode)
	assert.True(t, failure.Remote)
}

// A reader that does not read one of its streams over HTTP/3 loses that stream
// alone.
func TestStalledStreamOverHTTP3EndsAlone(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--stall-timeout", "1s")
	client := narrowClient(t)
	deaf := client.mustOpen(t, vehicleStream(hub, "DEAF"), "")
	deaf.until(t, "live")
	live := client.mustOpen(t, vehicleStream(hub, "LIVE"), "")
	live.until(t, "live")
	for n := 0; len(hub.log.find("stream closed")) == 0; n++ {
		require.Less(t, n, 5000, "the stream that nobody reads is not closed")
		hub.publishLines(t, append(padded("DEAF", 8<<10, 4), padded("LIVE", 10, 1)...)...)
		_, err := live.next()
		require.NoError(t, err)
	}
	line := hub.log.await(t, "stream closed")
	assert.Equal(t, "stalled", line["reason"])
	assert.Less(t, line["bytes"], float64(256<<10), "what the client's window and the hub's own hold")
	isCut(t, deaf)
	assert.Equal(t, 1.0, hub.openStreams(t))

	hub.publishLines(t, padded("LIVE", 10, 1)...)
	_, err := live.next()
	require.NoError(t, err, "the connection goes on")
	client.mustOpen(t, vehicleStream(hub, "DEAF"), deaf.lastID).until(t, "live")
}

// One that reads in between does not stall, and gets everything.
func TestSlowReaderOverHTTP3GetsEverything(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--journal", "off", "--stall-timeout", "10m")
	s := narrowClient(t).mustOpen(t, vehicleStream(hub, "DEAF"), "")
	s.until(t, "live")
	for range 2 {
		hub.fillDeaf(t)
		_, first, err := seqOf(s.lastID)
		require.NoError(t, err)
		for n := range 500 {
			e, err := s.next()
			require.NoError(t, err)
			_, seq, err := seqOf(e.id)
			require.NoError(t, err)
			require.Equal(t, first+n+1, seq)
		}
	}
	assert.Equal(t, 1000.0, hub.metric(t, "livemap_events_written_total"))
}

// A client that cancels a stream over HTTP/3, or goes, is noticed though nothing is
// written to it, and also where the hub waits for it.
func TestClientOverHTTP3ThatGoesIsNoticed(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*wireClient, *wireStream){
		"cancels": func(_ *wireClient, s *wireStream) { s.close() },
		"goes":    func(c *wireClient, _ *wireStream) { c.reset() },
	} {
		for _, state := range []string{"idle", "stuck"} {
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				hub := startHub(t, "--stall-timeout", "10m", "--heartbeat", "30s")
				other := narrowClient(t).mustOpen(t, vehicleStream(hub, "OTHER"), "")
				other.until(t, "live")
				client := narrowClient(t)
				s := client.mustOpen(t, vehicleStream(hub, "DEAF"), "")
				s.until(t, "live")
				if state == "stuck" {
					hub.fillDeaf(t)
				}
				leave(client, s)
				line := hub.log.await(t, "stream closed")
				assert.Equal(t, "client", line["reason"])
				assert.Equal(t, "h3", line["protocol"])
				assert.Equal(t, 1.0, hub.openStreams(t))
				hub.publishLines(t, padded("OTHER", 10, 1)...)
				_, err := other.next()
				assert.NoError(t, err)
			})
		}
	}
}

// deafSocket drops incoming packets once that is switched on.
type deafSocket struct {
	net.PacketConn
	deaf atomic.Bool
}

// ReadFrom implements net.PacketConn.
func (s *deafSocket) ReadFrom(p []byte) (n int, from net.Addr, err error) {
	for {
		n, from, err = s.PacketConn.ReadFrom(p)
		if err != nil || !s.deaf.Load() {
			return n, from, err
		}
	}
}

// QUIC accepts as much as the client allows, sent or not. The hub passes it at most 64 KiB beyond
// the data in flight. A reader behind a slow path must not get old news, and a vanished one must
// not look like one that reads.
func TestHubKeepsLittleUnsentOverHTTP3(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--stall-timeout", "1s")
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	socket := &deafSocket{PacketConn: conn}
	transport := &quic.Transport{Conn: socket}
	defer transport.Close()
	server, err := net.ResolveUDPAddr("udp", strings.TrimPrefix(hub.public, "https://"))
	require.NoError(t, err)
	dialed, err := transport.Dial(t.Context(), server,
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}},
		&quic.Config{InitialStreamReceiveWindow: 16 << 20, InitialConnectionReceiveWindow: 16 << 20})
	require.NoError(t, err)
	client := new(http3.Transport).NewClientConn(dialed)
	req, err := http.NewRequest(http.MethodGet, vehicleStream(hub, "DEAF"), nil)
	require.NoError(t, err)
	resp, err := client.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	await(t, "the stream", func() bool { return hub.openStreams(t) == 1 })

	socket.deaf.Store(true)
	hub.publishLines(t, padded("DEAF", 8<<10, 200)...)
	line := hub.log.await(t, "stream closed")
	assert.Equal(t, "stalled", line["reason"])
	assert.Less(t, line["bytes"], float64(400<<10), "of more than 1.6 MB")
}

// A hub that goes down does not wait for those who do not read; the others hear
// `bye`, and an end.
func TestDrainWithStuckReaders(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "1s", "--stall-timeout", "10m")
	for _, begin := range deafReaders {
		t.Cleanup(begin(t, hub))
	}
	stuck := narrowClient(t).mustOpen(t, vehicleStream(hub, "DEAF"), "")
	stuck.until(t, "live")
	reading := narrowClient(t).mustOpen(t, vehicleStream(hub, "QUIET"), "")
	reading.until(t, "live")
	await(t, "the streams", func() bool { return hub.openStreams(t) == float64(len(deafReaders)+2) })
	hub.fillDeaf(t)

	hub.interrupt()
	e, err := reading.next()
	require.NoError(t, err)
	assert.Equal(t, wireEvent{reading.lastID, "bye", `{"reason":"draining"}`}, e)
	_, err = reading.next()
	assert.Equal(t, io.EOF, err)
	hub.awaitEnd(t) // long before a reader would be given up
	_, err = io.Copy(io.Discard, stuck.lines)
	assert.Error(t, err, "a stream that was cut does not end like one that is complete")
}
