//go:build unix

package server

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPipeIsNoDirectory puts a pipe where the state directory was. Opening it would wait for its writer.
func TestPipeIsNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := holdDir(path)
	require.EqualError(t, err, "open "+path+": not a directory")
}
