package bench

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
)

// figures returns those of an outcome by name.
func figures(o *report.Outcome) map[string]report.Figure {
	byName := map[string]report.Figure{}
	for _, f := range o.Figures {
		byName[f.Name] = f
	}
	return byName
}

// requireFigure requires a value and its goal, 0 for none; least is a goal that is the least.
func requireFigure(t *testing.T, o *report.Outcome, name string, value, goal float64, least bool) {
	t.Helper()
	f, found := figures(o)[name]
	require.True(t, found, "there is no figure %q in %v", name, o.Figures)
	require.InDelta(t, value, f.Value, 1e-9, name)
	require.InDelta(t, goal, f.Goal, 1e-9, name)
	require.Equal(t, least, f.Least, name)
}

// costing is a run whose deliveries cost so many µs each.
func costing(subject string, streams int, us float64) *measure.Result {
	return &measure.Result{Subject: subject, Streams: streams, CPU: &process.CPU{Total: us}}
}

func TestRatio(t *testing.T) {
	for _, test := range []struct {
		name       string
		hub, floor *process.CPU
		want       float64 // 0: no figure
	}{
		{"dearer", &process.CPU{Total: 9}, &process.CPU{Total: 6}, 1.5},
		{"cheaper", &process.CPU{Total: 3}, &process.CPU{Total: 6}, 0.5},
		{"a hub without a cost", nil, &process.CPU{Total: 6}, 0},
		{"a floor without a cost", &process.CPU{Total: 9}, nil, 0},
		{"a floor that costs nothing", &process.CPU{Total: 9}, &process.CPU{}, 0},
	} {
		hub := &measure.Result{Subject: "hub", CPU: test.hub}
		o := &report.Outcome{Runs: []*measure.Result{hub, {Subject: "write(2)", CPU: test.floor}}}
		ratio(o, hub, 1.15)
		if test.want == 0 {
			assert.Empty(t, o.Figures, test.name)
			continue
		}
		requireFigure(t, o, "CPU against write(2)", test.want, 1.15, false)
	}
}

func TestDenseFigures(t *testing.T) {
	hub := costing("hub", 1000, 0.4)
	hub.Delay = &client.Delay{P50: 1, P99: 30, P999: 60}
	o := &report.Outcome{Runs: []*measure.Result{hub, costing("write(2)", 1000, 0.2)}}
	denseFigures(o, hub, 0.5)
	requireFigure(t, o, "CPU", 0.4, 0.5, false)
	requireFigure(t, o, "p99", 30, 50, false)
	requireFigure(t, o, "CPU against write(2)", 2, 0, false)
}

func TestGrowthFigures(t *testing.T) {
	o := &report.Outcome{Runs: []*measure.Result{
		costing("hub", 500, 8), costing("write(2)", 500, 5),
		costing("hub", 8000, 10), costing("write(2)", 8000, 6),
	}}
	growthFigures(o)
	requireFigure(t, o, "hub", 1.25, 1.15, false)
	requireFigure(t, o, "write(2)", 1.2, 0, false)
	var subjects []string
	for _, r := range o.Runs {
		subjects = append(subjects, r.Subject)
	}
	assert.Equal(t, []string{"hub, 500", "write(2), 500", "hub, 8,000", "write(2), 8,000"}, subjects)
}

func TestIntervalFigures(t *testing.T) {
	o := &report.Outcome{}
	intervalFigures(o, &measure.Result{Busy: 0.2}, &measure.Result{Busy: 1}, &measure.Result{Busy: 0.4})
	requireFigure(t, o, "publishing alone", 0.2, 0, false)
	requireFigure(t, o, "every event", 1, 0, false)
	requireFigure(t, o, "interval=1s", 0.4, 0, false)
	requireFigure(t, o, "interval=1s against every event, with publishing", 0.4, 0, false)
	requireFigure(t, o, "interval=1s against every event, publishing apart", 0.25, 1.0/3, false)
}

func TestPublishingFigures(t *testing.T) {
	o := &report.Outcome{}
	publishingFigures(o, 1_000_000, process.CPUTime{Total: 2500 * time.Millisecond}, 5*time.Second)
	requireFigure(t, o, "positions/s per core", 400_000, 300_000, true)
	requireFigure(t, o, "each", 2.5, 0, false)
	requireFigure(t, o, "reached", 200_000, 0, false)
}

func TestReconnectFigures(t *testing.T) {
	usage := func(cpu time.Duration, resident int64) target.Usage {
		return target.Usage{CPU: process.CPUTime{Total: cpu}, Resident: resident}
	}
	o := &report.Outcome{}
	r := reconnection{wave: measure.Load{Streams: 1000}}
	r.figures(o, usage(time.Second, 100e6), usage(3*time.Second, 200e6), usage(9*time.Second, 105e6))
	requireFigure(t, o, "memory later against before", 1.05, 1.1, false)
	requireFigure(t, o, "CPU", 2000, 0, false)
}

// TestPosition: the processor time of a position is the server's of a second, by those of a second.
func TestPosition(t *testing.T) {
	b := leastBusy{run: &measure.Result{Busy: 0.5}, rate: 20_000}
	assert.InDelta(t, 25, b.position(), 1e-9)
}

// TestLoadsOfManyTopics: many vehicles and few wake as many streams in a second, with as many
// positions published, so the difference is what a vehicle costs.
func TestLoadsOfManyTopics(t *testing.T) {
	for _, quick := range []bool{false, true} {
		l := &lab{quick: quick}
		many, few := l.manyVehicles(), l.fewVehicles()
		assert.Equal(t, many.Rate, few.Rate)
		assert.Equal(t, many.Streams, few.Streams)
		assert.Equal(t, many.Window, few.Window)
		assert.Equal(t, 10*many.Streams, many.Events.Vehicles)
		assert.Equal(t, manyRate/10, wakings(many)) // one vehicle in ten has a stream
		assert.Equal(t, manyRate/10, wakings(few))
		assert.Equal(t, "/topics/vehicle:bench-1000030/stream?snapshot=false", many.Path(3))
		assert.Equal(t, "/topics/vehicle:bench-1000009/stream?snapshot=false", few.Path(3))
		assert.Equal(t, "/topics/vehicle:bench-1001060/stream?snapshot=false", few.Path(60))
	}
}

// wakings counts the deliveries of a second.
func wakings(l measure.Load) (n int) {
	perTopic := map[string]int{}
	for i := range int(l.Rate) {
		var read struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(l.Events.AppendFeature(nil, i, time.Time{}), &read); err != nil {
			panic(err)
		}
		perTopic["/topics/vehicle:"+read.ID+"/stream?snapshot=false"]++
	}
	for i := range l.Streams {
		n += perTopic[l.Path(i)]
	}
	return n
}

func TestQuick(t *testing.T) {
	assert.Equal(t, 4000, or(&lab{}, 4000, 1000))
	assert.Equal(t, 1000, or(&lab{quick: true}, 4000, 1000))
}
