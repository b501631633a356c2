package listen

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// peerIsGone tells whether something that was sent has not been acknowledged,
// and nothing else has either, for a time. A reader without room acknowledges
// the probes for room.
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

// unsent gives how many bytes were written and not yet taken by the peer's
// system; of a unix socket, by the peer.
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
