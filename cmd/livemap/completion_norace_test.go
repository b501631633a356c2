//go:build !race

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// completingShells start a shell that is the same on every machine, with a file that it reads first
// and that loads the script. The prompt is promptOfShells.
var completingShells = map[string]struct{ start, file, text string }{
	"bash": {"bash --rcfile .bashrc -i", ".bashrc",
		"PS1='ready> '\nsource <(LOADING=1 livemap completion bash)\n"},
	"zsh": {"zsh -d -i", ".zshrc",
		"PS1='ready> '\nautoload -U compinit; compinit -u -D\nsource <(LOADING=1 livemap completion zsh)\n"},
	"fish": {"fish -i", ".config/fish/config.fish",
		"function fish_prompt; echo 'ready> '; end\nLOADING=1 livemap completion fish | source\n"},
}

const promptOfShells = "ready> "

// TestCompletion presses the Tab key in shells, each in a terminal of its own.
func TestCompletion(t *testing.T) {
	for name, with := range completingShells {
		t.Run(name, func(t *testing.T) {
			for _, tool := range []string{name, "script"} {
				if _, err := exec.LookPath(tool); err != nil {
					if os.Getenv("CI") == "true" {
						require.NoError(t, err)
					}
					t.Skip("NOT TESTED: needs", tool)
				}
			}
			s := startShell(t, with.start, with.file, with.text)
			for _, c := range []struct{ typed, completed string }{
				{"livemap ser\t", "serve"},
				{"livemap comp\tz\t", "completion zsh"},
				{"livemap serve --log-fo\tj\t", "serve --log-format json"},
				{"livemap tail --format nd\t", "tail --format ndjson"},
				{"livemap token --typ\tedd\t", "token --type eddsa"},
				{"livemap nothing\t", "nothing"},
			} {
				s.await(promptOfShells, c.typed)
				s.press(c.typed + "\r")
				s.await(fmt.Sprintf("ran <%s>", c.completed), c.typed)
			}
		})
	}
}

// typedShell is a shell in a terminal.
type typedShell struct {
	t      *testing.T
	keys   io.Writer
	screen *os.File
	seen   []byte // that no await has found yet
}

// startShell starts a shell in which livemap prints how it was called; only its completion is real.
func startShell(t *testing.T, command, file, text string) *typedShell {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	home := t.TempDir()
	stub := fmt.Sprintf("#!/bin/sh\ntest -n \"$LOADING\" && exec %q \"$@\"\nprintf 'ran <%%s>\\n' \"$*\"\n",
		program)
	require.NoError(t, os.WriteFile(filepath.Join(home, "livemap"), []byte(stub), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(home, file)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, file), []byte(text), 0o644))
	// Without this directory, fish fills one in the background, beyond its own end.
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".local/share/fish/generated_completions"), 0o755))
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // of a shell that hangs
	cmd := exec.CommandContext(ctx, "script", "-qec", command, "/dev/null")
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + home + ":" + os.Getenv("PATH"), "HOME=" + home, "ZDOTDIR=" + home,
		"TERM=dumb", "LC_ALL=C.UTF-8", asProgram + "=" + alone}
	keys, err := cmd.StdinPipe()
	require.NoError(t, err)
	screen, printed, err := os.Pipe()
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = printed, printed
	require.NoError(t, cmd.Start())
	printed.Close()
	t.Cleanup(func() {
		io.WriteString(keys, "exit\r") // a shell that is killed may still write its history
		go io.Copy(io.Discard, screen)
		cmd.Wait()
		cancel()
		keys.Close()
		screen.Close()
	})
	return &typedShell{t: t, keys: keys, screen: screen}
}

// press types keys.
func (s *typedShell) press(keys string) {
	_, err := io.WriteString(s.keys, keys)
	require.NoError(s.t, err)
}

// await reads the screen up to a text.
func (s *typedShell) await(text, typed string) {
	s.t.Helper()
	buf := make([]byte, 4096)
	for {
		if i := bytes.Index(s.seen, []byte(text)); i >= 0 {
			s.seen = s.seen[i+len(text):]
			return
		}
		n, err := s.screen.Read(buf)
		s.seen = append(s.seen, buf[:n]...)
		require.NoError(s.t, err, "%q does not come after %q; the screen has\n%s", text, typed, s.seen)
	}
}
