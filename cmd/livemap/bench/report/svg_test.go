package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/process"
)

// goalBar returns the bar of an outcome's worst figure.
func goalBar(o Outcome) []svgBar {
	var c svgChart
	c.goal(&o)
	return c.Bars
}

// TestGoalBars: a bar that ends at the mark has taken all of its goal.
func TestGoalBars(t *testing.T) {
	const mark = svgBars / mostOver
	f := func(value float64) []Figure { return []Figure{{Name: "f", Value: value, Goal: 2}} }
	g := Figure{Name: "g", Value: 4, Goal: 3, Least: true}
	for _, test := range []struct {
		name  string
		o     Outcome
		width float64
		color string
		text  string
	}{
		{"half", Outcome{Figures: f(1)}, mark / 2, svgGood, "f 1.00 (goal ≤ 2.00)"},
		{"all", Outcome{Figures: f(2)}, mark, svgGood, "f 2.00 (goal ≤ 2.00)"},
		{"over", Outcome{Figures: f(3)}, mark * 1.5, svgBad, "f 3.00 (goal ≤ 2.00)"},
		{"far over", Outcome{Figures: f(99)}, svgBars, svgBad, "f 99.0 (goal ≤ 2.00)"},
		{"the worst of two", Outcome{Figures: append(f(1), g)},
			mark * 0.75, svgGood, "g 4.00 (goal ≥ 3.00)"},
		{"unclear", Outcome{Unclear: "u", Figures: f(3)},
			mark * 1.5, svgFloor, "unclear, the machine was busy: f 3.00 (goal ≤ 2.00)"},
		{"failed", Outcome{Failure: "no", Figures: f(1)}, 0, svgBad, "failed"},
	} {
		bars := goalBar(test.o)
		if assert.Len(t, bars, 1, test.name) {
			assert.InDelta(t, test.width, bars[0].Width, 1e-9, test.name)
			assert.Equal(t, test.color, bars[0].Color, test.name)
			assert.Equal(t, test.text, bars[0].Text, test.name)
		}
	}
	assert.Empty(t, goalBar(Outcome{Figures: []Figure{{Name: "f", Value: 3}}}), "no goal, no bar")
}

// TestCostBars: the dearest run of a scenario has the longest bar, the others their share of it.
func TestCostBars(t *testing.T) {
	var c svgChart
	c.costs(&Outcome{Name: "one", Runs: []*measure.Result{
		{Subject: "hub", CPU: &process.CPU{Total: 6}},
		{Subject: "no cost"},
		{Subject: "floor", Floor: true, CPU: &process.CPU{Total: 3}},
		{Subject: "peer", Peer: true, CPU: &process.CPU{Total: 12}},
	}})
	c.costs(&Outcome{Name: "two", Runs: []*measure.Result{{Subject: "hub", CPU: &process.CPU{Total: 100}}}})
	want := []svgBar{
		{Name: "one", Gap: true, Width: svgBars / 2, Color: svgHub, Text: "hub: 6.00 µs"},
		{Width: svgBars / 4, Color: svgFloor, Text: "floor: 3.00 µs"},
		{Width: svgBars, Color: svgPeer, Text: "peer: 12.0 µs"},
		{Name: "two", Gap: true, Width: svgBars, Color: svgHub, Text: "hub: 100 µs"},
	}
	assert.Equal(t, want, c.Bars)

	c.place(100)
	var heights []int
	for _, bar := range c.Bars {
		heights = append(heights, bar.Y)
	}
	assert.Equal(
		t, []int{142, 164, 186, 216}, heights, "34 below the title, a row apart, 8 more before a scenario",
	)
	assert.Equal(t, 128, c.First)
	assert.Equal(t, 238, c.End)
}
