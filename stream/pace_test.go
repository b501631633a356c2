package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// quiet is a hub whose streams keep silent unless there are events.
func quiet(t testing.TB) *stream.Hub {
	h := start(t, stream.Config{Heartbeat: time.Hour, FlushInterval: 100 * time.Millisecond})
	time.Sleep(time.Second)
	return h
}

func TestIdleStreamIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		c := listen(t, h, fleetQuery)
		c.took()
		for range 3 {
			time.Sleep(time.Second)
			now := time.Now()
			put(t, h, "a", "")
			writes := c.took()
			require.Len(t, writes, 1)
			require.Zero(t, writes[0].at.Sub(now))
		}
	})
}

func TestBusyStreamTakesAllInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		c := listen(t, h, fleetQuery)
		c.took()
		time.Sleep(time.Second)
		put(t, h, "a", "")
		require.Equal(t, "1 a", c.told())
		now := time.Now()
		for range 9 {
			time.Sleep(10 * time.Millisecond)
			put(t, h, "a", "")
		}
		require.Empty(t, c.took())
		time.Sleep(10 * time.Millisecond)
		writes := c.took()
		require.Len(t, writes, 1)
		require.Equal(t, "2 a | 3 a | 4 a | 5 a | 6 a | 7 a | 8 a | 9 a | 10 a", brief(writes[0].text))
		require.Equal(t, 100*time.Millisecond, writes[0].at.Sub(now))

		put(t, h, "a", `"n":1`)
		require.Empty(t, c.took(), "it has just written")
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, "11 a", c.told())
	})
}

func TestHeartbeatAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Heartbeat: 10 * time.Second})
		put(t, h, "a", `"topics":["x"]`)
		quiet := []*client{
			listen(t, h, stream.Query{Topics: []string{"nothing"}}),
			listen(t, h, stream.Query{Topics: []string{"vehicle:a"}}),
			listen(t, h, stream.Query{Topics: []string{"x"}}),
			listen(t, h, stream.Query{Topics: []string{"x"}, Interval: time.Second}),
			listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")}),
			listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5"), Tail: true}),
		}
		for _, c := range quiet {
			c.took()
		}
		time.Sleep(4 * time.Second)
		put(t, h, "a", `"n":1`)
		for i, c := range quiet[1:] {
			require.Equal(t, "2 a", c.told(), i)
		}
		for range 99 {
			put(t, h, "b", `"lat":-1,"lon":-1,"n":`+fmt.Sprint(h.Head().Seq))
		}
		time.Sleep(6 * time.Second)
		require.Equal(t, "101 -", quiet[0].told(), "10 s after it began")
		require.Empty(t, quiet[1].took(), "6 s after it was written")
		time.Sleep(4 * time.Second)
		for i, c := range quiet[1:] {
			require.Equal(t, "101 -", c.told(), "the id passes over other vehicles' events: %d", i)
		}
		put(t, h, "b", `"lat":-1,"lon":-1,"n":0`)
		time.Sleep(10 * time.Second)
		for i, c := range quiet {
			require.Equal(t, "102 -", c.told(), i)
		}
	})
}

// The wall clock jumps by an hour, forth and back: what takes a time takes as long
// as before.
func TestTimeoutsDoNotUseTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jumped time.Duration
		h := start(t, stream.Config{Heartbeat: 10 * time.Second, VehicleTTL: time.Minute, Clock: func() time.Time { return time.Now().Add(jumped) }})
		c := listen(t, h, fleetQuery)
		c.took()
		put(t, h, "a", "")
		require.Equal(t, "1 a", c.told())
		for _, jumped = range []time.Duration{time.Hour, -time.Hour, time.Hour, 0} {
			time.Sleep(10*time.Second - time.Millisecond)
			require.Empty(t, c.took())
			time.Sleep(time.Millisecond)
			require.Equal(t, "1 -", c.told())
			require.Equal(t, 1, h.Stats().Vehicles)
		}
		time.Sleep(22 * time.Second)
		require.Contains(t, c.told(), "gone a expired")
	})
}

