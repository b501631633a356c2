//go:build faults && linux

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hides requires that what the internal port has is not to be had, however it is spelt.
func (c *runningCaddy) hides(t *testing.T, client *wireClient) {
	t.Helper()
	for _, path := range []string{"/publish", "//publish", "/publish/", "/PUBLISH", "/%70ublish",
		"/x/../publish", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/healthz", "/readyz"} {
		for _, method := range []string{"GET", "POST"} {
			resp, text := client.ask(t, method, c.base+path, "Content-Type", "application/json")
			assert.Equal(t, http.StatusNotFound, resp.StatusCode, "%s %s: %s", method, path, text)
		}
	}
}

// The Caddyfile is as Caddy wants it, for a public name as well.
func TestFaultCaddyfile(t *testing.T) {
	dir := t.TempDir()
	caddy := &runningCaddy{env: append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir,
		"LIVEMAP_SITE=map.example.com")}
	out, err := caddy.command(t, "validate", "--config", caddyfile).CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = caddy.command(t, "fmt", "--diff", caddyfile).Output()
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)^[+-]`, string(out))
}

// Caddy passes on the public routes as the hub sends them, and hides the rest.
func TestFaultSurfaceBehindCaddy(t *testing.T) {
	hub, caddy := startBehindCaddy(t)
	lines, _, _ := parkedFleet() // enough to be worth compressing
	hub.publishLines(t, lines...)
	for _, protocol := range protocolNames {
		t.Run(protocol, func(t *testing.T) {
			client := caddy.client(t, protocol)
			caddy.hides(t, client)
			resp, _ := client.ask(t, "DELETE", caddy.base+"/vehicles/BUS-001")
			assert.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)

			resp, _ = client.ask(t, "GET", caddy.base+"/snapshot", "Accept-Encoding", "gzip")
			assert.Equal(t, []string{"200 OK", "gzip"}, []string{resp.Status, resp.Header.Get("Content-Encoding")})
			port := caddy.base[strings.LastIndex(caddy.base, ":"):]
			if protocol != "h3" {
				assert.Equal(t, []string{`h3="` + port + `"; ma=2592000`}, resp.Header.Values("Alt-Svc"))
			}
			resp, text := client.ask(t, "GET", caddy.base+"/snapshot")
			assert.Empty(t, resp.Header.Get("Content-Encoding"))
			assert.Contains(t, text, "FeatureCollection")

			req, err := http.NewRequestWithContext(t.Context(), "GET", caddy.base+"/stream", nil)
			require.NoError(t, err)
			req.Header.Set("Accept-Encoding", "gzip, zstd")
			stream, err := client.http.Do(req)
			require.NoError(t, err)
			defer stream.Body.Close()
			assert.Empty(t, stream.Header.Get("Content-Encoding"))
			assert.Equal(t, "no-store, no-transform", stream.Header.Get("Cache-Control"))
			start := make([]byte, len("retry: "))
			_, err = io.ReadFull(stream.Body, start)
			assert.NoError(t, err)
			assert.Equal(t, "retry: ", string(start), "is there at once, and readable")
		})
	}
}

// F37: header bombs end at Caddy or at the hub.
func TestFaultHeaderBombBehindCaddy(t *testing.T) {
	_, caddy := startBehindCaddy(t)
	for _, protocol := range protocolNames {
		for _, size := range []int{17 << 10, 1 << 20} {
			client := caddy.client(t, protocol)
			req, err := http.NewRequestWithContext(t.Context(), "GET", caddy.base+"/stream", nil)
			require.NoError(t, err)
			req.Header.Set("X-Bomb", strings.Repeat("x", size))
			resp, err := client.http.Do(req)
			if err != nil {
				t.Logf("%s, %d bytes: %v", protocol, size, err)
				continue // the connection or the stream is closed
			}
			resp.Body.Close()
			assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode, "%s, %d bytes", protocol, size)
		}
	}
}

// forgedAddresses are headers by which a client may try to choose its address.
var forgedAddresses = [][2]string{
	{"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-For", "203.0.113.7, 192.0.2.1"}, {"X-Forwarded-For", "x"},
	{"X-Real-Ip", "203.0.113.7"}, {"Forwarded", "for=203.0.113.7"}, {"True-Client-Ip", "203.0.113.7"},
	{"Connection", "X-Forwarded-For"},
}

// F51: the hub learns the client's address from Caddy, whatever headers the client sends.
func TestFaultForgedAddressBehindCaddy(t *testing.T) {
	// Loopback is trusted by default, and would never be reported as a client's address.
	hub, caddy := startBehindCaddy(t, "--trusted-proxy", "192.0.2.1/32")
	for _, header := range forgedAddresses {
		opened := openForged(t, hub.runningHub, caddy.base, header)
		assert.Equal(t, "127.0.0.9", opened["client"], "%s: %s", header[0], header[1])
	}
}

// openForged opens a stream behind a proxy, from 127.0.0.9 and with a header. It returns what the hub logs.
func openForged(t *testing.T, hub *runningHub, base string, header [2]string) map[string]any {
	t.Helper()
	transport := transportFrom(net.IPv4(127, 0, 0, 9))
	defer transport.CloseIdleConnections()
	before := len(hub.log.find("stream opened"))
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/stream", nil)
	require.NoError(t, err)
	req.Header.Set(header[0], header[1])
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	resp.Body.Close()
	await(t, "the hub's log line", func() bool { return len(hub.log.find("stream opened")) > before })
	return hub.log.find("stream opened")[before]
}

// transportFrom returns what speaks HTTP/1.1 from an address of loopback.
func transportFrom(address net.IP) *http.Transport {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: address}}
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, to string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp4", to)
		}}
}

// F36, F51: the limit of streams counts by the client's address, whatever headers the client sends.
// Another client has a limit of its own.
func TestFaultStreamLimitBehindCaddy(t *testing.T) {
	_, caddy := startBehindCaddy(t, "--trusted-proxy", "192.0.2.1/32", "--max-streams-per-client", "2")
	for _, address := range []net.IP{net.IPv4(127, 0, 0, 9), net.IPv4(127, 0, 0, 10)} {
		transport := transportFrom(address)
		defer transport.CloseIdleConnections()
		for n, want := range []string{"live", "live", "bye"} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", caddy.base+"/stream", nil)
			require.NoError(t, err)
			req.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n))
			resp, err := transport.RoundTrip(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			s := &wireStream{body: resp.Body}
			s.lines = bufio.NewReader(s)
			e, err := s.next()
			for err == nil && e.name != "live" && e.name != "bye" {
				e, err = s.next()
			}
			require.NoError(t, err)
			require.Equal(t, want, e.name, "stream %d from %s: %s", n, address, e.data)
		}
	}
}

// Caddy alone, in front of a server that accepts everything, hides the routes of the internal port.
// Caddy repeats an unanswered request only if it is a GET. Its log contains no token.
func TestFaultCaddyAlone(t *testing.T) {
	dir := socketDir(t)
	listener, err := net.Listen("unix", hubSocket(dir))
	require.NoError(t, err)
	var gets, posts atomic.Int32
	hub := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", `h3=":4433"`)
		w.Header().Set("Heard", r.Header.Get("Via"))
		if r.URL.Path != "/session" {
			return
		}
		if r.Method == "POST" {
			posts.Add(1)
			panic(http.ErrAbortHandler)
		}
		if gets.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
	})}
	go hub.Serve(listener)
	defer hub.Close()
	caddy := startCaddy(t, dir)
	client := caddy.client(t, "h2")
	caddy.hides(t, client)
	url := caddy.base + "/session?token=SECRET1"
	secrets := []string{"Authorization", "Bearer SECRET2", "Cookie", "__Host-livemap=SECRET3", "Referer",
		"https://page.example/?token=SECRET4"}
	resp, _ := client.ask(t, "GET", url, secrets...)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.EqualValues(t, 3, gets.Load())
	assert.NotContains(t, resp.Header.Get("Alt-Svc"), "4433")
	assert.Len(t, resp.Header.Values("Alt-Svc"), 1)
	resp, _ = client.ask(t, "POST", url, secrets...)
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.EqualValues(t, 1, posts.Load())
	resp, _ = client.ask(t, "GET", caddy.base+"/via", "Via", "3.0 forged")
	assert.Regexp(t, `^2\.0 `, resp.Header.Get("Heard"), "of the client, Caddy tells")
	assert.Empty(t, resp.Header.Get("Strict-Transport-Security"), "localhost has other things, too")
	await(t, "a log line", func() bool { return strings.Contains(caddy.log.tail(20), `"status":502`) })
	assert.Contains(t, caddy.log.tail(20), "/session")
	assert.NotContains(t, caddy.log.tail(1_000_000), "SECRET")
}
