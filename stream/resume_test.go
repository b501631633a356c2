package stream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// resume opens a stream with an id and returns its events without the greeting.
func resume(t *testing.T, h *stream.Hub, q stream.Query, id string) string {
	t.Helper()
	q.LastEventID = id
	c := listen(t, h, q)
	received := c.takeEvents()
	c.close()
	return strings.TrimPrefix(received, "hello | ")
}

func topicQuery(ids ...string) stream.Query { return stream.Query{Topics: ids} }

func TestResumeWithoutID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		require.Equal(t, "reset new | 0 live snapshot 0 0", resume(t, h, fleetQuery, ""))
		require.Equal(t, "0 live tail 0 0", resume(t, h, stream.Query{Topics: []string{"x"}, Tail: true}, ""))
		require.Equal(t, "0 live replay 0 0", resume(t, h, fleetQuery, h.Head().String()))
		publish(t, h, "a", `"topics":["x"]`)
		publish(t, h, "b", `"topics":["x","y"]`)
		publish(t, h, "c", `"lat":-1,"lon":-1`)
		publish(t, h, "a", `"n":1`)
		h.Delete("c")
		publish(t, h, "d", `"topics":["x"]`)
		publish(t, h, "d", `"topics":[]`)
		require.Equal(t, "reset new | 2 b | 4 a | 7 d | 7 live snapshot 3 0", resume(t, h, fleetQuery, ""),
			"in rising order of ids, without those that went")
		require.Equal(t, "reset new | 2 b | 4 a | 7 live snapshot 2 0", resume(t, h, topicQuery("x"), ""))
		require.Equal(t, "reset new | 2 b | 4 a | 7 live snapshot 2 0",
			resume(t, h, topicQuery("x", "y", "vehicle:a", "x"), ""))
		require.Equal(t, "reset new | 4 a | 7 live snapshot 1 0",
			resume(t, h, topicQuery("vehicle:a", "vehicle:c", "vehicle:z"), ""))
		require.Equal(t, "reset new | 7 live snapshot 0 0", resume(t, h, topicQuery("nothing"), ""))
		require.Equal(t, "7 live tail 0 0", resume(t, h, stream.Query{Topics: []string{"x"}, Tail: true}, ""))
		require.Equal(t, "reset new | 4 a | 7 live snapshot 1 0",
			resume(t, h, stream.Query{Topics: []string{"x", "vehicle:a"}, Box: box(t, "5,5,6,6")}, ""),
			"a box does not restrict vehicle topics")
	})
}

// A view is frozen when its reset is written: writing that may take long.
func TestViewIsFrozenAfterTheReset(t *testing.T) {
	h := start(t, stream.Config{})
	publish(t, h, "a", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var text strings.Builder
	h.Subscribe(fleetQuery).Serve(ctx, func(p []byte) error {
		text.Write(p)
		switch {
		case strings.Contains(string(p), "event: reset\n"):
			publish(t, h, "b", "")
		case strings.Contains(string(p), "event: live\n"):
			cancel()
		}
		return nil
	})
	require.Equal(t, "hello | reset new | 1 a | 2 b | 2 live snapshot 2 0", brief(text.String()))
}

func TestResumeByReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		publish(t, h, "a", `"topics":["x"],"timestamp":900000100`)
		publish(t, h, "b", `"topics":["y"]`)
		publish(t, h, "a", `"timestamp":900000101`)
		publish(t, h, "a", `"timestamp":900000099`)
		publish(t, h, "a", `"timestamp":900000102,"topics":[],"lat":50,"lon":2`)
		h.Delete("b")
		id := func(seq uint64) string { return stream.ID{Epoch: h.Head().Epoch, Number: seq}.String() }
		require.Equal(t, "2 b | 3 a | 4 late a | 5 a | 6 gone b deleted | 6 live replay 5 0",
			resume(t, h, fleetQuery, id(1)))
		require.Equal(t, "1 a | 2 b | 3 a | 4 late a | 5 a | 6 gone b deleted | 6 live replay 6 0",
			resume(t, h, fleetQuery, id(0)))
		require.Equal(t, "6 gone b deleted | 6 live replay 1 0", resume(t, h, fleetQuery, id(5)))
		require.Equal(t, "6 live replay 0 0", resume(t, h, fleetQuery, id(6)))
		require.Equal(t, "3 a | 4 late a | 5 gone a left | 6 live replay 3 0", resume(t, h, topicQuery("x"), id(1)))
		require.Equal(t, "4 late a | 5 gone a left | 6 gone b deleted | 6 live replay 3 0",
			resume(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,9,9")}, id(3)))
		require.Equal(t, "6 gone b deleted | 6 live replay 1 0", resume(t, h, topicQuery("vehicle:b"), id(2)))
		require.Equal(t, "6 live replay 0 0", resume(t, h, topicQuery("nothing"), id(2)))
		require.Equal(t, "5 a | 6 gone b deleted | 6 live replay 2 0",
			resume(t, h, stream.Query{Topics: []string{stream.AllTopic}, Tail: true}, id(4)))
		require.Equal(t, "5 a | 6 gone b deleted | 6 live conflated 2",
			resume(t, h, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second}, id(1)),
			"with an interval to the newest position")
	})
}

