//go:build unix

package web_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/web"
)

// TestArchiveIsAPipe checks that neither the start nor a request waits for a pipe in place of the archive.
func TestArchiveIsAPipe(t *testing.T) {
	path := write(t, archive())
	s := open(t, src, dist, web.Config{PMTiles: []string{path}})
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.Rename(pipe, path))
	require.Equal(t, 404, s.get(t, "/map.pmtiles").StatusCode)
	require.EqualError(t, web.CheckPMTiles(path), "not a regular file, but a pipe")
}
