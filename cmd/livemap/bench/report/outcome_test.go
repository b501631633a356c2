package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
)

func TestFigureText(t *testing.T) {
	for _, test := range []struct {
		figure Figure
		want   string
	}{
		{Figure{Name: "CPU", Unit: "×", Value: 1.155}, "CPU 1.16×"},
		{Figure{Name: "CPU", Unit: "×", Value: 1.155, Goal: 1.15}, "CPU 1.16× (goal ≤ 1.15)"},
		{Figure{Name: "n", Unit: "/s", Value: 9500, Goal: 9000, Least: true}, "n 9,500 /s (goal ≥ 9,000)"},
		{Figure{Name: "n", Value: 7}, "n 7.00"},
	} {
		assert.Equal(t, test.want, test.figure.String())
	}
}

// TestStrain: the figure with the greatest strain is the one that a scenario is judged by.
func TestStrain(t *testing.T) {
	for _, test := range []struct {
		figure Figure
		want   float64
	}{
		{Figure{Value: 1, Goal: 4}, 0.25},
		{Figure{Value: 6, Goal: 4}, 1.5},
		{Figure{Value: 8, Goal: 4, Least: true}, 0.5},
		{Figure{Value: 2, Goal: 4, Least: true}, 2},
	} {
		assert.InDelta(t, test.want, test.figure.strain(), 1e-12, "%+v", test.figure)
	}
}

func TestVerdict(t *testing.T) {
	lossyPeer := &measure.Result{Peer: true, Faults: &client.Faults{Missing: 1}}
	met, missed, free := Figure{Value: 1, Goal: 2}, Figure{Value: 3, Goal: 2}, Figure{Value: 3}
	for _, test := range []struct {
		name    string
		outcome Outcome
		want    string
	}{
		{"met", Outcome{Goal: "g", Figures: []Figure{met}}, "met"},
		{"one of two missed", Outcome{Goal: "g", Figures: []Figure{met, missed}}, "missed"},
		{"the first of two missed", Outcome{Goal: "g", Figures: []Figure{missed, met}}, "missed"},
		{"a figure without a goal", Outcome{Goal: "g", Figures: []Figure{met, free}}, "met"},
		{"no goal", Outcome{Figures: []Figure{free}}, ""},
		{"unclear, though met", Outcome{Goal: "g", Figures: []Figure{met}, Unclear: "busy"}, "unclear"},
		{"unclear, though missed", Outcome{Goal: "g", Figures: []Figure{missed}, Unclear: "busy"}, "unclear"},
		{"failed, though met", Outcome{Goal: "g", Figures: []Figure{met}, Failure: "1 missing"}, "FAILED"},
		{"failed and unclear", Outcome{Goal: "g", Unclear: "busy", Failure: "1 missing"}, "FAILED"},
		{"a peer's faults", Outcome{Goal: "g", Runs: []*measure.Result{lossyPeer}}, "met"},
	} {
		assert.Equal(t, test.want, test.outcome.verdict(), test.name)
	}
}

// TestMet: a scenario that failed has not met its goals, whatever its figures.
func TestMet(t *testing.T) {
	met := []Figure{{Value: 1, Goal: 2}}
	assert.True(t, (&Outcome{Figures: met}).met())
	assert.False(t, (&Outcome{Figures: met, Failure: "1 missing"}).met())
}

// TestFloorOf: a run is compared with the floor that wrote to as many streams.
func TestFloorOf(t *testing.T) {
	few := &measure.Result{Streams: 500, CPU: &process.CPU{Total: 8}}
	fewFloor := &measure.Result{Streams: 500, Floor: true, CPU: &process.CPU{Total: 4}}
	many := &measure.Result{Streams: 8000, CPU: &process.CPU{Total: 9}}
	manyFloor := &measure.Result{Streams: 8000, Floor: true, CPU: &process.CPU{Total: 3}}
	o := Outcome{Runs: []*measure.Result{few, fewFloor, many, manyFloor}}
	for _, test := range []struct {
		run, floor *measure.Result
		cells      string
	}{
		{few, fewFloor, "500 | 0.00 | 8.00 | 0.00 | 4.00 | 2.00 | "},
		{many, manyFloor, "8,000 | 0.00 | 9.00 | 0.00 | 3.00 | 3.00 | "},
		{&measure.Result{Streams: 7, CPU: &process.CPU{Total: 1}}, nil, "7 | 0.00 | 1.00 | 0.00 |  |  | "},
		{&measure.Result{Streams: 500}, fewFloor, "500 | 0.00 |  |  |  |  | "},
	} {
		floor := o.floorOf(test.run)
		assert.Same(t, test.floor, floor)
		assert.Equal(t, test.cells, cells(test.run, floor))
	}
}
