//go:build !race

package simulator

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests of this package use a single goroutine: the race detector would find nothing and make
// them ten times as slow.

// Vehicles drive without jumps and as far as their speed says. They brake and accelerate within
// their limits, and head where they go.
func TestSimulatedVehiclesDrive(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	for _, test := range []struct {
		vehicles int
		rate     float64
		duration time.Duration
	}{
		{300, 1, 12 * time.Minute},
		{200, 5, 2 * time.Minute},
		{300, 0.05, 3 * time.Hour},
	} {
		t.Run(fmt.Sprint(test.rate), func(t *testing.T) {
			t.Parallel()
			straight, corners := 0, 0
			for _, history := range histories(t, simulated(test.vehicles, test.rate, 1), test.duration) {
				for i, r := range history[1:] {
					m := motion{before: history[i], after: r}
					m.measure()
					if wrong := m.judge(); wrong != "" {
						require.Fail(t, wrong, "%s: %+v, then %+v", r.VehicleID, m.before, r)
					}
					if m.straight {
						straight++
					}
					if m.corner {
						corners++
					}
				}
			}
			if test.rate >= 1 {
				assert.Greater(t, straight, 30_000)
				assert.Greater(t, corners, 50)
			}
		})
	}
}

// Within hours a fleet has halts of every sort, tunnels, batches that come late and vehicles
// that fall silent.
func TestSimulatedFleetLives(t *testing.T) {
	if testing.Short() {
		t.Skip("computes for seconds")
	}
	t.Parallel()
	f := simulated(200, 0.25, 1)
	statuses := map[string]int{}
	newest := map[string]float64{}
	refilled, late, gaps, tunnels := 0, 0, 0, 0
	last := map[string]report{}
	for minute := range 4 * 60 {
		for _, r := range reports(t, f, time.Duration(minute)*time.Minute) {
			statuses[r.Status]++
			before, known := last[r.VehicleID]
			if r.Timestamp < before.Timestamp {
				late++
				continue
			}
			last[r.VehicleID] = r
			if !known {
				require.Len(t, r.Topics, 2)
				require.Equal(t, "kind:"+r.Kind, r.Topics[1])
				continue
			}
			if r.Topics != nil {
				require.Fail(t, "topics are reported twice", "%+v", r)
			}
			gap := r.Timestamp - before.Timestamp
			if level(r) > level(before)+1 {
				refilled++
			}
			switch kilometres := metres(before.point(), r.point()) / 1000; {
			case gap > 60:
				gaps++
			case gap > 24 && kilometres > 0.4 && before.Destination != "":
				tunnels++
			}
			newest[r.VehicleID] = r.Timestamp
		}
	}
	for _, name := range statusNames {
		assert.NotZero(t, statuses[name], name)
	}
	assert.Len(t, statuses, len(statusNames))
	assert.Greater(t, statuses["driving"], 300_000)
	assert.Greater(t, refilled, 50)
	assert.Greater(t, late, 500)
	assert.Greater(t, gaps, 100)
	assert.Greater(t, tunnels, 50)
	forever := 0
	for _, at := range newest {
		if at < float64(simulationStart.Unix())+3.5*3600 {
			forever++
		}
	}
	assert.Greater(t, forever, 0)
	assert.Less(t, forever, 20)
	assert.Greater(t, f.moving, 120, "most drive at any time")
}
