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
func unsent(conn net.Conn) (bytes int, known bool) {
	system, ok := conn.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) { bytes, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return bytes, err == nil
}
