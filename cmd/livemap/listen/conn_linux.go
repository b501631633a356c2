package listen

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// peerIsGone reports whether something that was sent waits for its acknowledgement, and none at
// all has come for a time. A reader without room acknowledges the probes for room.
func peerIsGone(conn *net.TCPConn, silent time.Duration) (gone bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		gone = err == nil && info.Unacked > 0 && time.Duration(info.Last_ack_recv)*time.Millisecond >= silent
	})
	return gone
}

// unsent returns how many bytes were written that the peer's system has not taken yet. On a Unix
// socket they are those that the peer itself has not read.
func unsent(conn net.Conn) (bytes int, known bool) { return queued(conn, unix.SIOCOUTQ) }

// unread returns how many bytes have come that were not read.
func unread(conn net.Conn) (bytes int, known bool) { return queued(conn, unix.SIOCINQ) }

// queued returns the size of a connection's queue in the system.
func queued(conn net.Conn, request uint) (bytes int, known bool) {
	system, ok := conn.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) { bytes, err = unix.IoctlGetInt(int(fd), request) })
	return bytes, err == nil
}

// readNow reads what has come, and does not wait. isThere is false if that is nothing, or the end.
func readNow(conn net.Conn, p []byte) (n int, isThere bool) {
	system, ok := conn.(syscall.Conn)
	if !ok || len(p) == 0 {
		return 0, false
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), p) })
	return max(n, 0), err == nil && n > 0
}
