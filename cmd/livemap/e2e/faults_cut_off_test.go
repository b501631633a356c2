//go:build faults && linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clusterNetwork is a switch and a network namespace for each of three hubs, with a cable to it. Hubs are
// reached by sockets, which need no network.
type clusterNetwork struct{ name string }

func newClusterNetwork(t *testing.T) clusterNetwork {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("NOT TESTED: there is no ip (iproute2)")
	}
	n := clusterNetwork{fmt.Sprintf("lmn%d", os.Getpid())}
	for i := range 4 {
		ip(t, "netns", "add", n.of(i))
		t.Cleanup(func() { exec.Command("ip", "netns", "del", n.of(i)).Run() })
		ip(t, "-n", n.of(i), "link", "set", "lo", "up")
	}
	sw := n.of(3)
	ip(t, "-n", sw, "link", "add", "switch", "type", "bridge")
	ip(t, "-n", sw, "link", "set", "switch", "up")
	for i := range 3 {
		port := fmt.Sprint("hub", i)
		ip(t, "-n", sw, "link", "add", port, "type", "veth", "peer", "name", "cable", "netns", n.of(i))
		ip(t, "-n", sw, "link", "set", port, "master", "switch", "up")
		ip(t, "-n", n.of(i), "addr", "add", n.host(i)+"/24", "dev", "cable")
		ip(t, "-n", n.of(i), "link", "set", "cable", "up")
	}
	return n
}

// of returns the namespace of a hub; 3 is the switch's.
func (n clusterNetwork) of(i int) string { return fmt.Sprint(n.name, "-", i) }

func (n clusterNetwork) host(i int) string { return fmt.Sprint("10.78.0.", i+1) }

// plug sets the cable of a hub up or down.
func (n clusterNetwork) plug(t *testing.T, i int, state string) {
	t.Helper()
	ip(t, "-n", n.of(3), "link", "set", fmt.Sprint("hub", i), state)
}

// startClusterOn starts hubs on machines of their own.
func startClusterOn(t *testing.T, n clusterNetwork) *hubCluster {
	t.Helper()
	ca := newClusterCA(t)
	ca.sign(t, "hub", time.Now().Add(time.Hour))
	c := newCluster(t, ca.flags("hub")...)
	c.sockets = map[string]string{}
	var peers []string
	for i := range c.args {
		peers = append(peers, n.host(i)+":6222")
	}
	for i := range c.args {
		dir := socketDir(t)
		proxy, internal := filepath.Join(dir, "proxy"), filepath.Join(dir, "internal")
		c.sockets[fmt.Sprint("proxy", i)], c.sockets[fmt.Sprint("internal", i)] = proxy, internal
		for flag, value := range map[string]string{
			"--cluster-listen": peers[i], "--cluster-peers": strings.Join(peers, ","),
			"--proxy-listen": "unix:" + proxy, "--publish-listen": "unix:" + internal,
		} {
			c.args[i][slices.Index(c.args[i], flag)+1] = value
		}
		c.under[i] = []string{"ip", "netns", "exec", n.of(i)}
	}
	c.start(t, 0, 1, 2)
	return c
}

// readyz returns what a hub says about itself.
func (c *hubCluster) readyz(t *testing.T, i int) (status int, text string) {
	t.Helper()
	hub := c.hubs[i].Load()
	client := newWireClient(t, "h1", nil)
	client.tcp.DialContext = c.dial
	resp, text := client.ask(t, "GET", hub.publish+"/readyz")
	return resp.StatusCode, text
}

// F61: one hub is cut off from the others. It says so, its readers are told, and the others go on; with its
// cable it is right again. The leader is among those that are cut off.
func TestFaultHubCutOff(t *testing.T) {
	n := newClusterNetwork(t)
	c := startClusterOn(t, n)
	l, finish := startLedger(t, c, 1<<30, 5*time.Millisecond)
	l.acks(t, "nothing")
	for i := range 3 {
		n.plug(t, i, "down")
		l.acks(t, fmt.Sprintf("hub %d cut off", i))
		await(t, "the hub to say so", func() bool {
			status, text := c.readyz(t, i)
			return status == 503 && strings.Contains(text, "2 of the 2 other hubs")
		})
		for other := range 3 {
			if other != i {
				await(t, "the others to be ready", func() bool {
					status, text := c.readyz(t, other)
					return status == 200 && strings.Contains(text, "1 of the 2 other hubs")
				})
			}
		}
		n.plug(t, i, "up")
		await(t, "the hub to be ready", func() bool {
			status, text := c.readyz(t, i)
			return status == 200 && text == "ready\n"
		})
		l.acks(t, fmt.Sprintf("hub %d back", i))
	}
	finish()
}

// smallDisk is a file system of 64 MiB that can be filled.
type smallDisk struct{ dir string }

func newDisk(t *testing.T) smallDisk {
	t.Helper()
	d := smallDisk{t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skip("NOT TESTED: mounting a file system needs root: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(d.dir, 0) })
	return d
}

// fill takes all room, again if some came free.
func (d smallDisk) fill(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(d.dir, "filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer file.Close()
	for _, size := range []int{1 << 20, 1 << 12} {
		for err == nil {
			_, err = file.Write(make([]byte, size))
		}
		err = nil
	}
}

func (d smallDisk) empty(t *testing.T) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(d.dir, "filler")))
}

// F61: the disk of one of three hubs is full. The others go on; with room it is right again.
func TestFaultOneDiskFull(t *testing.T) {
	disk := newDisk(t)
	c := newCluster(t)
	c.args[1] = append(c.args[1], "--state-dir", filepath.Join(disk.dir, "state"))
	for i := range c.args {
		c.args[i] = append(c.args[i], "--journal-size", "32MiB")
	}
	c.start(t, 0, 1, 2)
	l, finish := startLedger(t, c, 1<<30, 20*time.Millisecond)
	l.acks(t, "nothing")
	for range 5 {
		disk.fill(t)
		l.acks(t, "the disk of hub 1 is full")
	}
	await(t, "hub 1 to say so", func() bool {
		status, text := c.readyz(t, 1)
		return status == 503 && strings.Contains(text, "the journal's disk is nearly full")
	})
	disk.empty(t)
	await(t, "hub 1 to be ready", func() bool {
		status, _ := c.readyz(t, 1)
		return status == 200
	})
	l.acks(t, "there is room")
	finish()
	assert.NotEmpty(t, c.hubs[1].Load().log.find("the journal takes no messages"))
}

// F61: a hub stands still for longer than its log reaches, and has to catch up with the journal.
func TestFaultHubLags(t *testing.T) {
	c := startCluster(t, "--history", "1MiB", "--max-backlog", "64KiB")
	l, finish := startLedger(t, c, 1<<30, 5*time.Millisecond)
	for _, r := range l.readers {
		r.mu.Lock()
		r.holes = true
		r.mu.Unlock()
	}
	l.acks(t, "nothing")
	for i := range 3 {
		c.hubs[i].Load().signal(syscall.SIGSTOP)
		for range 6 { // 30,000 positions are eight times its log
			l.acks(t, fmt.Sprintf("hub %d stands still", i))
		}
		c.hubs[i].Load().signal(syscall.SIGCONT)
		l.acks(t, fmt.Sprintf("hub %d goes on", i))
		await(t, "the hub to have caught up", func() bool {
			status, _ := c.readyz(t, i)
			return status == 200
		})
	}
	finish()
}

// dial connects to a hub of the cluster, by its socket if it has one.
func (c *hubCluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := strings.Cut(address, ":")
	if socket := c.sockets[host]; socket != "" {
		network, address = "unix", socket
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
