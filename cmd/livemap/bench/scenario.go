package bench

import (
	"context"
	"fmt"

	"livemap/cmd/livemap/bench/report"
)

// scenario is something to measure.
type scenario struct {
	Name  string
	About string
	Goal  string
	quick bool // part of the quick set
	run   func(ctx context.Context, l *lab, o *report.Outcome) error
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
	journalPublish, journalStart, journalResident, journalSave,
	clusterPublish, clusterLatency, clusterDeliver,
}

func (s scenario) measure(ctx context.Context, l *lab) *report.Outcome {
	o := report.NewOutcome(s.Name, s.About, s.Goal)
	if l.quick {
		o.About += " (quick: fewer of everything)"
	}
	if err := s.run(ctx, l, o); err != nil {
		o.Failure = err.Error()
	}
	for _, r := range o.Runs {
		if r.Behind() && !r.Peer {
			o.Unclear = fmt.Sprintf(
				"%s was behind: the machine was too busy, so events went out together and cost less",
				r.Subject,
			)
		}
		if r.Others > othersShown {
			o.Note("%s: other processes used %s CPUs meanwhile", r.Subject, report.Number(r.Others))
		}
		switch {
		case r.Faults == nil:
		case r.Peer:
			o.Note("%s: %v", r.Subject, r.Faults)
		case o.Failure == "":
			o.Failure = fmt.Sprintf("%s: %v", r.Subject, r.Faults)
		}
	}
	return o
}

// othersShown is how many CPUs others may use without a word about it.
const othersShown = 0.1
