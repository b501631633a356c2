package stream_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

const (
	accepted  = stream.Accepted
	late      = stream.Late
	duplicate = stream.Duplicate
)

// TestVerdicts publishes each step in turn. Check must have returned the same and changed nothing.
func TestVerdicts(t *testing.T) {
	type step struct {
		members  string // "delete" deletes the vehicle
		verdict  stream.Verdict
		received string
	}
	for name, steps := range map[string][]step{
		"repeat": {
			{`"timestamp":900000100`, accepted, "1 a"},
			{`"timestamp":900000100`, duplicate, ""},
		},
		"older": {
			{`"timestamp":900000100`, accepted, "1 a"},
			{`"timestamp":900000099.999`, late, "2 late a"},
			{`"timestamp":900000100`, duplicate, ""},
		},
		"equal timestamps": {
			{`"timestamp":900000100`, accepted, "1 a"},
			{`"timestamp":900000100,"n":1`, accepted, "2 a"},
			{`"timestamp":900000100`, accepted, "3 a"},
		},
		"the same twice late": {
			{`"timestamp":900000100`, accepted, "1 a"},
			{`"timestamp":900000099`, late, "2 late a"},
			{`"timestamp":900000099`, duplicate, ""},
			{`"timestamp":900000099,"n":1`, late, "3 late a"},
		},
		"late names other topics": {
			{`"timestamp":900000100,"topics":["x"]`, accepted, "1 a"},
			{`"timestamp":900000099,"topics":[]`, late, "2 late a"},
			{`"timestamp":900000100`, duplicate, ""},
		},
		"other topics": {
			{`"timestamp":900000100,"topics":["x","y"]`, accepted, "1 a"},
			{`"timestamp":900000100,"topics":["y","x"]`, duplicate, ""},
			{`"timestamp":900000100`, duplicate, ""},
			{`"timestamp":900000100,"topics":["x"]`, accepted, "2 a"},
			{`"timestamp":900000100,"topics":["y"]`, accepted, "3 a"},
			{`"timestamp":900000100,"topics":[]`, accepted, "4 a"},
			{`"timestamp":900000100`, duplicate, ""},
			{`"timestamp":900000100,"topics":[]`, duplicate, ""},
		},
		"deleted": {
			{`"timestamp":900000100,"topics":["x"]`, accepted, "1 a"},
			{"delete", 0, "2 gone a deleted"},
			{`"timestamp":900000099`, late, "3 late a"},
			{`"timestamp":900000100`, duplicate, ""},
			{`"timestamp":900000100,"topics":["y"]`, duplicate, ""},
			{`"timestamp":900000100,"n":1`, accepted, "4 a"},
			{`"timestamp":900000100`, accepted, "5 a"},
		},
		"stamped on arrival": {
			{"", accepted, "1 a"},
			{"", accepted, "2 a"},
			{`"n":1`, accepted, "3 a"},
		},
		"not quite ahead": {
			{`"timestamp":946684861`, accepted, "1 a"},
			{`"n":1`, accepted, "2 a"},
		},
		"before the billionth second": {
			{`"timestamp":900000000`, accepted, "1 a"},
			{`"timestamp":900000000`, duplicate, ""},
			{`"timestamp":900000001`, accepted, "2 a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, stream.Config{})
				time.Sleep(time.Second)
				c := listen(t, h, fleetQuery)
				c.takeWrites()
				for i, step := range steps {
					if step.members == "delete" {
						require.True(t, must(h.Delete("a")))
						require.False(t, must(h.Delete("a")))
					} else {
						p := position(t, "a", step.members)
						before, head := h.Stats(), h.Head()
						verdict, err := h.Check(p)
						require.NoError(t, err)
						require.Equal(t, step.verdict, verdict, "Check, step %d", i)
						require.Equal(t, before, h.Stats())
						require.Equal(t, head, h.Head())
						receipt, err := h.Publish(p)
						require.NoError(t, err)
						require.Equal(t, step.verdict, receipt.Verdict, "step %d", i)
						if verdict == duplicate {
							require.Zero(t, receipt.ID)
						} else {
							require.Equal(t, h.Head(), receipt.ID)
						}
					}
					time.Sleep(25 * time.Millisecond)
					require.Equal(t, step.received, c.takeEvents())
				}
			})
		})
	}
}

// Times from before 1980 are those of devices without a clock. No verdict depends on them, whatever the
// vehicle did before.
func TestTimestampBefore1980(t *testing.T) {
	h := start(t, stream.Config{})
	publish(t, h, "known", "")
	for _, id := range []string{"known", "new"} {
		for _, timestamp := range []string{"0", "1000", "315532799.999"} {
			p := position(t, id, `"timestamp":`+timestamp)
			_, err := h.Publish(p)
			require.ErrorContains(t, err, "before 1980; leave it out where there is none")
			_, checked := h.Check(p)
			require.Equal(t, err, checked)
			h.PublishAll([]geo.Position{*p}, func(_ int, _ stream.Receipt, all error) {
				require.Equal(t, err, all)
			})
		}
	}
	require.EqualValues(t, 1, h.Stats().Accepted)
	require.Equal(t, accepted, publish(t, h, "new", `"timestamp":315532800`).Verdict)
}

func TestCountersOfVerdicts(t *testing.T) {
	h := start(t, stream.Config{})
	for _, timestamp := range []int{9e8 + 100, 9e8 + 99, 9e8 + 98, 9e8 + 100, 9e8 + 100, 9e8 + 100} {
		publish(t, h, "a", fmt.Sprintf(`"timestamp":%d`, timestamp))
	}
	stats := h.Stats()
	require.EqualValues(t, []uint64{1, 2, 3}, []uint64{stats.Accepted, stats.Late, stats.Duplicate})
}

