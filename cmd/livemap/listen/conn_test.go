package listen

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// scriptedConn lets every write time out after some bytes. When the script is over, it takes all.
type scriptedConn struct {
	net.Conn
	takes  []int // bytes that the peer takes before each time-out
	queue  int   // bytes written and not taken
	tries  int
	failed error // what a write fails with; nil: a time-out
}

func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

func (c *scriptedConn) Write(p []byte) (int, error) {
	if c.tries == len(c.takes) {
		return len(p), nil
	}
	c.queue -= c.takes[c.tries]
	c.tries++
	if c.failed != nil {
		return 0, c.failed
	}
	c.queue++
	return 1, os.ErrDeadlineExceeded
}

func TestSlowReaderIsNotStalled(t *testing.T) {
	reset, stalled := errors.New("reset"), os.ErrDeadlineExceeded
	nothing, enough := make([]int, 50), repeat(minTaken, 50)
	takes := func(script ...[]int) scriptedConn { return scriptedConn{takes: slices.Concat(script...)} }
	for _, test := range []struct {
		name    string
		conn    scriptedConn
		unknown bool
		always  bool // there is no deadline to put off
		want    error
		tries   int
	}{
		{name: "takes all at once", tries: 0},
		{name: "takes nothing", conn: takes(nothing), want: stalled, tries: 4},
		{name: "takes a third of enough", conn: takes(repeat(minTaken/9, 50)), want: stalled, tries: 4},
		{name: "takes enough, slowly", conn: takes(repeat(minTaken/3+1, 50)), tries: 50},
		{name: "took enough, and stops", conn: takes(repeat(minTaken, 5), nothing), want: stalled, tries: 10},
		{name: "cannot be asked", conn: takes(enough), unknown: true, want: stalled, tries: 4},
		{name: "without a deadline of ours", conn: takes(enough), always: true, want: stalled, tries: 1},
		{name: "fails", conn: scriptedConn{takes: enough, failed: reset}, want: reset, tries: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := &test.conn
			conn.queue = 1 << 20
			c := &trackedConn{Conn: conn, waiting: func() (int, bool) { return conn.queue, !test.unknown }}
			deadline := time.Now().Add(time.Hour)
			if test.always {
				deadline = time.Time{}
			}
			require.NoError(t, c.SetWriteDeadline(deadline))
			n, err := c.Write(make([]byte, 1000))
			require.ErrorIs(t, err, test.want)
			require.Equal(t, test.tries, conn.tries)
			if err == nil {
				require.Equal(t, 1000, n)
			}
		})
	}
}

// endingConn takes enough each time. The test ends what is written to it: during a slice, or while
// the next one begins.
type endingConn struct {
	scriptedConn
	during, between func()
}

func (c *endingConn) Write(p []byte) (int, error) {
	n, err := c.scriptedConn.Write(p)
	c.during()
	return n, err
}

func (c *endingConn) SetWriteDeadline(time.Time) error {
	c.between()
	return nil
}

func TestDeadlineInThePastIsNotPutOff(t *testing.T) {
	for _, between := range []bool{false, true} {
		conn := &endingConn{scriptedConn: scriptedConn{queue: 1 << 20, takes: repeat(minTaken, 50)}}
		c := &trackedConn{Conn: conn, waiting: func() (int, bool) { return conn.queue, true }}
		ended := false
		end := func(now bool) func() {
			return func() {
				if now && conn.tries == 20 && !ended {
					ended = true
					require.NoError(t, c.SetWriteDeadline(time.Unix(1, 0)))
				}
			}
		}
		conn.during, conn.between = end(!between), end(between)
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Hour)))
		_, err := c.Write(make([]byte, 1000))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 20, conn.tries, "between slices: %v", between)
	}
}

func repeat(n, times int) (list []int) {
	for range times {
		list = append(list, n)
	}
	return list
}

// TestTrackingEnds checks that a listener checks its peers as long as it has any.
func TestTrackingEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tracked := track(listener, false, testLimiter())
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	conn, err := tracked.Accept()
	require.NoError(t, err)
	require.Empty(t, tracked.deadPeers(), "an idle peer is not gone")
	require.NoError(t, tracked.Close())
	select {
	case <-tracked.quit:
		require.Fail(t, "a connection is still open")
	default:
	}
	require.NoError(t, conn.Close())
	<-tracked.quit
}

// TestHangUp checks that a connection whose peer is gone ends for readers, writers and pollers before
// it is closed.
func TestHangUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tracked := track(listener, false, testLimiter())
	defer tracked.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer peer.Close()
	conn, err := tracked.Accept()
	require.NoError(t, err)
	conn.(*trackedConn).hangUp()
	_, err = conn.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	_, err = conn.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
	require.Len(t, tracked.conns, 1)
	conn.(*trackedConn).hangUp()
	require.Empty(t, tracked.conns)
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}

// pipeListener is a listener of one pipe.
type pipeListener struct {
	net.Listener
	conns chan net.Conn
}

func (l pipeListener) Accept() (net.Conn, error) { return <-l.conns, nil }
func (l pipeListener) Close() error              { return nil }

// A peer that takes nothing of a write without a deadline is hung up on. One that takes its time is not, nor
// is one to which nothing is written.
func TestWritesWithoutADeadlineAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := track(pipeListener{conns: make(chan net.Conn, 1)}, false, testLimiter())
		l.limitWrites(time.Minute)
		accept := func() (ours, theirs net.Conn) {
			server, client := net.Pipe()
			l.Listener.(pipeListener).conns <- server
			ours, err := l.Accept()
			require.NoError(t, err)
			return ours, client
		}
		deaf, _ := accept()
		began := time.Now()
		_, err := deaf.Write([]byte("text"))
		require.Error(t, err)
		require.GreaterOrEqual(t, time.Since(began), time.Minute)
		require.LessOrEqual(t, time.Since(began), time.Minute+2*peerCheckInterval)

		slow, reader := accept()
		go func() {
			for range 10 {
				time.Sleep(50 * time.Second)
				reader.Read(make([]byte, 4))
			}
		}()
		for range 10 {
			_, err := slow.Write([]byte("text"))
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		go reader.Read(make([]byte, 4))
		_, err = slow.Write([]byte("text"))
		require.NoError(t, err)
		require.NoError(t, l.Close())
		slow.Close()
	})
}
