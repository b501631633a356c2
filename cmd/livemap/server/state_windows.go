package server

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes a lock that ends with the process. It reports false if another process has it.
func lockFile(file *os.File) bool {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, new(windows.Overlapped)) == nil
}

// syncDir does nothing: Windows keeps renames in the journal of its file system.
func syncDir(string) error { return nil }
