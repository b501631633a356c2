package stream_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo/geofence"
	"livemap/stream"
)

// yard is a square of a degree around longitude 2, latitude 1.
const yard = `{"type":"Polygon","coordinates":[[[1.5,0.5],[2.5,0.5],[2.5,1.5],[1.5,1.5],[1.5,0.5]]]}`

// circle is 1 km around longitude 2, latitude 1.
const circle = `{"type":"Point","coordinates":[2,1]}`

func parseFence(t testing.TB, id, geometry, properties string) *geofence.Fence {
	t.Helper()
	f, err := geofence.Parse(id, fmt.Appendf(nil, `{"type":"Feature","geometry":%s,"properties":{%s}}`,
		geometry, properties))
	require.NoError(t, err)
	return f
}

// putFence makes or changes a fence, and returns its version.
func putFence(t testing.TB, h *stream.Hub, id, geometry, properties string) uint64 {
	t.Helper()
	came, err := h.PutFence(parseFence(t, id, geometry, properties), stream.Maker{}, stream.Match{})
	require.NoError(t, err)
	require.Contains(t, []stream.FenceChange{stream.FenceMade, stream.FenceChanged}, came.FenceChange)
	return came.Version
}

// at publishes a position of a vehicle at a second after the test began, at a longitude on latitude 1.
func at(
	t testing.TB, h *stream.Hub, id string, second int, longitude float64, members ...string,
) stream.Receipt {
	t.Helper()
	text := fmt.Sprintf(`"lat":1,"lon":%v,"timestamp":%d`, longitude, second0+second)
	return publish(t, h, id, strings.Join(append(members, text), ","))
}

var quiet = stream.Config{Heartbeat: time.Hour * 1000}

const second0 = 946684800 // when the clock of a test begins: see testing/synctest

var fenceWords = regexp.MustCompile(`"type":"(\w+)","fence":\{"id":"([^"]*)".*?\}` +
	`(?:,"vehicle_id":"([^"]*)")?,` +
	`"time":([\d.]+)|"(by|cause)":"(\w+)"|"gap":(true)`)

// fenceBrief returns the events of fences in a text, such as `enter yard V@3`.
func fenceBrief(text string) string {
	var all []string
	for event := range strings.SplitSeq(text, "\n\n") {
		if !strings.HasPrefix(event, "event: fence\n") {
			continue
		}
		words := ""
		for _, m := range fenceWords.FindAllStringSubmatch(event, -1) {
			switch {
			case m[1] != "":
				var seconds float64
				fmt.Sscan(m[4], &seconds)
				words += fmt.Sprintf("%s %s %s@%v", m[1], m[2], m[3], seconds-second0)
			case m[7] != "":
				words += " gap"
			default:
				words += " " + m[6]
			}
		}
		all = append(all, words)
	}
	return strings.Join(all, " | ")
}

// TestFenceOnTheWire has an entry and an exit, byte by byte.
func TestFenceOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listen(t, h, topicQuery("fence:y"))
		require.Equal(t, "hello | reset new | 0 live snapshot 0 0", c.takeEvents())
		take := func() string {
			time.Sleep(time.Second)
			return golden(c)
		}
		putFence(t, h, "y", yard, `"name":"Yard"`)
		require.Equal(t, `event: fence
data: {"type":"changed","fence":{"id":"y","name":"Yard","version":1},"time":946684801,"decided":946684801,`+
			`"cause":"created"}
id: E-1

`, take())
		at(t, h, "V", 1, 3)
		require.Empty(t, take())
		at(t, h, "V", 2, 2.4, `"accuracy":5`)
		feature := `{"type":"Feature","id":"V","geometry":{"type":"Point","coordinates":[2.4,1]},` +
			`"properties":{"vehicle_id":"V","accuracy":5,"timestamp":946684802}}`
		require.Equal(t, `data: `+feature+`
id: E-3

event: fence
data: {"type":"enter","fence":{"id":"y","name":"Yard","version":1},"vehicle_id":"V","time":946684802,`+
			`"decided":946684803,"distance_m":-11111.604,"position":`+feature+`}
id: E-4

`, take())
		at(t, h, "V", 5, 2.6)
		require.Equal(t, `event: gone
data: {"vehicle_id":"V","reason":"left"}
id: E-5

event: fence
data: {"type":"exit","fence":{"id":"y","name":"Yard","version":1},"vehicle_id":"V","time":946684805,`+
			`"decided":946684804,"distance_m":11111.604,"dwell_s":3,"position":{"type":"Feature","id":"V",`+
			`"geometry":{"type":"Point","coordinates":[2.6,1]},"properties":{"vehicle_id":"V",`+
			`"timestamp":946684805}}}
id: E-6

`, take())
	})
}

