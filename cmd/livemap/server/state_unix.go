//go:build unix

package server

import (
	"os"
	"syscall"
)

// lockFile takes a lock that ends with the process. It reports false if another process has it.
func lockFile(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// syncDir makes what was renamed in a directory outlive a crash of the machine.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
