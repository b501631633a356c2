package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readmeBlock is a fenced block of README.md.
type readmeBlock struct{ language, text string }

func readme(t *testing.T) (text string, blocks []readmeBlock) {
	t.Helper()
	content, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(string(content), -1) {
		blocks = append(blocks, readmeBlock{m[1], m[2]})
	}
	return string(content), blocks
}

// readmeElsewhere are commands of README that other tests run, or that run these.
var readmeElsewhere = []string{
	"make demo", // the demo's own tests
	"make test",
	"make caddy-demo",
	"make build",
	"./livemap serve --anonymous --listen localhost:4433", // the hub that the others talk to
}

// TestReadmeCommands runs every command of README.md, in order, against a hub.
func TestReadmeCommands(t *testing.T) {
	hub := startHub(t, "--listen", "localhost:0", "--heartbeat", "1s")
	shell := newReadmeShell(t, hub)
	_, blocks := readme(t)
	var ran []string
	for _, block := range blocks {
		if block.language != "sh" {
			continue
		}
		for command := range strings.Lines(strings.ReplaceAll(block.text, "\\\n", "")) {
			command = strings.TrimSpace(command)
			ran = append(ran, command)
			if !slices.Contains(readmeElsewhere, command) {
				shell.run(t, command)
			}
		}
	}
	for _, command := range readmeElsewhere {
		require.Contains(t, ran, command)
	}
	require.Greater(t, len(ran), 20)
}

// readmeShell runs commands as somebody does who has followed README so far.
type readmeShell struct {
	dir      string
	env      []string
	replacer *strings.Replacer
}

func newReadmeShell(t *testing.T, hub *runningHub) *readmeShell {
	t.Helper()
	dir := t.TempDir()
	program, err := os.Executable()
	require.NoError(t, err)
	script := fmt.Sprintf("#!/bin/sh\nexec env %s=1 %q \"$@\"\n", asProgram, program)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "livemap"), []byte(script), 0o755))
	cmd, err := filepath.Abs("..")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(cmd, filepath.Join(dir, "cmd")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".curlrc"), []byte("silent\nshow-error\nfail-with-body\n"), 0o644))
	public := "localhost:" + hub.public[strings.LastIndex(hub.public, ":")+1:]
	return &readmeShell{
		dir: dir,
		// The tests' own hub is where the commands' defaults point.
		env: append(os.Environ(), "CURL_HOME="+dir, "LIVEMAP_TO="+hub.publish,
			"LIVEMAP_LISTEN=localhost:0", "LIVEMAP_PROXY_LISTEN=localhost:0", "LIVEMAP_PUBLISH_LISTEN=127.0.0.1:0"),
		replacer: strings.NewReplacer("http://127.0.0.1:9801", hub.publish, "localhost:4433", public),
	}
}

// readmeEndless are commands that run until they are interrupted, and what they
// say by then.
var readmeEndless = map[string]string{
	"./livemap demo":     "Ctrl-C",
	"./livemap simulate": "positions/s",
}

// run runs a command to its end, which must be a success; a stream until it is
// live.
func (s *readmeShell) run(t *testing.T, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), e2eLimit)
	defer cancel()
	process := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", "exec "+s.replacer.Replace(command))
	if strings.Contains(command, "|") {
		process.Args[len(process.Args)-1] = s.replacer.Replace(command)
	}
	process.Dir, process.Env, process.WaitDelay = s.dir, s.env, 5*time.Second
	for endless, says := range readmeEndless {
		if strings.HasPrefix(command, endless) {
			interruptWhen(t, process, says)
			return
		}
	}
	stdin, err := process.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	var complaints bytes.Buffer
	process.Stderr = &complaints
	stdout, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	streams := strings.HasPrefix(command, "curl -N")
	out := s.read(stdout, streams)
	if streams {
		require.Contains(t, out, "event: live", "%s\n%s", command, &complaints)
		cancel()
		process.Wait()
		return
	}
	require.NoError(t, process.Wait(), "%s\n%s\n%s", command, out, &complaints)
	if strings.Contains(command, "/publish") {
		require.Regexp(t, `"status":"(OK|PARTIAL)"`, out, command)
	}
}

// interruptWhen runs a process until it has said something, and then interrupts it,
// which is a success.
func interruptWhen(t *testing.T, process *exec.Cmd, says string) {
	t.Helper()
	stdin, err := process.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	out, in := io.Pipe()
	process.Stdout, process.Stderr = in, in
	require.NoError(t, process.Start())
	ended := make(chan error, 1)
	go func() {
		ended <- process.Wait()
		in.Close()
	}()
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), says) {
			process.Process.Signal(os.Interrupt)
		}
	}
	require.NoError(t, <-ended, "%s\n%s", process, &said)
	require.Contains(t, said.String(), says)
}

func (s *readmeShell) read(stdout io.Reader, untilLive bool) string {
	var out strings.Builder
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintln(&out, lines.Text())
		if untilLive && lines.Text() == "event: live" {
			break
		}
	}
	return out.String()
}

// TestReadmePage runs README's page with the EventSource of npm.
func TestReadmePage(t *testing.T) {
	needForeignPackages(t)
	hub := startHub(t)
	hub.post(t, "application/json", `{"vehicle_id":"TRUCK-042","lat":52.52,"lon":13.4}`)
	_, blocks := readme(t)
	i := slices.IndexFunc(blocks, func(b readmeBlock) bool { return b.language == "js" })
	require.GreaterOrEqual(t, i, 0)
	script := `import { EventSource } from "eventsource"; globalThis.EventSource = EventSource;` + "\n" +
		strings.ReplaceAll(blocks[i].text, "https://localhost:4433", hub.proxy) +
		`stream.addEventListener("live", () => process.exit(0));`
	command := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script)
	command.Dir = foreignScripts
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "live snapshot 1\n", string(out))
}

// TestReadmeFlags keeps the table of flags whole.
func TestReadmeFlags(t *testing.T) {
	var help strings.Builder
	require.NoError(t, run(t.Context(), []string{"serve", "--help"}, streams{strings.NewReader(""), &help, io.Discard}))
	text, _ := readme(t)
	flags := regexp.MustCompile(`(?m)^ +(--[a-z-]+)[ =]`).FindAllStringSubmatch(help.String(), -1)
	require.Greater(t, len(flags), 10)
	for _, flag := range flags {
		if flag[1] == "--version" {
			continue // no flag of serve's own
		}
		require.Regexp(t, "(?m)^\\|.*`"+flag[1]+"`", text)
	}
}
