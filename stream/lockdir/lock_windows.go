package lockdir

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes a lock of a file that ends with the process. It returns ErrInUse if another process
// has it, and any other error if there can be no lock, as of a directory.
func tryLock(file *os.File) error {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrInUse
	}
	return err
}

// syncDir does nothing: Windows keeps renames in the journal of its file system.
func syncDir(*os.File) error { return nil }
