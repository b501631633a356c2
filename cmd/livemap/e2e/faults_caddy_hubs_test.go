//go:build faults && linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hubsBehindCaddy is a cluster of three hubs, a Caddy in front, and who publishes to any of them.
type hubsBehindCaddy struct {
	*hubCluster
	caddy     *runningCaddy
	publishTo atomic.Int32 // the hub
}

// startHubsBehindCaddy starts hubs on 127.0.0.1, .2 and .3, with the same ports: Caddy asks each at its own
// address whether it is ready.
// more are flags of the last.
func startHubsBehindCaddy(t *testing.T, more ...string) *hubsBehindCaddy {
	h := &hubsBehindCaddy{hubCluster: newCluster(t)}
	h.args[2] = append(h.args[2], more...)
	_, proxy, err := net.SplitHostPort(freePort(t))
	require.NoError(t, err)
	_, internal, err := net.SplitHostPort(freePort(t))
	require.NoError(t, err)
	var upstreams []string
	for i := range h.args {
		host := fmt.Sprint("127.0.0.", i+1)
		upstreams = append(upstreams, host+":"+proxy)
		h.args[i] = append(h.args[i], "--proxy-listen", host+":"+proxy, "--publish-listen", host+":"+internal)
	}
	h.start(t, 0, 1, 2)
	h.caddy = startCaddy(t, socketDir(t), "LIVEMAP_HUBS=several", "LIVEMAP_HEALTH_PORT="+internal,
		"LIVEMAP_UPSTREAM="+strings.Join(upstreams, " "))
	return h
}

// current returns the hub to publish to.
func (h *hubsBehindCaddy) current() *runningHub { return h.hubs[h.publishTo.Load()].Load() }

// ask returns status and text of an answer behind Caddy.
func (h *hubsBehindCaddy) ask(t *testing.T, path string) string {
	t.Helper()
	resp, text := h.caddy.client(t, "h2").ask(t, "GET", h.caddy.base+path)
	return resp.Status + " " + text
}

// F68: hubs of a cluster are killed behind Caddy. While one is ready, nobody notices more than a cut. When
// two of three are gone, the page still opens, and says that it is frozen. Then all goes on.
func TestFaultHubsBehindCaddy(t *testing.T) {
	h := startHubsBehindCaddy(t)
	book := &ledger{vehicles: 50, prefix: "V"}
	book.publish(t, h.current())
	stop := book.publishEvery(t, h.current, 100*time.Millisecond)
	var readers []*ledgerReader
	for i := range 12 {
		client := h.caddy.client(t, protocolNames[i%len(protocolNames)])
		readers = append(readers, book.follow(t, client, h.caddy.base+"/stream"))
	}
	goesOn := func(what string) {
		t.Helper()
		goal := book.newest() + 10
		for i, r := range readers {
			await(t, fmt.Sprint(what, ": reader ", i), func() bool { return r.holds("V0", goal) })
		}
	}
	goesOn("nothing")

	for i := range 3 {
		h.publishTo.Store(int32(i+1) % 3)
		h.hubs[i].Load().kill()
		goesOn(fmt.Sprint("hub ", i, " killed"))
		h.start(t, i)
	}

	h.publishTo.Store(0)
	h.hubs[1].Load().kill()
	h.hubs[2].Load().kill()
	await(t, "a snapshot that says so", func() bool {
		return strings.Contains(h.ask(t, "/snapshot"), `"frozen":true`)
	})
	for range 50 { // also when Caddy has found out that no hub is ready
		require.Contains(t, h.ask(t, "/snapshot"), `"frozen":true`)
		<-time.After(100 * time.Millisecond)
	}
	assert.True(t, strings.HasPrefix(h.ask(t, "/"), "200 OK <!"), "the page opens")
	for _, protocol := range protocolNames {
		s := h.caddy.client(t, protocol).mustOpen(t, h.caddy.base+"/stream", "")
		s.until(t, "frozen")
	}
	assert.Contains(t, h.ask(t, "/publish"), "404")
	assert.Contains(t, h.ask(t, "/readyz"), "404")

	h.start(t, 1, 2)
	goesOn("all back")
	stop()
	book.settle(t, h.current(), readers...)
	for i, r := range readers {
		c := r.counts()
		assert.Equal(t, map[string]int{"new": 1}, c.resets, "reader %d", i)
		assert.Positive(t, c.lives["replay"], "reader %d: %+v", i, c)
		t.Logf("reader %d over %s: %+v", i, r.client.protocol, c.lives)
	}
}

