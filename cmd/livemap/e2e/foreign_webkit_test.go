package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// foreignWebKit is WebKitGTK's MiniBrowser, on a screen that nobody sees.
var foreignWebKit = newForeignBrowser("WebKitGTK's MiniBrowser and Xvfb",
	func(ctx context.Context, dir, page string) (*exec.Cmd, error) {
		found, err := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
		if err != nil || len(found) == 0 {
			return nil, exec.ErrNotFound
		}
		screen := exec.CommandContext(ctx, "Xvfb", "-displayfd", "1", "-nolisten", "tcp")
		screen.Cancel = func() error { return screen.Process.Signal(syscall.SIGTERM) } // it removes its lock
		said, err := screen.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := screen.Start(); err != nil {
			return nil, err
		}
		display, err := bufio.NewReader(said).ReadString('\n')
		go screen.Wait()
		command := exec.CommandContext(ctx, found[0], "--private", page)
		command.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir,
			"DISPLAY=:"+strings.TrimSpace(display))
		return command, err
	})
