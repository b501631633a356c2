package e2e

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
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
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// deafConn connects with a small receive buffer, for one that will not read.
func deafConn(t testing.TB, address string) net.Conn {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) {
			syscall.SetsockoptInt(handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10)
		})
	}}
	conn, err := dialer.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// padded returns n positions of a vehicle, each of about size bytes.
func padded(vehicle string, size, n int) (lines []string) {
	padding := strings.Repeat("x", size)
	for range n {
		lines = append(lines, fmt.Sprintf(`{"vehicle_id":%q,"lat":1,"lon":2,"n":%d,"padding":%q}`, vehicle,
			paddedCount.Add(1), padding))
	}
	return lines
}

var paddedCount atomic.Int64 // so that none is a duplicate

// deafReaders are readers that never read, one for each protocol. They accept as much as their
// buffers and windows hold. The returned function closes them.
var deafReaders = map[string]func(*testing.T, *runningHub) (hangUp func()){
	"h1": func(t *testing.T, hub *runningHub) func() {
		conn := deafConn(t, strings.TrimPrefix(hub.public, "https://"))
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost",
			NextProtos: []string{"http/1.1"}})
		_, err := io.WriteString(secure, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
		return func() { conn.Close() }
	},
	"h2": func(t *testing.T, hub *runningHub) func() {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(hub.public, "https://"),
			&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		var read sync.WaitGroup
		hangUp := func() { conn.Close(); read.Wait() }
		t.Cleanup(hangUp)
		_, err = io.WriteString(conn, http2.ClientPreface)
		require.NoError(t, err)
		framer := http2.NewFramer(conn, conn)
		require.NoError(t, framer.WriteSettings())
		require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true,
			EndHeaders: true, BlockFragment: streamHeader(t)}))
		// The connection is read, and its pings are answered. The stream cannot continue without a
		// WINDOW_UPDATE.
		read.Go(func() {
			for {
				frame, err := framer.ReadFrame()
				if err != nil {
					return
				}
				if ping, ok := frame.(*http2.PingFrame); ok && !ping.IsAck() {
					framer.WritePing(true, ping.Data)
				}
			}
		})
		return hangUp
	},
	"h3": func(t *testing.T, hub *runningHub) func() {
		transport := &http3.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			QUICConfig:      &quic.Config{InitialStreamReceiveWindow: 64 << 10, MaxStreamReceiveWindow: 64 << 10},
		}
		t.Cleanup(func() { transport.Close() })
		req, err := http.NewRequest(http.MethodGet, hub.public+"/stream", nil)
		require.NoError(t, err)
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		return func() { resp.Body.Close(); transport.Close() }
	},
}

// Over HTTP/3 too, a client that does not read is cut off when its token expires.
func TestStalledHTTP3ReaderWhoseTokenEnds(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	printed(t, "token", "--make-key", key)
	hub := startHub(t, "--anonymous=false", "--jwt-key", key, "--stall-timeout", "10m", "--drain", "0s")
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		QUICConfig: &quic.Config{InitialStreamReceiveWindow: 64 << 10, MaxStreamReceiveWindow: 64 << 10,
			KeepAlivePeriod: 5 * time.Second},
	}
	defer transport.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hub.public+"/stream", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+printed(t, "token", "--key", key, "--read", "*", "--expires",
		"8s"))
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	hub.fillDeaf(t)
	assert.Equal(t, "expired", hub.log.await(t, "stream closed", "protocol", "h3")["reason"])
}

func streamHeader(t *testing.T) []byte {
	var block strings.Builder
	fields := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"},
		{":path", "/stream"}} {
		require.NoError(t, fields.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	return []byte(block.String())
}

// crowd is readers that do read, and check that they get every event.
type crowd struct {
	size      int
	connected sync.WaitGroup
	reading   sync.WaitGroup
	leave     context.CancelFunc

	received atomic.Int64 // events, by all
	target   atomic.Int64 // of received
	reached  chan struct{}

	mu     sync.Mutex // guards what follows
	sent   map[int]time.Time
	delays []time.Duration
}

// gather has size readers follow everything on the proxy port.
func gather(t *testing.T, hub *runningHub, size int) *crowd {
	ctx, leave := context.WithCancel(t.Context())
	c := &crowd{size: size, leave: leave, reached: make(chan struct{}, 1), sent: map[int]time.Time{}}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &wireClient{protocol: "h1", http: &http.Client{Transport: transport}}
	c.connected.Add(size)
	for range size {
		c.reading.Go(func() {
			s, err := client.open(ctx, hub.proxy+"/stream?snapshot=false", "")
			if !assert.NoError(t, err) {
				c.connected.Done()
				return
			}
			defer s.close()
			assert.NoError(t, c.read(ctx, s))
		})
	}
	c.connected.Wait()
	return c
}

// read reads until the crowd is to leave, and misses nothing: event ids are
// consecutive.
func (c *crowd) read(ctx context.Context, s *wireStream) error {
	last := -1
	for {
		e, err := s.next()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case e.name == "reset" && last < 0:
			continue
		}
		_, seq, err := seqOf(e.id)
		switch {
		case err != nil:
			return err
		case e.name == "live" && last < 0:
			last = seq
			c.connected.Done()
		case e.name != "" || seq != last+1:
			return fmt.Errorf("event %q %q after %d", e.name, e.id, last)
		default:
			last = seq
			c.receive(seq)
		}
	}
}

func (c *crowd) receive(seq int) {
	c.mu.Lock()
	c.delays = append(c.delays, time.Since(c.sent[seq]))
	c.mu.Unlock()
	if c.received.Add(1) == c.target.Load() {
		c.reached <- struct{}{}
	}
}

// publish publishes positions from event seq on, and waits until all readers have them. It returns
// how long the publish took.
func (c *crowd) publish(t *testing.T, hub *runningHub, seq int, lines []string) time.Duration {
	t.Helper()
	c.target.Add(int64(c.size * len(lines)))
	began := time.Now()
	c.mu.Lock()
	for i := range lines {
		c.sent[seq+i] = began
	}
	c.mu.Unlock()
	hub.publishLines(t, lines...)
	took := time.Since(began)
	select {
	case <-c.reached:
	case <-time.After(e2eLimit):
		require.FailNow(t, "not everyone got every event", "%d of %d", c.received.Load(), c.target.Load())
	}
	return took
}

// figures logs percentiles of publishing and delivering, and forgets them.
func (c *crowd) figures(t *testing.T, when string, publishes []time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("%s: publish %s; delivery to %d readers %s", when, percentiles(publishes), c.size,
		percentiles(c.delays))
	c.delays = nil
}

func percentiles(times []time.Duration) string {
	slices.SortFunc(times, cmp.Compare[time.Duration])
	at := func(percent int) time.Duration {
		return times[min(len(times)-1, len(times)*percent/100)].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s p90 %s p99 %s of %d", at(50), at(90), at(99), len(times))
}

func TestStalledReaders(t *testing.T) { testStalledReaders(t, 200) }

// testStalledReaders checks that three readers that never read are closed, that the others
// beside them get everything meanwhile, and that nothing is left of the three.
func testStalledReaders(t *testing.T, size int) {
	requireFiles(t, size+100)
	// A process of its own, so that its goroutines and its memory are the hub's.
	hub := startHub(t, "--journal", "off", "--stall-timeout", "2s", "--history", "16MiB")
	// The three get more at once than their buffers and windows hold.
	const parked = 150
	for i := range parked {
		hub.publishLines(t, padded(fmt.Sprint("PARKED-", i), 8<<10, 1)...)
	}
	goroutines := hub.metric(t, "go_goroutines") // by now there are all that it begins with
	readers := gather(t, hub, size)
	seq, publishes := parked+1, []time.Duration(nil)
	publish := func(n int) {
		publishes = append(publishes, readers.publish(t, hub, seq, padded("A", 2<<10, n)))
		seq += n
	}
	for range 50 {
		publish(5)
	}
	memory := hub.metric(t, "process_resident_memory_bytes")
	readers.figures(t, "without stalled readers", publishes)

	// Those to whom nothing is sent do not stall.
	var hangUps []func()
	quiet := map[string]*wireStream{}
	for _, protocol := range protocolNames {
		client := hub.client(t, protocol)
		hangUps = append(hangUps, client.reset)
		quiet[protocol] = client.mustOpen(t, hub.public+"/topics/vehicle:QUIET/stream", "")
		quiet[protocol].until(t, "live")
	}
	for _, begin := range deafReaders {
		hangUps = append(hangUps, begin(t, hub))
	}
	publishes = nil
	stalled := func() float64 { return hub.metric(t, `livemap_streams_closed_total{reason="stalled"}`) }
	for stalled() < 3 && len(publishes) < 2000 {
		publish(5)
	}
	readers.figures(t, "beside stalled readers", publishes)
	for _, protocol := range protocolNames {
		line := hub.log.await(t, "stream closed", "protocol", protocol)
		assert.Equal(t, "stalled", line["reason"], protocol)
	}
	assert.Equal(t, float64(size+len(quiet)), hub.openStreams(t))
	readers.publish(t, hub, seq, padded("QUIET", 10, 1))
	for protocol, s := range quiet {
		_, err := s.next()
		assert.NoError(t, err, protocol)
	}
	grown := hub.metric(t, "process_resident_memory_bytes") - memory
	t.Logf("memory: %.1f MiB, and %.1f MiB more since", memory/(1<<20), grown/(1<<20))
	assert.Less(t, grown, float64(100<<20))

	for _, hangUp := range hangUps {
		hangUp()
	}
	readers.leave()
	readers.reading.Wait()
	await(t, "all to be gone", func() bool { return hub.openStreams(t) == 0 })
	await(t, "goroutines to end", func() bool { return hub.metric(t, "go_goroutines") <= goroutines+3 })
	await(t, "the log to say so", func() bool {
		return len(hub.log.find("stream closed", "reason", "client")) == size+len(quiet)
	})
}
