package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
)

// protocolNames are the versions of HTTP, as the hub calls them.
var protocolNames = []string{"h1", "h2", "h3"}

// wireClient speaks one version of HTTP over connections of its own.
type wireClient struct {
	protocol string
	http     *http.Client
	quic     *http3.Transport
	tcp      *http.Transport
	token    string // shown with each request; "": none

	mu   sync.Mutex
	conn *net.TCPConn // that was made last
}

// client makes a client of the public port that trusts the hub's own certificate.
func (h *runningHub) client(t testing.TB, protocol string) *wireClient {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if pem, err := os.ReadFile(filepath.Join(h.stateDir, "localhost.pem")); err == nil {
		config = &tls.Config{RootCAs: x509.NewCertPool()}
		require.True(t, config.RootCAs.AppendCertsFromPEM(pem))
	}
	return newWireClient(t, protocol, config)
}

func newWireClient(t testing.TB, protocol string, config *tls.Config) *wireClient {
	c := &wireClient{protocol: protocol}
	if protocol == "h3" {
		c.quic = &http3.Transport{TLSClientConfig: config, QUICConfig: &quic.Config{KeepAlivePeriod: time.Second}}
		c.http = &http.Client{Transport: c.quic}
		t.Cleanup(c.disconnect)
		return c
	}
	versions := new(http.Protocols)
	versions.SetHTTP1(protocol == "h1")
	versions.SetHTTP2(protocol == "h2")
	versions.SetUnencryptedHTTP2(protocol == "h2")
	c.tcp = &http.Transport{TLSClientConfig: config, Protocols: versions, DisableCompression: true,
		DialContext: c.dial}
	c.http = &http.Client{Transport: c.tcp}
	t.Cleanup(c.disconnect)
	return c
}

// disconnect closes connections that have no stream.
func (c *wireClient) disconnect() {
	if c.quic != nil {
		c.quic.Close()
	}
	if c.tcp != nil { // else the connections are the test's own
		c.tcp.CloseIdleConnections()
	}
}

func (c *wireClient) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		c.conn = conn.(*net.TCPConn)
		c.mu.Unlock()
	}
	return conn, err
}

// reset breaks the connection: over TCP with RST, as if this machine had died
// and come back; over QUIC with CONNECTION_CLOSE.
func (c *wireClient) reset() {
	if c.quic != nil {
		c.quic.Close()
		c.quic = &http3.Transport{TLSClientConfig: c.quic.TLSClientConfig, QUICConfig: c.quic.QUICConfig}
		c.http.Transport = c.quic
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.SetLinger(0)
	c.conn.Close()
}

// speak sends a packet over the existing connection, as a request of a page does. A client that
// only listens sends keep-alives. They are too small for quic-go to answer with a stateless reset,
// which needs more than 42 bytes.
func (c *wireClient) speak(base string) {
	ctx, cancel := context.WithTimeout(context.Background(), e2eLimit)
	defer cancel()
	if resp, err := c.get(ctx, base+"/openapi.yaml", strings.Repeat("x", 60)); err == nil {
		resp.Body.Close()
	}
}

func (c *wireClient) get(ctx context.Context, url, lastEventID string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err == nil && "h"+strconv.Itoa(resp.ProtoMajor) != c.protocol {
		resp.Body.Close()
		return nil, fmt.Errorf("%s was answered over %s, not %s", url, resp.Proto, c.protocol)
	}
	return resp, err
}

// open opens a stream that ends with the test's patience. Close it.
func (c *wireClient) open(ctx context.Context, url, lastEventID string) (*wireStream, error) {
	ctx, cancel := context.WithTimeout(ctx, e2eLimit)
	return c.openUntil(ctx, cancel, url, lastEventID)
}

// openUntil opens a stream that lasts until cancel, which closing it calls.
func (c *wireClient) openUntil(ctx context.Context, cancel context.CancelFunc, url,
	lastEventID string) (*wireStream, error) {
	resp, err := c.get(ctx, url, lastEventID)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &wireStream{body: resp.Body, cancel: cancel, lastID: lastEventID, header: resp.Header}
	s.lines = bufio.NewReader(s)
	const eventStream = "text/event-stream; charset=utf-8"
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != eventStream {
		s.close()
		return nil, fmt.Errorf("%w: %s is answered with %s and %q", errNoStream, url, resp.Status, got)
	}
	return s, nil
}

// mustOpen opens a stream until the test is over.
func (c *wireClient) mustOpen(t testing.TB, url, lastEventID string) *wireStream {
	t.Helper()
	s, err := c.open(context.Background(), url, lastEventID)
	require.NoError(t, err)
	t.Cleanup(s.close)
	return s
}

var (
	errCut      = errors.New("cut by the test")
	errNoStream = errors.New("the answer is no stream") // which ends an EventSource for good
)

// wireStream reads Server-Sent Events (WHATWG HTML, 9.2.6), as strictly as
// the hub has to write them.
type wireStream struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	lines  *bufio.Reader
	header http.Header
	lastID string // what Last-Event-ID would be now
	retry  int    // milliseconds to wait before coming back, as the hub said
	cutIn  int    // bytes until the stream is cut; 0: never
	read   int    // bytes
}

