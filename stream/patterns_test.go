package stream_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

func patternQuery(patterns ...string) stream.Query {
	return stream.Query{Topics: []string{stream.AllTopic}, Only: patterns}
}

// Patterns restrict the whole fleet. A stream is woken for what they match, wherever their `*` is.
// That holds also after all other streams with the same prefix have left.
func TestOnly(t *testing.T) {
	for _, test := range []struct {
		name     string
		patterns []string
		want     string // ids in scope, in the order of publishing
	}{
		{"vehicles that begin so", []string{"vehicle:TRUCK-*"}, "TRUCK-1 TRUCK-2"},
		{"shorter and longer", []string{"vehicle:TRUCK-1*", "vehicle:V*"}, "TRUCK-1 VAN-1"},
		{"every vehicle", []string{"vehicle:*"}, "TRUCK-1 TRUCK-2 VAN-1"},
		{"every topic", []string{"*"}, "TRUCK-1 TRUCK-2 VAN-1"},
		{"all, by its name", []string{"live_updates:all"}, "TRUCK-1 TRUCK-2 VAN-1"},
		{"one vehicle", []string{"vehicle:VAN-1"}, "VAN-1"},
		{"a topic", []string{"depot:7"}, "TRUCK-2"},
		{"topics that begin so", []string{"depot:*"}, "TRUCK-2 VAN-1"},
		{"all of it", []string{"depot:77", "vehicle:TRUCK-2*"}, "TRUCK-2 VAN-1"},
		{"no pattern", []string{}, ""},
		{"nothing there is", []string{"vehicle:BUS-*", "depot:70*"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				const first = "hello | reset new | 0 live snapshot 0 0"
				before, live := listen(t, h, patternQuery(test.patterns...)), attach(t, h, patternQuery(test.patterns...))
				require.Equal(t, first, before.takeEvents())
				require.Equal(t, first, live.takeEvents())
				before.close()
				publish(t, h, "TRUCK-1", "")
				publish(t, h, "TRUCK-2", `"topics":["depot:7"]`)
				time.Sleep(time.Second)
				publish(t, h, "VAN-1", `"topics":["yard","depot:77"]`)
				time.Sleep(time.Second)
				require.Equal(t, test.want, joinFixes(live.takeWrites()), "live")
				later := listen(t, h, patternQuery(test.patterns...))
				require.Equal(t, test.want, joinFixes(later.takeWrites()), "from the state")
				ids, _ := collection(t, h.Snapshot([]string{stream.AllTopic}, nil, test.patterns...))
				require.Equal(t, test.want, ids)
			})
		})
	}
}

// A vehicle that leaves the last topic that a pattern matches leaves the scope.
func TestLeavingAPattern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		c := listen(t, h, patternQuery("depot:*"))
		publish(t, h, "a", `"topics":["depot:1"]`)
		time.Sleep(time.Second)
		c.takeWrites()
		publish(t, h, "a", `"topics":["depot:2"],"n":1`)
		time.Sleep(time.Second)
		require.Equal(t, "2 a", c.takeEvents())
		publish(t, h, "a", `"topics":["yard"],"n":2`)
		time.Sleep(time.Second)
		require.Equal(t, "3 gone a left", c.takeEvents())
	})
}

// A stream ends at Query.Until, with `bye`, and not before.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		q := fleetQuery
		q.Until = time.Now().Add(time.Minute)
		served, attached := listen(t, h, q), attach(t, h, q)
		blocked := attach(t, h, q)
		time.Sleep(time.Minute - 1)
		for _, took := range [][]write{served.takeWrites(), attached.takeWrites(), blocked.takeWrites()} {
			require.NotContains(t, joinText(took), "bye")
		}
		blocked.block()
		publish(t, h, "a", "")
		require.Empty(t, blocked.takeWrites())
		time.Sleep(time.Nanosecond)
		require.Equal(t, "1 a | bye expired", served.takeEvents())
		require.Equal(t, "1 a | bye expired", attached.takeEvents())
		<-served.ended
		require.Equal(t, stream.Outdated, served.summary.Reason)
		require.Equal(t, stream.Outdated, attached.summary.Reason)
		require.NoError(t, attached.summary.Err)
		blocked.unblock()
		require.Equal(t, "1 a | bye expired", blocked.takeEvents(), "as soon as it can be written")

		q.Until = time.Now().Add(-time.Hour)
		late := listen(t, h, q)
		require.Equal(t, "hello | reset new | bye expired", late.takeEvents())
		require.Equal(t, 0, h.Stats().Streams)

		q.Until = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // beyond the range of a Duration
		never := listen(t, h, q)
		time.Sleep(time.Hour)
		require.NotContains(t, joinText(never.takeWrites()), "bye")
		require.Equal(t, 1, h.Stats().Streams)
	})
}

// joinFixes returns the vehicles of the positions that were written, in order.
func joinFixes(writes []write) string {
	var ids []string
	for _, match := range featureIDs.FindAllStringSubmatch(joinText(writes), -1) {
		ids = append(ids, match[1])
	}
	return strings.Join(ids, " ")
}

var featureIDs = regexp.MustCompile(`"Feature","id":"([^"]*)"`)
