//go:build unix

package jetstream_test

import "syscall"

// cpuTime returns the processor time of this process in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}
