package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Streams of every protocol are measured on a hub that runs already.
func TestBenchTarget(t *testing.T) {
	for protocol, address := range map[string]func(*runningHub) string{
		"h1": func(h *runningHub) string { return h.proxy },
		"h2": func(h *runningHub) string { return h.public },
		"h3": func(h *runningHub) string { return h.public },
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			hub, out := startHub(t), t.TempDir()
			table, stderr, status := command(t, "", "bench", "--target", address(hub), "--publish", hub.publish, "--protocol", protocol,
				"--streams", "7", "--rate", "30", "--duration", "1s", "--pid", "0", "--out", out)
			require.Zero(t, status, stderr)
			assert.Contains(t, table, "| custom | hub | 7 |")
			assert.Contains(t, stderr, "7 "+protocol+" streams")
			for _, name := range []string{"results.json", "results.svg", "table.md"} {
				assert.FileExists(t, filepath.Join(out, name))
			}
		})
	}
}

// The benchmark starts hubs by itself.
func TestBenchScenario(t *testing.T) {
	t.Setenv(asProgram, "1")
	t.Setenv("LIVEMAP_HISTORY", "nonsense") // which is not for the hub that is measured
	table, stderr, status := command(t, "", "bench", "--quick", "--scenario", "resident")
	require.Zero(t, status, stderr)
	assert.Contains(t, table, "| resident |")
	assert.Regexp(t, `resident [0-9.]+ MB \(goal ≤ 300\); the log had [0-9.]+ MiB, the fleet 20000 vehicles`, table)
}

// What cannot be measured is an error.
func TestBenchFails(t *testing.T) {
	hub := startHub(t)
	_, stderr, status := command(t, "", "bench", "--target", hub.proxy+"/nothing", "--publish", hub.publish, "--streams", "1", "--duration", "1s")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "404")
	_, stderr, status = command(t, "", "bench", "--scenario", "resident", "--hub", filepath.Join(os.TempDir(), "no", "such", "program"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no such file")
}

func TestBenchRefusesFlags(t *testing.T) {
	target := []string{"--target", "http://127.0.0.1:1", "--publish", "http://127.0.0.1:1"}
	for _, test := range []struct {
		args []string
		says []string
	}{
		{[]string{"--scenario", "marbles"}, []string{"--scenario", "marbles", "sparse-h1"}},
		{[]string{"--target", "localhost:1"}, []string{"--target", "http:// or https://"}},
		{[]string{"--target", "http://127.0.0.1:1"}, []string{"--publish", "http:// or https://"}},
		{[]string{"--streams", "5"}, []string{"--streams", "goes with --target"}},
		{[]string{"--quick", "--token", "x"}, []string{"--token", "goes with --target"}},
		{append(target, "--scenario", "resident"), []string{"--scenario", "--target"}},
		{append(target, "--kind", "kafka"), []string{"--kind", "centrifugo"}},
		{append(target, "--kind", "raw"), []string{"--publish", "raw"}},
		{append(target, "--protocol", "h4"), []string{"--protocol", "h1, h2, h3"}},
		{append(target, "--protocol", "h3"), []string{"--protocol", "https://"}},
		{append(target, "--pid", "-1"), []string{"--pid"}},
		{append(target, "--streams", "0"), []string{"--streams", "from 1 to 100000"}},
		{append(target, "--rate", "0"), []string{"--rate", "from 0.1 to 100000"}},
		{append(target, "--duration", "1ms"), []string{"--duration", "from 1s to 1h"}},
	} {
		_, stderr, status := command(t, "", append([]string{"bench"}, test.args...)...)
		assert.Equal(t, 2, status, stderr)
		for _, word := range test.says {
			assert.Contains(t, stderr, word)
		}
	}
}
