package stream_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

func TestVehicle(t *testing.T) {
	h := start(t, stream.Config{})
	_, _, ok := h.Vehicle("a")
	require.False(t, ok)
	publish(t, h, "a", `"timestamp":900000100,"n":1`)
	receipt := publish(t, h, "a", `"timestamp":900000101,"n":2`)
	publish(t, h, "a", `"timestamp":900000099,"n":3`)
	data, id, ok := h.Vehicle("a")
	require.True(t, ok)
	require.Equal(t, receipt.ID, id)
	require.Contains(t, string(data), `"n":2`)
	h.Delete("a")
	_, _, ok = h.Vehicle("a")
	require.False(t, ok)
	require.Contains(t, string(data), `"n":2`, "what was given stays")
}

func TestTrack(t *testing.T) {
	h := start(t, stream.Config{History: 256 << 10})
	track := func(since int64) string {
		got, ok := h.Track("a", time.Unix(900000000+since, 0), time.Time{})
		require.True(t, ok)
		return strings.ReplaceAll(strings.Join(timesOf(t, got), " "), "900000", "")
	}
	_, ok := h.Track("a", time.Time{}, time.Time{})
	require.False(t, ok)
	for _, timestamp := range []string{"100", "102", "101", "102.5", "103"} {
		publish(t, h, "a", `"timestamp":900000`+timestamp)
		publish(t, h, "b", "")
	}
	require.Equal(t, "100 101 102 102.5 103", track(0), "late ones in their place")
	require.Equal(t, "102 102.5 103", track(102), "not older than")
	require.Equal(t, "", track(104))
	h.Delete("a")
	_, ok = h.Track("a", time.Time{}, time.Time{})
	require.False(t, ok)
	publish(t, h, "a", `"timestamp":900000104`)
	require.Equal(t, "100 101 102 102.5 103 104", track(0))
	fillLog(t, h, "b", 512<<10)
	require.Equal(t, "", track(0), "the log holds none of it")
}

// collection returns the ids of a snapshot's Features, and the number of writes.
func collection(t *testing.T, s *stream.Snapshot) (ids string, writes int) {
	t.Helper()
	var body bytes.Buffer
	require.NoError(t, s.Write(func(p []byte) error {
		writes++
		body.Write(p)
		return nil
	}))
	items, err := geo.ParseDocument(body.Bytes(), true)
	require.NoError(t, err, body.String())
	var all []string
	for _, item := range items {
		require.Nil(t, item.Refusal)
		all = append(all, item.Position.VehicleID)
	}
	return strings.Join(all, " "), writes
}

func TestSnapshot(t *testing.T) {
	h := start(t, stream.Config{})
	ids, _ := collection(t, h.Snapshot([]string{stream.AllTopic}, nil))
	require.Empty(t, ids)
	publish(t, h, "a", `"topics":["x"]`)
	publish(t, h, "b", `"lat":-1,"lon":-1`)
	publish(t, h, "c", "")
	publish(t, h, "a", `"n":1`)
	h.Delete("c")
	for _, test := range []struct {
		topics []string
		box    *geo.Box
		ids    string
	}{
		{[]string{stream.AllTopic}, nil, "b a"}, {[]string{stream.AllTopic}, box(t, "0,0,5,5"), "a"},
		{[]string{"x"}, nil, "a"}, {[]string{"vehicle:b", "vehicle:c"}, nil, "b"}, {[]string{"nothing"}, nil, ""},
	} {
		s := h.Snapshot(test.topics, test.box)
		require.Equal(t, h.Head(), s.ID)
		ids, _ := collection(t, s)
		require.Equal(t, test.ids, ids)
	}
	for n := range 40 {
		publish(t, h, fmt.Sprintf("d%02d", n), fmt.Sprintf(`"filler":%q`, strings.Repeat("x", 3000)))
	}
	ids, writes := collection(t, h.Snapshot([]string{stream.AllTopic}, nil))
	require.Len(t, strings.Fields(ids), 42)
	require.Greater(t, writes, 8, "in pieces")
	require.ErrorIs(t, h.Snapshot([]string{"x"}, nil).Write(func([]byte) error { return errCut }), errCut)
}

// A snapshot is of one moment, however long writing it takes. A stream resumes from its id.
func TestSnapshotIsOfOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		publish(t, h, "a", "")
		publish(t, h, "b", "")
		s := h.Snapshot([]string{stream.AllTopic}, nil)
		publish(t, h, "b", `"n":1`)
		publish(t, h, "c", "")
		h.Delete("a")
		ids, _ := collection(t, s)
		require.Equal(t, "a b", ids)
		require.Equal(t, "3 b | 4 c | 5 gone a deleted | 5 live replay 3 0",
			resume(t, h, fleetQuery, s.ID.String()))
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		require.Zero(t, h.Stats().LogSpan)
		publish(t, h, "a", `"topics":["x","y"]`)
		time.Sleep(3 * time.Second)
		publish(t, h, "b", "")
		h.Delete("b")
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		stats := h.Stats()
		require.Equal(t, stream.Stats{
			Accepted: 2, Written: 1, LogBytes: stats.LogBytes, LogEvents: 3, LogTotal: stats.LogTotal,
			LogSpan:  3 * time.Second,
			Vehicles: 1, Gone: 1, Topics: 2, Streams: 1,
		}, stats)
		require.Less(t, stats.LogBytes, 1<<20)
		require.Positive(t, stats.LogBytes)
	})
}

// Delay is called for live writes only: with the wait of the oldest event in each.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delays := make(chan time.Duration, 10)
		h := start(t, stream.Config{
			FlushInterval: 100 * time.Millisecond, Delay: func(d time.Duration) { delays <- d },
		})
		time.Sleep(time.Second)
		publish(t, h, "a", "")
		id := h.Head().String()
		publish(t, h, "a", `"n":1`)
		time.Sleep(time.Second)
		for _, q := range []stream.Query{
			fleetQuery, topicQuery("vehicle:a"), {Topics: []string{stream.AllTopic}, LastEventID: id},
			{Topics: []string{"vehicle:a"}, LastEventID: id},
		} {
			c := listen(t, h, q)
			c.takeWrites()
			require.Empty(t, delays, "a snapshot or replay is not live")
			time.Sleep(time.Second)
			publish(t, h, "a", `"n":2`)
			synctest.Wait()
			require.Zero(t, <-delays)
			publish(t, h, "a", `"n":3`)
			time.Sleep(30 * time.Millisecond)
			publish(t, h, "a", `"n":4`)
			time.Sleep(time.Second)
			require.Equal(t, 100*time.Millisecond, <-delays)
			require.Empty(t, delays)
			c.close()
		}
	})
}
