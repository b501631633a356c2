//go:build faults && linux

package e2e

import (
	"fmt"
	"net"
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
func startHubsBehindCaddy(t *testing.T) *hubsBehindCaddy {
	h := &hubsBehindCaddy{hubCluster: newCluster(t)}
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
