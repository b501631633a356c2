package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// natsAddress builds a NATS server and runs it on loopback until the test is over. Everyone may do
// everything.
func natsAddress(t *testing.T) string {
	t.Helper()
	nats := filepath.Join(t.TempDir(), "nats-server")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", nats,
		"github.com/nats-io/nats-server/v2").CombinedOutput()
	require.NoError(t, err, "%s", out)
	address := freePort(t)
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(nats, "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	await(t, "the NATS server", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address
}

// post puts bytes into the journal that hubs have on a NATS server.
func postTo(t *testing.T, address, message string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(e2eLimit)))
	_, err = fmt.Fprintf(conn, "CONNECT {}\r\nPUB lm.in %d\r\n%s\r\nPING\r\n", len(message), message)
	require.NoError(t, err)
	for in := bufio.NewScanner(conn); in.Scan(); {
		if strings.HasPrefix(in.Text(), "PONG") {
			return
		}
	}
	require.Fail(t, "no answer of the NATS server")
}

// A newer hub writes what these do not know. They stop there, keep their streams, and say in words what to
// do; they do not start from there either.
func TestJournalOfANewerHub(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ message, reason string }{
		"a message": {"\x02", "a message of the journal has format 2, and this hub knows format 1"},
		"an entry": {"\x01\x00" + strings.Repeat("\x01", 8) + "\x01" + strings.Repeat("\x00", 7) +
			strings.Repeat("\x00", 16) + "\x00\x01\x63\x00",
			"an entry of the journal is of kind 99, which this hub does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := natsAddress(t)
			args := [2][]string{}
			var hubs [2]*runningHub
			for i := range hubs {
				args[i] = []string{"--journal", "nats://" + address, "--publish-wait", "1s", "--state-dir", t.TempDir()}
				hubs[i] = startHub(t, args[i]...)
			}
			s := hubs[0].client(t, "h1").mustOpen(t, hubs[0].proxy+"/stream", "")
			s.until(t, "live")
			hubs[1].publishLines(t, at("A", 1))
			postTo(t, address, test.message)
			s.until(t, "frozen")
			for _, hub := range hubs {
				line := hub.log.await(t, "the hub applies nothing more of its journal")
				assert.Contains(t, line["error"], test.reason)
				resp, err := hub.operator.Get(hub.publish + "/readyz")
				require.NoError(t, err)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
				assert.Contains(t, string(text), test.reason+": a newer hub wrote it; upgrade this one")
				status, _, answer := hub.post(t, "application/x-ndjson", at("A", 2))
				assert.Equal(t, http.StatusServiceUnavailable, status, answer)
			}
			hubs[1].stop(t)
			stderr, status := serveFails(t, args[1]...)
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, "upgrade this one")
		})
	}
}
