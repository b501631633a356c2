package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runningProcess is a command as a process of its own.
type runningProcess struct {
	cmd      *exec.Cmd
	out, err console
	ended    chan error
}

func startProcess(t *testing.T, args ...string) *runningProcess {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := &runningProcess{cmd: exec.Command(program, args...), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	_, err = p.cmd.StdinPipe() // which ends with the test
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	go func() { p.ended <- p.cmd.Wait() }()
	return p
}

// interrupt ends it as Ctrl-C does, which must be well.
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

// demoAddresses are free ones; port 0 would do, but a demo has its ports said.
var demoAddresses = []string{"--listen", "localhost:0", "--proxy-listen", "localhost:0", "--publish-listen", "127.0.0.1:0"}

// A demo tells where to look, has a page and vehicles there, and leaves nothing.
func TestDemoRuns(t *testing.T) {
	t.Parallel()
	demo := startProcess(t, append([]string{"demo", "--vehicles", "60", "--seed", "3"}, demoAddresses...)...)
	await(t, "the welcome", func() bool { return strings.Contains(demo.out.String(), "Ctrl-C") || len(demo.ended) > 0 })
	page := regexp.MustCompile(`Open +(http://localhost:\d+/)`).FindStringSubmatch(demo.out.String())
	require.NotNil(t, page, "%s%s", &demo.out, &demo.err)
	assert.Regexp(t, `or +https://localhost:\d+/ `, demo.out.String())
	curl := regexp.MustCompile(`curl -N (http://127.0.0.1:\d+/topics/live_updates:all/stream)`).FindStringSubmatch(demo.out.String())
	require.NotNil(t, curl, demo.out.String())

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: e2eLimit}
	get := func(url string) (int, string) {
		resp, err := client.Get(url)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text)
	}
	status, text := get(page[1])
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "<html")
	var snapshot struct{ Features []json.RawMessage }
	await(t, "all vehicles", func() bool {
		_, text := get(page[1] + "topics/live_updates:all/snapshot")
		require.NoError(t, json.Unmarshal([]byte(text), &snapshot))
		return len(snapshot.Features) == 60
	})
	status, _ = get(strings.TrimSuffix(curl[1], "topics/live_updates:all/stream") + "readyz")
	assert.Equal(t, http.StatusOK, status)
	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page[1]+"topics/live_updates:all/snapshot", nil)
	require.NoError(t, err)
	foreign.Host = "evil.example" // whose page has its name lead here
	resp, err := client.Do(foreign)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode)
	transport.CloseIdleConnections()
	demo.interrupt(t)
	assert.Regexp(t, `60 vehicles, \d+ positions sent: accepted \d+, rejected 0`, demo.out.String())
	left, err := filepath.Glob(filepath.Join(demo.tempDir(), "*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	for line := range strings.Lines(demo.err.String()) {
		assert.True(t, strings.HasPrefix(line, "hub: ") || strings.HasPrefix(line, "60 vehicles, "), "%q is for no person", line)
	}
}

// Who reads what a demo prints may end before it, as tee does at Ctrl-C, and the
// same Ctrl-C may come more than once: nothing is left behind all the same.
func TestDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	reader, stdout, err := os.Pipe()
	require.NoError(t, err)
	demo := exec.Command(program, append([]string{"demo", "--vehicles", "5"}, demoAddresses...)...)
	demo.Env, demo.Stdout = append(os.Environ(), asProgram+"=1", "TMPDIR="+dir), stdout
	stdin, err := demo.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	require.NoError(t, demo.Start())
	stdout.Close()
	for welcome := bufio.NewScanner(reader); welcome.Scan() && !strings.Contains(welcome.Text(), "Ctrl-C"); {
	}
	reader.Close()

	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range 20 { // within the second in which these are taken for one
		demo.Process.Signal(syscall.SIGINT) // which may have ended by then
		<-again.C
	}
	assert.NoError(t, demo.Wait())
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func (p *runningProcess) tempDir() string {
	_, dir, _ := strings.Cut(p.cmd.Env[len(p.cmd.Env)-1], "=")
	return dir
}

// A state directory that was named is kept.
func TestDemoKeepsNamedState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out, stderr console
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	args := append([]string{"demo", "--vehicles", "5", "--state-dir", dir}, demoAddresses...)
	go func() { ended <- run(ctx, args, streams{strings.NewReader(""), &out, &stderr}) }()
	await(t, "the welcome", func() bool { return strings.Contains(out.String(), "Ctrl-C") || len(ended) > 0 })
	cancel()
	require.NoError(t, <-ended)
	assert.FileExists(t, filepath.Join(dir, "localhost.pem"))
}

// What others could reach is refused: a demo asks nobody who they are.
func TestDemoStaysOnLoopback(t *testing.T) {
	for _, flag := range []string{"--listen", "--proxy-listen", "--publish-listen"} {
		for _, address := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "example.com:80"} {
			t.Run(flag+" "+address, func(t *testing.T) {
				out, stderr, status := command(t, "", "demo", flag, address)
				assert.Equal(t, 2, status)
				assert.Empty(t, out)
				assert.Contains(t, stderr, flag+" is "+address)
				assert.Contains(t, stderr, "loopback")
			})
		}
	}
	for _, args := range [][]string{{"--listen", "off", "--proxy-listen", "off"}, {"--publish-listen", "off"}, {"--heartbeat", "1h"}, {"--to", "http://localhost"}} {
		_, stderr, status := command(t, "", append([]string{"demo"}, args...)...)
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, args[0])
	}
}

// A port in use is named with its flag.
func TestDemoPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for i := 0; i < len(demoAddresses); i += 2 {
		flag := demoAddresses[i]
		args := append(append([]string{"demo", "--vehicles", "1"}, demoAddresses...), flag, taken.Addr().String())
		out, stderr, status := command(t, "", args...)
		assert.Equal(t, 1, status)
		assert.Empty(t, out)
		assert.Contains(t, stderr, flag+" "+taken.Addr().String())
		assert.Contains(t, stderr, "in use")
		assert.Contains(t, stderr, "choose another")
	}
}

// People get to see the hub's errors, in words, and nothing else of its log.
func TestDemoLog(t *testing.T) {
	var shown console
	line := newRateLine(&shown, 1)
	log := slog.New(demoLog{line.notice})
	log.Info("stream opened", "stream", 1)
	log.Warn("UDP buffers are small", "bytes", 4194304)
	log.Error("cannot save", "file", "vehicles.ndjson", "tries", 2)
	log.Error("at the disco")
	assert.Equal(t, "hub: cannot save (file vehicles.ndjson, tries 2)\nhub: at the disco\n", shown.String())
}
