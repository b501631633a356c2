package bench

import (
	"context"
	"net/http"
)

// target is a server that is measured.
type target struct {
	name string
	pids []int // of which processor time and memory are counted; none: neither is
	// url gives where a stream of a path is.
	url func(p protocol, path string) string
	// silent servers do not say when a stream is live.
	silent bool
	// chatty servers send events of their own, without a number.
	chatty bool
	header http.Header // for streams
	// publish publishes the events of a schedule, each when it is due.
	publish func(ctx context.Context, s schedule, e events) error
	stop    func()
}

// usage is what a target has used at a moment.
type usage struct {
	cpu      cpuTime
	resident int64 // bytes
}

func (t *target) usage() (u usage, err error) {
	if u.cpu, err = cpuOf(t.pids); err == nil {
		u.resident, err = residentOf(t.pids)
	}
	return u, err
}
