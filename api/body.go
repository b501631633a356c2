package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"livemap/api/problem"
)

// Limits of a body that no route asks for.
const (
	unaskedTime = 10 * time.Second // to arrive
	unaskedSize = 256 << 10        // bytes read and discarded, as net/http does

	// lingerTime is how long the server reads on after the answer, behind a body that it has left. Many
	// clients read no answer before they have sent everything, and would find the connection reset.
	lingerTime = 2 * time.Second
)

// discardBody reads and discards the bodies of all requests but publishes and fences, and passes on requests
// without one. net/http would wait for a body of HTTP/1.1 before it answers, for as long as the
// client likes. Streams over HTTP/2 and HTTP/3 would keep what has come of it in memory.
func (a *API) discardBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A publish has deadlines of its own, and all else at its path is an error: see writeProblem.
		if r.ContentLength == 0 || takesBody(r) {
			next.ServeHTTP(w, r)
			return
		}
		whole, failure := a.readUnasked(w, r)
		if !whole && r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // or the rest would be the next request
		}
		if !whole && r.ProtoMajor > 1 {
			r.Body.Close() // frees what has come; what still comes ends the stream
		}
		if failure != nil {
			failure.Write(w)
			return
		}
		r = r.WithContext(r.Context()) // a copy: net/http looks at the body of the original
		r.Body, r.ContentLength = http.NoBody, 0
		next.ServeHTTP(w, r)
	})
}

// leaveBody ends a body that did not arrive as it should. Neither the answer nor the server waits for its
// rest, and over HTTP/1.1 the connection ends.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	r.Body = http.NoBody
}

// readUnasked reads and discards a body, and reports whether that is read to its end. It leaves a body that
// is larger than unaskedSize, or that the client would send only if asked.
//
// A body that does not arrive within unaskedTime is a failure, because net/http cancels the context of such
// a request. A hub that drains waits no longer.
func (a *API) readUnasked(w http.ResponseWriter, r *http.Request) (whole bool, failure *problem.Problem) {
	if r.Body == http.NoBody { // which leaveBody has left, with its deadline
		return false, nil
	}
	rc := http.NewResponseController(w)
	if r.Header.Get("Expect") != "" {
		rc.SetReadDeadline(time.Now().Add(lingerTime)) // the client may send it all the same
		return false, nil
	}
	if rc.SetReadDeadline(time.Now().Add(unaskedTime)) != nil {
		return false, nil
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(a.draining, func() {
		rc.SetReadDeadline(time.Now())
		close(stopped)
	})
	_, err := io.CopyN(io.Discard, r.Body, unaskedSize)
	if !stop() {
		<-stopped // it may not touch the answer after the handler
	}
	switch {
	case err == io.EOF:
		// On HTTP/1.1 the server already reads on, to notice that the client disconnects.
		rc.SetReadDeadline(time.Time{})
		return true, nil
	case err == nil:
		rc.SetReadDeadline(time.Now().Add(lingerTime))
		return false, nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return false, problem.New(http.StatusBadRequest, "the request's body ended early; this path needs none")
	case a.draining.Err() != nil:
		return false, errDraining()
	}
	return false, problem.New(http.StatusRequestTimeout,
		"the request's body did not arrive within %s; this path needs none", unaskedTime)
}
