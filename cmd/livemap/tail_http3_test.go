package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newTLSHub serves scripts over HTTP/1.1 and HTTP/2. Unless tcpOnly, it also serves them over
// HTTP/3 on the UDP port of the same number.
func newTLSHub(t *testing.T, tcpOnly bool, scripts ...string) (*streamingHub, *httptest.Server) {
	hub := &streamingHub{scripts: scripts}
	start := func() *httptest.Server {
		server := httptest.NewUnstartedServer(hub)
		server.EnableHTTP2 = true
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	server := start()
	if !tcpOnly {
		udp, err := net.ListenPacket("udp", server.Listener.Addr().String())
		for try := 0; err != nil && try < 10; try++ { // another program has the port
			server = start()
			udp, err = net.ListenPacket("udp", server.Listener.Addr().String())
		}
		require.NoError(t, err)
		t.Cleanup(func() { udp.Close() })
		h3 := &http3.Server{Handler: hub, TLSConfig: http3.ConfigureTLSConfig(server.TLS)}
		served := make(chan struct{})
		go func() { defer close(served); h3.Serve(udp) }()
		t.Cleanup(func() { h3.Close(); <-served })
	}
	return hub, server
}

func TestTailVersions(t *testing.T) {
	for _, test := range []struct {
		flag, want string
		major      int
	}{
		{"auto", "HTTP/3.0", 3},
		{"3", "HTTP/3.0", 3},
		{"2", "HTTP/2.0", 2},
		{"1.1", "HTTP/1.1", 1},
	} {
		t.Run(test.flag, func(t *testing.T) {
			hub, server := newTLSHub(t, false, hello+event(1, "A")+"data: {", event(2, "A")+hang)
			out, stderr, status := command(t, "", "tail", "--count=2", "--http", test.flag,
				"--cacert", pemFile(t, server), server.URL)
			assert.Zero(t, status, stderr)
			assert.Equal(t, feature("A", 1)+"\n"+feature("A", 2)+"\n", out)
			assert.Equal(t, []string{"", "e-1"}, hub.lastEventIDs())
			assert.Equal(t, 2, strings.Count(stderr, "connected over "+test.want), stderr)
			assert.Equal(t, test.major, hub.requests[1].ProtoMajor)
		})
	}
}

func TestTailVersionsInPlaintext(t *testing.T) {
	hub := &streamingHub{scripts: []string{event(1, "A") + hang}}
	server := httptest.NewUnstartedServer(hub)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	for flag, want := range map[string]string{"auto": "HTTP/1.1", "1.1": "HTTP/1.1", "2": "HTTP/2.0"} {
		_, stderr, status := command(t, "", "tail", "--count=1", "--http", flag, server.URL)
		assert.Zero(t, status, stderr)
		assert.Contains(t, stderr, "connected over "+want)
	}
}

// Without UDP the stream comes over HTTP/2 after a short wait. The next connection does not wait
// again.
func TestTailWithoutUDP(t *testing.T) {
	_, server := newTLSHub(t, true, hello+event(1, "A")+cut, event(2, "A")+hang)
	udp, err := net.ListenPacket("udp", server.Listener.Addr().String())
	require.NoError(t, err)
	dialed := make(chan map[string]bool)
	go func() { dialed <- handshakes(udp) }()
	_, stderr, status := command(t, "", "tail", "--count=2", "--insecure", server.URL)
	assert.Zero(t, status, stderr)
	assert.Equal(t, 2, strings.Count(stderr, "connected over HTTP/2.0"), stderr)
	udp.Close()
	assert.Len(t, <-dialed, 1, "HTTP/3 is tried once")
}

// handshakes reads until udp is closed. It returns the connection ids that QUIC clients chose for
// their first packets (RFC 9000, section 17.2): one for each dial.
func handshakes(udp net.PacketConn) map[string]bool {
	ids, packet := map[string]bool{}, make([]byte, 1500)
	for {
		n, _, err := udp.ReadFrom(packet)
		if err != nil {
			return ids
		}
		if n > 6 && packet[0]&0x80 != 0 {
			ids[string(packet[6:min(n, 6+int(packet[5]))])] = true
		}
	}
}

func TestTailChecksCertificate(t *testing.T) {
	_, server := newTLSHub(t, false, event(1, "A")+hang)
	for _, version := range []string{"auto", "3", "2", "1.1"} {
		t.Run(version, func(t *testing.T) {
			_, stderr, status := command(t, "", "tail", "--http", version, server.URL)
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, "--cacert")
			assert.Contains(t, strings.ToLower(stderr), "certificate")
		})
	}
}

// A tail asks a hub that is not there yet again, for ever.
func TestTailAwaitsHub(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.sock")
	started := make(chan *httptest.Server)
	refused := &firstWrite{written: make(chan struct{})}
	go func() {
		<-refused.written
		server := httptest.NewUnstartedServer(&streamingHub{scripts: []string{event(1, "A") + hang}})
		server.Listener.Close()
		var err error
		server.Listener, err = net.Listen("unix", path)
		assert.NoError(t, err)
		server.Start()
		started <- server
	}()
	err := run(t.Context(), []string{"tail", "--count=1", "unix:" + path}, streams{nil, &console{}, refused})
	(<-started).Close()
	require.NoError(t, err)
	assert.Contains(t, refused.String(), "no such file or directory; reconnecting in")
}

// firstWrite closes written at the first write.
type firstWrite struct {
	console
	written chan struct{}
}

func (f *firstWrite) Write(p []byte) (int, error) {
	select {
	case <-f.written:
	default:
		close(f.written)
	}
	return f.console.Write(p)
}