// The hub's clock is set back by an hour. Positions without a timestamp still move the marker.
func TestClockJumpsBack(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 5e8, time.UTC)
	h := start(t, stream.Config{Clock: func() time.Time { return now }})
	publish(t, h, "a", `"n":1`)
	now = now.Add(-time.Hour)
	require.Equal(t, accepted, publish(t, h, "a", `"n":2`).Verdict)
	data, _, _ := h.Vehicle("a")
	require.Equal(t, "1795435200.5", string(geo.Timestamp(data)), "never before the vehicle's newest")
	require.Equal(t, duplicate, publish(t, h, "a", `"n":2`).Verdict)
	publish(t, h, "b", "")
	data, _, _ = h.Vehicle("b")
	require.Equal(t, "1795431600.5", string(geo.Timestamp(data)))
	h.Delete("a")
	require.Equal(t, accepted, publish(t, h, "a", `"n":3`).Verdict)
	data, _, _ = h.Vehicle("a")
	require.Equal(t, "1795435200.5", string(geo.Timestamp(data)))
}

func TestArrivalIsToTheMillisecond(t *testing.T) {
	now := time.Unix(1795435200, 123_987_654)
	h := start(t, stream.Config{Clock: func() time.Time { return now }})
	publish(t, h, "a", "")
	publish(t, h, "b", "")
	publish(t, h, "b", `"n":1`)
	for _, id := range []string{"a", "b"} {
		data, _, _ := h.Vehicle(id)
		// A new vehicle gets its timestamp like a known one.
		require.Equal(t, "1795435200.123", string(geo.Timestamp(data)), id)
	}
}

func TestAheadOfTheClockIsRejected(t *testing.T) {
	now := time.Unix(1795435200, 0)
	h := start(t, stream.Config{Clock: func() time.Time { return now }})
	require.Equal(t, accepted, publish(t, h, "a", `"timestamp":1795435260`).Verdict, "60 s ahead")
	for _, timestamp := range []string{"1795435260.001", "1795435261", "1795438800"} {
		p := position(t, "a", `"timestamp":`+timestamp)
		_, err := h.Publish(p)
		var refusal *geo.Refusal
		require.True(t, errors.As(err, &refusal))
		require.Equal(t, "a", refusal.VehicleID)
		require.Equal(t, "timestamp", refusal.Field)
		require.Contains(t, refusal.Detail, "60 seconds")
		_, checked := h.Check(p)
		require.Equal(t, err, checked)
	}
	require.EqualValues(t, 1, h.Head().Number)
	require.EqualValues(t, 1, h.Stats().Accepted)
}

// A position may be reused as soon as Publish has returned.
func TestPublishKeepsNothing(t *testing.T) {
	h := start(t, stream.Config{})
	p := position(t, "a", `"topics":["x"],"timestamp":1700000000`)
	_, err := h.Publish(p)
	require.NoError(t, err)
	p.Topics[0], p.VehicleID, p.Point = "y", "b", geo.Point{9, 9}
	require.Equal(t, duplicate, publish(t, h, "a", `"topics":["x"],"timestamp":`+stamp(h, "a")).Verdict)
}

func stamp(h *stream.Hub, id string) string {
	data, _, _ := h.Vehicle(id)
	return string(geo.Timestamp(data))
}

func TestTooManyVehicles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Settings: stream.Settings{stream.MaxVehicles: 3}})
		time.Sleep(time.Second)
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		for _, id := range []string{"a", "b", "c"} {
			publish(t, h, id, `"timestamp":900000100`)
			time.Sleep(time.Second)
		}
		publish(t, h, "a", `"timestamp":900000100`) // a duplicate, but it counts as a report
		h.Delete("c")
		time.Sleep(time.Second)
		c.takeWrites()
		publish(t, h, "d", "")
		time.Sleep(time.Second)
		require.Equal(t, "5 gone b expired | 6 d", c.takeEvents(), "the longest silent goes")
		publish(t, h, "e", "")
		time.Sleep(time.Second)
		require.Equal(t, "7 e", c.takeEvents(), "a tombstone goes without a word")
		require.Equal(t, accepted, publish(t, h, "c", `"timestamp":900000099`).Verdict, "and is not remembered")
		stats := h.Stats()
		require.Equal(t, 3, stats.Vehicles+stats.Gone)
	})
}

func TestVehicleExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Settings: ttl(10 * time.Second), Heartbeat: time.Hour})
		time.Sleep(500 * time.Millisecond)
		c := listen(t, h, fleetQuery)
		c.takeWrites()
		publish(t, h, "a", `"timestamp":900000100`)
		publish(t, h, "b", `"timestamp":900000100`)
		time.Sleep(5 * time.Second)
		publish(t, h, "b", `"timestamp":900000099`)
		for n := range 700 {
			publish(t, h, fmt.Sprint("v", n), "")
		}
		time.Sleep(4 * time.Second)
		c.takeWrites()
		time.Sleep(time.Second)
		require.Empty(t, c.takeWrites())
		time.Sleep(time.Second)
		require.Equal(t, "704 gone a expired", c.takeEvents())
		time.Sleep(4 * time.Second)
		c.takeWrites()
		time.Sleep(time.Second)
		require.Zero(t, h.Stats().Vehicles, "a late position is a sign of life, too")
		require.Equal(t, 702, h.Stats().Gone)
	})
}