// F68: while other hubs are ready, Caddy sends nobody to one that runs and is not ready, here because its
// disk is full.
func TestFaultCaddyPrefersReadyHubs(t *testing.T) {
	disk := newDisk(t)
	h := startHubsBehindCaddy(t, "--state-dir", filepath.Join(disk.dir, "state"), "--journal-size", "32MiB")
	h.current().publishLines(t, at("A", 1))
	disk.fill(t)
	full := h.hubs[2].Load()
	await(t, "the hub with the full disk", func() bool {
		status, _ := h.readyz(t, 2)
		return status == 503
	})
	resp, _ := full.client(t, "h1").ask(t, "GET", full.publish+"/healthz")
	require.Equal(t, 200, resp.StatusCode)
	await(t, "Caddy to notice", func() bool {
		for range 20 {
			if strings.Contains(h.ask(t, "/snapshot"), `"frozen":true`) {
				return false
			}
		}
		return true
	})
	for range 200 {
		require.NotContains(t, h.ask(t, "/snapshot"), `"frozen":true`)
	}
	disk.empty(t)
	await(t, "the hub with room", func() bool {
		status, _ := h.readyz(t, 2)
		return status == 200
	})
}

// Caddy before hubs on machines of their own, as deploy/caddy.service.d has it: over TLS, with the hubs'
// certificates of an authority of our own. When two of three cannot be reached, it takes the one that is
// left, which is frozen.
func TestFaultCaddyBeforeMachines(t *testing.T) {
	n := newClusterNetwork(t)
	ip(t, "-n", n.of(3), "addr", "add", "10.78.0.9/24", "dev", "switch")
	ca := newClusterCA(t)
	ca.sign(t, "hub", time.Now().Add(time.Hour))
	c := newCluster(t, append(ca.flags("hub"), "--tls-cert", ca.path("hub.pem"), "--tls-key", ca.path("hub.key"),
		"--publish-client-ca", ca.path("ca.pem"), "--proxy-listen", "off")...)
	var peers, upstreams []string
	for i := range c.args {
		peers = append(peers, n.host(i)+":6222")
		upstreams = append(upstreams, "https://"+n.host(i)+":4433")
	}
	for i := range c.args {
		for flag, value := range map[string]string{
			"--cluster-listen": peers[i], "--cluster-peers": strings.Join(peers, ","),
			"--listen": n.host(i) + ":4433", "--publish-listen": n.host(i) + ":9801",
		} {
			c.args[i][slices.Index(c.args[i], flag)+1] = value
		}
		c.under[i] = []string{"ip", "netns", "exec", n.of(i)}
	}
	c.start(t, 0, 1, 2)
	dir := socketDir(t)
	caddy := &runningCaddy{env: append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir,
		"CADDY_ADMIN=unix/"+filepath.Join(dir, "admin.sock"), "LIVEMAP_SITE=localhost:8443",
		"LIVEMAP_HTTP_PORT=8081", "LIVEMAP_BIND=127.0.0.1", "LIVEMAP_HUBS=several", "LIVEMAP_HEALTH_PORT=9801",
		"LIVEMAP_UPSTREAM="+strings.Join(upstreams, " "), "SSL_CERT_FILE="+ca.path("ca.pem"))}
	cmd := caddy.command(t, "run", "--config", caddyfile)
	under := exec.Command("ip", append([]string{"netns", "exec", n.of(3), cmd.Path}, cmd.Args[1:]...)...)
	under.Env = cmd.Env
	require.NoError(t, under.Start())
	t.Cleanup(func() {
		under.Process.Kill()
		under.Wait()
	})
	ask := func(path string) string {
		out, _ := exec.Command("ip", "netns", "exec", n.of(3), "curl", "-sk", "--max-time", "20",
			"https://localhost:8443"+path).CombinedOutput()
		return string(out)
	}
	serves := func() bool { return strings.Contains(ask("/snapshot"), "FeatureCollection") }
	await(t, "Caddy to serve", serves)
	for range 20 {
		require.NotContains(t, ask("/snapshot"), `"frozen":true`)
	}
	n.plug(t, 0, "down")
	await(t, "Caddy to do without it", serves)
	n.plug(t, 1, "down")
	await(t, "the hub that is left", func() bool { return strings.Contains(ask("/snapshot"), `"frozen":true`) })
	for range 10 {
		require.Contains(t, ask("/snapshot"), `"frozen":true`)
		<-time.After(300 * time.Millisecond)
	}
	n.plug(t, 0, "up")
	n.plug(t, 1, "up")
	await(t, "all to be right", func() bool {
		text := ask("/snapshot")
		return strings.Contains(text, "FeatureCollection") && !strings.Contains(text, `"frozen":true`)
	})
}
