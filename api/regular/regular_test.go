//go:build unix

package regular_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/api/regular"
)

// TestRead reads what is a regular file and rejects everything else without waiting for it.
func TestRead(t *testing.T) {
	dir, err := os.MkdirTemp("", "livemap") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("file"), []byte("12345"), 0o600))
	require.NoError(t, os.Symlink(path("file"), path("link")))
	require.NoError(t, syscall.Mkfifo(path("fifo"), 0o600))
	require.NoError(t, os.Symlink(path("fifo"), path("link to fifo")))
	listener, err := net.Listen("unix", path("socket"))
	require.NoError(t, err)
	defer listener.Close()
	for name, want := range map[string]string{
		"file": "", "link": "", "fifo": "but a pipe", "link to fifo": "but a pipe",
		"socket": "but a socket", "": "but a directory", "none": "no such file",
	} {
		content, err := regular.Read(path(name), 5)
		if want == "" {
			require.NoError(t, err, name)
			require.Equal(t, "12345", string(content))
			continue
		}
		require.ErrorContains(t, err, want, name)
		require.ErrorAs(t, err, new(*fs.PathError))
		require.True(t, strings.Contains(err.Error(), path(name)), err)
	}
	_, err = regular.Read("/dev/zero", 5)
	require.ErrorIs(t, err, regular.ErrOther)
	require.ErrorContains(t, err, "open /dev/zero: not a regular file, but a device")
	_, err = regular.Read(path("file"), 4)
	require.ErrorContains(t, err, "larger than 4 bytes")
}
