//go:build unix

package lockdir_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/stream/lockdir"
)

// TestPipeIsNoDirectory puts a pipe where the state directory was. Opening it would wait for its writer.
func TestPipeIsNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := lockdir.Hold(path)
	require.EqualError(t, err, "open "+path+": not a directory")
}
