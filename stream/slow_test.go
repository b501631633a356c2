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

// slowReader keeps the positions that it gets, at 16 KiB a second.
type slowReader struct {
	t             *testing.T
	hub           *stream.Hub
	client        *client
	query         stream.Query
	lastID        string
	newest        map[string]int // number of the newest position, per vehicle
	seenSinceLive map[string]int // how often each vehicle came since the last `live`
	views         int            // complete views: every vehicle came
	events        int64          // events on this connection
}

// read parses one write.
func (r *slowReader) read(vehicles int) {
	r.client.gate <- struct{}{}
	for event := range strings.SplitSeq(r.client.takeText(), "\n\n") {
		if id := between(event+"\n", "\nid: ", "\n"); id != "" {
			r.lastID = id
		}
		switch {
		case strings.Contains(event, "event: live"):
			require.Len(r.t, r.seenSinceLive, vehicles, "every vehicle comes in every view")
			r.views++
			clear(r.seenSinceLive)
		case strings.Contains(event, "event: reset"), event == "", strings.Contains(event, "retry: "):
		default:
			vehicle, n := between(event, `"vehicle_id":"`, `"`), number(event)
			require.GreaterOrEqual(r.t, n, r.newest[vehicle], "%s went back in time", vehicle)
			r.newest[vehicle] = n
			r.seenSinceLive[vehicle]++
			r.events++
		}
	}
}

func (r *slowReader) connect() {
	r.query.LastEventID = r.lastID
	r.client = listenSlowly(r.t, r.hub, r.query)
	clear(r.seenSinceLive)
	r.events = 0
}

// cut ends the connection. The stream must have counted what it wrote.
func (r *slowReader) cut() {
	require.Equal(r.t, r.events, r.client.close().Events)
}

// A reader of 16 KiB a second follows a fleet whose newest positions take 600 KiB, while the log
// holds half a second.
func TestSlowReaderGetsEveryVehicle(t *testing.T) {
	const vehicles = 100
	filler := strings.Repeat("x", 6000)
	for _, test := range []struct {
		name string
		cut  int // cut the connection after so many writes; 0: never
		q    stream.Query
	}{
		{"whole fleet", 0, fleetQuery},
		{"box", 0, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")}},
		{"topic", 0, topicQuery("x")},
		{"interval", 0, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second}},
		{"whole fleet, cut", 61, fleetQuery},
		{"box, cut", 61, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t, stream.Config{History: 256 << 10, MaxBacklog: 64 << 10, Heartbeat: time.Hour})
				r := &slowReader{t: t, hub: h, query: test.q, newest: map[string]int{}, seenSinceLive: map[string]int{}}
				move := func(n int) {
					for v := range vehicles {
						publish(t, h, fmt.Sprint("v", v), fmt.Sprintf(`"n":%d,"topics":["x"],"filler":"%s"`, n, filler))
					}
				}
				move(0)
				r.connect()
				n := 1
				for ; n < 140; n++ {
					if n%7 == 0 {
						move(n)
					}
					time.Sleep(time.Second)
					if test.cut > 0 && n%test.cut == 0 {
						r.cut()
						r.connect()
					}
					r.read(vehicles)
				}
				require.Len(t, r.newest, vehicles)
				if test.q.Interval == 0 {
					require.GreaterOrEqual(t, r.views, 2)
				}
				// When the fleet rests, the reader comes to hold the current state.
				r.client.open()
				time.Sleep(time.Minute)
				for event := range strings.SplitSeq(r.client.takeText(), "\n\n") {
					if strings.Contains(event, `"n":`) {
						vehicle, n := between(event, `"vehicle_id":"`, `"`), number(event)
						require.GreaterOrEqual(t, n, r.newest[vehicle], "%s went back in time", vehicle)
						r.newest[vehicle] = n
						r.events++
					}
				}
				r.cut()
				for vehicle, n := range r.newest {
					require.Equal(t, 133, n, vehicle)
				}
			})
		})
	}
}

// A reader may get a position newer than its view. That position must not be taken back, whether
// the reader is cut and resumes or not.
func TestIDsAreWithheldWhileTheViewIsStale(t *testing.T) {
	large := fmt.Sprintf(`"filler":"%s"`, strings.Repeat("x", 16_150)) // fills a write
	for name, q := range map[string]stream.Query{
		"whole fleet": fleetQuery,
		"vehicles":    topicQuery("vehicle:first", "vehicle:v", "vehicle:second"),
	} {
		for cut := range 6 { // 5: not cut
			t.Run(fmt.Sprint(name, ", cut after ", cut), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := smallHub(t)
					publish(t, h, "first", large)
					publish(t, h, "v", `"n":1,"timestamp":900000100`)
					c := listenSlowly(t, h, q)
					for range 2 { // the greeting and the reset; then the view is frozen, and the first entry read
						c.gate <- struct{}{}
						synctest.Wait()
					}
					fillLog(t, h, "f", 512<<10)
					publish(t, h, "second", large)
					publish(t, h, "v", `"n":2,"timestamp":900000100`)
					publish(t, h, "v", `"n":3,"timestamp":900000100`)
					for range cut % 5 {
						c.gate <- struct{}{}
						synctest.Wait()
					}
					if cut == 5 {
						c.open()
						require.Regexp(t, `\| \d+ live conflated \d+( \d+)?$`, c.takeEvents(),
							"in the end it holds the truth, of an id")
						return
					}
					text := c.takeText()
					c.close()
					id := "" // id of the last whole event
					if i := strings.LastIndex(text, "\nid: "); i >= 0 {
						id, _, _ = strings.Cut(text[i+len("\nid: "):], "\n")
					}
					q.LastEventID = id
					text += listen(t, h, q).takeText()
					newest := 0
					for event := range strings.SplitSeq(text, "\n\n") {
						if strings.Contains(event, `"vehicle_id":"v"`) {
							require.GreaterOrEqual(t, number(event), newest, "v went back in time")
							newest = number(event)
						}
					}
					require.Equal(t, 3, newest)
				})
			})
		}
	}
}

// A tail may get positions newer than its view, and then lose track of vehicles that went. It is
// reset.
func TestTailIsResetWhenItsViewIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := smallHub(t)
		publish(t, h, "before", "")
		publish(t, h, "first", fmt.Sprintf(`"filler":"%s"`, strings.Repeat("x", 16_150)))
		publish(t, h, "v", "")
		publish(t, h, "z", "")
		fillLog(t, h, "f", 512<<10)
		c := listenSlowly(t, h, stream.Query{
			Topics: []string{stream.AllTopic}, Tail: true, LastEventID: stream.ID{Epoch: h.Head().Epoch,
				Number: 1}.String(),
		})
		c.gate <- struct{}{}
		time.Sleep(time.Second)
		publish(t, h, "v", `"n":1`)
		h.Delete("z")
		for n := range 49 {
			publish(t, h, fmt.Sprint("v", n), "")
			time.Sleep(time.Second)
		}
		fillLog(t, h, "v48", 512<<10)
		c.open()
		time.Sleep(time.Second)
		require.Equal(t, fmt.Sprintf("hello | 2 first | v | gone z deleted | gone f expired | "+
			"live conflated 4 65 | reset behind | %d live tail 0", h.Head().Number), c.takeEvents())
	})
}
