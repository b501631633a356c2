package transport

import (
	"syscall"
	"unsafe"
)

// writeNow is write(2) on a socket that does not block. The scheduler is not
// told of the call, which takes microseconds: told, it gives the processor to
// another thread in the midst of a wave of writes, and takes it back, for a
// tenth of what the wave costs.
func writeNow(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
