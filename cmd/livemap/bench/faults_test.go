package bench

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/workload"
)

// littleLoad has 47 events on 3 streams; 10 to 27 are in the window.
var littleLoad = measure.Load{
	Protocol: client.H1, Streams: 3, Rate: 200, Events: workload.Events{Vehicles: 4},
	WarmUp: 50 * time.Millisecond, Window: 90 * time.Millisecond, Drain: time.Second,
}

// alteration is what a faulty server sends in place of event n.
type alteration = func(n int, event string) string

func unaltered(_ int, event string) string { return event }

// replaced sends text in place of one event.
func replaced(at int, text string) alteration {
	return func(n int, event string) string {
		if n == at {
			return text
		}
		return event
	}
}

// followed sends text after one event.
func followed(at int, text string) alteration {
	return func(n int, event string) string {
		if n == at {
			return event + text
		}
		return event
	}
}

// TestFaultsAreFound: a scenario must not pass while an event is missing, comes twice or out
// of order.
func TestFaultsAreFound(t *testing.T) {
	last := littleLoad.Plan().Events - 1
	twice := func(at int) alteration {
		return func(n int, event string) string {
			if n == at {
				return event + event
			}
			return event
		}
	}
	held := ""
	swapped := func(n int, event string) string {
		switch n {
		case 12:
			held = event
			return ""
		case 13:
			return event + held
		}
		return event
	}
	named := func(n int, event string) string {
		if n == 12 {
			return "event: late\n" + event
		}
		return event
	}
	unclosed := func(n int, event string) string {
		if n == last {
			return event[:len(event)-1]
		}
		return event
	}
	// Of the hub, and of others.
	pings := func(_ int, event string) string {
		return "event: ping\ndata: {}\nid: 7\n\n" + ": x\n\nevent: ping\ndata: {}\n\nid: 7\n\n" + event
	}
	crlf := func(n int, _ string) string {
		return fmt.Sprintf("data:{\"n\":%d}\r\n\r\n", workload.FirstNumber+n)
	}
	nothing := func(int, string) string { return "" }
	for _, test := range []struct {
		name  string
		alter alteration
		want  client.Faults
	}{
		{"no fault", unaltered, client.Faults{}},
		{"one missing", replaced(12, ""), client.Faults{Missing: 1}},
		{"the first missing", replaced(0, ""), client.Faults{Missing: 1}},
		{"the last missing", replaced(last, ""), client.Faults{Missing: 1}},
		{"all missing", nothing, client.Faults{Missing: int64(last + 1)}},
		{"one twice", twice(12), client.Faults{Repeated: 1}},
		{"the last twice", twice(last), client.Faults{Repeated: 1}},
		{"two swapped", swapped, client.Faults{Missing: 1, Repeated: 1}},
		{"an event of no run", followed(12, "data: {\"n\":100000999}\n\n"), client.Faults{Foreign: 1}},
		{"one without a number", replaced(12, "data: {}\n\n"), client.Faults{Missing: 1, Other: 1}},
		{"a number that is none", replaced(12, "data: {\"n\":x}\n\n"), client.Faults{Missing: 1, Other: 1}},
		{"a reset", followed(12, "event: reset\ndata: {}\n\n"), client.Faults{Other: 1}},
		{"a late one", named, client.Faults{Missing: 1, Other: 1}},
		{"an event that is not closed", unclosed, client.Faults{Missing: 1}},
		{"comments and pings", pings, client.Faults{}},
		{"other line ends", crlf, client.Faults{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				result, err := littleLoad.Measure(t.Context(), newFaultyServer(t, test.alter).target())
				require.NoError(t, err)
				assert.True(t, result.Chunked)
				if !test.want.Any() {
					require.Nil(t, result.Faults)
					assert.InDelta(
						t,
						18*3,
						result.Deliveries,
						2*3,
						"events due as the window begins or ends may be in it",
					)
					require.Equal(
						t, &client.Delay{}, result.Delay, "no time passes between server and client",
					)
					return
				}
				require.NotNil(t, result.Faults)
				assert.NotEmpty(t, result.Faults.Example)
				result.Faults.Example = ""
				assert.Equal(t, test.want, *result.Faults)
			})
		})
	}
}