// smallHub returns a hub with a log of some hundreds of KiB. A reader may be 32 KiB behind.
func smallHub(t *testing.T) *stream.Hub {
	h := start(t, stream.Config{History: 256 << 10, MaxBacklog: 32 << 10, Heartbeat: time.Hour,
		Settings: stream.Settings{stream.MaxVehicles: 50}})
	time.Sleep(time.Second)
	return h
}

// TestResumeBehind is about two kinds of old ids. The log still holds the events of one, but they
// are too many. It has dropped those of the other.
func TestResumeBehind(t *testing.T) {
	for _, test := range []struct {
		name string
		fill int
	}{{"over the backlog", 64 << 10}, {"out of the log", 512 << 10}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := smallHub(t)
				publish(t, h, "a", `"topics":["x"]`)
				publish(t, h, "b", `"topics":["x"]`)
				publish(t, h, "c", `"topics":["x"]`)
				id := h.Head().String()
				publish(t, h, "b", `"n":1`)
				h.Delete("c")
				publish(t, h, "f", `"topics":["x"]`)
				fillLog(t, h, "f", test.fill)
				head := h.Head().Number

				require.Equal(t, fmt.Sprintf("4 b | 5 gone c deleted | %d f | %[1]d live conflated 3 %d", head, head-3-3),
					resume(t, h, fleetQuery, id), "whole fleet")
				require.Equal(t, fmt.Sprintf("4 b | 5 gone c deleted | %d f | %[1]d live conflated 3 %d", head, head-3-3),
					resume(t, h, stream.Query{Topics: []string{stream.AllTopic, "x"}, Box: box(t, "-200,-90,200,90")},
						id), "the world")
				require.Equal(t, fmt.Sprintf("4 b | 5 gone c deleted | %d f | %[1]d live conflated 3", head),
					resume(t, h, topicQuery("vehicle:a", "vehicle:b", "vehicle:c", "vehicle:f"), id), "vehicles")
				require.Equal(t, fmt.Sprintf("reset behind | 1 a | 4 b | %d f | %[1]d live snapshot 3", head),
					resume(t, h, topicQuery("x"), id), "a topic")
				require.Equal(t, fmt.Sprintf("reset behind | 1 a | 4 b | %d f | %[1]d live snapshot 3", head),
					resume(t, h, topicQuery("x", "vehicle:b"), id), "a topic and a vehicle")
				require.Equal(t, fmt.Sprintf("reset behind | 1 a | 4 b | %d f | %[1]d live snapshot 3", head),
					resume(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")}, id), "a box")
				require.Equal(t, fmt.Sprintf("reset behind | %d live tail 0", head),
					resume(t, h, stream.Query{Topics: []string{"x"}, Tail: true}, id), "a tail of a topic")
				require.Equal(t, fmt.Sprintf("4 b | 5 gone c deleted | %d f | %[1]d live conflated 3 %d", head, head-3-3),
					resume(t, h, stream.Query{Topics: []string{stream.AllTopic}, Tail: true}, id), "a tail of the fleet")
			})
		})
	}
}

// Events out of scope do not put a reader behind, as long as the log holds its id.
func TestResumeQuietStreamIsNotBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := smallHub(t)
		publish(t, h, "a", `"topics":["x"]`)
		id := h.Head().String()
		publish(t, h, "a", `"n":1`)
		fillLog(t, h, "f", 64<<10)
		head := h.Head().Number
		for _, q := range []stream.Query{
			topicQuery("x"), topicQuery("vehicle:a"), topicQuery("x", "vehicle:a"), topicQuery("nothing", "x"),
			{Topics: []string{"x"}, Box: box(t, "0,0,5,5")},
		} {
			require.Equal(t, fmt.Sprintf("2 a | %d live replay 1 0", head), resume(t, h, q, id), q.Topics)
		}
	})
}

func TestResumeWithForeignID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		publish(t, h, "a", "")
		epoch := h.Head().Epoch
		for name, id := range map[string]string{
			"another epoch": "0-1", "the future": epoch + "-2", "far future": epoch + "-18446744073709551615",
			"not an id": "1", "too long": epoch + "-1" + strings.Repeat("0", 64), "not a number": epoch + "-x",
			"leading zero": epoch + "-01", "space": " ",
		} {
			require.Equal(t, "reset epoch | 1 a | 1 live snapshot 1", resume(t, h, fleetQuery, id), name)
			require.Equal(t, "reset epoch | 1 live tail 0",
				resume(t, h, stream.Query{Topics: []string{stream.AllTopic}, Tail: true}, id), name)
		}
	})
}

