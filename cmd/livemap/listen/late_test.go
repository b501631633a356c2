//go:build linux

package listen

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tcpPair returns a tracked connection and its client.
func tcpPair(t *testing.T) (conn *trackedConn, client net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tracked := track(listener, false, testLimiter())
	client, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err := tracked.Accept()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		accepted.Close()
		tracked.Close()
		<-tracked.quit
	})
	return accepted.(*trackedConn), client
}

// passDeadline sets a deadline for reading and lets it pass.
func passDeadline(t *testing.T, conn *trackedConn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.True(t, conn.timedOut.Load())
}

// TestLateHub checks that a hub which is too busy to read before a deadline does not blame the client.
func TestLateHub(t *testing.T) {
	conn, client := tcpPair(t)
	passDeadline(t, conn)
	_, err := client.Write([]byte("x"))
	require.NoError(t, err)
	require.Eventually(t, conn.hasUnread, testLimit, time.Millisecond)
	conn.timedOut.Store(false)
	n, err := conn.Read(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.False(t, conn.timedOut.Load())
	_, err = conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "once")

	// A deadline in the past ends what is being read, whatever has come.
	require.NoError(t, conn.SetReadDeadline(time.Unix(1, 0)))
	_, err = client.Write([]byte("x"))
	require.NoError(t, err)
	require.Eventually(t, conn.hasUnread, testLimit, time.Millisecond)
	_, err = conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// TestHandshakeWaitsForClient checks that a client has its whole time after a hub that was late to write.
func TestHandshakeWaitsForClient(t *testing.T) {
	conn, client := tcpPair(t)
	passDeadline(t, conn)
	_, err := conn.Write([]byte("hello"))
	require.NoError(t, err)
	go func() {
		if _, err := client.Read(make([]byte, 5)); err == nil {
			client.Write([]byte("x"))
		}
	}()
	n, err := conn.Read(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
