package listen

import (
	"net"
	"runtime"
	"syscall"
)

// tcpSockets makes accepted connections show early that nobody reads them, by a
// small send buffer, which they inherit from the listener.
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

// receiveBufferSize gives the receive buffer of a socket, in bytes as asked for.
func receiveBufferSize(conn *net.UDPConn) (bytes int) { return bufferSize(conn, syscall.SO_RCVBUF) }

// sendBufferSize gives the send buffer of a socket, in bytes as asked for.
func sendBufferSize(conn *net.UDPConn) (bytes int) { return bufferSize(conn, syscall.SO_SNDBUF) }

// bufferSize gives the size of a socket's buffer: Linux tells double of what was asked
// for, for its own bookkeeping.
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

// shutDown ends a connection in both directions without letting go of it.
func shutDown(conn syscall.Conn) (err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }); failed != nil {
		return failed
	}
	return err
}