// wireEvent is an event as a browser would dispatch it.
type wireEvent struct{ id, name, data string }

func (s *wireStream) close() {
	s.cancel()
	s.body.Close()
}

// Read reads from the wire, up to the point where the stream is cut.
func (s *wireStream) Read(p []byte) (int, error) {
	if s.cutIn > 0 {
		p = p[:min(len(p), s.cutIn-s.read)]
		if len(p) == 0 {
			return 0, errCut
		}
	}
	n, err := s.body.Read(p)
	s.read += n
	return n, err
}

// next returns the next event that is no ping. It drops an event that was cut before its blank line, and
// that event's id does not count.
func (s *wireStream) next() (e wireEvent, err error) {
	e.id = s.lastID
	for data := []string(nil); ; {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = line[:len(line)-1]
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case strings.Contains(line, "\r"):
			return e, fmt.Errorf("a carriage return in %q", line)
		case line == "":
			s.lastID = e.id
			if data != nil && e.name == "ping" {
				data = nil
			}
			if data != nil {
				e.data = strings.Join(data, "\n")
				return e, nil
			}
			e.name = ""
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			data = append(data, value)
		case name == "retry":
			if s.retry, err = strconv.Atoi(value); err != nil {
				return e, err
			}
		case name == "":
		default:
			return e, fmt.Errorf("the line %q is none of an event stream", line)
		}
	}
}

// until reads on until an event of that name, and returns all it has read.
func (s *wireStream) until(t testing.TB, name string) (events []wireEvent) {
	t.Helper()
	for {
		e, err := s.next()
		require.NoError(t, err, "before an event %q; there were %v", name, events)
		if events = append(events, e); e.name == name {
			return events
		}
	}
}

// liveData is the data of `live`.
type liveData struct {
	Mode, Protocol string
	Events         int
	Skipped        *int
}

// featureData is the part of a Feature that tests read.
type featureData struct {
	ID         string
	Geometry   struct{ Coordinates []float64 }
	Properties struct {
		VehicleID string  `json:"vehicle_id"`
		Timestamp float64 `json:"timestamp"`
	}
}

func decode[T any](data string) (value T, err error) {
	err = json.Unmarshal([]byte(data), &value)
	return value, err
}

// seqOf returns epoch and number of an event id.
func seqOf(id string) (epoch string, seq int, err error) {
	epoch, number, _ := strings.Cut(id, "-")
	seq, err = strconv.Atoi(number)
	return epoch, seq, err
}

// ask sends a request with headers (name, value, …) and returns the answer and its text.
func (c *wireClient) ask(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

// quicTransport returns a socket for QUIC. At the test's end it waits until its goroutines have ended, which
// what quic.DialAddr makes does not.
func quicTransport(t testing.TB) *quic.Transport {
	t.Helper()
	conn, err := net.ListenUDP("udp", nil)
	require.NoError(t, err)
	transport := &quic.Transport{Conn: conn}
	t.Cleanup(func() {
		transport.Close()
		conn.Close()
	})
	return transport
}
