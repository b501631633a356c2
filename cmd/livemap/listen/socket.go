package listen

import (
	"cmp"
	"net"
	"runtime"
	"syscall"
)

// tcpSockets opens listeners with a small send buffer, which connections inherit. A reader that
// does not read shows early that way.
var tcpSockets = net.ListenConfig{Control: func(network, _ string, conn syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	failed := conn.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer)
	})
	if failed != nil {
		return failed
	}
	return err
}}

// receiveBufferSize returns the size of a socket's receive buffer in bytes, as it was asked for.
func receiveBufferSize(conn *net.UDPConn) (bytes int) { return bufferSize(conn, syscall.SO_RCVBUF) }

// sendBufferSize returns the size of a socket's send buffer in bytes, as it was asked for.
func sendBufferSize(conn *net.UDPConn) (bytes int) { return bufferSize(conn, syscall.SO_SNDBUF) }

// bufferSize returns the size of a socket's buffer in bytes. Linux reports twice what was asked
// for, since it counts its own bookkeeping.
func bufferSize(conn *net.UDPConn, option int) (bytes int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		bytes, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, option)
	})
	if runtime.GOOS == "linux" {
		bytes /= 2
	}
	return bytes
}

// shutDown ends a connection in both directions and leaves it open.
func shutDown(conn syscall.Conn) (err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	return cmp.Or(failed, err)
}
