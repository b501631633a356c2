//go:build unix

package listen

import "syscall"

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
