// Package target starts the servers that are measured, or reaches those that run already,
// and publishes to them: the hub, floors and nchan.
package target

import (
	"context"
	"net/http"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/process"
	"livemap/cmd/livemap/bench/workload"
)

// Target is a server that is measured.
type Target struct {
	Name string
	PIDs []int // of which processor time and memory are counted; none: neither is
	// URL returns where a stream of a path is.
	URL func(p client.Protocol, path string) string
	// Silent servers do not announce when a stream is live.
	Silent bool
	// Chatty servers send events of their own, without a number.
	Chatty bool
	Header http.Header // for streams
	Dial   client.Dial // for streams; nil is TCP
	// Publish publishes the events of a schedule, each when it is due.
	Publish func(ctx context.Context, s workload.Schedule, e workload.Events) error
	Stop    func()
}

// Usage is what a target has used at a moment.
type Usage struct {
	CPU      process.CPUTime
	Resident int64 // bytes
}

// Usage reads what the target has used.
func (t *Target) Usage() (u Usage, err error) {
	if u.CPU, err = process.CPUTimeOf(t.PIDs); err == nil {
		u.Resident, err = process.ResidentOf(t.PIDs)
	}
	return u, err
}
