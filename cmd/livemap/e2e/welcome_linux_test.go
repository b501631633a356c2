package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new pseudoterminal: what a program writes to the second one can be
// read from the first.
func openTerminal(t *testing.T) (reader, terminal *os.File) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { reader.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(reader.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(reader.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { terminal.Close() })
	return reader, terminal
}

// TestServeOnATerminal starts a hub on all addresses, and does what it prints: it opens the map, and runs
// the curl command in a shell.
func TestServeOnATerminal(t *testing.T) {
	t.Parallel()
	reader, terminal := openTerminal(t)
	hub := exec.CommandContext(t.Context(), program, "serve", "--anonymous", "--listen", ":0",
		"--publish-listen", "127.0.0.1:0", "--state-dir", t.TempDir())
	hub.Stderr = terminal
	require.NoError(t, hub.Start())
	terminal.Close() // so that reading ends with the hub
	var said strings.Builder
	for lines := bufio.NewScanner(reader); !strings.Contains(said.String(), "To stop") && lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
	}
	page := regexp.MustCompile(`(?m)^  Map +(https://localhost:\d+/) `).FindStringSubmatch(said.String())
	position := regexp.MustCompile(`(?m)^  A position +(curl .*)$`).FindStringSubmatch(said.String())
	require.NotNil(t, page, said.String())
	require.NotNil(t, position, said.String())
	const ready = `msg="the hub is ready" public=https://localhost:\d+ publish=http://127.0.0.1:\d+`
	assert.Regexp(t, ready, said.String())
	out, err := exec.CommandContext(t.Context(), "bash", "-c", position[1]).Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), `"accepted":1`)
	out, err = exec.CommandContext(t.Context(), "curl", "-skf", page[1]+"vehicles/HELLO-1").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "HELLO-1")
	require.NoError(t, hub.Process.Signal(os.Interrupt))
	require.NoError(t, hub.Wait())
}
