package listen

import (
	"math"
	"syscall"

	"golang.org/x/sys/windows"
)

// handle is how system calls name a socket.
type handle = syscall.Handle

// acceptsConnections is the option of a socket that accepts connections.
const acceptsConnections = 2 // SO_ACCEPTCONN of winsock2.h

// The system's errors that the hub handles.
const (
	errInUse         = windows.WSAEADDRINUSE
	errNoSuchAddress = windows.WSAEADDRNOTAVAIL
	errNoSuchFamily  = windows.WSAEAFNOSUPPORT
	errRefused       = windows.WSAECONNREFUSED
)

// temporaryErrors are reasons why accepting fails for a while.
var temporaryErrors = []error{
	windows.WSAEMFILE, windows.WSAENOBUFS, windows.WSAECONNABORTED, windows.WSAECONNRESET,
}

// limitMode does nothing: on Windows the folder says who may open a Unix socket.
func limitMode(uintptr) {}

// setMode does nothing, like limitMode.
func setMode(string) error { return nil }

// maxDescriptors returns how many files and sockets the process may have open: Windows has no limit.
func maxDescriptors() int { return math.MaxInt32 }
