package listen

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// limiterTest is a limiter whose connections are pipes that name an address.
type limiterTest struct {
	*connLimiter
	public, internal *trackedListener
	counts           map[string]int
	mu               sync.Mutex
}

func newLimiterTest(descriptors int, trusted ...string) *limiterTest {
	l := &limiterTest{counts: map[string]int{}}
	cuts := newCuts(slog.New(slog.DiscardHandler))
	cuts.countWith(func(reason string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.counts[reason]++
	})
	var networks []netip.Prefix
	for _, text := range trusted {
		networks = append(networks, netip.MustParsePrefix(text))
	}
	l.connLimiter = newConnLimiter(descriptors, networks, cuts)
	l.public, l.internal = l.listener(false), l.listener(true)
	return l
}

func (l *limiterTest) listener(internal bool) *trackedListener {
	return &trackedListener{limiter: l.connLimiter, internal: internal, closing: make(chan struct{}),
		quit: make(chan struct{}), conns: map[*trackedConn]struct{}{}}
}

// pipeConn is a connection from an address. It remembers whether it was closed.
type pipeConn struct {
	net.Conn
	from   net.Addr
	closed chan struct{}
	once   sync.Once
}

func (c *pipeConn) RemoteAddr() net.Addr { return c.from }
func (c *pipeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// conn makes a connection that is not added yet.
func (l *limiterTest) conn(to *trackedListener, from string) *trackedConn {
	var address net.Addr = &net.UnixAddr{Name: "@", Net: "unix"}
	if from != "" {
		address = &net.TCPAddr{IP: net.ParseIP(from), Port: 1}
	}
	return &trackedConn{Conn: &pipeConn{from: address, closed: make(chan struct{})}, listener: to}
}

func isClosed(c *trackedConn) bool {
	select {
	case <-c.Conn.(*pipeConn).closed:
		return true
	default:
		return false
	}
}

// turns returns a function that returns two addresses in turn.
func turns(a, b string) func(i int) string {
	return func(i int) string { return [2]string{a, b}[i%2] }
}

// TestIdleConnsOfAnAddress checks which connections without a request an address may have.
func TestIdleConnsOfAnAddress(t *testing.T) {
	for name, test := range map[string]struct {
		from     func(i int) string
		internal bool
		stay     int
	}{
		"one address":          {from: func(int) string { return "192.0.2.1" }, stay: maxIdlePerAddress},
		"one IPv6 customer":    {from: func(i int) string { return fmt.Sprint("2001:db8::", 1+i%9) }, stay: 64},
		"IPv4 in IPv6":         {from: turns("192.0.2.1", "::ffff:192.0.2.1"), stay: 64},
		"two addresses":        {from: turns("192.0.2.1", "192.0.2.2"), stay: 100},
		"a trusted proxy":      {from: func(int) string { return "198.51.100.7" }, stay: 100},
		"a unix socket":        {from: func(int) string { return "" }, stay: 100},
		"on the internal port": {from: func(int) string { return "192.0.2.1" }, internal: true, stay: 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiterTest(1000, "198.51.100.0/24")
				to := l.public
				if test.internal {
					to = l.internal
				}
				var conns []*trackedConn
				for i := range 100 {
					conn := l.conn(to, test.from(i))
					require.True(t, l.add(conn))
					conns = append(conns, conn)
					time.Sleep(time.Millisecond)
				}
				l.sweep()
				require.Zero(t, l.counts["address"], "they have just come")
				time.Sleep(minIdle)
				l.begin(conns[0]) // the longest idle one asks
				l.sweep()
				cut := min(99, 100-test.stay)
				if test.stay == 64 {
					cut = 99 - 64
				}
				require.Equal(t, cut, l.counts["address"])
				for i, conn := range conns {
					require.Equal(t, i > 0 && i <= cut, isClosed(conn), i)
				}
				l.end(conns[0], true) // it is idle again, for the shortest time
				l.sweep()
				require.False(t, isClosed(conns[0]))
			})
		})
	}
}

