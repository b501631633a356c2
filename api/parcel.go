package api

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

// Parcel is what an outlet puts on the wire at once, framed, and keeps as long
// as the reader has not taken all of it.
type Parcel struct {
	Rest   []byte // what is not on the wire yet
	buffer *buffer
}

// buffer has room for what a stream writes at once, and its frame.
type buffer [MaxWrite + 2<<10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// Begin gives an empty slice to append what is to be put on the wire to; Rest is
// to be set to it. Drop must be called in the end.
func (p *Parcel) Begin() []byte {
	p.buffer = buffers.Get().(*buffer)
	return p.buffer[:0]
}

// Drop forgets what is left.
func (p *Parcel) Drop() {
	buffers.Put(p.buffer)
	p.buffer, p.Rest = nil, nil
}

// Deliver writes what is left, and waits for the reader to take it: for each
// MaxWrite bytes as long as its patience goes. Else the error is ErrStalled. It sets the
// write deadline of where it writes to.
func (p *Parcel) Deliver(to interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}, waits Patience) error {
	if !waits.isEndless() {
		defer time.AfterFunc(time.Until(waits.end()), func() { to.SetWriteDeadline(longAgo) }).Stop()
	}
	for len(p.Rest) > 0 {
		if err := to.SetWriteDeadline(waits.deadline(time.Now())); err != nil {
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
