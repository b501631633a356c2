package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// hubCluster is three hubs with one journal.
type hubCluster struct {
	args    [3][]string
	under   [3][]string       // commands before the program; nil: none
	sockets map[string]string // paths, by names that stand for hosts: proxy0, internal0, …; nil: there are ports
	hubs    [3]atomic.Pointer[runningHub]
}

// startCluster starts three hubs on loopback, with these flags too.
func startCluster(t *testing.T, more ...string) *hubCluster {
	c := newCluster(t, more...)
	c.start(t, 0, 1, 2)
	return c
}

// newCluster is startCluster without starting.
func newCluster(t *testing.T, more ...string) *hubCluster {
	c := &hubCluster{}
	var peers []string
	for range c.args {
		peers = append(peers, freePort(t))
	}
	for i := range c.args {
		c.args[i] = append([]string{
			"--listen", "off", "--proxy-listen", freePort(t), "--publish-listen", freePort(t),
			"--cluster-listen", peers[i], "--cluster-peers", strings.Join(peers, ","),
			"--node-name", fmt.Sprint("n", i),
			"--heartbeat", "1s", "--history", "256MiB", "--max-backlog", "128MiB", "--drain", "0s",
			"--state-dir", t.TempDir(),
		}, more...)
	}
	return c
}

// start starts hubs side by side and waits until they are ready.
func (c *hubCluster) start(t *testing.T, which ...int) {
	var starting sync.WaitGroup
	for _, i := range which {
		starting.Go(func() {
			var hub *runningHub
			if c.under[i] == nil {
				hub = startHub(t, c.args[i]...)
			} else {
				hub = startHubUnder(t, c.under[i], c.args[i]...)
			}
			if c.sockets != nil {
				hub.proxy, hub.publish = fmt.Sprint("http://proxy", i), fmt.Sprint("http://internal", i)
			}
			c.hubs[i].Store(hub)
		})
	}
	starting.Wait()
	require.False(t, t.Failed())
}
