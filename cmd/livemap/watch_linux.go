package main

import (
	"net"
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
