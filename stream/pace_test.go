package stream_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// quietHub returns a hub whose streams are silent unless there are events.
func quietHub(t testing.TB) *stream.Hub {
	h := start(t, stream.Config{Heartbeat: time.Hour, FlushInterval: 100 * time.Millisecond})
	time.Sleep(time.Second)
	return h
}

func TestIdleStreamIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		for range 3 {
			time.Sleep(time.Second)
			now := time.Now()
			publish(t, h, "a", "")
			writes := c.takeWrites()
			require.Len(t, writes, 1)
			require.Zero(t, writes[0].at.Sub(now))
		}
	})
}

func TestBusyStreamGetsAllInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		time.Sleep(time.Second)
		publish(t, h, "a", "")
		require.Equal(t, "1 a", c.takeEvents())
		now := time.Now()
		for range 9 {
			time.Sleep(10 * time.Millisecond)
			publish(t, h, "a", "")
		}
		require.Empty(t, c.takeWrites())
		time.Sleep(10 * time.Millisecond)
		writes := c.takeWrites()
		require.Len(t, writes, 1)
		require.Equal(t, "2 a | 3 a | 4 a | 5 a | 6 a | 7 a | 8 a | 9 a | 10 a", brief(writes[0].text))
		require.Equal(t, 100*time.Millisecond, writes[0].at.Sub(now))

		publish(t, h, "a", `"n":1`)
		require.Empty(t, c.takeWrites(), "it has just written")
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, "11 a", c.takeEvents())
	})
}

func TestPingAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Heartbeat: 10 * time.Second})
		publish(t, h, "a", `"topics":["x"]`)
		quiet := []*client{
			listen(t, h, stream.Query{Topics: []string{"nothing"}}),
			listen(t, h, stream.Query{Topics: []string{"vehicle:a"}}),
			listen(t, h, stream.Query{Topics: []string{"x"}}),
			listen(t, h, stream.Query{Topics: []string{"x"}, Interval: time.Second}),
			listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")}),
			listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5"), Tail: true}),
		}
		for _, c := range quiet {
			c.takeWrites()
		}
		time.Sleep(4 * time.Second)
		publish(t, h, "a", `"n":1`)
		for i, c := range quiet[1:] {
			require.Equal(t, "2 a", c.takeEvents(), i)
		}
		for range 99 {
			publish(t, h, "b", `"lat":-1,"lon":-1,"n":`+fmt.Sprint(h.Head().Number))
		}
		time.Sleep(6 * time.Second)
		require.Equal(t, "101 ping", quiet[0].takeEvents(), "10 s after it began")
		require.Empty(t, quiet[1].takeWrites(), "6 s after it was written")
		time.Sleep(4 * time.Second)
		for i, c := range quiet[1:] {
			require.Equal(t, "101 ping", c.takeEvents(), "the id passes over other vehicles' events: %d", i)
		}
		publish(t, h, "b", `"lat":-1,"lon":-1,"n":0`)
		time.Sleep(10 * time.Second)
		for i, c := range quiet {
			require.Equal(t, "102 ping", c.takeEvents(), i)
		}
	})
}

// The wall clock jumps by an hour, forward and back. All timeouts stay as they are.
func TestTimeoutsDoNotUseTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jumped atomic.Int64 // nanoseconds
		h := start(t, stream.Config{Heartbeat: 10 * time.Second, Settings: ttl(time.Minute),
			Clock: func() time.Time { return time.Now().Add(time.Duration(jumped.Load())) }})
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		publish(t, h, "a", "")
		require.Equal(t, "1 a", c.takeEvents())
		for _, jump := range []time.Duration{time.Hour, -time.Hour, time.Hour, 0} {
			jumped.Store(int64(jump))
			time.Sleep(10*time.Second - time.Millisecond)
			require.Empty(t, c.takeWrites())
			time.Sleep(time.Millisecond)
			require.Equal(t, "1 ping", c.takeEvents())
			require.Equal(t, 1, h.Stats().Vehicles)
		}
		time.Sleep(22 * time.Second)
		require.Contains(t, c.takeEvents(), "gone a expired")
	})
}

