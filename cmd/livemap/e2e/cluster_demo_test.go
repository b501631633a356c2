//go:build unix

package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clusterDemo is `make cluster-demo`, while it runs.
type clusterDemo struct {
	out  console
	cmd  *exec.Cmd
	page string // address of the map
	dir  string // where its hubs have their states and logs
}

// startClusterDemo runs the demo with a Caddy, or without if there is none at that path.
func startClusterDemo(t *testing.T, caddy string, env ...string) *clusterDemo {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("NOT TESTED: only Linux has 127.0.0.2 without being asked")
	}
	port := func() string {
		_, port, err := net.SplitHostPort(freePort(t))
		require.NoError(t, err)
		return port
	}
	first := port() // of three, one after the other
	for range 2 {
		port()
	}
	temp, err := os.MkdirTemp("", "livemap") // short enough for the name of a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(temp) })
	d := &clusterDemo{cmd: exec.Command(filepath.Join(docsRoot, "deploy", "cluster-demo.sh"), program, caddy)}
	d.cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HUB_PORT="+first, "PORT="+port(),
		"HTTP_PORT="+port(), "VEHICLES=60")
	d.cmd.Env = append(d.cmd.Env, env...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		d.cmd.Process.Signal(syscall.SIGTERM)
		assert.NoError(t, d.cmd.Wait(), &d.out)
		assert.NoDirExists(t, d.dir, "nothing is left behind")
		hubs := regexp.MustCompile(`hub-\d is process (\d+)`)
		for _, pid := range hubs.FindAllStringSubmatch(d.out.String(), -1) {
			n, _ := strconv.Atoi(pid[1])
			assert.Error(t, syscall.Kill(n, 0), "a hub still runs")
		}
		if t.Failed() {
			t.Log(d.out.String())
		}
	})
	await(t, "the demo", func() bool { return strings.Contains(d.out.String(), "Ctrl-C ends all") })
	d.page = regexp.MustCompile(`Open (https?://\S+)/ `).FindStringSubmatch(d.out.String())[1]
	d.dir = regexp.MustCompile(`Logs are in (\S+)\. `).FindStringSubmatch(d.out.String())[1]
	return d
}

// pid returns the process of a hub that runs or ran last.
func (d *clusterDemo) pid(t *testing.T, hub string) int {
	t.Helper()
	all := regexp.MustCompile(hub+` is process (\d+)`).FindAllStringSubmatch(d.out.String(), -1)
	require.NotEmpty(t, all)
	pid, err := strconv.Atoi(all[len(all)-1][1])
	require.NoError(t, err)
	return pid
}

// TestClusterDemo runs the demo without Caddy and kills the hub that it names: another hub's stream goes on,
// the fleet too, and the hub comes back.
func TestClusterDemo(t *testing.T) {
	d := startClusterDemo(t, "bin/no-caddy", "PAUSE=0")
	assert.Contains(t, d.out.String(), "There is no Caddy here (make bin/no-caddy builds it).")
	client := newWireClient(t, "h1", nil)
	resp, page := client.ask(t, "GET", d.page+"/")
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Contains(t, page, "<html")
	s := client.mustOpen(t, strings.Replace(d.page, "127.0.0.1", "127.0.0.3", 1)+"/stream", "")
	s.until(t, "live")

	kill := regexp.MustCompile(`nothing happen: kill -9 (\d+)`).FindStringSubmatch(d.out.String())
	require.NotNil(t, kill)
	pid := d.pid(t, "hub-2")
	assert.Equal(t, strconv.Itoa(pid), kill[1])
	for _, hub := range []string{"hub-1", "hub-2"} { // of which the fleet publishes to the first
		require.NoError(t, syscall.Kill(d.pid(t, hub), syscall.SIGKILL))
		was := d.pid(t, hub)
		await(t, hub+" to come back", func() bool { return d.pid(t, hub) != was })
		address := "http://127.0.0." + hub[4:] + d.page[strings.LastIndex(d.page, ":"):]
		await(t, hub+" to be fresh", func() bool {
			resp, err := client.http.Get(address + "/snapshot")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		for range 100 { // positions, after the kill
			_, err := s.next()
			require.NoError(t, err)
		}
	}
}
