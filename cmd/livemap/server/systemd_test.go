//go:build unix

package server

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// supervisor receives notifications as systemd does.
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

// next returns the next notification; "" if none comes until the deadline.
func (s *supervisor) next(deadline time.Time) string {
	buffer := make([]byte, 4096)
	s.conn.SetReadDeadline(deadline)
	n, _ := s.conn.Read(buffer)
	return string(buffer[:n])
}

// until returns all notifications up to one that begins with state.
func (s *supervisor) until(t *testing.T, state string) (states []string) {
	t.Helper()
	for limit := time.Now().Add(testLimit); ; {
		next := s.next(limit)
		require.NotEmpty(t, next, "waited in vain for %s", state)
		if states = append(states, next); strings.HasPrefix(next, state) {
			return states
		}
	}
}

// rest returns all notifications that have come and were not read yet.
func (s *supervisor) rest(t *testing.T) (states []string) {
	raw, err := s.conn.SyscallConn()
	require.NoError(t, err)
	buffer := make([]byte, 4096)
	raw.Control(func(fd uintptr) {
		for {
			n, _, err := syscall.Recvfrom(int(fd), buffer, syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			states = append(states, string(buffer[:n]))
		}
	})
	return states
}

// TestWatchdogOfAHubThatHangs checks that a hub that hangs does not ping.
func TestWatchdogOfAHubThatHangs(t *testing.T) {
	s := newSupervisor(t)
	t.Setenv("NOTIFY_SOCKET", s.path)
	t.Setenv("WATCHDOG_USEC", "3000")
	var answered atomic.Int32
	lives := make(chan struct{})
	stop := pingWatchdog(func() {
		<-lives
		answered.Add(1)
	}, slog.New(slog.DiscardHandler))
	const pings = 5
	for range pings {
		lives <- struct{}{}
		s.until(t, "WATCHDOG=1")
	}
	assert.Empty(t, s.next(time.Now().Add(50*time.Millisecond)), "it hangs")
	close(lives)
	stop()
	assert.Equal(t, int(answered.Load())-pings, len(s.rest(t)))
}

// TestProbeHangsWithAWriter checks that probeWriters notices each writer that hangs.
func TestProbeHangsWithAWriter(t *testing.T) {
	for writer := range runtime.GOMAXPROCS(0) {
		synctest.Test(t, func(t *testing.T) {
			hub := stream.New(stream.Config{})
			defer hub.Close()
			probeWriters(hub)
			open := func(out stream.Outlet) (s *stream.Subscription, ended chan struct{}) {
				s = hub.Subscribe(stream.Query{Topics: []string{"live_updates:all"}, Tail: true})
				ended = make(chan struct{})
				s.Attach(out, func(stream.Summary) { close(ended) })
				return s, ended
			}
			for range writer { // the next one has the stream that hangs
				s, ended := open(discardOutlet{})
				s.Leave()
				<-ended
			}
			stuck := &hanging{release: make(chan struct{})}
			s, ended := open(stuck)
			synctest.Wait()
			stuck.hangs.Store(true)
			time.Sleep(time.Minute) // its writer wants to send a heartbeat

			returned := make(chan struct{})
			go func() {
				probeWriters(hub)
				close(returned)
			}()
			synctest.Wait()
			select {
			case <-returned:
				assert.Fail(t, "it answers though a writer hangs", "writer %d", writer)
			default:
			}
			close(stuck.release)
			<-returned
			s.Leave()
			<-ended
		})
	}
}

// hanging is an Outlet whose writes block while hangs is set.
type hanging struct {
	discardOutlet
	hangs   atomic.Bool
	release chan struct{}
}

// Write implements stream.Outlet, wrongly: it blocks.
func (h *hanging) Write([]byte) (waits bool, err error) {
	if h.hangs.Load() {
		<-h.release
	}
	return false, nil
}
