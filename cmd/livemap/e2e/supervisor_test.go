//go:build unix

package e2e

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// supervisor receives the notifications of services, as systemd does.
type supervisor struct {
	conn *net.UnixConn
	path string
}

func newSupervisor(t *testing.T) *supervisor {
	t.Helper()
	dir, err := os.MkdirTemp("", "livemap") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &supervisor{path: filepath.Join(dir, "notify")}
	s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { s.conn.Close() })
	return s
}

// ignore reads and discards further notifications. A full socket would block a hub that reports its
// end, and fail the test.
func (s *supervisor) ignore() {
	s.conn.SetReadDeadline(time.Time{})
	go io.Copy(io.Discard, s.conn) // until it is closed
}

// next returns the next notification; "" if none arrives before the deadline.
func (s *supervisor) next(deadline time.Time) string {
	buffer := make([]byte, 4096)
	s.conn.SetReadDeadline(deadline)
	n, _ := s.conn.Read(buffer)
	return string(buffer[:n])
}

// until reads up to a notification, and returns all that arrived.
func (s *supervisor) until(t *testing.T, state string) (told []string) {
	t.Helper()
	for limit := time.Now().Add(e2eLimit); ; {
		next := s.next(limit)
		require.NotEmpty(t, next, "waited in vain for %s", state)
		if told = append(told, next); strings.HasPrefix(next, state) {
			return told
		}
	}
}

// rest returns all unread notifications.
func (s *supervisor) rest(t *testing.T) (told []string) {
	raw, err := s.conn.SyscallConn()
	require.NoError(t, err)
	buffer := make([]byte, 4096)
	raw.Control(func(fd uintptr) {
		for {
			n, _, err := syscall.Recvfrom(int(fd), buffer, syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			told = append(told, string(buffer[:n]))
		}
	})
	return told
}

// watches makes this the supervisor of a process, with a watchdog of 300 ms.
func (s *supervisor) watches(cmd *exec.Cmd) {
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=300000")
}

func TestTellsItsSupervisor(t *testing.T) {
	t.Parallel()
	s := newSupervisor(t)
	hub := startPrepared(t, s.watches, "--drain", "2s")
	t.Cleanup(s.ignore) // before the hub is waited for
	s.until(t, "READY=1")
	resp, err := hub.operator.Get(hub.publish + "/readyz")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	for range 3 {
		s.until(t, "WATCHDOG=1")
	}
	hub.interrupt()
	told := s.until(t, "STOPPING=1")
	assert.Equal(t, "STOPPING=1\nEXTEND_TIMEOUT_USEC=6000000", told[len(told)-1],
		"two seconds to end streams, and what comes after")
	<-hub.ended
	assert.NoError(t, hub.err)
	assert.NotContains(t, s.rest(t), "READY=1")
}

// A hub that cannot start is never ready.
func TestIsNotReadyBeforeItIs(t *testing.T) {
	t.Parallel()
	s := newSupervisor(t)
	state := startHub(t).stateDir // in use
	_, args := newHub(t, []string{"--state-dir", state})
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = os.Environ()
	s.watches(cmd)
	out, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "another hub is using it")
	assert.Empty(t, s.rest(t))
}

// The hub logs a notification that nobody receives, and goes on.
func TestSupervisorThatIsGone(t *testing.T) {
	t.Parallel()
	hub := startHubUnder(t, []string{"env", "NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody"),
		"WATCHDOG_USEC=soon"})
	hub.log.await(t, "cannot notify the service manager")
	hub.log.await(t, "cannot ping the service manager's watchdog")
	hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
}
