package floor

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// rawSockets are TCP connections without Go's runtime in between: write(2) and
// nothing else.
type rawSockets struct {
	listener int
	port     int
	want     int
	head     string
	sockets  []int
}

func listenWrite(streams int, chunked bool) (writers, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	w := &rawSockets{listener: fd, want: streams, head: streamHead(chunked)}
	if err := w.bind(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *rawSockets) bind() error {
	if err := unix.Bind(w.listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	name, err := unix.Getsockname(w.listener)
	if err != nil {
		return err
	}
	w.port = name.(*unix.SockaddrInet4).Port
	return unix.Listen(w.listener, 4096)
}

func (w *rawSockets) address() string { return fmt.Sprintf("http://127.0.0.1:%d", w.port) }

// accept answers each request; its head is not looked at.
func (w *rawSockets) accept(ctx context.Context) error {
	head := make([]byte, 16<<10)
	for len(w.sockets) < w.want && ctx.Err() == nil {
		fd, _, err := unix.Accept4(w.listener, unix.SOCK_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		w.sockets = append(w.sockets, fd)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if _, err := unix.Read(fd, head); err != nil {
			return err
		}
		if _, err := unix.Write(fd, []byte(w.head)); err != nil {
			return err
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (w *rawSockets) writeAll(p []byte) error {
	for _, fd := range w.sockets {
		if err := writeWhole(fd, p); err != nil {
			return err
		}
	}
	return nil
}

// writeWhole waits where the reader does not follow.
func writeWhole(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		switch err {
		case nil:
			p = p[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		default:
			return err
		}
	}
	return nil
}

// Close closes all sockets.
func (w *rawSockets) Close() error {
	for _, fd := range append(w.sockets, w.listener) {
		unix.Close(fd)
	}
	return nil
}
