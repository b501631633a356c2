package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// foreignScripts is where the scripts are that read with packages from npm.
const foreignScripts = "testdata/foreign"

// foreignNode reads with a script that uses packages from npm.
func foreignNode(script string, args ...string) func(*testing.T, string, http.RoundTripper) *foreignSeen {
	return func(t *testing.T, url string, _ http.RoundTripper) *foreignSeen {
		needForeignPackages(t)
		return foreignProgram("node", append([]string{script}, args...)...)(t, url, nil)
	}
}

// foreignProgram reads with a program that prints what it saw, one JSON object per line.
func foreignProgram(name string, args ...string) func(*testing.T, string, http.RoundTripper) *foreignSeen {
	return func(t *testing.T, url string, _ http.RoundTripper) *foreignSeen {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				require.NoError(t, err, "CI must have %s", name)
			}
			t.Skip("needs", name, ":", err)
		}
		seen := newForeignSeen(t)
		ctx, running := foreignRunning(t)
		command := exec.CommandContext(ctx, name, append(slices.Clone(args), url)...)
		command.Dir = foreignScripts
		var complaints bytes.Buffer
		command.Stderr = &complaints
		out, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		running.Go(func() {
			seen.readLines(bufio.NewScanner(out))
			if err := command.Wait(); ctx.Err() == nil {
				seen.note("ended", "")
				assert.NoError(t, err, "%s", &complaints)
			}
		})
		return seen
	}
}

func (s *foreignSeen) readLines(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.readLine(lines.Bytes())
	}
}

// readLine takes what a script or a page has seen, as a JSON object.
func (s *foreignSeen) readLine(line []byte) {
	var told struct {
		foreignEvent
		Note, Text string
	}
	switch err := json.Unmarshal(line, &told); {
	case err != nil:
		s.note("error", err.Error())
	case told.Note != "":
		s.note(told.Note, told.Text)
	default:
		s.event(told.Name, told.ID, told.Data)
	}
}

// needForeignPackages installs the packages of the lock file, once. Without
// Node or packages the test is skipped, except where it must not be.
func needForeignPackages(t *testing.T) {
	t.Helper()
	if err := foreignPackages(); err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err, "CI must have node and npm")
		}
		t.Skipf("needs node and npm, and the packages of %s: %v", foreignScripts, err)
	}
}

var foreignPackages = sync.OnceValue(func() error {
	if _, err := exec.LookPath("node"); err != nil {
		return err
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return err
	}
	lock, err := os.ReadFile(filepath.Join(foreignScripts, "package-lock.json"))
	if err != nil {
		return err
	}
	// The modules were installed from this lock file already.
	installed := filepath.Join(foreignScripts, "node_modules", ".installed.json")
	if done, err := os.ReadFile(installed); err == nil && bytes.Equal(done, lock) {
		return nil
	}
	command := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	command.Dir = foreignScripts
	if out, err := command.CombinedOutput(); err != nil {
		return &foreignInstallError{err, string(out)}
	}
	return os.WriteFile(installed, lock, 0o644)
})

// foreignInstallError is what npm said when it failed.
type foreignInstallError struct {
	error
	out string
}

func (e *foreignInstallError) Error() string { return "npm ci: " + e.error.Error() + "\n" + e.out }

// TestForeignEventSourceHoldsProcess shows that eventsource 5 lets its process end successfully
// while it waits to reconnect and no other work is left.
func TestForeignEventSourceHoldsProcess(t *testing.T) {
	for module, holds := range map[string]bool{"eventsource": true, "eventsource5": false} {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			hub := startForeignHub(t)
			proxy := startForeignProxy(t, hub.proxy)
			seen := foreignNode("eventsource.mjs", module, "--unheld")(t, proxy.url+foreignAll, nil)
			seen.wait("live", 1)
			proxy.cutAfter("}}\n")
			hub.publish(foreignPosition("TRUCK", 1_700_001_000))
			if !holds {
				seen.waitNote("ended")
				assert.Equal(t, 1, proxy.requests())
				return
			}
			seen.wait("live", 2)
		})
	}
}
