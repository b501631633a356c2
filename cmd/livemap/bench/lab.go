package bench

import (
	"os"
	"path/filepath"

	"livemap/cmd/livemap/bench/target"
)

// lab is what scenarios are measured with.
type lab struct {
	quick   bool
	program string // this one, for floors
	hub     string // the one to measure
	dir     string // for state directories and the like
}

func newLab(o Options) (*lab, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &lab{quick: o.Quick, program: program, hub: program}
	if o.Hub != "" {
		if l.hub, err = filepath.Abs(o.Hub); err != nil {
			return nil, err
		}
	}
	l.dir, err = os.MkdirTemp("", "livemap-bench-")
	return l, err
}

func (l *lab) close() { os.RemoveAll(l.dir) }

// startHub starts the hub that is measured.
func (l *lab) startHub(args ...string) (*target.Hub, error) {
	state, err := os.MkdirTemp(l.dir, "hub-")
	if err != nil {
		return nil, err
	}
	return target.StartHub(l.hub, state, args...)
}

// withHub starts a hub for as long as do takes.
func (l *lab) withHub(do func(*target.Hub) error, args ...string) error {
	h, err := l.startHub(args...)
	if err != nil {
		return err
	}
	defer h.Stop()
	return do(h)
}

// or returns what a scenario measures in full, or quickly.
func or[T any](l *lab, full, quick T) T {
	if l.quick {
		return quick
	}
	return full
}
