//go:build faults && linux

package jetstream_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// TestFaultDiskFull fills the disk of a journal, first nearly and then to its end. Posts are refused and told
// why, nothing that was acknowledged is lost, and with room the journal goes on by itself.
func TestFaultDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Skip("needs root, to mount a file system: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	c := config(filepath.Join(disk, "journal"))
	var log buffer
	c.Logger = logTo(&log)
	j, err := jetstream.Open(t.Context(), c)
	require.NoError(t, err)
	acknowledged := len(stored(t, j, numbered(1, 100)...))
	before := life(t, j)

	ballast := filepath.Join(disk, "ballast")
	file, err := os.Create(ballast)
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 62<<20))
	require.NoError(t, err)
	eventually(t, "the disk is nearly full", func() bool { return j.Check() != nil })
	require.ErrorIs(t, post(t, j, "x")[0].err, jetstream.ErrNoRoom)
	require.NoError(t, file.Truncate(0))
	eventually(t, "there is room", func() bool { return j.Check() == nil })
	require.EqualValues(t, acknowledged+1, stored(t, j, "y")[0])
	acknowledged++

	// Faster than the journal looks, if the machine is quick enough.
	_, err = file.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 64<<20))
	require.ErrorIs(t, err, syscall.ENOSPC)
	text := strings.Repeat("z", 64<<10)
	for err = nil; err == nil; {
		a := post(t, j, text)[0]
		if err = a.err; err == nil {
			acknowledged++
		}
	}
	t.Log("the full disk: ", err)
	eventually(t, "posts are refused", func() bool { return j.Check() != nil })
	require.NoError(t, file.Close())
	require.NoError(t, os.Remove(ballast))
	eventually(t, "the server runs again", func() bool { return j.Check() == nil })
	stored(t, j, "last")
	after := life(t, j)
	require.Equal(t, before.Epoch, after.Epoch)
	require.GreaterOrEqual(t, after.Last, uint64(acknowledged+1))
	require.Equal(t, "last", follow(t, j, stream.Place{}, int(after.Last))[after.Last-1].text)
	require.NoError(t, j.Close())
	require.Contains(t, log.String(), `reason="the journal's disk is nearly full"`)
	require.Contains(t, log.String(), "the journal takes messages again")
}
