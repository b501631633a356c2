//go:build (faults || soak) && linux

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// caddyfile is the one that users get.
const caddyfile = "../../../Caddyfile"

// runningCaddy is a Caddy in front of a hub, on loopback, with the Caddyfile of
// the repository.
type runningCaddy struct {
	base  string // https://localhost:PORT
	dir   string // all that it writes, and its sockets
	env   []string
	log   *hubLog
	cmd   *exec.Cmd
	ended chan struct{}
	admin *http.Client
}

// startCaddy runs Caddy until the test is over, in front of the hub of that folder, or of what env says.
func startCaddy(t testing.TB, dir string, env ...string) *runningCaddy {
	t.Helper()
	host, port, err := net.SplitHostPort(freePort(t))
	require.NoError(t, err)
	_, plain, err := net.SplitHostPort(freePort(t))
	require.NoError(t, err)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "admin.sock"))
	}}
	c := &runningCaddy{
		base: "https://localhost:" + port,
		dir:  dir,
		env: append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir,
			"CADDY_ADMIN=unix/"+filepath.Join(dir, "admin.sock"),
			"LIVEMAP_SITE=localhost:"+port, "LIVEMAP_HTTP_PORT="+plain, "LIVEMAP_BIND="+host,
			"LIVEMAP_UPSTREAM=unix/"+hubSocket(dir)),
		admin: &http.Client{Transport: transport, Timeout: e2eLimit},
	}
	c.env = append(c.env, env...)
	c.start(t)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		c.cmd.Process.Signal(syscall.SIGTERM)
		c.awaitEnd(t)
		if t.Failed() {
			t.Logf("Caddy's last log lines:\n%s", c.log.tail(20))
		}
	})
	return c
}

// hubSocket is where the hub listens for Caddy.
func hubSocket(dir string) string { return filepath.Join(dir, "hub.sock") }

// socketDir returns a folder with a name that is short enough for sockets in it.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "livemap-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startBehindCaddy runs a hub and a Caddy in front of it.
func startBehindCaddy(t testing.TB, args ...string) (*proxiedHub, *runningCaddy) {
	t.Helper()
	hub := &proxiedHub{dir: socketDir(t), args: args, publish: freePort(t)}
	hub.start(t)
	return hub, startCaddy(t, hub.dir)
}

// proxiedHub is a hub that is reached through Caddy, and by publishers, in one
// life after the other.
type proxiedHub struct {
	mu sync.Mutex
	*runningHub
	dir     string
	args    []string
	publish string // address of the internal port
	group   string // that opens the hub's socket beside the hub's user; "": none
}

// current returns the hub that runs, or ran last.
func (h *proxiedHub) current() *runningHub {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runningHub
}

// start starts the hub, again if it ran before.
func (h *proxiedHub) start(t testing.TB) {
	t.Helper()
	h.admitGroup(t)
	next := startHub(t, append([]string{"--listen", "off", "--proxy-listen", "unix:" + hubSocket(h.dir),
		"--publish-listen", h.publish, "--state-dir", filepath.Join(h.dir, "state")}, h.args...)...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runningHub = next
}

// admitGroup lets the group open sockets in the hub's folder, as deploy/README.md does it.
func (h *proxiedHub) admitGroup(t testing.TB) {
	t.Helper()
	if h.group == "" || os.Getuid() != 0 {
		return // who starts the proxy runs it
	}
	group, err := user.LookupGroup(h.group)
	require.NoError(t, err)
	gid, err := strconv.Atoi(group.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(h.dir, -1, gid))
	require.NoError(t, os.Chmod(h.dir, 0o750|os.ModeSetgid))
}

func (c *runningCaddy) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	program := os.Getenv("LIVEMAP_CADDY")
	require.NotEmpty(t, program, "LIVEMAP_CADDY names no Caddy to test with; make faults builds one")
	cmd := exec.Command(program, args...)
	cmd.Env = c.env
	return cmd
}

// start starts Caddy, again if it was killed, and waits until it serves.
func (c *runningCaddy) start(t testing.TB) {
	t.Helper()
	c.log, c.ended = &hubLog{grown: make(chan struct{})}, make(chan struct{})
	c.cmd = c.command(t, "run", "--config", caddyfile)
	c.cmd.Stderr = c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, c.cmd.Start())
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		cmd.Wait()
	}(c.cmd, c.ended)
	client := newWireClient(t, "h1", &tls.Config{InsecureSkipVerify: true})
	defer client.tcp.CloseIdleConnections()
	await(t, "Caddy to serve", func() bool {
		select {
		case <-c.ended:
			require.FailNow(t, "Caddy did not start", "%s", c.log.tail(5))
		default:
		}
		resp, err := client.http.Get(c.base + "/openapi.yaml")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// kill ends Caddy as kill -9 does.
func (c *runningCaddy) kill(t testing.TB) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Kill())
	c.awaitEnd(t)
}

func (c *runningCaddy) awaitEnd(t testing.TB) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(e2eLimit):
		c.cmd.Process.Kill()
		require.FailNow(t, "Caddy does not end")
	}
}

// reload has Caddy load its configuration anew, though it is the same.
func (c *runningCaddy) reload(t testing.TB) {
	t.Helper()
	out, err := c.command(t, "reload", "--config", caddyfile, "--force").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// client makes a client that trusts Caddy's own certificate.
func (c *runningCaddy) client(t testing.TB, protocol string) *wireClient {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(c.dir, "caddy", "pki", "authorities", "local", "root.crt"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	return newWireClient(t, protocol, &tls.Config{RootCAs: roots})
}

// metric returns one of Caddy's own metrics.
func (c *runningCaddy) metric(t testing.TB, name string) float64 {
	t.Helper()
	return metricAt(t, c.admin, "http://localhost/metrics", name)
}