// An event that waits for company must not be passed over by a heartbeat's id.
func TestHeartbeatDoesNotPassOwnEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Heartbeat: 10 * time.Second})
		time.Sleep(time.Second)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Minute})
		c.took()
		time.Sleep(time.Second)
		put(t, h, "a", "")
		put(t, h, "b", "")
		time.Sleep(58 * time.Second)
		require.Equal(t, "0 - | 0 - | 0 - | 0 - | 0 -", c.told())
		time.Sleep(time.Second)
		require.Equal(t, "0 - | 1 a | 2 b", c.told())
		time.Sleep(10 * time.Second)
		require.Equal(t, "2 -", c.told())
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Ping: 5 * time.Second})
		silent := listen(t, h, fleetQuery)
		began := time.Now()
		c.took()
		silent.took()
		time.Sleep(20 * time.Second)
		require.Equal(t, "ping | ping | ping | ping", c.told())
		require.Empty(t, silent.took())

		for range 200 {
			put(t, h, "a", "")
			time.Sleep(100 * time.Millisecond)
		}
		pings := 0
		for _, w := range c.took() {
			if strings.Contains(w.text, "event: ping") {
				pings++
				require.Zero(t, w.at.Sub(began)%(5*time.Second))
			}
		}
		require.Equal(t, 4, pings, "also while events flow")
	})
}

// A reader that never has everything is one long write: pings must get between.
func TestPingWhileReaderIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		c := listenSlowly(t, h, stream.Query{Topics: []string{stream.AllTopic}, Ping: 5 * time.Second})
		for range 60 {
			fill(t, h, "a", 32_000)
			time.Sleep(time.Second)
			c.gate <- struct{}{}
		}
		pings := strings.Count(c.text(), "event: ping")
		require.GreaterOrEqual(t, pings, 9)
		require.LessOrEqual(t, pings, 13)
	})
}

func TestIntervalGivesTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second})
		require.Equal(t, "hello | reset new | 0 live snapshot 0 0", c.told())
		time.Sleep(500 * time.Millisecond)
		put(t, h, "a", `"timestamp":946684800`)
		put(t, h, "b", "")
		put(t, h, "a", `"timestamp":946684801`)
		require.Empty(t, c.took())
		put(t, h, "a", `"timestamp":946684800`)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, "2 b | 3 a", c.told(), "the newest; late ones are left out")
		put(t, h, "a", `"timestamp":946684802`)
		put(t, h, "c", "")
		h.Delete("c")
		put(t, h, "d", "")
		h.Delete("d")
		put(t, h, "d", `"n":1`)
		time.Sleep(time.Second)
		require.Equal(t, "5 a | 7 gone c deleted | 10 d", c.told())
		time.Sleep(10 * time.Second)
		put(t, h, "a", `"timestamp":946684803`)
		require.Equal(t, "11 a", c.told(), "an idle stream is written at once")
	})
}

func TestIntervalTellsWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		in, out := `"lat":1,"lon":2`, `"lat":-1,"lon":-2`
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second, Box: box(t, "0,0,5,5")})
		c.took()
		put(t, h, "a", in)
		put(t, h, "b", in)
		time.Sleep(time.Second)
		require.Equal(t, "1 a | 2 b", c.told())
		put(t, h, "a", out)
		put(t, h, "a", `"lat":-2,"lon":-2`)
		put(t, h, "b", out)
		put(t, h, "b", in)
		time.Sleep(time.Second)
		require.Equal(t, "3 gone a left | 6 b", c.told())
	})
}

// When looking through the events of an interval takes more than one go, those
// published meanwhile still wait for the next interval.
func TestIntervalSpansWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quiet(t)
		c := listenSlowly(t, h, stream.Query{
			Topics: []string{stream.AllTopic}, Interval: time.Second, Box: box(t, "0,0,5,5"),
		})
		for range 3 {
			c.gate <- struct{}{}
		}
		require.Equal(t, "hello | reset new | 0 live snapshot 0 0", c.told())
		put(t, h, "a", "")
		for n := range 2100 {
			put(t, h, "elsewhere", fmt.Sprintf(`"lat":-1,"lon":-1,"n":%d`, n))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		put(t, h, "a", `"n":1`)
		synctest.Wait()
		c.gate <- struct{}{}
		require.Equal(t, "1 a", c.told())
		select {
		case c.gate <- struct{}{}:
			t.Fatal("the next must wait out the interval")
		case <-time.After(900 * time.Millisecond):
		}
		c.gate <- struct{}{}
		require.Equal(t, "2102 a", c.told())
	})
}

// Newest-only is normal for an interval, and not announced.
func TestIntervalOutlastsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := small(t)
		put(t, h, "a", "")
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Minute})
		c.took()
		time.Sleep(time.Second)
		put(t, h, "a", `"n":1`)
		put(t, h, "b", "")
		h.Delete("b")
		fill(t, h, "f", 512<<10)
		require.Empty(t, c.took())
		time.Sleep(time.Minute)
		require.Equal(t, fmt.Sprintf("2 a | 4 gone b deleted | %d f", h.Head().Seq), c.told())
	})
}