// TestFencesTell tells of one fence by what is published.
func TestFencesTell(t *testing.T) {
	day := func(windows string) string {
		return `"active":{"tz":"UTC","windows":[` + windows + `]}`
	}
	for name, test := range map[string]struct {
		properties string
		act        func(t *testing.T, h *stream.Hub)
		want       string
	}{
		"crossed": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 3)
			at(t, h, "V", 60, 1)
		}, "crossed f V@60"},
		"not after a gap": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 3)
			time.Sleep(20 * time.Minute)
			at(t, h, "V", 1200, 1)
		}, ""},
		"late positions change nothing": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 10, 3)
			at(t, h, "V", 5, 2)
			at(t, h, "V", 10, 3)
		}, ""},
		"other vehicles": {`"vehicles":["T-*","V2"]`, func(t *testing.T, h *stream.Hub) {
			for _, id := range []string{"V", "V2", "T-1", "t-1"} {
				at(t, h, id, 0, 2)
			}
		}, "enter f V2@0 | enter f T-1@0"},
		"both topics and vehicles": {`"vehicles":["V*"],"topics":["d*"]`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V1", 0, 2)
			at(t, h, "V2", 0, 2, `"topics":["d"]`)
			at(t, h, "W", 0, 2, `"topics":["d"]`)
			at(t, h, "V2", 3, 2, `"topics":["e"]`)
			at(t, h, "V1", 4, 2, `"topics":["e","d7"]`)
		}, "enter f V2@0 | exit f V2@3 gone | enter f V1@4"},
		"dwell by a fix": {`"dwell_s":60`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "V", 60, 2)
		}, "enter f V@0 | dwell f V@60"},
		"dwell by time": {`"dwell_s":60`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "V", 30, 2.1)
			time.Sleep(2 * time.Minute)
			at(t, h, "V", 100, 2.2)
			at(t, h, "V", 101, 3)
		}, "enter f V@0 | dwell f V@60 timer | exit f V@101"},
		"no dwell of who left": {`"dwell_s":60`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "V", 30, 3)
			time.Sleep(2 * time.Minute)
		}, "enter f V@0 | exit f V@30"},
		"no dwell of who is silent": {`"dwell_s":601`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			time.Sleep(time.Hour)
			at(t, h, "V", 3600, 2)
		}, "enter f V@0 | dwell f V@3600"},
		"no dwell by time of who is stale": {`"dwell_s":20`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2, `"expect_within_s":1`)
			time.Sleep(time.Minute)
			at(t, h, "V", 90, 2.1)
		}, "enter f V@0 | dwell f V@90"},
		"no dwell by time of old fixes": {`"dwell_s":60`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", -86400, 2)
			time.Sleep(10 * time.Second)
			at(t, h, "V", -86395, 3)
			at(t, h, "V", -86390, 2)
			time.Sleep(10 * time.Second)
			at(t, h, "V", -86330, 2.1)
		}, "enter f V@-86400 | exit f V@-86395 | enter f V@-86390 | dwell f V@-86330"},
		"contrary evidence cancels a dwell": {`"dwell_s":60,"exit_after_s":100`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "V", 30, 3)
			time.Sleep(2 * time.Minute)
			at(t, h, "V", 80, 2)
		}, "enter f V@0 | dwell f V@80"},
		"schedule": {day(`{"from":"00:01","to":"00:02"}`), func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "W", 0, 3)
			time.Sleep(5 * time.Minute)
		}, "enter f V@60 schedule | exit f V@120 schedule"},
		"schedule, by a fix": {day(`{"from":"00:01","to":"00:02"}`), func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "V", 60, 2)
			time.Sleep(130 * time.Second)
			at(t, h, "V", 125, 2)
			time.Sleep(time.Minute)
		}, "enter f V@60 schedule | exit f V@120 schedule"},
		"deleted": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			h.Delete("V")
			at(t, h, "V", 5, 2.1)
		}, "enter f V@0 | exit f V@0 gone | enter f V@5"},
		"expired vehicle": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			time.Sleep(200 * time.Hour)
		}, "enter f V@0 | exit f V@0 gone"},
		"expired": {`"expires":"2000-01-01T00:00:30Z"`, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			time.Sleep(time.Minute)
			at(t, h, "V", 60, 2)
			at(t, h, "V", 61, 3)
		}, "enter f V@0 | expired f @30"},
		"a change is told once, and those inside are there silently": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			at(t, h, "W", 0, 2)
			putFence(t, h, "f", yard, `"name":"Yard"`)
			at(t, h, "V", 5, 2.1)
			at(t, h, "V", 6, 3)
			at(t, h, "W", 7, 3)
			at(t, h, "W", 8, 2)
		}, "enter f V@0 | enter f W@0 | changed f @1 | exit f V@6 | enter f W@8"},
		"events at the beginning": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			putFence(t, h, "f", yard, `"initial":"events"`)
			at(t, h, "V", 5, 2.1)
			at(t, h, "W", 5, 2.1)
		}, "enter f V@0 | changed f @1 | enter f V@5 created | enter f W@5"},
		"deleted fence": {``, func(t *testing.T, h *stream.Hub) {
			at(t, h, "V", 0, 2)
			came, err := h.DeleteFence("f", stream.Match{})
			require.NoError(t, err)
			require.Equal(t, stream.FenceDeleted, came.FenceChange)
			at(t, h, "V", 1, 3)
			at(t, h, "V", 2, 2)
			putFence(t, h, "f", yard, ``)
			at(t, h, "V", 3, 3)
			at(t, h, "V", 4, 2)
		}, "enter f V@0 | deleted f @1 | changed f @1 created | enter f V@4"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				putFence(t, h, "f", yard, test.properties)
				c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Tail: true})
				synctest.Wait()
				test.act(t, h)
				time.Sleep(time.Second)
				require.Equal(t, test.want, fenceBrief(c.takeText()))
			})
		})
	}
}

