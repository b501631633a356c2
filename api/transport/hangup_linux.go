package transport

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Hangups notices clients that disconnect, for connections taken over. One goroutine waits for all
// of them (epoll(7)): one each would cost more memory than the rest of a stream. The zero value is
// ready to use; [Hangups.Close] ends the goroutine.
type Hangups struct {
	mu      sync.Mutex // guards what follows
	closed  bool
	epoll   int                     // 0: not open yet
	quit    int                     // an eventfd that ends the goroutine
	last    uint64                  // the newest id
	waiting map[uint64]func(hangup) // by id
	running sync.WaitGroup
}

// add calls notify when the client of a connection sends something, will send no more, and when it
// disconnects. The last call is that it hung up, unless the returned id is removed before.
func (h *Hangups) add(conn syscall.RawConn, notify func(hangup)) (id uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		notify(hungUp)
		return 0, nil
	}
	if err := h.open(); err != nil {
		return 0, err
	}
	h.last++
	id = h.last
	event := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(id), Pad: int32(id >> 32),
	}
	failed := conn.Control(func(fd uintptr) {
		err = unix.EpollCtl(h.epoll, unix.EPOLL_CTL_ADD, int(fd), &event)
	})
	if failed != nil {
		err = failed
	}
	if err == nil {
		h.waiting[id] = notify
	}
	return id, err
}

// remove forgets a connection. Closing it removes it from the epoll.
func (h *Hangups) remove(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, id)
}

// open opens the epoll, once. mu is held.
func (h *Hangups) open() (err error) {
	if h.epoll != 0 {
		return nil
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	quit, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, quit, &unix.EpollEvent{Events: unix.EPOLLIN})
	}
	if err != nil {
		unix.Close(epoll)
		return err
	}
	h.epoll, h.quit, h.waiting = epoll, quit, map[uint64]func(hangup){}
	h.running.Go(h.run)
	return nil
}

func (h *Hangups) run() {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(h.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return
		}
		for _, event := range events[:max(n, 0)] {
			id := uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32
			if id == 0 {
				return
			}
			h.notify(id, hangupOf(event.Events))
		}
	}
}

func hangupOf(events uint32) hangup {
	switch {
	case events&(unix.EPOLLHUP|unix.EPOLLERR) != 0: // epoll always reports these
		return hungUp
	case events&unix.EPOLLRDHUP != 0:
		return halfHungUp
	}
	return notHungUp
}

func (h *Hangups) notify(id uint64, what hangup) {
	h.mu.Lock()
	notify := h.waiting[id]
	if what == hungUp {
		delete(h.waiting, id)
	}
	h.mu.Unlock()
	if notify != nil {
		notify(what)
	}
}

// Close ends the goroutine. A connection added later counts as disconnected.
func (h *Hangups) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.epoll == 0 {
		return
	}
	unix.Write(h.quit, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	h.mu.Unlock()
	h.running.Wait()
	h.mu.Lock()
	unix.Close(h.epoll)
	unix.Close(h.quit)
	h.epoll = 0
}
