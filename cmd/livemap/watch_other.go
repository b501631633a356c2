//go:build !linux

package main

import (
	"net"
	"time"
)

// peerIsGone is only known on Linux; elsewhere it is left to TCP.
func peerIsGone(*net.TCPConn, time.Duration) bool { return false }