// TestFenceOrder has several fences whose events come at one fix: exits, crossings, entries, dwells, each by
// id.
func TestFenceOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		square := func(west, east float64) string {
			return fmt.Sprintf(`{"type":"Polygon","coordinates":`+
				`[[[%[1]v,0],[%[2]v,0],[%[2]v,2],[%[1]v,2],[%[1]v,0]]]}`, west, east)
		}
		for _, id := range []string{"b", "a"} {
			putFence(t, h, "out-"+id, square(0, 1), "")
			putFence(t, h, "in-"+id, square(3, 4), "")
			putFence(t, h, "way-"+id, square(1.5, 2), "")
			putFence(t, h, "all-"+id, square(0, 4), `"dwell_s":30`)
		}
		c := listen(t, h, stream.Query{Topics: []string{"vehicle:V"}, Tail: true})
		synctest.Wait()
		at(t, h, "V", 0, 0.5)
		at(t, h, "V", 30, 3.5)
		time.Sleep(time.Second)
		require.Equal(t, "enter all-a V@0 | enter all-b V@0 | enter out-a V@0 | enter out-b V@0 | "+
			"exit out-a V@30 | exit out-b V@30 | crossed way-a V@30 | crossed way-b V@30 | "+
			"enter in-a V@30 | enter in-b V@30 | dwell all-a V@30 | dwell all-b V@30", fenceBrief(c.takeText()))
	})
}

