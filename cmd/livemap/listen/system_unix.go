//go:build unix

package listen

import (
	"math"
	"os"
	"syscall"
)

// handle is how system calls name a socket.
type handle = int

// acceptsConnections is the option of a socket that accepts connections.
const acceptsConnections = syscall.SO_ACCEPTCONN

// The system's errors that the hub handles.
const (
	errInUse         = syscall.EADDRINUSE
	errNoSuchAddress = syscall.EADDRNOTAVAIL
	errNoSuchFamily  = syscall.EAFNOSUPPORT
	errRefused       = syscall.ECONNREFUSED
)

// temporaryErrors are reasons why accepting fails for a while.
var temporaryErrors = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
}

// limitMode keeps a Unix socket that is not bound yet from having more permissions than socketMode,
// even for a moment. Linux alone can do so, unix(7).
func limitMode(fd uintptr) { syscall.Fchmod(int(fd), socketMode) }

// setMode gives a Unix socket the permissions of socketMode.
func setMode(path string) error { return os.Chmod(path, socketMode) }

// maxDescriptors returns how many files and sockets the process may have open.
func maxDescriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
