package stream

// Outlet is where the bytes of a stream go. Its methods are not called at once
// from several goroutines.
type Outlet interface {
	// Write puts p on the wire as far as that can be done without waiting for
	// the reader. What is left it keeps a copy of, and says that it waits: then
	// Wait is called before the next Write.
	Write(p []byte) (waits bool, err error)
	// Wait puts on the wire what the last Write left, or fails when the reader
	// does not take it in time.
	Wait() error
}

// outletFunc is an Outlet that waits at once.
type outletFunc func(p []byte) error

func (w outletFunc) Write(p []byte) (waits bool, err error) { return false, w(p) }

func (w outletFunc) Wait() error { return nil }
