package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"livemap/api/ingest"
	"livemap/api/problem"
	"livemap/geo"
)

// retryAfter is how long, in seconds, a publisher that met a draining hub
// should wait: about as long as a restart takes.
const retryAfter = 2

// problemOf is the table from errors to answers. ok is false for an error that
// nobody foresaw.
func problemOf(err error) (p *problem.Problem, ok bool) {
	if errors.As(err, &p) {
		return p, true
	}
	if syntax, is := errors.AsType[*geo.SyntaxError](err); is {
		p = problem.New(http.StatusBadRequest, "%s", syntax.Error())
		p.Offset = &syntax.Offset
		return p, true
	}
	if limit, is := errors.AsType[*geo.LimitError](err); is {
		return problem.New(http.StatusRequestEntityTooLarge, "%s", limit.Error()), true
	}
	if refused, is := errors.AsType[*ingest.RefusedError](err); is {
		p = problem.New(http.StatusUnprocessableEntity, "%s", refused.Error())
		if refused.Forbidden {
			p = problem.New(http.StatusForbidden, "%s", refused.Error())
		}
		p.Errors = refused.Errors
		return p, true
	}
	if tooFast, is := errors.AsType[*ingest.RateError](err); is {
		return problem.New(http.StatusTooManyRequests, "%s", tooFast.Error()).With("Retry-After", strconv.Itoa(int(tooFast.Wait))), true
	}
	if reused, is := errors.AsType[*ingest.KeyReusedError](err); is {
		return problem.New(http.StatusUnprocessableEntity, "%s", reused.Error()), true
	}
	if size, is := errors.AsType[*http.MaxBytesError](err); is {
		return problem.New(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes, the limit for JSON and GeoJSON; send several, or NDJSON, which has no limit", size.Limit), true
	}
	return problem.New(http.StatusInternalServerError, "something went wrong in the hub; its log has the details"), false
}

// handle makes a handler of one that returns an error. An error after the
// answer has begun is the handler's own affair.
func (a *API) handle(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		p, ok := problemOf(err)
		if !ok {
			a.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		if r.ProtoMajor == 1 && r.ContentLength < 0 {
			// Else the answer would wait for the end of a body that may stay open for hours.
			w.Header().Set("Connection", "close")
		}
		p.Write(w)
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return problem.New(http.StatusNotFound, "there is nothing at %s; GET /openapi.yaml tells what there is", strconv.QuoteToASCII(r.URL.Path))
}

// methodNotAllowed answers for paths that have no such method, and OPTIONS.
func methodNotAllowed(routes chi.Routes) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		allowed := allowedMethods(routes, r.URL.EscapedPath())
		if len(allowed) == 0 {
			return notFound(w, r)
		}
		allow := strings.Join(allowed, ", ")
		if r.Method == http.MethodOptions {
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		p := problem.New(http.StatusMethodNotAllowed, "%s is not allowed here; allowed are %s", strconv.QuoteToASCII(r.Method), allow)
		if r.Method == http.MethodPut && strings.Contains(allow, http.MethodPost) {
			p.Detail += "; curl -T sends PUT, which -X POST mends"
		}
		return p.With("Allow", allow)
	}
}

// allowedMethods lists what a path allows.
func allowedMethods(routes chi.Routes, path string) (allowed []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		asked := method
		if method == http.MethodHead {
			asked = http.MethodGet // which answers it
		}
		if routes.Match(chi.NewRouteContext(), asked, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		allowed = append(allowed, http.MethodOptions)
	}
	return allowed
}