// TestDescriptorsAreLeft checks how many connections the ports have, and which goes for another.
func TestDescriptorsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiterTest(ownDescriptors+80, "0.0.0.0/0")
		require.Equal(t, 70, l.publicMost)
		var busy []*trackedConn
		for range 69 {
			conn := l.conn(l.public, "192.0.2.1")
			require.True(t, l.add(conn))
			l.begin(conn)
			busy = append(busy, conn)
		}
		silent := l.conn(l.public, "192.0.2.1")
		require.True(t, l.add(silent))

		// The public port is full. The next connection waits until the one without a request is old
		// enough, which is cut.
		began := time.Now()
		next := l.conn(l.public, "192.0.2.1")
		require.True(t, l.add(next))
		require.Equal(t, minIdle, time.Since(began))
		require.True(t, isClosed(silent))
		require.Equal(t, map[string]int{"full": 1}, l.counts)
		l.begin(next)

		// All have requests: the next waits until one is over.
		added := make(chan bool, 1)
		last := l.conn(l.public, "192.0.2.1")
		go func() { added <- l.add(last) }()
		time.Sleep(time.Hour)
		require.Empty(t, added)

		// The internal port has the rest, at once.
		began = time.Now()
		for range 10 {
			conn := l.conn(l.internal, "127.0.0.1")
			require.True(t, l.add(conn))
			l.begin(conn)
		}
		require.Zero(t, time.Since(began))
		synctest.Wait()

		busy[0].Close()
		synctest.Wait()
		require.Len(t, added, 1)
		require.True(t, <-added)

		// A listener that is closed does not wait on.
		more := l.conn(l.public, "192.0.2.1")
		go func() { added <- l.add(more) }()
		l.begin(last)
		synctest.Wait()
		require.Empty(t, added)
		close(l.public.closing)
		require.False(t, <-added)

		// Where there are connections without a request on the public port, the internal one cuts those.
		l.end(last, true)
		time.Sleep(minIdle)
		require.True(t, l.add(l.conn(l.internal, "127.0.0.1")))
		require.True(t, isClosed(last))
		require.Equal(t, map[string]int{"full": 2}, l.counts)

		// Without any there, it cuts one of its own.
		time.Sleep(minIdle)
		require.True(t, l.add(l.conn(l.internal, "127.0.0.1")))
		require.Equal(t, map[string]int{"full": 3}, l.counts)
		require.Equal(t, l.most, l.open)
	})
}

// TestIdleConnsInAll checks how many connections without a request there are, of any address.
func TestIdleConnsInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiterTest(1<<20, "0.0.0.0/0")
		first := l.conn(l.public, "192.0.2.1")
		require.True(t, l.add(first))
		for range maxIdleTCP {
			require.True(t, l.add(l.conn(l.public, "192.0.2.1")))
		}
		require.True(t, isClosed(first))
		require.Equal(t, maxIdleTCP, l.open)
		require.Equal(t, map[string]int{"full": 1}, l.counts)
	})
}

// TestCutsAreLogged checks that the log has a line for the first of a reason, and one a minute for others.
func TestCutsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		write := writerFunc(func(p []byte) { lines = append(lines, string(p)) })
		cuts := newCuts(slog.New(slog.NewTextHandler(write,
			&slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})))
		said := func() []string {
			cuts.mu.Lock() // held while the log is written
			defer cuts.mu.Unlock()
			return slices.Clone(lines)
		}
		count := 0
		cuts.countWith(func(string) { count++ })
		for range 20 {
			cuts.add(cutHandshake, "192.0.2.1:7")
		}
		cuts.add(cutIdle, "192.0.2.1:8")
		require.Equal(t, []string{
			"level=INFO msg=\"cut connections\" reason=handshake connections=1 last_client=192.0.2.1:7\n",
		}, said())
		time.Sleep(3 * cutLogInterval)
		require.Equal(t, []string{
			"level=INFO msg=\"cut connections\" reason=handshake connections=19 last_client=192.0.2.1:7\n",
		}, said()[1:])
		cuts.add(cutHandshake, "192.0.2.1:9")
		cuts.add(cutHandshake, "192.0.2.1:9")
		cuts.end()
		require.Len(t, said(), 4)
		require.Equal(t, 23, count)
	})
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
