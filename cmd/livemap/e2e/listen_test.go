package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveFails starts a hub that must not start.
func serveFails(t *testing.T, args ...string) (stderr string, status int) {
	t.Helper()
	_, args = newHub(t, args)
	_, stderr, status = command(t, "", args...)
	return stderr, status
}

// The error about a port in use names its flag and address, in UDP too.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	inUse := tcp.Addr().String()
	for _, flag := range []string{"--listen", "--publish-listen", "--proxy-listen"} {
		stderr, status := serveFails(t, flag, inUse)
		assert.Equal(t, 1, status)
		assert.Contains(t, stderr, flag+" "+inUse)
		assert.Contains(t, stderr, "in use")
	}
	address := freePort(t)
	udp, err := net.ListenPacket("udp", address)
	require.NoError(t, err)
	defer udp.Close()
	stderr, status := serveFails(t, "--listen", address)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "--listen")
	assert.Contains(t, stderr, "UDP")
	assert.Contains(t, stderr, address)
	assert.Contains(t, stderr, "in use")
	again, err := net.Listen("tcp", address)
	require.NoError(t, err, "a hub that did not start holds no port")
	again.Close()
}

// localhost is both of its addresses, on one port number: browsers try ::1 first.
func TestLocalhostIsBoth(t *testing.T) {
	t.Parallel()
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6: ", err)
	} else {
		probe.Close()
	}
	hub := startHub(t, "--listen", "localhost:0", "--proxy-listen", "localhost:0")
	six := strings.NewReplacer("127.0.0.1", "[::1]")
	for _, base := range []string{hub.public, six.Replace(hub.public)} {
		for _, protocol := range protocolNames {
			hub.client(t, protocol).mustOpen(t, base+"/stream", "").until(t, "live")
		}
	}
	hub.client(t, "h1").mustOpen(t, six.Replace(hub.proxy)+"/stream", "").until(t, "live")
	address := strings.TrimPrefix(hub.public, "https://")
	stderr, status := serveFails(t, "--listen", strings.Replace(address, "127.0.0.1", "localhost", 1))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "in use")
	hub.stop(t)
	again, err := net.Listen("tcp", six.Replace(address))
	require.NoError(t, err, "both are let go of")
	again.Close()
}

func TestStateDirInUse(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	stderr, status := serveFails(t, "--state-dir", hub.stateDir)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "--state-dir "+hub.stateDir+": another hub is using it")
	require.NoError(t, os.Remove(filepath.Join(hub.stateDir, "lock")))
	stderr, _ = serveFails(t, "--state-dir", hub.stateDir)
	assert.Contains(t, stderr, "--state-dir "+hub.stateDir+": another hub is using it")
	hub.stop(t)
	startHub(t, "--state-dir", hub.stateDir).stop(t)
}

func TestUnusableStateDir(t *testing.T) {
	t.Parallel()
	file, dir := filepath.Join(t.TempDir(), "file"), t.TempDir()
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "lock"), 0o700))
	for _, unusable := range []string{file, filepath.Join(file, "below"), dir} {
		stderr, status := serveFails(t, "--state-dir", unusable)
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, "--state-dir must be a directory in which the hub may write: ")
	}
}

// Each port serves its own routes, over its own protocols.
func TestWhatPortsOffer(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	port := hub.public[strings.LastIndex(hub.public, ":")+1:]
	internalOnly := []string{"/publish", "/metrics", "/debug/pprof/", "/debug/vars", "/healthz", "/readyz"}
	for _, test := range []struct{ base, protocol, altSvc string }{
		{hub.public, "h1", `h3=":` + port + `"; ma=86400`},
		{hub.public, "h2", `h3=":` + port + `"; ma=86400`},
		{hub.public, "h3", ""},
		{hub.proxy, "h1", ""},
		{hub.proxy, "h2", ""},
	} {
		t.Run(test.protocol+" "+test.base[:5], func(t *testing.T) {
			client := hub.client(t, test.protocol)
			s := client.mustOpen(t, test.base+"/stream", "")
			assert.Equal(t, test.altSvc, s.header.Get("Alt-Svc"))
			events := s.until(t, "live")
			live, err := decode[liveData](events[len(events)-1].data)
			require.NoError(t, err)
			assert.Equal(t, test.protocol, live.Protocol)
			for _, path := range internalOnly {
				resp, err := client.get(t.Context(), test.base+path, "")
				require.NoError(t, err)
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				assert.Equal(t, http.StatusNotFound, resp.StatusCode, path)
				if path == "/publish" {
					assert.Contains(t, string(body), hub.publish)
				}
			}
			resp, err := client.http.Post(test.base+"/publish", "application/json",
				strings.NewReader(`{"vehicle_id":"X","lat":1,"lon":2}`))
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, http.StatusNotFound, resp.StatusCode)
		})
	}
	assert.Zero(t, hub.metric(t, `livemap_positions_total{result="accepted"}`))
	for _, path := range internalOnly[1:3] {
		resp, err := hub.operator.Get(hub.publish + path)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode, path)
		assert.Empty(t, resp.Header.Get("Alt-Svc"))
	}
}

// A port that is off is not opened, and the hub makes no certificate for it.
func TestPublicOff(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--listen", "off", "--proxy-listen", "off")
	assert.Empty(t, hub.public)
	assert.Empty(t, hub.proxy)
	_, err := os.Stat(filepath.Join(hub.stateDir, "localhost.pem"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
}

// Unix sockets work, also after a killed hub left its files.
func TestUnixSockets(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "livemap") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	publish, proxy := filepath.Join(dir, "publish.sock"), filepath.Join(dir, "proxy.sock")
	args := []string{"--publish-listen", "unix:" + publish, "--proxy-listen", "unix:" + proxy}
	killed := startHub(t, args...)
	assert.Equal(t, "unix:"+proxy, killed.proxy)
	killed.kill()
	_, err = os.Stat(publish)
	require.NoError(t, err, "it is left")

	hub := startHub(t, args...)
	hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", proxy)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client := &wireClient{protocol: "h1", http: &http.Client{Transport: transport}}
	assert.Len(t, client.mustOpen(t, "http://localhost/stream", "").until(t, "live"), 3, "reset, A, live")
	for flag, socket := range map[string]string{"--publish-listen": publish, "--proxy-listen": proxy} {
		stderr, status := serveFails(t, flag, "unix:"+socket)
		assert.Equal(t, 1, status, "a socket that is in use is no stale one")
		assert.Contains(t, stderr, flag+" unix:"+socket)
	}
	hub.publishLines(t, `{"vehicle_id":"B","lat":1,"lon":2}`)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	_, status := serveFails(t, "--publish-listen", "unix:"+file)
	assert.Equal(t, 1, status)
	content, _ := os.ReadFile(file)
	assert.Equal(t, "precious", string(content), "a file that is no socket stays")
}

// TCP and UDP have the same port number also where the system picks it.
func TestOnePortNumber(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	port, err := strconv.Atoi(hub.public[strings.LastIndex(hub.public, ":")+1:])
	require.NoError(t, err)
	assert.NotZero(t, port)
	for _, protocol := range protocolNames {
		hub.client(t, protocol).mustOpen(t, hub.public+"/stream", "").until(t, "live")
	}
}
