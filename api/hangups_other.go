//go:build !linux

package api

import (
	"errors"
	"syscall"
)

// hangups notices clients that hang up by one goroutine for all of them; that is
// done for Linux only.
type hangups struct{}

func (h *hangups) add(syscall.RawConn, func(bool)) (id uint64, err error) {
	return 0, errors.ErrUnsupported
}

func (h *hangups) remove(uint64) {}

func (h *hangups) close() {}
