package report

import (
	_ "embed"
	"html/template"
	"io"
	"math"
)

//go:embed report.svg.tmpl
var svgText string

var svgTemplate = template.Must(template.New("svg").Parse(svgText))

// Measures of the picture, in pixels.
const (
	svgWidth = 900
	svgLeft  = 190 // where bars begin
	svgBars  = 420 // the longest
	svgRow   = 22
	mostOver = 2.5 // as many times its goal is as long as a bar gets
)

type svgBar struct {
	Name, Text, Color string
	Y                 int
	Width             float64
	Gap               bool // before it
}

// svgChart is one of the two charts.
type svgChart struct {
	Title, Note string
	Y           int
	First, End  int     // of the bars
	Mark        float64 // a line at this distance from where bars begin; 0 is none
	Bars        []svgBar
}

const (
	svgGood  = "#2e7d4f"
	svgBad   = "#c0392b"
	svgHub   = "#1f5fa8"
	svgFloor = "#9aa5b1"
	svgPeer  = "#d08a2e"
)

// svg draws how much of its goal each scenario takes, and what a delivery costs
// against floors and peers.
func (r *Report) svg(w io.Writer) error {
	goals := svgChart{
		Title: "How much of its goal each scenario takes",
		Note:  "The line is the goal: left of it, it is met.",
		Mark:  svgBars / mostOver,
	}
	costs := svgChart{
		Title: "CPU time of the server per delivery",
		Note:  "Bars of one scenario are drawn to one scale.",
	}
	for _, o := range r.Outcomes {
		goals.goal(o)
		costs.costs(o)
	}
	goals.place(60)
	costs.place(goals.End + 50)
	return svgTemplate.Execute(w, map[string]any{
		"Width": svgWidth, "Left": svgLeft, "Height": costs.End + 30, "Charts": []svgChart{goals, costs},
		"Machine": r.Machine, "Date": r.Date.Format("2006-01-02"), "Commit": r.Commit,
	})
}

// goal adds the figure that takes most of its goal.
func (c *svgChart) goal(o *Outcome) {
	var worst *Figure
	for i, f := range o.Figures {
		if f.Goal != 0 && (worst == nil || f.strain() > worst.strain()) {
			worst = &o.Figures[i]
		}
	}
	switch {
	case o.Failure != "":
		c.Bars = append(c.Bars, svgBar{Name: o.Name, Text: "failed", Color: svgBad})
	case worst != nil:
		bar := svgBar{
			Name:  o.Name,
			Text:  worst.String(),
			Color: svgGood,
			Width: min(worst.strain(), mostOver) / mostOver * svgBars,
		}
		switch {
		case o.Unclear != "":
			bar.Color, bar.Text = svgFloor, "unclear, the machine was busy: "+bar.Text
		case !worst.met():
			bar.Color = svgBad
		}
		c.Bars = append(c.Bars, bar)
	}
}

// costs adds what a delivery cost in each run of a scenario.
func (c *svgChart) costs(o *Outcome) {
	most := 0.0
	for _, run := range o.Runs {
		if run.CPU != nil {
			most = math.Max(most, run.CPU.Total)
		}
	}
	name := o.Name
	for _, run := range o.Runs {
		if run.CPU == nil {
			continue
		}
		bar := svgBar{Name: name, Gap: name != "", Width: run.CPU.Total / most * svgBars, Color: svgHub,
			Text: run.Subject + ": " + Number(run.CPU.Total) + " µs"}
		switch {
		case run.Peer:
			bar.Color = svgPeer
		case run.Floor:
			bar.Color = svgFloor
		}
		c.Bars, name = append(c.Bars, bar), ""
	}
}

// place sets the height of the title and of each bar.
func (c *svgChart) place(y int) {
	c.Y = y
	y += 34
	c.First = y - 6
	for i := range c.Bars {
		if c.Bars[i].Gap {
			y += 8
		}
		c.Bars[i].Y = y
		y += svgRow
	}
	c.End = y
}
