//go:build !linux

package listen

import (
	"net"
	"time"
)

// peerIsGone is only known on Linux; elsewhere it is left to TCP.
func peerIsGone(*net.TCPConn, time.Duration) bool { return false }

// unsent is only known on Linux.
func unsent(net.Conn) (bytes int, known bool) { return 0, false }