// TestFenceReaders has readers of all kinds of one fence.
func TestFenceReaders(t *testing.T) {
	all := []string{stream.AllTopic}
	const (
		told     = "enter f V@1 | exit f V@2 | deleted f @3"
		anew     = " | reset fence | 6 live snapshot 0 0"
		entered  = "2 V | 3 fence V V | 4 gone V left | 5 fence V V | 6 fence"
		everyone = "2 V | 3 fence V V | 4 V | 5 fence V V | 6 fence"
		places   = "2 V | 4 V"
	)
	rights := func(only []string, rights ...string) stream.Query {
		return stream.Query{Topics: all, Only: only, Rights: rights}
	}
	topics := func(rights []string, topics ...string) stream.Query {
		return stream.Query{Topics: topics, Rights: rights}
	}
	within := func(text string, rights ...string) stream.Query {
		return stream.Query{Topics: all, Box: box(t, text), Rights: rights}
	}
	for name, test := range map[string]struct {
		query  stream.Query
		fences string // events of fences
		brief  string // all events
	}{
		"the topic":             {topics(nil, "fence:f"), told, entered + anew},
		"everything":            {topics(nil, all...), told, everyone},
		"no fence":              {rights(nil, "live_updates:all", "fence:g"), "", places},
		"everything and fences": {rights(nil, "live_updates:all", "fence:f*"), told, everyone},
		"the vehicle": {topics(nil, "vehicle:V"), "enter f V@1 | exit f V@2",
			"2 V | 3 fence V V | 4 V | 5 fence V V"},
		"another vehicle":       {topics(nil, "vehicle:W"), "", ""},
		"the vehicle, no fence": {topics([]string{"vehicle:V"}, "vehicle:V"), "", places},
		"a box around it":       {within("1.9,0,2.1,2"), told, entered},
		"a box elsewhere":       {within("50,0,51,2"), "deleted f @3", "6 fence"},
		"a box, no fence":       {within("1.9,0,2.1,2", "x"), "", "2 V | 4 gone V left"},
		"rights to fences":      {rights([]string{"fence:*"}, "fence:*"), told, entered + anew},
		"rights to others":      {rights([]string{"vehicle:V"}, "vehicle:V"), "", places},
		"a topic of its own":    {topics(nil, "d"), "", places},
		"with an interval": {stream.Query{Topics: []string{"fence:f"}, Interval: time.Minute}, told,
			"3 fence V V | 5 fence V V | 6 fence" + anew},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				putFence(t, h, "f", yard, "")
				c := listen(t, h, test.query)
				synctest.Wait()
				c.takeText()
				at(t, h, "V", 1, 2, `"topics":["d"]`)
				time.Sleep(time.Second)
				at(t, h, "V", 2, 3)
				time.Sleep(time.Second)
				h.DeleteFence("f", stream.Match{})
				time.Sleep(time.Minute)
				text := c.takeText()
				require.Equal(t, test.fences, fenceBrief(text))
				require.Equal(t, test.brief, brief(text))
			})
		})
	}
}

// TestNoiseAtAFence is a vehicle that stands at the edge of a fence for an hour, with 15 m of noise.
func TestNoiseAtAFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		putFence(t, h, "f", yard, "")
		c := listen(t, h, stream.Query{Topics: []string{"fence:f"}, Tail: true})
		synctest.Wait()
		random := rand.New(rand.NewPCG(1, 2))
		at(t, h, "V", 0, 2.6)
		for second := range 3600 {
			at(t, h, "V", second+1, 2.5+(random.Float64()*30-15)/111_000)
			time.Sleep(time.Second)
		}
		at(t, h, "V", 3601, 2.6)
		time.Sleep(time.Second)
		events := strings.Split(fenceBrief(c.takeText()), " | ")
		require.Len(t, events, 2, events)
		require.Contains(t, events[0], "enter")
		require.Contains(t, events[1], "exit")
	})
}