// The id of a ping must not pass over an event that waits for its flush.
func TestPingDoesNotPassOwnEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Heartbeat: 10 * time.Second})
		time.Sleep(time.Second)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Minute})
		c.takeWrites()
		time.Sleep(time.Second)
		publish(t, h, "a", "")
		publish(t, h, "b", "")
		time.Sleep(58 * time.Second)
		require.Equal(t, "0 ping | 0 ping | 0 ping | 0 ping | 0 ping", c.takeEvents())
		time.Sleep(time.Second)
		require.Equal(t, "0 ping | 1 a | 2 b", c.takeEvents())
		time.Sleep(10 * time.Second)
		require.Equal(t, "2 ping", c.takeEvents())
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Ping: 5 * time.Second})
		silent := listen(t, h, fleetQuery)
		began := time.Now()
		c.takeWrites()
		silent.takeWrites()
		time.Sleep(20 * time.Second)
		require.Equal(t, "0 ping | 0 ping | 0 ping | 0 ping", c.takeEvents())
		require.Empty(t, silent.takeWrites())

		for range 200 {
			publish(t, h, "a", "")
			time.Sleep(100 * time.Millisecond)
		}
		pings, last := 0, "0"
		for _, w := range c.takeWrites() {
			for event := range strings.SplitSeq(brief(w.text), " | ") {
				id, what, _ := strings.Cut(event, " ")
				if what == "ping" {
					pings++
					require.Zero(t, w.at.Sub(began)%(5*time.Second))
					require.Equal(t, last, id, "of the last event")
				}
				last = id
			}
		}
		require.Equal(t, 4, pings, "also while events flow")
	})
}

// A reader that is always behind is one long write. Pings must come in between.
func TestPingWhileReaderIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listenSlowly(t, h, stream.Query{Topics: []string{stream.AllTopic}, Ping: 5 * time.Second})
		for range 60 {
			fillLog(t, h, "a", 32_000)
			time.Sleep(time.Second)
			c.gate <- struct{}{}
		}
		pings := strings.Count(c.takeText(), "event: ping")
		require.GreaterOrEqual(t, pings, 9)
		require.LessOrEqual(t, pings, 13)
	})
}

func TestIntervalDeliversTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second})
		require.Equal(t, "hello | reset new | 0 live snapshot 0 0", c.takeEvents())
		time.Sleep(500 * time.Millisecond)
		publish(t, h, "a", `"timestamp":946684800`)
		publish(t, h, "b", "")
		publish(t, h, "a", `"timestamp":946684801`)
		require.Empty(t, c.takeWrites())
		publish(t, h, "a", `"timestamp":946684800,"n":1`)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, "2 b | 3 a", c.takeEvents(), "the newest; late ones are left out")
		publish(t, h, "a", `"timestamp":946684802`)
		publish(t, h, "c", "")
		h.Delete("c")
		publish(t, h, "d", "")
		h.Delete("d")
		publish(t, h, "d", `"n":1`)
		time.Sleep(time.Second)
		require.Equal(t, "5 a | 7 gone c deleted | 10 d", c.takeEvents())
		time.Sleep(10 * time.Second)
		publish(t, h, "a", `"timestamp":946684803`)
		require.Equal(t, "11 a", c.takeEvents(), "an idle stream is written at once")
	})
}

func TestIntervalReportsVehiclesThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		in, out := `"lat":1,"lon":2`, `"lat":-1,"lon":-2`
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second,
			Box: box(t, "0,0,5,5")})
		c.takeWrites()
		publish(t, h, "a", in)
		publish(t, h, "b", in)
		time.Sleep(time.Second)
		require.Equal(t, "1 a | 2 b", c.takeEvents())
		publish(t, h, "a", out)
		publish(t, h, "a", `"lat":-2,"lon":-2`)
		publish(t, h, "b", out)
		publish(t, h, "b", in)
		time.Sleep(time.Second)
		require.Equal(t, "3 gone a left | 6 b", c.takeEvents())
	})
}

// One read may not cover all events of an interval. Those published meanwhile still wait for the
// next interval.
func TestIntervalSpansWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listenSlowly(t, h, stream.Query{
			Topics: []string{stream.AllTopic}, Interval: time.Second, Box: box(t, "0,0,5,5"),
		})
		for range 3 {
			c.gate <- struct{}{}
		}
		require.Equal(t, "hello | reset new | 0 live snapshot 0 0", c.takeEvents())
		publish(t, h, "a", "")
		for n := range 2100 {
			publish(t, h, "elsewhere", fmt.Sprintf(`"lat":-1,"lon":-1,"n":%d`, n))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		publish(t, h, "a", `"n":1`)
		synctest.Wait()
		c.gate <- struct{}{}
		require.Equal(t, "1 a", c.takeEvents())
		select {
		case c.gate <- struct{}{}:
			t.Fatal("the next must wait out the interval")
		case <-time.After(900 * time.Millisecond):
		}
		c.gate <- struct{}{}
		require.Equal(t, "2102 a", c.takeEvents())
	})
}

// Newest-only is normal with an interval, and not announced.
func TestIntervalOutlastsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := smallHub(t)
		publish(t, h, "a", "")
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Minute})
		c.takeWrites()
		time.Sleep(time.Second)
		publish(t, h, "a", `"n":1`)
		publish(t, h, "b", "")
		h.Delete("b")
		fillLog(t, h, "f", 512<<10)
		require.Empty(t, c.takeWrites())
		time.Sleep(time.Minute)
		require.Equal(t, fmt.Sprintf("2 a | 4 gone b deleted | %d f", h.Head().Number), c.takeEvents())
	})
}
