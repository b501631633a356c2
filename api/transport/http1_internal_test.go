package transport

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pair returns the two ends of a connection.
func pair(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	server, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return server.(*net.TCPConn), client.(*net.TCPConn)
}

// socketOf returns a socket of a connection. wired: it writes without waiting, by system calls.
func socketOf(t testing.TB, conn net.Conn, wired bool) *socket {
	t.Helper()
	s := &socket{conn: conn, timeout: WriteTimeout{Stall: time.Minute}, chunked: true}
	s.attempt = s.try
	if wired {
		raw, err := conn.(syscall.Conn).SyscallConn()
		require.NoError(t, err)
		s.raw = raw
	}
	return s
}

// put writes p, and waits if need be.
func (s *socket) put(p []byte) (waited bool, err error) {
	waited, err = s.Write(p)
	if err == nil && waited {
		err = s.Wait()
	}
	return waited, err
}

// Each write of any size arrives as one chunk, whole and in order.
func TestSocketWritesEverything(t *testing.T) {
	for _, wired := range []bool{true, false} {
		t.Run(fmt.Sprint("wired ", wired), func(t *testing.T) {
			ours, theirs := pair(t)
			s := socketOf(t, ours, wired)
			var sent strings.Builder
			got := make(chan []byte, 1)
			go func() {
				text, err := io.ReadAll(httputil.NewChunkedReader(theirs))
				assert.NoError(t, err)
				got <- text
			}()
			for n := range 500 {
				p := bytes.Repeat([]byte{byte('a' + n%26)},
					[]int{1, 15, 16, 4095, MaxWrite - 1, MaxWrite, MaxWrite + 1, 17 << 10, 300 << 10}[n%9])
				sent.Write(p)
				waited, err := s.put(p)
				require.NoError(t, err)
				require.True(t, waited || wired, "without the system's help it cannot but wait")
			}
			s.Close(false)
			require.True(t, sent.String() == string(<-got))
		})
	}
}

// busy is a connection on a busy machine: time passes between a deadline's setting and the write.
type busy struct{ *net.TCPConn }

func (c busy) SetWriteDeadline(at time.Time) error {
	err := c.TCPConn.SetWriteDeadline(at)
	time.Sleep(5 * time.Millisecond)
	return err
}

// A body ends whole on a busy machine too.
func TestEndOfBodyIsWritten(t *testing.T) {
	ours, theirs := pair(t)
	s := socketOf(t, busy{ours}, false)
	s.Close(false)
	text, err := io.ReadAll(httputil.NewChunkedReader(theirs))
	require.NoError(t, err)
	require.Empty(t, text)
}

// timed keeps the deadline that was set last.
type timed struct {
	*net.TCPConn
	deadline time.Time
}

func (c *timed) SetWriteDeadline(at time.Time) error {
	c.deadline = at
	return c.TCPConn.SetWriteDeadline(at)
}

// Wait lifts its deadline, which would end a later write.
func TestDeadlineOfWaitIsLifted(t *testing.T) {
	ours, theirs := pair(t)
	conn := &timed{TCPConn: ours}
	s := socketOf(t, conn, true)
	event := make([]byte, MaxWrite)
	for {
		waits, err := s.Write(event)
		require.NoError(t, err)
		if waits {
			break
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(io.Discard, theirs)
	}()
	require.NoError(t, s.Wait())
	require.Zero(t, conn.deadline)
	s.Close(false)
	<-read
}

// A body that was cut has no end, though there was room for one.
func TestCloseEndsTheBodyUnlessItWasCut(t *testing.T) {
	for cut, want := range map[bool]error{false: nil, true: io.ErrUnexpectedEOF} {
		t.Run(fmt.Sprint("cut ", cut), func(t *testing.T) {
			ours, theirs := pair(t)
			s := socketOf(t, ours, true)
			_, err := s.put([]byte("data: 1\n\n"))
			require.NoError(t, err)
			s.Close(cut)
			text, err := io.ReadAll(httputil.NewChunkedReader(theirs))
			require.Equal(t, "data: 1\n\n", string(text))
			require.Equal(t, want, err)
		})
	}
}
