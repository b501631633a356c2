//go:build unix

package main

import (
	"net"
	"runtime"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of Linux (RFC 5482).
const tcpUserTimeout = 0x12

// socketOptions makes accepted connections show early that nobody reads them: by
// a small send buffer, and, on Linux, by failing when sent bytes are not
// acknowledged for stall, rather than after the quarter of an hour that TCP
// would try. Connections inherit both from the listener.
func socketOptions(stall time.Duration) net.ListenConfig {
	return net.ListenConfig{Control: func(network, _ string, conn syscall.RawConn) (err error) {
		if network == "unix" {
			return nil
		}
		failed := conn.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer)
			if err == nil && runtime.GOOS == "linux" {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(stall.Milliseconds()))
			}
		})
		if failed != nil {
			return failed
		}
		return err
	}}
}

// receiveBuffer gives the receive buffer of a socket, in bytes as asked for:
// Linux tells double that, for its own bookkeeping.
func receiveBuffer(conn *net.UDPConn) (bytes int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		bytes, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	if runtime.GOOS == "linux" {
		bytes /= 2
	}
	return bytes
}

// lockFile takes a lock that ends with the process; false: another has it.
func lockFile(fd uintptr) bool {
	return syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
