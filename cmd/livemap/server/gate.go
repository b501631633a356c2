package server

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"livemap/api/problem"
)

// gate stands before the handlers of a hub's ports while the hub waits for its journal. Requests wait with
// it, except for those that ask how the hub is.
type gate struct {
	public, internal http.Handler // valid when opened is closed
	opened           chan struct{}
	why              atomic.Pointer[string] // what the hub waits for
}

func newGate() *gate {
	g := &gate{opened: make(chan struct{})}
	g.wait("it starts")
	return g
}

// wait says what the hub waits for.
func (g *gate) wait(why string) { g.why.Store(&why) }

// open lets requests pass.
func (g *gate) open(public, internal http.Handler) {
	g.public, g.internal = public, internal
	close(g.opened)
}

// handlers returns the handlers to begin with.
func (g *gate) handlers() (public, internal http.Handler) {
	return g.before(func() http.Handler { return g.public }), g.before(func() http.Handler { return g.internal })
}

func (g *gate) before(handler func() http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-g.opened:
			handler().ServeHTTP(w, r)
			return
		default:
		}
		switch r.URL.Path {
		case "/healthz":
			fmt.Fprintln(w, "ok")
			return
		case "/readyz":
			problem.New(http.StatusServiceUnavailable, "the hub waits for its journal: %s", *g.why.Load()).
				With("Retry-After", strconv.Itoa(1)).Write(w)
			return
		}
		select {
		case <-g.opened:
			handler().ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}
