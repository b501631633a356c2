// Package e2e tests the program at its front door: each test starts `livemap` as a process, and
// talks to it as clients and operators do.
//
// Glossary of the helpers that many tests use:
//
//   - command runs livemap to its end, startProcess runs it until it is interrupted.
//   - startHub runs `livemap serve` with ports that the system picks, and waits until it is ready;
//     a runningHub publishes, reads metrics and ends the hub. startHubUnder puts another command
//     before it, startPrepared changes its exec.Cmd.
//   - hubLog is the hub's log: await waits for a line, find searches.
//   - await waits until something holds, without a limit that a busy machine would meet.
//   - hub.awaitEnd waits until a hub has ended by itself; fillDeaf fills the buffers of streams
//     that nobody reads.
//   - quicTransport is a socket for QUIC that leaves no goroutine.
//   - hub.client returns a wireClient over h1, h2 or h3; mustOpen opens a stream, until reads it.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// program is the path of livemap, built by TestMain: with the race detector if the tests are.
var program string

// TestMain builds the program, and fails on goroutines that a test left behind.
func TestMain(m *testing.M) {
	if runtime.GOOS == "windows" {
		fmt.Println("skipped: these tests end the program by signals, which Windows does not have")
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "livemap-e2e-")
	if err == nil {
		program = filepath.Join(dir, "livemap")
		build := exec.Command("go", "build", "-o", program)
		if raceEnabled {
			build.Args = append(build.Args, "-race")
		}
		build.Args = append(build.Args, "livemap/cmd/livemap")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot build livemap:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(withBrowsers{m}, goleak.Cleanup(func(status int) {
		os.RemoveAll(dir)
		os.Exit(status)
	}))
}

// withBrowsers ends the browsers when all tests are over.
type withBrowsers struct{ *testing.M }

// Run runs the tests.
func (m withBrowsers) Run() int {
	status := m.M.Run()
	foreignFirefox.end()
	foreignWebKit.end()
	return status
}
