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
		err = syscall.SetsockoptInt(handle(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer)
	})
	if failed != nil {
		return failed
	}
	return err
}}

// socketMode is the permissions of a Unix socket: its owner and group may connect.
const socketMode = 0o660

// unixSockets opens Unix sockets, which never have more permissions than socketMode.
var unixSockets = net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
	return conn.Control(limitMode)
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
		bytes, _ = syscall.GetsockoptInt(handle(fd), syscall.SOL_SOCKET, option)
	})
	if runtime.GOOS == "linux" {
		bytes /= 2
	}
	return bytes
}

// mendUDPBuffers returns what allows larger UDP buffers on an operating system.
func mendUDPBuffers(system string) string {
	if system == "linux" {
		return "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000"
	}
	return "raise the system's limit, as sysctl -w kern.ipc.maxsockbuf=8441037 does on macOS"
}

// shutDown ends a connection in both directions and leaves it open.
func shutDown(conn syscall.Conn) (err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = syscall.Shutdown(handle(fd), syscall.SHUT_RDWR) })
	return cmp.Or(failed, err)
}
