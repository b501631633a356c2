package api_test

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/api"
	"livemap/stream"
)

var series = regexp.MustCompile(`(?m)^(livemap_\w+(?:\{[^}]*\})?) `)

// seriesOf returns the hub's time series.
func seriesOf(t *testing.T, h *hub) (all []string) {
	for _, match := range series.FindAllStringSubmatch(h.get(t, "/metrics").body, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return all
}

func TestMetrics(t *testing.T) {
	h := start(t)
	s := h.subscribe(t, "/stream")
	s.begun(t)
	h.put(t, at("a", 1, 2, `"timestamp":900000010`, `"topics":["x"]`))
	h.put(t, at("a", 1, 2, `"timestamp":900000010`), at("a", 1, 2, `"timestamp":900000009`))
	h.post(t, "application/json", "["+at("b", 1, 2)+",{},{}]")
	h.post(t, "application/json", "{}")
	h.post(t, "application/json", "{")
	h.post(t, "text/plain", "")
	h.do(t, "DELETE", h.internal.URL+"/vehicles/b", nil)
	for _, want := range []string{"a", "late a", "b", "gone b deleted"} {
		require.Equal(t, want, s.brief(t))
	}
	require.Equal(t, map[string]float64{"ok": 2, "partial": 1, "refused": 1, "invalid": 2},
		h.metric(t, "livemap_publishes_total", "result"))
	require.Equal(t, map[string]float64{"accepted": 2, "late": 1, "duplicate": 1, "rejected": 3},
		h.metric(t, "livemap_positions_total", "result"))
	require.Equal(t, map[string]float64{"present": 1, "gone": 1}, h.metric(t, "livemap_vehicles", "state"))
	var text string
	require.Eventually(t, func() bool { // what was written is counted after it was
		text = h.get(t, "/metrics").body
		return strings.Contains(text, "\nlivemap_events_written_total 4") &&
			!strings.Contains(text, "\nlivemap_publish_to_write_seconds_count 0\n")
	}, time.Minute, time.Millisecond)
	for _, want := range []string{
		"livemap_log_events 4", "livemap_topics 1", "livemap_events_written_total 4", "livemap_conflations_total 0",
		"livemap_panics_total 0", "livemap_http3_migrations_total 0",
		"livemap_publish_duration_seconds_count 4", // those that parsed
		"go_goroutines ", "process_open_fds ",
	} {
		require.Contains(t, text, "\n"+want)
	}
	for _, name := range []string{"livemap_log_bytes", "livemap_log_seconds",
		"livemap_publish_to_write_seconds_bucket", "livemap_publish_to_write_seconds_count"} {
		require.Contains(t, text, "\n"+name)
		require.NotContains(t, text, "\n"+name+" 0\n")
	}
	h.post(t, "application/x-ndjson", at("c", 1, 2))
	require.Contains(t, h.get(t, "/metrics").body, "\nlivemap_publish_duration_seconds_count 4\n",
		"uploads may run for hours and are not measured")
}

// The program and its Go are the labels of a metric whose value says nothing.
func TestBuildInfo(t *testing.T) {
	h := start(t, func(_ *stream.Config, c *api.Config) { c.Metrics.Build(`1.2.0-3-g"abc"`) })
	require.Contains(t, h.get(t, "/metrics").body,
		"\nlivemap_build_info{goversion=\""+runtime.Version()+`",version="1.2.0-3-g\"abc\""} 1`+"\n")
}

// New vehicles, topics and paths add no time series.
func TestSeriesAreConstant(t *testing.T) {
	h := start(t)
	load := func(round, n int) {
		var positions []string
		for i := range n {
			positions = append(positions, at(fmt.Sprintf("vehicle-%d-%d", round, i), 1, 2,
				fmt.Sprintf(`"topics":["topic-%d-%d"]`, round, i)))
		}
		h.put(t, positions...)
		h.post(t, "application/json", "{")
		h.post(t, "application/json", "{}")
		h.post(t, "application/json", "["+positions[0]+",{}]")
		h.get(t, fmt.Sprintf("/nothing-%d", round))
		s := h.subscribe(t, fmt.Sprintf("/topics/topic-%d-0/stream", round))
		s.begun(t)
		s.close()
		h.closed(t, round)
	}
	load(1, 1)
	before := seriesOf(t, h)
	load(2, 3000)
	load(3, 3000)
	require.Equal(t, before, seriesOf(t, h))
	require.NotContains(t, strings.Join(before, " "), "vehicle-")
}
