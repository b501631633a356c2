package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Streams of every protocol are measured on a hub that runs already.
func TestBenchTarget(t *testing.T) {
	t.Parallel()
	for protocol, address := range map[string]func(*runningHub) string{
		"h1": func(h *runningHub) string { return h.proxy },
		"h2": func(h *runningHub) string { return h.public },
		"h3": func(h *runningHub) string { return h.public },
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			hub, out := startHub(t), t.TempDir()
			table, stderr, status := command(t, "", "bench", "--target", address(hub), "--publish", hub.publish,
				"--protocol", protocol,
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
	t.Setenv("LIVEMAP_HISTORY", "nonsense") // which is not for the hub that is measured
	table, stderr, status := command(t, "", "bench", "--quick", "--scenario", "resident")
	require.Zero(t, status, stderr)
	assert.Contains(t, table, "| resident |")
	assert.Regexp(t, `resident [0-9.]+ MB \(goal ≤ 300\); the log had [0-9.]+ MiB, the fleet 20000 vehicles`,
		table)
}

// A failed measurement is an error.
func TestBenchFails(t *testing.T) {
	hub := startHub(t)
	_, stderr, status := command(t, "", "bench", "--target", hub.proxy+"/nothing", "--publish", hub.publish,
		"--streams", "1", "--duration", "1s")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "404")
	_, stderr, status = command(t, "", "bench", "--scenario", "resident", "--hub",
		filepath.Join(os.TempDir(), "no", "such", "program"))
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "no such file")
}
