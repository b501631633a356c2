package stream_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// golden returns what a client received since the last call. E stands for the epoch, and R for the
// milliseconds of retry.
func golden(c *client) string {
	text := strings.ReplaceAll(c.takeText(), c.hub.Head().Epoch+"-", "E-")
	return regexp.MustCompile(`retry: \d+`).ReplaceAllString(text, "retry: R")
}

// The clock of synctest begins at 2000-01-01T00:00:00Z, 946684800.

func TestWireSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		publish(t, h, "TRUCK-042", `"speed_kmh":85,"timestamp":946684799.5,"topics":["depot:7"]`)
		publish(t, h, `"\`+"é", `"note":"<b> & ü`+"\u2028\u0085\u2029"+`","altitude":34`)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Protocol: "h3"})
		require.Equal(t, `retry: R
event: ping
data: {"time":946684800}

event: reset
data: {"reason":"new"}

data: {"type":"Feature","id":"TRUCK-042","geometry":{"type":"Point","coordinates":[2,1]},`+
			`"properties":{"vehicle_id":"TRUCK-042","speed_kmh":85,"timestamp":946684799.5}}
id: E-1

data: {"type":"Feature","id":"\"\\é","geometry":{"type":"Point","coordinates":[2,1,34]},`+
			`"properties":{"vehicle_id":"\"\\é","note":"<b> & ü\u2028\u0085\u2029","timestamp":946684800,`+
			`"time_basis":"arrival"}}
id: E-2

event: live
data: {"mode":"snapshot","events":2,"skipped":0,"protocol":"h3","time":946684800}
id: E-2

`, golden(c))
	})
}

func TestWireLiveEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Settings: ttl(time.Minute), Heartbeat: time.Hour})
		c := listen(t, h, stream.Query{Topics: []string{"depot:7"}, Protocol: "h1"})
		time.Sleep(1500 * time.Millisecond)
		c.takeWrites()

		publish(t, h, "a", `"topics":["depot:7"],"timestamp":946684801`)
		publish(t, h, "a", `"timestamp":946684800`)
		publish(t, h, "a", `"topics":["depot:8"],"timestamp":946684802`)
		publish(t, h, "a", `"topics":["depot:7"],"timestamp":946684803`)
		publish(t, h, "<ü>", `"topics":["depot:7"],"timestamp":946684801`)
		require.True(t, must(h.Delete("<ü>")))
		time.Sleep(time.Second)
		require.Equal(t, `data: {"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[2,1]},`+
			`"properties":{"vehicle_id":"a","timestamp":946684801}}
id: E-1

event: late
data: {"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[2,1]},`+
			`"properties":{"vehicle_id":"a","timestamp":946684800}}
id: E-2

event: gone
data: {"vehicle_id":"a","reason":"left"}
id: E-3

data: {"type":"Feature","id":"a","geometry":{"type":"Point","coordinates":[2,1]},`+
			`"properties":{"vehicle_id":"a","timestamp":946684803}}
id: E-4

data: {"type":"Feature","id":"<ü>","geometry":{"type":"Point","coordinates":[2,1]},`+
			`"properties":{"vehicle_id":"<ü>","timestamp":946684801}}
id: E-5

event: gone
data: {"vehicle_id":"<ü>","reason":"deleted"}
id: E-6

`, golden(c))

		time.Sleep(59 * time.Second)
		c.takeWrites()
		time.Sleep(time.Second)
		require.Equal(t, `event: gone
data: {"vehicle_id":"a","reason":"expired"}
id: E-7

`, golden(c))
	})
}

func TestWireLiveModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{MaxBacklog: 4000})
		time.Sleep(1123456 * time.Microsecond)
		publish(t, h, "a", "")
		old := publish(t, h, "b", "").ID.String()
		fillLog(t, h, "a", 20_000)
		recent := publish(t, h, "b", `"n":1`).ID.String()
		publish(t, h, "c", "")
		for _, test := range []struct{ name, id, live string }{
			{"snapshot", "", `{"mode":"snapshot","events":3,"skipped":0,"protocol":"h2","time":946684801.123}`},
			{"replay", recent, `{"mode":"replay","events":1,"skipped":0,"protocol":"h2","time":946684801.123}`},
			{"conflated", old, `{"mode":"conflated","events":3,"skipped":2,"protocol":"h2","time":946684801.123}`},
			{"epoch", "x-1", `{"mode":"snapshot","events":3,"protocol":"h2","time":946684801.123}`},
		} {
			c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Protocol: "h2", LastEventID: test.id})
			require.Contains(t, golden(c), "event: live\ndata: "+test.live+"\nid: E-7\n\n", test.name)
		}
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Protocol: "h2", Tail: true})
		require.Equal(t, `retry: R
event: ping
data: {"time":946684801.123}

event: live
data: {"mode":"tail","events":0,"skipped":0,"protocol":"h2","time":946684801.123}
id: E-7

`, golden(c))
		require.Contains(t, golden(listen(t, h,
			stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5"), LastEventID: old})),
			"event: reset\ndata: {\"reason\":\"behind\"}\n\n")
		require.Contains(t, golden(listen(t, h, stream.Query{Topics: []string{"x"}, LastEventID: "7"})),
			"event: reset\ndata: {\"reason\":\"epoch\"}\n\n")
	})
}

func TestWireSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Ping: 20 * time.Second})
		c.takeWrites()
		time.Sleep(15 * time.Second)
		require.Equal(t, "event: ping\ndata: {\"time\":946684815}\nid: E-0\n\n", golden(c), "after a silence")
		publish(t, h, "a", "")
		c.takeWrites()
		time.Sleep(15 * time.Second)
		require.Equal(t, "event: ping\ndata: {\"time\":946684830}\nid: E-1\n\n", golden(c))
		h.Drain(t.Context(), time.Second)
		require.Equal(t, "event: bye\ndata: {\"reason\":\"draining\"}\n\n", golden(c))
	})
}

// The first event has the id that the client came with, where that may be one. What a client kept of an
// event that was cut is then of an event with that id, and the event comes again.
func TestWireGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		longest := strings.Repeat("z", 40)
		for id, line := range map[string]string{
			"":            "",
			"x-7":         "id: x-7\n",
			"x-7-3":       "id: x-7-3\n",
			longest:       "id: " + longest + "\n",
			longest + "z": "",
			"X-7":         "",
			"x-7 ":        "",
			"x-7\nid: y":  "",
			"x-7\rid: y":  "",
			"x-\x00":      "",
			"ü-7":         "",
			"x_7":         "",
		} {
			want := "retry: R\nevent: ping\n" + line + "data: {\"time\":946684800}\n\n"
			first, _, _ := strings.Cut(golden(listen(t, h,
				stream.Query{Topics: []string{stream.AllTopic}, LastEventID: id})), "event: reset")
			require.Equal(t, want, first, "%q", id)
			require.Equal(t, "retry: 60000\nevent: ping\n"+line+"data: {\"time\":946684800}\n\n"+
				"event: bye\ndata: {\"reason\":\"too-many\"}\n\n",
				string(h.TurnedAway(id, time.Minute)), "%q", id)
		}
	})
}

// The clients of one wave must not come back at one moment.
func TestWireRetryIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		low, high := 10_000, 0
		for range 200 {
			text := listen(t, h, fleetQuery).takeText()
			found := regexp.MustCompile(`^retry: (\d+)\nevent: ping\ndata: `).FindStringSubmatch(text)
			require.NotNil(t, found, text)
			retry, err := strconv.Atoi(found[1])
			require.NoError(t, err)
			low, high = min(low, retry), max(high, retry)
		}
		require.GreaterOrEqual(t, low, 1000)
		require.Less(t, low, 1500)
		require.Greater(t, high, 2500)
		require.Less(t, high, 3000)
	})
}

func TestWireIDs(t *testing.T) {
	longest := stream.ID{Epoch: "3w5e11264sgsf", Number: 1<<64 - 1}
	require.LessOrEqual(t, len(longest.String()), 40)
	for range 100 {
		h := stream.New(stream.Config{})
		require.Regexp(t, `^[0-9a-z]{1,13}-0$`, h.Head().String())
		h.Close()
	}
	id, ok := stream.ParseID(longest.String())
	require.True(t, ok)
	require.Equal(t, longest, id)
	for _, text := range []string{"", "-", "e-", "-1", "e", "e1", "e-01", "e-+1", "e--1", "e-1 ", "e-1-2",
		"e-18446744073709551616", strings.Repeat("e", 63) + "-1"} {
		_, ok := stream.ParseID(text)
		require.False(t, ok, text)
	}
	_, ok = stream.ParseID(strings.Repeat("e", 62) + "-1")
	require.True(t, ok)
}

// With any name, one event stays one event.
func TestWireNamesCannotInject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		p := &geo.Position{VehicleID: "a\n\ndata: x\r\n\nid: 9"}
		_, err := h.Publish(p)
		require.NoError(t, err)
		h.Delete(p.VehicleID)
		time.Sleep(time.Second)
		text := c.takeText()
		require.Equal(t, 2, strings.Count(text, "\n\n"), text)
		require.NotContains(t, text, "\r")
		require.NotContains(t, text, "\ndata: x")
	})
}
