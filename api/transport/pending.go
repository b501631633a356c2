package transport

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// MaxWrite is the largest write, in bytes, that a reader is given the whole
// stall timeout for.
const MaxWrite = 16 << 10

// Pending is what an outlet puts on the wire at once, framed, and keeps as long
// as the reader has not taken all of it.
type Pending struct {
	Rest   []byte // what is not on the wire yet
	buffer *buffer
}

// buffer has room for what a stream writes at once, and its frame.
type buffer [MaxWrite + 2<<10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// Begin gives an empty slice to append what is to be put on the wire to; Rest is
// to be set to it. Drop must be called in the end.
func (p *Pending) Begin() []byte {
	p.buffer = buffers.Get().(*buffer)
	return p.buffer[:0]
}

// Drop forgets what is left.
func (p *Pending) Drop() {
	buffers.Put(p.buffer)
	p.buffer, p.Rest = nil, nil
}

// Deliver writes what is left, and waits for the reader to take it: for each
// MaxWrite bytes as long as its patience goes. Else the error is ErrStalled. It sets the
// write deadline of where it writes to.
func (p *Pending) Deliver(to interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}, timeout WriteTimeout) error {
	if !timeout.endless() {
		defer time.AfterFunc(time.Until(timeout.end()), func() { to.SetWriteDeadline(longAgo) }).Stop()
	}
	for len(p.Rest) > 0 {
		if err := to.SetWriteDeadline(timeout.deadline(time.Now())); err != nil {
			return err
		}
		n, err := to.Write(p.Rest[:min(len(p.Rest), MaxWrite)])
		p.Rest = p.Rest[n:]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.Join(ErrStalled, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
