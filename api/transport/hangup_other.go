//go:build !linux

package transport

import (
	"errors"
	"syscall"
)

// Hangups notices clients that disconnect on Linux only. Elsewhere each connection has a goroutine
// of its own.
type Hangups struct{}

func (h *Hangups) add(syscall.RawConn, func(hangup)) (id uint64, err error) {
	return 0, errors.ErrUnsupported
}

func (h *Hangups) remove(uint64) {}

// Close does nothing.
func (h *Hangups) Close() {}
