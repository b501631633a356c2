//go:build unix

package lockdir

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes a lock of a file or directory that ends with the process. It returns ErrInUse if
// another process has it, and any other error if the file system has no such locks.
func tryLock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return err
}

// syncDir makes what was renamed in a directory outlive a crash of the machine.
func syncDir(dir *os.File) error { return dir.Sync() }
