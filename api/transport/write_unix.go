//go:build unix && !linux

package transport

import "syscall"

// writeNow is write(2) on a socket that does not block.
func writeNow(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }
