package bench

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// A scenario with a fault has failed, unless it is a peer's.
func TestFaultsFailScenarios(t *testing.T) {
	outcome := func(err error, runs ...*Result) *Outcome {
		s := scenario{run: func(_ context.Context, _ *lab, o *Outcome) error {
			o.Runs = runs
			return err
		}}
		return s.measure(t.Context(), &lab{})
	}
	faults := &Faults{Missing: 1}
	assert.Empty(t, outcome(nil, &Result{}).Failure)
	assert.Contains(t, outcome(nil, &Result{Subject: "hub", Faults: faults}).Failure, "hub: 1 missing")
	assert.Contains(t, outcome(nil, &Result{}, &Result{Floor: true, Faults: faults}).Failure, "1 missing")
	assert.Equal(t, "no", outcome(errors.New("no"), &Result{Faults: faults}).Failure)
	peer := outcome(nil, &Result{}, &Result{Peer: true, Faults: faults})
	assert.Empty(t, peer.Failure)
	assert.Len(t, peer.Notes, 1)
	assert.True(t, peer.met())
}

// Costs of events that went out together are not what the scenario is about.
func TestBusyMachinesAreNoticed(t *testing.T) {
	for _, test := range []struct {
		run     Result
		unclear bool
	}{
		{Result{Rate: 10, Delay: &Delay{P50: 20}}, false},
		{Result{Rate: 10, Delay: &Delay{P50: 60}}, true},
		{Result{Rate: 1000, Delay: &Delay{P50: 60}}, false},
		{Result{Rate: 10, Delay: &Delay{P50: 60}, Peer: true}, false},
		{Result{Others: 0.5}, false},
	} {
		s := scenario{Name: "x", run: func(_ context.Context, _ *lab, o *Outcome) error {
			o.Runs = []*Result{&test.run}
			return nil
		}}
		o := s.measure(t.Context(), &lab{})
		assert.Equal(t, test.unclear, o.verdict() == "unclear", "%+v", test.run)
		assert.Equal(t, test.run.Others > 0, len(o.Notes) == 1)
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		figure Figure
		met    bool
	}{
		{Figure{Value: 2, Goal: 2}, true}, {Figure{Value: 2.1, Goal: 2}, false}, {Figure{Value: 5}, true},
		{Figure{Value: 2, Goal: 2, Least: true}, true}, {Figure{Value: 1.9, Goal: 2, Least: true}, false},
	} {
		assert.Equal(t, test.met, test.figure.met(), "%+v", test.figure)
	}
}

func TestQuantileSince(t *testing.T) {
	read := func(counts string) metrics {
		text := "# TYPE d histogram\n"
		for i, count := range strings.Fields(counts) {
			text += `d_bucket{le="` + []string{"0.01", "0.02", "+Inf"}[i] + `"} ` + count + "\n"
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		m, err := parser.TextToMetricFamilies(strings.NewReader(text))
		require.NoError(t, err)
		return m
	}
	assert.InDelta(t, 0.015, read("10 30 30").quantileSince(read("10 10 10"), "d", 0.5), 1e-9)
	assert.InDelta(t, 0.0099, read("200 200 200").quantileSince(read("100 100 100"), "d", 0.99), 1e-9)
	assert.InDelta(t, 0.02, read("0 0 5").quantileSince(read("0 0 0"), "d", 0.99), 1e-9, "beyond the last bound nothing is known")
	assert.True(t, math.IsNaN(read("1 1 1").quantileSince(read("1 1 1"), "d", 0.99)))
	assert.True(t, math.IsNaN(metrics{}.quantileSince(metrics{}, "d", 0.99)))
}

func TestSchedule(t *testing.T) {
	s := schedule{time.Unix(100, 0), 10 * time.Millisecond, 5}
	for at, want := range map[time.Duration]int{-1: 0, 0: 1, 9 * time.Millisecond: 1, 10 * time.Millisecond: 2, time.Second: 5} {
		assert.Equal(t, want, s.dueBy(s.start.Add(at)), at.String())
	}
	late := schedule{time.Now().Add(-time.Minute), time.Millisecond, 1000} // nothing is left out, however late
	var got []int
	require.NoError(t, late.pace(t.Context(), 0, func(from, to int) error {
		require.Equal(t, from+1, to)
		got = append(got, from)
		return nil
	}))
	assert.Len(t, got, 1000)
	got = nil
	require.NoError(t, late.pace(t.Context(), time.Millisecond, func(from, to int) error {
		got = append(got, from, to)
		return nil
	}))
	assert.Equal(t, []int{0, 1000}, got, "all that is due goes at once")
}

// Kinds of servers are used as they are documented.
func TestKinds(t *testing.T) {
	for kind, want := range map[string]string{
		"hub":        "http://x/stream?snapshot=false",
		"mercure":    "http://x/.well-known/mercure?topic=bench",
		"centrifugo": "http://x/connection/uni_sse?cf_connect=%7B%22subs%22%3A%7B%22bench%22%3A%7B%7D%7D%7D",
		"nchan":      "http://x",
		"raw":        "http://x",
	} {
		c := &Custom{Target: "http://x", Kind: kind, Token: "t"}
		assert.Equal(t, want, c.target().url(h1, ""), kind)
		c.Target = "http://x/own?a=b"
		assert.Equal(t, c.Target, c.target().url(h1, ""), "%s, an address of one's own", kind)
	}
}

// Of several runs the cheapest is kept, but a lossy one is not lost among them.
func TestLeastBusy(t *testing.T) {
	for _, test := range []struct {
		runs []Result
		want int
	}{
		{[]Result{{Busy: 2}, {Busy: 1}, {Busy: 3}}, 1},
		{[]Result{{Busy: 1}, {Busy: 3, Faults: &Faults{Missing: 1}}, {Busy: 2}}, 1},
		{[]Result{{Busy: 3, Faults: &Faults{Missing: 1}}, {Busy: 1}}, 0},
	} {
		var least leastBusy
		for i := range test.runs {
			least.keep(&test.runs[i], 10)
		}
		assert.Same(t, &test.runs[test.want], least.run)
	}
}
