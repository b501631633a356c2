package transport

import (
	"net"
	"syscall"
)

// writesNow reports whether writeNow works. Windows has no write that does not wait on the sockets
// of Go, so a goroutine waits for each.
const writesNow = false

// goneErrors are the errors of writing to a disconnected client.
var goneErrors = []error{syscall.WSAECONNABORTED, syscall.WSAECONNRESET, net.ErrClosed}

func writeNow(int, []byte) (int, error) { return 0, syscall.EWINDOWS }