// Ids from before a dropped tombstone get a reset; ids from after it do not.
func TestResumeAfterTombstonesWereDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := smallHub(t)
		publish(t, h, "a", "")
		before := h.Head().String()
		h.Delete("a")
		after := h.Head().String()
		time.Sleep(time.Second)
		for n := range 50 {
			publish(t, h, fmt.Sprint("v", n), "")
		}
		fillLog(t, h, "v0", 512<<10)
		require.Zero(t, h.Stats().Gone)
		for _, q := range []stream.Query{fleetQuery, topicQuery("vehicle:a"), topicQuery("vehicle:v1")} {
			require.Contains(t, resume(t, h, q, before), "reset behind | ")
			received := resume(t, h, q, after)
			require.NotContains(t, received, "reset")
			require.Contains(t, received, "live conflated")
		}
	})
}

// While a reader is busy, a position arrives late for a tombstone, the log drops it, and the
// tombstone is dropped. The reader must learn that it missed something.
func TestLateEventOfForgottenVehicleIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := smallHub(t)
		publish(t, h, "a", `"timestamp":900000100`)
		c := listenSlowly(t, h, topicQuery("vehicle:a"))
		for range 3 {
			c.gate <- struct{}{}
		}
		require.Equal(t, "hello | reset new | 1 a | 1 live snapshot 1 0", c.takeEvents())
		h.Delete("a")
		time.Sleep(time.Second) // its write begins
		publish(t, h, "a", `"timestamp":900000099`)
		time.Sleep(time.Second)
		for n := range 50 {
			publish(t, h, fmt.Sprint("v", n), "")
		}
		fillLog(t, h, "v0", 512<<10)
		c.open()
		time.Sleep(time.Second)
		require.Equal(t, fmt.Sprintf("2 gone a deleted | reset behind | %d live snapshot 0", h.Head().Number),
			c.takeEvents())
	})
}

// A reader that is cut within a snapshot resumes without loss, from the id of any event.
func TestResumeFromWithinSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		for _, id := range []string{"a", "b", "c", "d"} {
			publish(t, h, id, "")
		}
		publish(t, h, "b", `"n":1`)
		require.Equal(t, "reset new | 1 a | 3 c | 4 d | 5 b | 5 live snapshot 4 0", resume(t, h, fleetQuery, ""))
		require.Equal(t, "4 d | 5 b | 5 live replay 2 0",
			resume(t, h, fleetQuery, stream.ID{Epoch: h.Head().Epoch, Number: 3}.String()))
	})
}

// Nor does a slow snapshot put a reader behind.
func TestQuietStreamIsNotBehindAfterSlowSnapshot(t *testing.T) {
	for _, id := range []string{"x", "vehicle:a"} {
		synctest.Test(t, func(t *testing.T) {
			h := smallHub(t)
			publish(t, h, "a", `"topics":["x"]`)
			s := h.Subscribe(topicQuery(id))
			publish(t, h, "a", `"n":1`)
			synctest.Wait() // the stream was notified of this event; its snapshot holds it
			c := serve(t, h, s, make(chan struct{}))
			for range 2 {
				c.gate <- struct{}{}
				synctest.Wait()
			}
			fillLog(t, h, "f", 512<<10)
			c.open()
			time.Sleep(time.Second)
			require.Equal(t, "hello | reset new | 2 a | 2 live snapshot 1 0", c.takeEvents())
			publish(t, h, "a", `"n":2`)
			require.Equal(t, fmt.Sprint(h.Head().Number, " a"), c.takeEvents())
		})
	}
}

// A replay ends at the event that was newest when it began. Later events are live.
func TestReplayEndsWhereTheHeadWas(t *testing.T) {
	for _, q := range []stream.Query{
		fleetQuery, topicQuery("x"), {Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := quietHub(t)
			large := fmt.Sprintf(`"topics":["x"],"filler":"%s"`, strings.Repeat("x", 9000))
			for n := range 4 {
				publish(t, h, "a", fmt.Sprintf(`%s,"n":%d`, large, n))
			}
			q.LastEventID = stream.ID{Epoch: h.Head().Epoch}.String()
			c := listenSlowly(t, h, q)
			c.gate <- struct{}{}
			synctest.Wait()
			publish(t, h, "a", `"n":5`)
			c.open()
			time.Sleep(time.Second)
			require.Equal(t, "hello | 1 a | 2 a | 3 a | 4 a | 4 live replay 4 0 | 5 a", c.takeEvents())
		})
	}
}
