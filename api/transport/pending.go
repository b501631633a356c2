package transport

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// MaxWrite is the largest write, in bytes. A reader has the whole stall timeout for each.
const MaxWrite = 16 << 10

// Pending is one framed write of an outlet. It keeps what the reader has not taken yet. The zero
// value is ready for [Pending.Begin].
type Pending struct {
	Rest   []byte // not on the wire yet
	buffer *buffer
}

// buffer has room for one write of a stream and its frame.
type buffer [MaxWrite + 2<<10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// Begin returns an empty slice from a pool. Append the write to it and set Rest to the result.
// Call Drop at the end.
func (p *Pending) Begin() []byte {
	p.buffer = buffers.Get().(*buffer)
	return p.buffer[:0]
}

// Drop discards what is left and returns the slice to the pool.
func (p *Pending) Drop() {
	buffers.Put(p.buffer)
	p.buffer, p.Rest = nil, nil
}

// Deliver writes what is left and waits for the reader to take it, within the timeout for each
// MaxWrite bytes. Of the first MaxWrite, ahead bytes (fewer than MaxWrite) were accepted by the
// destination before, and have to be taken first. Deliver returns [ErrStalled] when the reader takes too
// long. It sets the write deadline of its destination.
func (p *Pending) Deliver(to interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}, timeout WriteTimeout, ahead int) error {
	if !timeout.endless() {
		defer time.AfterFunc(timeout.left(time.Now()), func() { to.SetWriteDeadline(longAgo) }).Stop()
	}
	for len(p.Rest) > 0 {
		if err := to.SetWriteDeadline(timeout.deadline(time.Now())); err != nil {
			return err
		}
		n, err := to.Write(p.Rest[:min(len(p.Rest), MaxWrite-ahead)])
		p.Rest, ahead = p.Rest[n:], 0
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.Join(ErrStalled, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
