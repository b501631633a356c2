package process

import (
	"time"

	"golang.org/x/sys/unix"
)

// processClock returns a process's processor time to the nanosecond, from its CPU
// clock (clock_getcpuclockid(3)).
func processClock(pid int) (time.Duration, error) {
	const scheduler = 2
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts)
	return time.Duration(ts.Nano()), err
}

// Monotonic returns the clock that all processes of the machine share.
func Monotonic() (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano()), err
}

// OpenFiles returns how many files a process may have open.
func OpenFiles() (uint64, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}

// RaiseOpenFiles raises the limit of open files as far as the system allows, here
// and in the processes that are started.
func RaiseOpenFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
