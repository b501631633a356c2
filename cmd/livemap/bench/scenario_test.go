package bench

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
)

func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	quick := Options{Quick: true}.scenarios()
	for _, s := range all {
		assert.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
		assert.NotEmpty(t, s.About, s.Name)
		assert.NotEmpty(t, s.Goal, s.Name)
		assert.NotNil(t, s.run, s.Name)
	}
	assert.Len(t, Options{}.scenarios(), len(all))
	assert.NotEmpty(t, quick)
	assert.Less(t, len(quick), len(all))
	chosen := Options{Quick: true, Scenarios: []string{"resident", "sparse-h1"}}.scenarios()
	require.Len(t, chosen, 2)
	assert.Equal(t, "sparse-h1", chosen[0].Name)
}

// TestFaultsFailScenarios: a scenario with a fault has failed, unless the fault is a peer's.
func TestFaultsFailScenarios(t *testing.T) {
	outcome := func(err error, runs ...*measure.Result) *report.Outcome {
		s := scenario{run: func(_ context.Context, _ *lab, o *report.Outcome) error {
			o.Runs = runs
			return err
		}}
		return s.measure(t.Context(), &lab{})
	}
	faults := &client.Faults{Missing: 1}
	assert.Empty(t, outcome(nil, &measure.Result{}).Failure)
	assert.Contains(
		t, outcome(nil, &measure.Result{Subject: "hub", Faults: faults}).Failure, "hub: 1 missing",
	)
	assert.Contains(
		t, outcome(nil, &measure.Result{}, &measure.Result{Floor: true, Faults: faults}).Failure, "1 missing",
	)
	assert.Equal(t, "no", outcome(errors.New("no"), &measure.Result{Faults: faults}).Failure)
	peer := outcome(nil, &measure.Result{}, &measure.Result{Peer: true, Faults: faults})
	assert.Empty(t, peer.Failure)
	assert.Len(t, peer.Notes, 1)
}

// TestBusyMachinesAreNoticed: a run whose events went out together is unclear.
func TestBusyMachinesAreNoticed(t *testing.T) {
	for _, test := range []struct {
		run     measure.Result
		unclear bool
	}{
		{measure.Result{Rate: 10, Delay: &client.Delay{P50: 20}}, false},
		{measure.Result{Rate: 10, Delay: &client.Delay{P50: 60}}, true},
		{measure.Result{Rate: 1000, Delay: &client.Delay{P50: 60}}, false},
		{measure.Result{Rate: 10, Delay: &client.Delay{P50: 60}, Peer: true}, false},
		{measure.Result{Others: 0.5}, false},
	} {
		s := scenario{Name: "x", run: func(_ context.Context, _ *lab, o *report.Outcome) error {
			o.Runs = []*measure.Result{&test.run}
			return nil
		}}
		o := s.measure(t.Context(), &lab{})
		assert.Equal(t, test.unclear, o.Unclear != "", "%+v", test.run)
		assert.Equal(t, test.run.Others > 0, len(o.Notes) == 1)
	}
}

// TestKinds: each kind of server is read at its documented address.
func TestKinds(t *testing.T) {
	for kind, want := range map[string]string{
		"hub":        "http://x/stream?snapshot=false",
		"mercure":    "http://x/.well-known/mercure?topic=bench",
		"centrifugo": "http://x/connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22bench%22%3A%7B%7D%7D%7D",
		"nchan":      "http://x",
		"raw":        "http://x",
	} {
		c := &Custom{Target: "http://x", Kind: kind, Token: "t"}
		assert.Equal(t, want, c.target().URL(client.H1, ""), kind)
		c.Target = "http://x/own?a=b"
		assert.Equal(t, c.Target, c.target().URL(client.H1, ""), "%s, an address of one's own", kind)
	}
}

// TestLeastBusy: the cheapest of several runs is kept, unless one has faults.
func TestLeastBusy(t *testing.T) {
	for _, test := range []struct {
		runs []measure.Result
		want int
	}{
		{[]measure.Result{{Busy: 2}, {Busy: 1}, {Busy: 3}}, 1},
		{[]measure.Result{{Busy: 1}, {Busy: 3, Faults: &client.Faults{Missing: 1}}, {Busy: 2}}, 1},
		{[]measure.Result{{Busy: 3, Faults: &client.Faults{Missing: 1}}, {Busy: 1}}, 0},
	} {
		var least leastBusy
		for i := range test.runs {
			least.keep(&test.runs[i], 10)
		}
		assert.Same(t, &test.runs[test.want], least.run)
	}
}
