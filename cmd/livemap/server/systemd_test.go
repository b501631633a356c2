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

// supervisor listens as systemd does to what services tell.
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

// next gives what is told next; "" if that is nothing until the deadline.
func (s *supervisor) next(deadline time.Time) string {
	buffer := make([]byte, 4096)
	s.conn.SetReadDeadline(deadline)
	n, _ := s.conn.Read(buffer)
	return string(buffer[:n])
}

// until reads on until it is told that, and gives all that came.
func (s *supervisor) until(t *testing.T, state string) (told []string) {
	t.Helper()
	for limit := time.Now().Add(testLimit); ; {
		next := s.next(limit)
		require.NotEmpty(t, next, "waited in vain for %s", state)
		if told = append(told, next); strings.HasPrefix(next, state) {
			return told
		}
	}
}

// rest gives all that was told and not read yet.
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

// The watchdog is told nothing that the hub did not answer for.
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

// A writer that hangs is noticed, whichever it is.
func TestAnswersNotWhileAWriterHangs(t *testing.T) {
	for writer := range runtime.GOMAXPROCS(0) {
		synctest.Test(t, func(t *testing.T) {
			hub := stream.New(stream.Config{})
			defer hub.Close()
			probeWriters(hub)
			open := func(out stream.Outlet) (s *stream.Subscription, ended chan struct{}) {
				s, ended = hub.Subscribe(stream.Query{Topics: []string{"live_updates:all"}, Tail: true}), make(chan struct{})
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

// hanging is an Outlet that hangs once it is to.
type hanging struct {
	discardOutlet
	hangs   atomic.Bool
	release chan struct{}
}

// Write implements stream.Outlet, as it must not be.
func (h *hanging) Write([]byte) (waits bool, err error) {
	if h.hangs.Load() {
		<-h.release
	}
	return false, nil
}