// TestFenceConditions changes a fence under conditions.
func TestFenceConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		put := func(properties string, match stream.Match) string {
			came, err := h.PutFence(parseFence(t, "f", yard, properties), stream.Maker{}, match)
			require.NoError(t, err)
			return fmt.Sprint(came.FenceChange, came.Version)
		}
		is := func(change stream.FenceChange, version int) string { return fmt.Sprint(change, version) }
		require.Equal(t, is(stream.FenceMismatch, 0), put("", stream.IfPresent))
		require.Equal(t, is(stream.FenceMismatch, 0), put("", stream.IfVersion(0)))
		require.Equal(t, is(stream.FenceMade, 1), put("", stream.IfAbsent))
		require.Equal(t, is(stream.FenceMismatch, 0), put("", stream.IfAbsent))
		require.Equal(t, is(stream.FenceSame, 1), put("", stream.Match{}))
		require.Equal(t, is(stream.FenceMismatch, 0), put(`"x":1`, stream.IfVersion(2)))
		require.Equal(t, is(stream.FenceChanged, 2), put(`"x":1`, stream.IfVersion(1)))
		require.Equal(t, is(stream.FenceChanged, 3), put(`"x":2`, stream.IfPresent))
		came, err := h.DeleteFence("f", stream.IfVersion(2))
		require.NoError(t, err)
		require.Equal(t, stream.FenceMismatch, came.FenceChange)
		came, _ = h.DeleteFence("g", stream.Match{})
		require.Equal(t, stream.FenceUnknown, came.FenceChange)
		came, _ = h.DeleteFence("f", stream.IfVersion(3))
		require.Equal(t, stream.FenceDeleted, came.FenceChange)
		require.Equal(t, is(stream.FenceMade, 5), put("", stream.Match{}), "no version comes again")
	})
}

// TestFencesOfTokens has fences that were made with a token.
func TestFencesOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		maker := stream.Maker{Name: "subject a", Reads: []string{"vehicle:A*", "depot:7"}, Limited: true}
		_, err := h.PutFence(parseFence(t, "f", yard, ""), maker, stream.Match{})
		require.NoError(t, err)
		c := listen(t, h, stream.Query{Topics: []string{stream.AllTopic}, Tail: true})
		synctest.Wait()
		at(t, h, "A1", 0, 2)
		at(t, h, "B1", 0, 2)
		at(t, h, "B2", 0, 2, `"topics":["depot:7"]`)
		time.Sleep(time.Second)
		require.Equal(t, "enter f A1@0 | enter f B2@0", fenceBrief(c.takeText()))
		for n := range stream.MaxFencesOfMaker - 1 {
			came, err := h.PutFence(parseFence(t, fmt.Sprint(n), circle, `"radius_m":5`), maker, stream.Match{})
			require.NoError(t, err)
			require.Equal(t, stream.FenceMade, came.FenceChange)
		}
		came, _ := h.PutFence(parseFence(t, "g", yard, ""), maker, stream.Match{})
		require.Equal(t, "this token has made 100 fences, the limit", came.Limit)
		came, _ = h.PutFence(parseFence(t, "f", circle, `"radius_m":5`), maker, stream.Match{})
		require.Equal(t, stream.FenceChanged, came.FenceChange, "one may still be changed")
		other := stream.Maker{Name: "subject b", Limited: true}
		came, _ = h.PutFence(parseFence(t, "f", yard, ""), other, stream.Match{})
		require.Equal(t, stream.FenceChanged, came.FenceChange, "it is the other's now")
		came, _ = h.PutFence(parseFence(t, "g", yard, ""), maker, stream.Match{})
		require.Equal(t, stream.FenceMade, came.FenceChange)
	})
}

