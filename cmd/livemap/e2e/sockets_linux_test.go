package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listening returns where a process listens: tcp PORT, udp PORT, or unix PATH.

func listening(t *testing.T, pid int) (at []string) {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil {
			own[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] = true
		}
	}
	lines := func(table string) (rows [][]string) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		require.NoError(t, err)
		for _, line := range strings.Split(string(text), "\n")[1:] {
			if fields := strings.Fields(line); len(fields) > 6 {
				rows = append(rows, fields)
			}
		}
		return rows
	}
	const listens, unconnected = "0A", "07"
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for _, fields := range lines(table) {
			if len(fields) < 10 || !own[fields[9]] || fields[3] != listens && fields[3] != unconnected {
				continue
			}
			address, hex, _ := strings.Cut(fields[1], ":")
			var port int
			fmt.Sscanf(hex, "%X", &port)
			assert.Equal(t, "0100007F", address, "127.0.0.1 alone")
			at = append(at, fmt.Sprint(table[:3], " ", port))
		}
	}
	for _, fields := range lines("unix") {
		if own[fields[6]] && fields[3] == "00010000" && len(fields) > 7 {
			at = append(at, "unix "+fields[7])
		}
	}
	slices.Sort(at)
	return at
}

// Nothing listens that was not asked for: without a journal, with one, and in a cluster.
func TestWhatListens(t *testing.T) {
	t.Parallel()
	start := func(args ...string) (hub *runningHub, at []string) {
		var cmd *exec.Cmd
		hub = startPrepared(t, func(c *exec.Cmd) { cmd = c }, args...)
		return hub, listening(t, cmd.Process.Pid)
	}
	number := func(address string) string {
		_, port, err := net.SplitHostPort(address[strings.LastIndex(address, "/")+1:])
		require.NoError(t, err)
		return port
	}
	asked := func(hub *runningHub, more ...string) []string {
		all := append(more, "tcp "+number(hub.publish), "tcp "+number(hub.proxy))
		if hub.public != "" {
			all = append(all, "tcp "+number(hub.public), "udp "+number(hub.public))
		}
		slices.Sort(all)
		return all
	}
	hub, at := start("--journal", "off")
	assert.Equal(t, asked(hub), at)
	hub, at = start()
	control := "unix " + filepath.Join(hub.stateDir, "control")
	assert.Equal(t, asked(hub, control), at)

	c := newCluster(t)
	var starting sync.WaitGroup
	for i := range 2 {
		starting.Go(func() { startHub(t, c.args[i]...) })
	}
	hub, at = start(append(c.args[2], "--log-level", "debug")...)
	starting.Wait()
	peer := c.args[2][slices.Index(c.args[2], "--cluster-listen")+1]
	clients := regexp.MustCompile(`Listening for client connections on 127.0.0.1:(\d+)`)
	port := clients.FindStringSubmatch(hub.log.tail(1_000_000))
	require.NotNil(t, port)
	control = "unix " + filepath.Join(hub.stateDir, "control")
	assert.Equal(t, asked(hub, control, "tcp "+number(peer), "tcp "+port[1]), at)
}
