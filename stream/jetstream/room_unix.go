//go:build linux || darwin || freebsd

package jetstream

import "golang.org/x/sys/unix"

// room returns how many bytes the disk of a directory has free for this process, and in all.
func room(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	size := uint64(s.Bsize)
	return uint64(s.Bavail) * size, s.Blocks * size, nil
}
