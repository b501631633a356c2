package report

import (
	"fmt"
	"io"

	"livemap/cmd/livemap/bench/measure"
)

// Outcome is what came of a scenario.
type Outcome struct {
	Name    string            `json:"scenario"`
	About   string            `json:"about"`
	Goal    string            `json:"goal,omitempty"`
	Runs    []*measure.Result `json:"runs,omitempty"` // the hub's first
	Figures []Figure          `json:"figures"`        // what the goal is about
	Notes   []string          `json:"notes,omitempty"`
	// Unclear is why figures say nothing about the hub, where that is so.
	Unclear string `json:"unclear,omitempty"`
	Failure string `json:"failure,omitempty"`
}

// NewOutcome is of a scenario by its name, what it is about and its goal.
func NewOutcome(name, about, goal string) *Outcome {
	return &Outcome{Name: name, About: about, Goal: goal, Figures: []Figure{}}
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
	text := fmt.Sprintf("%s %s%s", f.Name, Number(f.Value), unit(f.Unit))
	switch {
	case f.Goal == 0:
		return text
	case f.Least:
		return fmt.Sprintf("%s (goal ≥ %s)", text, Number(f.Goal))
	}
	return fmt.Sprintf("%s (goal ≤ %s)", text, Number(f.Goal))
}

func unit(u string) string {
	if u == "" || u == "×" {
		return u
	}
	return " " + u
}

// AtMost adds a figure that should be at most goal; 0 is no goal.
func (o *Outcome) AtMost(name, unit string, value, goal float64) {
	o.Figures = append(o.Figures, Figure{Name: name, Unit: unit, Value: value, Goal: goal})
}

// AtLeast adds a figure that should be at least goal.
func (o *Outcome) AtLeast(name, unit string, value, goal float64) {
	o.Figures = append(o.Figures, Figure{Name: name, Unit: unit, Value: value, Goal: goal, Least: true})
}

// Note adds a remark.
func (o *Outcome) Note(format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, args...))
}

// met reports whether every figure is within its goal.
func (o *Outcome) met() bool {
	for _, f := range o.Figures {
		if !f.met() {
			return false
		}
	}
	return o.Failure == ""
}

// Print writes the outcome to w, in lines for a person.
func (o *Outcome) Print(w io.Writer) {
	for _, r := range o.Runs {
		fmt.Fprintf(w, "  %s\n", line(r))
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
