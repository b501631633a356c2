package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// console is the output of a command, safe to read while it runs.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// command runs livemap to its end.
func command(t testing.TB, stdin string, args ...string) (out, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), e2eLimit)
	defer cancel()
	var stdout, errors console
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &errors
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "it did not end; stderr: %s", &errors)
	if _, exited := asExit(err); err != nil && !exited {
		require.NoError(t, err)
	}
	return stdout.String(), errors.String(), cmd.ProcessState.ExitCode()
}

func asExit(err error) (*exec.ExitError, bool) { return errors.AsType[*exec.ExitError](err) }

// runningProcess is a command that runs until it is interrupted.
type runningProcess struct {
	cmd      *exec.Cmd
	out, err console
	tempDir  string
	ended    chan error
}

func startProcess(t *testing.T, args ...string) *runningProcess {
	t.Helper()
	p := &runningProcess{cmd: exec.Command(program, args...), tempDir: t.TempDir(), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.tempDir)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	go func() { p.ended <- p.cmd.Wait() }()
	return p
}

// interrupt ends it as Ctrl-C does, which must succeed.
func (p *runningProcess) interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	select {
	case err := <-p.ended:
		require.NoError(t, err, p.err.String())
	case <-time.After(e2eLimit):
		require.FailNow(t, "it does not end")
	}
}

// simulated interrupts a simulation and returns the numbers of its summary. Positions of uploads that broke
// do not count as sent.
func (p *runningProcess) simulated(t *testing.T) (sent, accepted, rejected, duplicate int) {
	t.Helper()
	p.interrupt(t)
	summary := regexp.MustCompile(
		`(\d+) positions sent: accepted (\d+), rejected (\d+), late (\d+), duplicate (\d+)` +
			`(?:, never acknowledged (\d+))?; [\d,]+ vehicles? deleted at the end\n$`)
	m := summary.FindStringSubmatch(p.out.String())
	require.NotNil(t, m, p.out.String())
	var n [6]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	return n[0] - n[5], n[1], n[2], n[4]
}

// at makes a position object of a vehicle, with a time in seconds after one in November 2023.
func at(vehicle string, seconds float64) string {
	return fmt.Sprintf(`{"vehicle_id":%q,"lat":52.5,"lon":13.4,"timestamp":%s}`, vehicle,
		strconv.FormatFloat(1.7e9+seconds, 'f', -1, 64))
}