// TestOtherPublisherIsNamed: a simulation that publishes to the same hub looks like a broken hub, else.
func TestOtherPublisherIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		position := followed(12, "data: {\"id\":\"TRUCK-2\"}\n\n")
		result, err := littleLoad.Measure(t.Context(), newFaultyServer(t, position).target())
		require.NoError(t, err)
		require.NotNil(t, result.Faults)
		require.Equal(t,
			`an event without a number (does anybody else publish here?): "{\"id\":\"TRUCK-2\"}"`,
			result.Faults.Example)
	})
}

// TestLateRepeatIsFound: what comes again after the last event is a fault, too.
func TestLateRepeatIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *faultyServer
		last := littleLoad.Plan().Events - 1
		s = newFaultyServer(t, func(n int, event string) string {
			if n == last {
				again := s.streams[0]
				time.AfterFunc(littleLoad.Window/2, func() { again <- event })
			}
			return event
		})
		result, err := littleLoad.Measure(t.Context(), s.target())
		require.NoError(t, err)
		require.NotNil(t, result.Faults)
		assert.EqualValues(t, 1, result.Faults.Repeated)
	})
}

// TestEndIsFound: a stream that ends is a fault, though it had every event so far.
func TestEndIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *faultyServer
		s = newFaultyServer(t, func(n int, event string) string {
			if n == 20 {
				s.Close()
			}
			return event
		})
		result, err := littleLoad.Measure(t.Context(), s.target())
		require.NoError(t, err)
		require.NotNil(t, result.Faults)
		assert.EqualValues(t, 3, result.Faults.Ended)
		assert.Positive(t, result.Faults.Missing)
	})
}

// TestDelayCountsFromSchedule: an event's delay begins when it is due, however late
// the publisher is. A measure of what was published in time would omit the wait.
func TestDelayCountsFromSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFaultyServer(t, func(n int, event string) string {
			if n == 15 { // of 10 to 27
				time.Sleep(40 * time.Millisecond)
			}
			return event
		})
		result, err := littleLoad.Measure(t.Context(), s.target())
		require.NoError(t, err)
		require.Nil(t, result.Faults, "no event is left out")
		// Events 15 to 22 are 40, 35 … 5 ms late, the other ten are in time.
		assert.Equal(t, &client.Delay{P50: 0, P99: 40, P999: 40, Max: 40}, roundedMillis(result.Delay))
	})
}

// roundedMillis undoes the three digits of a histogram.
func roundedMillis(d *client.Delay) *client.Delay {
	round := func(ms float64) float64 {
		return time.Duration(ms*1e6).Round(time.Millisecond).Seconds() * 1000
	}
	return &client.Delay{P50: round(d.P50), P99: round(d.P99), P999: round(d.P999), Max: round(d.Max)}
}

// TestFaultsOfReturning: a client that comes back must miss nothing and get nothing twice.
func TestFaultsOfReturning(t *testing.T) {
	twice := func(n int, event string) string {
		if n == 35 {
			return event + event
		}
		return event
	}
	for _, test := range []struct {
		name  string
		alter alteration
		says  string
	}{
		{"no fault", unaltered, ""},
		{"one missing before", replaced(5, ""), "3 missing"},
		{"one missing after", replaced(35, ""), "3 missing"},
		{"one twice", twice, "3 repeated"},
		{"a reset", followed(35, "event: reset\ndata: {}\n\n"), "3 other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFaultyServer(t, test.alter)
				s.alterAll, s.refusals = true, 2
				o := &report.Outcome{}
				r := reconnection{
					target: s.target(),
					wave:   littleLoad,
					before: 200 * time.Millisecond,
					after:  500 * time.Millisecond,
				}
				err := r.run(t.Context(), o, 1)
				require.Contains(t, o.Notes, "2 attempts to come back failed and were made again")
				if test.says == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, test.says)
			})
		})
	}
}
