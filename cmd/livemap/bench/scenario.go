package bench

import (
	"context"
	"fmt"
	"io"
)

// scenario is something to measure.
type scenario struct {
	Name  string `json:"scenario"`
	About string `json:"about"`
	Goal  string `json:"goal,omitempty"`
	quick bool   // part of the quick set
	run   func(ctx context.Context, l *lab, o *Outcome) error
}

// all scenarios. To add one, add an entry.
var all = []scenario{
	sparseH1, sparseH2, sparseH3,
	denseH1, denseH3,
	filtered, manyTopics, interval,
	publishNDJSON, publishJSON, publishPost,
	residentScenario, snapshots,
	reconnectH1, reconnectH3,
	growthStreams, growthEvents,
}

// Outcome is what came of a scenario.
type Outcome struct {
	scenario
	Runs    []*Result `json:"runs,omitempty"` // the hub's first
	Figures []Figure  `json:"figures"`        // what the goal is about
	Notes   []string  `json:"notes,omitempty"`
	// Unclear is why figures say nothing about the hub, where that is so.
	Unclear string `json:"unclear,omitempty"`
	Failure string `json:"failure,omitempty"`
}

// Figure is one number, and its goal.
type Figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit,omitempty"`
	Value float64 `json:"value"`
	Goal  float64 `json:"goal,omitempty"`  // 0: none
	Least bool    `json:"least,omitempty"` // the goal is the least it should be, else the most
}

// strain is how much of its goal a figure takes: 1 or less is met.
func (f Figure) strain() float64 {
	if f.Least {
		return f.Goal / f.Value
	}
	return f.Value / f.Goal
}

func (f Figure) met() bool { return f.Goal == 0 || f.strain() <= 1 }

func (f Figure) String() string {
	text := fmt.Sprintf("%s %s%s", f.Name, number(f.Value), unit(f.Unit))
	switch {
	case f.Goal == 0:
		return text
	case f.Least:
		return fmt.Sprintf("%s (goal ≥ %s)", text, number(f.Goal))
	}
	return fmt.Sprintf("%s (goal ≤ %s)", text, number(f.Goal))
}

func unit(u string) string {
	if u == "" || u == "×" {
		return u
	}
	return " " + u
}

func (s scenario) measure(ctx context.Context, l *lab) *Outcome {
	o := &Outcome{scenario: s, Figures: []Figure{}}
	if l.quick {
		o.About += " (quick: fewer of everything)"
	}
	if err := s.run(ctx, l, o); err != nil {
		o.Failure = err.Error()
	}
	for _, r := range o.Runs {
		if r.behind() && !r.Peer {
			o.Unclear = fmt.Sprintf("%s was behind, so events went out together and cost less: the machine was too busy", r.Subject)
		}
		if r.Others > othersShown {
			o.note("%s: others used %s CPUs meanwhile", r.Subject, number(r.Others))
		}
		switch {
		case r.Faults == nil:
		case r.Peer:
			o.note("%s: %v", r.Subject, r.Faults)
		case o.Failure == "":
			o.Failure = fmt.Sprintf("%s: %v", r.Subject, r.Faults)
		}
	}
	return o
}

// othersShown is how many CPUs others may use without a word about it.
const othersShown = 0.1

// behind tells that events that should have been written one by one were not.
func (r *Result) behind() bool {
	return r.Delay != nil && r.Rate <= postRate && r.Delay.P50/1000 > 0.5/r.Rate
}

// most adds a figure that should be at most goal; 0 is no goal.
func (o *Outcome) most(name, unit string, value, goal float64) {
	o.Figures = append(o.Figures, Figure{Name: name, Unit: unit, Value: value, Goal: goal})
}

// least adds a figure that should be at least goal.
func (o *Outcome) least(name, unit string, value, goal float64) {
	o.Figures = append(o.Figures, Figure{Name: name, Unit: unit, Value: value, Goal: goal, Least: true})
}

func (o *Outcome) note(format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, args...))
}

// met tells whether every figure is within its goal.
func (o *Outcome) met() bool {
	for _, f := range o.Figures {
		if !f.met() {
			return false
		}
	}
	return o.Failure == ""
}

// tell says how it went, as it goes.
func (o *Outcome) tell(w io.Writer) {
	for _, r := range o.Runs {
		fmt.Fprintf(w, "  %s\n", r)
	}
	for _, f := range o.Figures {
		verdict := ""
		if f.Goal != 0 {
			verdict = map[bool]string{true: ": met", false: ": missed"}[f.met()]
		}
		fmt.Fprintf(w, "  %v%s\n", f, verdict)
	}
	for _, note := range o.Notes {
		fmt.Fprintf(w, "  %s\n", note)
	}
	if o.Unclear != "" {
		fmt.Fprintf(w, "  unclear: %s\n", o.Unclear)
	}
	if o.Failure != "" {
		fmt.Fprintf(w, "  FAILED: %s\n", o.Failure)
	}
}

// String is a run in one line.
func (r *Result) String() string {
	text := fmt.Sprintf("%-16s %5d %s streams, %s deliveries/s", r.Subject, r.Streams, r.Protocol, number(r.PerSecond))
	if r.CPU != nil {
		text += fmt.Sprintf(", %s µs each (%s in the system)", number(r.CPU.Total), number(r.CPU.System))
	}
	if r.Resident != nil {
		text += fmt.Sprintf(", %s KB/stream", number(*r.Resident))
	}
	if r.Delay != nil {
		text += fmt.Sprintf(", p50 %s p99 %s p99.9 %s ms", number(r.Delay.P50), number(r.Delay.P99), number(r.Delay.P999))
	}
	text += fmt.Sprintf(", %s bytes, connected in %s s", number(r.Bytes), number(r.Connect.Seconds))
	if r.Connect.CPU != nil {
		text += fmt.Sprintf(" (%s µs each)", number(r.Connect.CPU.Total))
	}
	return text
}
