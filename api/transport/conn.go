package transport

import (
	"context"
	"sync/atomic"
)

// Conn is what is known of a connection that HTTP/2 streams share. The system accepts more of what
// is written only when its reader has taken much, and the streams take turns then. So one write may
// take long although the reader reads all the time.
type Conn struct {
	// Taken returns how many bytes the reader has taken in all, or always 0 where the system does not
	// report it. It is safe for concurrent use.
	Taken func() int64

	writing atomic.Int64 // streams that are being written
}

type connKey struct{}

// WithConn returns a context for the requests on a connection. [NetHTTP] finds it there.
func WithConn(ctx context.Context, c *Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// begin notes that a stream is being written.
func (c *Conn) begin() {
	if c != nil {
		c.writing.Add(1)
	}
}

// end notes that the write ended.
func (c *Conn) end() {
	if c != nil {
		c.writing.Add(-1)
	}
}

// writers returns how many streams are being written.
func (c *Conn) writers() int64 {
	if c == nil {
		return 1
	}
	return c.writing.Load()
}

// taken returns how many bytes the reader has taken; always 0 if that is not known.
func (c *Conn) taken() int64 {
	if c == nil {
		return 0
	}
	return c.Taken()
}