// TestFencesAreSaved goes on from a saved state in the middle of everything.
func TestFencesAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		name := `"name":"<&> ` + strings.Repeat("x", 200) + `"`
		putFence(t, h, "f", yard, name+`,"dwell_s":60,"exit_after_s":10,"pad":"`+strings.Repeat("y", 100_000)+`"`)
		maker := stream.Maker{Name: "subject a", Reads: []string{"vehicle:V"}, Limited: true}
		h.PutFence(parseFence(t, "late", yard, `"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:02"}]}`),
			maker, stream.Match{})
		at(t, h, "V", 0, 2, `"topics":["d"]`)
		at(t, h, "W", 0, 3)
		at(t, h, "X", 0, 2)
		at(t, h, "X", 2, 3)
		putFence(t, h, "new", yard, "")
		before, _ := h.Fence("f")
		again := restoredHub(t, quiet, save(t, h), 3)
		after, ok := again.Fence("f")
		require.True(t, ok)
		require.Equal(t, before, after)
		inside, _ := again.Inside("f")
		require.Len(t, inside, 2)
		require.Equal(t, save(t, h), save(t, again))
		c := listen(t, again, stream.Query{Topics: []string{stream.AllTopic}, Tail: true})
		synctest.Wait()
		at(t, again, "V", 30, 2.1)
		at(t, again, "W", 30, 3)
		at(t, again, "X", 12, 3)
		time.Sleep(3 * time.Minute)
		require.Equal(t, "exit f X@12 | dwell f V@60 timer | enter late V@60 schedule | exit late V@120 schedule",
			fenceBrief(c.takeText()))
		came, _ := again.PutFence(parseFence(t, "g", yard, ""), maker, stream.Match{})
		require.EqualValues(t, 4, came.Version)
	})
}

// TestFencesAreAdopted takes the fences of a state over into a hub that has one of them already.
func TestFencesAreAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, other := quietHub(t), quietHub(t)
		maker := stream.Maker{Name: "subject a", Reads: []string{"vehicle:V"}, Limited: true}
		h.PutFence(parseFence(t, "f", yard, `"name":"Yard"`), maker, stream.Match{})
		putFence(t, h, "g", yard, "")
		at(t, h, "W", 0, 2)
		putFence(t, other, "g", circle, `"radius_m":5`)
		own, _ := other.Fence("g")
		vehicles, err := other.Adopt(strings.NewReader(save(t, h)))
		require.NoError(t, err)
		require.Equal(t, 1, vehicles)
		want, _ := h.Fence("f")
		got, _ := other.Fence("f")
		require.Equal(t, string(want.Feature), string(got.Feature))
		still, _ := other.Fence("g")
		require.Equal(t, own, still)
		inside, _ := other.Inside("f")
		require.Empty(t, inside, "its maker may not read W")
	})
}

