package stream

// Outlet puts the bytes of an attached stream on the wire: see [Subscription.Attach]. Its methods
// are called by one goroutine at a time.
type Outlet interface {
	// Write puts p, which holds whole events, on the wire as far as it can without waiting for the
	// reader. It keeps a copy of the rest and returns waits = true. Then Wait is called before the
	// next Write. It must not change p, which all readers share. An error ends the stream.
	Write(p []byte) (waits bool, err error)
	// Wait puts the rest of the last Write on the wire. It returns an error when the reader does
	// not take it in time, and that ends the stream.
	Wait() error
}

// outletFunc is an Outlet whose Write itself waits for the reader.
type outletFunc func(p []byte) error

func (f outletFunc) Write(p []byte) (waits bool, err error) { return false, f(p) }

func (f outletFunc) Wait() error { return nil }
