//go:build unix

package transport

import (
	"net"
	"syscall"
)

// writesNow reports whether writeNow works.
const writesNow = true

// goneErrors are the errors of writing to a disconnected client.
var goneErrors = []error{syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed}