// TestNearAndFarIsTheSame drives vehicles between many fences, on two hubs: one judges every position, the
// other skips those near which no fence is.
func TestNearAndFarIsTheSame(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			near, every := quietHub(t), quietHub(t)
			every.JudgeAll()
			both := []*stream.Hub{near, every}
			random := rand.New(rand.NewPCG(seed, 0))
			put := func(id string) {
				geometry, size := yard, 0.0005+random.Float64()*0.01
				lon, lat := 2+random.Float64()*0.05, 60+random.Float64()*0.05
				properties := []string{""}
				switch random.IntN(3) {
				case 0:
					geometry = fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%[1]v,%[2]v],[%[3]v,%[2]v],[%[3]v,%[4]v],`+
						`[%[1]v,%[4]v],[%[1]v,%[2]v]]]}`, lon, lat, lon+size, lat+size/2)
				case 1:
					geometry = fmt.Sprintf(`{"type":"Point","coordinates":[%v,%v]}`, lon, lat)
					properties = []string{fmt.Sprintf(`"radius_m":%v`, 30+size*50_000)}
				case 2:
					geometry = fmt.Sprintf(`{"type":"LineString","coordinates":[[%v,%v],[%v,%v]]}`,
						lon, lat, lon+size, lat+size)
				}
				for _, p := range []string{
					`"dwell_s":20`, `"enter_after_s":5`, `"exit_after_s":5`, `"max_alt_m":100`, `"vehicles":["V1*"]`,
					`"topics":["d*"]`, `"max_accuracy_m":20`, `"margin_m":0`, `"initial":"events"`,
					`"active":{"tz":"UTC","windows":[{"from":"00:01","to":"00:03"}]}`,
				} {
					if random.IntN(6) == 0 {
						properties = append(properties, p)
					}
				}
				text := strings.Trim(strings.Join(properties, ","), ",")
				for _, h := range both {
					putFence(t, h, id, geometry, text)
				}
			}
			for n := range 40 {
				put(fmt.Sprint("f", n))
			}
			type car struct{ lon, lat, dLon, dLat float64 }
			cars := map[string]*car{}
			for n := range 12 {
				cars[fmt.Sprint("V", n)] = &car{lon: 2 + random.Float64()*0.05, lat: 60 + random.Float64()*0.05}
			}
			time.Sleep(time.Second / 2) // timers fire between two rounds
			for second := range 400 {
				time.Sleep(time.Second)
				if random.IntN(20) == 0 {
					put(fmt.Sprint("f", random.IntN(40)))
				}
				for n := range 12 {
					id := fmt.Sprint("V", n)
					c := cars[id]
					c.dLon += random.NormFloat64() * 0.0001
					c.dLat += random.NormFloat64() * 0.0001
					if c.lon < 2 || c.lon > 2.06 || c.lat < 60 || c.lat > 60.06 {
						c.lon, c.lat, c.dLon, c.dLat = 2.02, 60.02, 0, 0
					}
					c.lon, c.lat = c.lon+c.dLon, c.lat+c.dLat
					members := fmt.Sprintf(`"lat":%v,"lon":%v,"timestamp":%d`, c.lat, c.lon, second0+second)
					if random.IntN(10) == 0 {
						members += fmt.Sprintf(`,"topics":["d%d"]`, random.IntN(2))
					}
					if random.IntN(10) == 0 {
						members += fmt.Sprintf(`,"accuracy":%d`, random.IntN(60))
					}
					if random.IntN(10) == 0 {
						members += fmt.Sprintf(`,"altitude":%d`, random.IntN(200))
					}
					for _, h := range both {
						publish(t, h, id, members)
						if random := (second*7+n)%97 == 0; random {
							h.Delete(id)
						}
					}
				}
			}
			one, other := withoutEpoch(near), withoutEpoch(every)
			fences := 0
			for _, n := range slices.Sorted(maps.Keys(other)) {
				event := other[n]
				require.Equal(t, event, one[n], "seed %d", seed)
				if strings.HasPrefix(event, "event: fence") {
					fences++
				}
			}
			require.Greater(t, fences, 100, "seed %d", seed)
		})
	}
}

func withoutEpoch(h *stream.Hub) map[uint64]string {
	log := h.Log()
	for n, event := range log {
		log[n] = string(bytes.ReplaceAll([]byte(event), []byte(h.Head().Epoch), nil))
	}
	return log
}

// A fence that is put again where clocks are changed otherwise is another one.
func TestFenceOfAnotherZone(t *testing.T) {
	onBoth(t, func(t *testing.T, h *stream.Hub) {
		active := func(zone string) string {
			return `"active":{"tz":"` + zone + `","windows":[{"from":"08:00","to":"09:00"}]}`
		}
		berlin := parseFence(t, "f", circle, `"radius_m":5,`+active("Europe/Berlin"))
		zone := parseFence(t, "f", circle, `"radius_m":5,`+active("Europe/London")).Active.Zone()
		other, err := geofence.Restore("f", berlin.Feature, zone)
		require.NoError(t, err)
		for _, test := range []struct {
			fence *geofence.Fence
			want  stream.FenceChange
		}{{berlin, stream.FenceMade}, {berlin, stream.FenceSame}, {other, stream.FenceChanged}} {
			came, err := h.PutFence(test.fence, stream.Maker{}, stream.Match{})
			require.NoError(t, err)
			require.Equal(t, test.want, came.FenceChange)
		}
	})
}
