//go:build !linux

package listen

import (
	"net"
	"time"
)

// peerIsGone works on Linux only. Elsewhere TCP itself gives up in the end.
func peerIsGone(*net.TCPConn, time.Duration) bool { return false }

// unsent works on Linux only.
func unsent(net.Conn) (bytes int, known bool) { return 0, false }

// unread works on Linux only.
func unread(net.Conn) (bytes int, known bool) { return 0, false }

// readNow works on Linux only.
func readNow(net.Conn, []byte) (n int, isThere bool) { return 0, false }
