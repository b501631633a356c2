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
	"livemap/stream"
)

// problemOf maps errors to answers. ok is false for an unexpected error, which becomes a 500.
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
		return problem.New(http.StatusTooManyRequests,
			"%s", tooFast.Error()).With("Retry-After", strconv.Itoa(int(tooFast.Wait))), true
	}
	if errors.Is(err, stream.ErrUnavailable) || errors.Is(err, stream.ErrNoRoom) {
		return problem.New(http.StatusServiceUnavailable, "%s", strings.TrimPrefix(err.Error(), "stream: ")).
			With("Retry-After", strconv.Itoa(retryAfter)), true
	}
	if reused, is := errors.AsType[*ingest.KeyReusedError](err); is {
		return problem.New(http.StatusUnprocessableEntity, "%s", reused.Error()), true
	}
	if size, is := errors.AsType[*http.MaxBytesError](err); is {
		return problem.New(http.StatusRequestEntityTooLarge,
			"the body is larger than %d bytes, the limit for JSON and GeoJSON; "+
				"send several requests, or NDJSON, which has no limit",
			size.Limit), true
	}
	return problem.New(http.StatusInternalServerError,
		"the hub failed; its log has the details"), false
}

// handle makes an http.HandlerFunc of a [Handler] and answers with its error. A handler that has
// begun its answer must return nil.
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
		a.writeProblem(w, r, p)
	}
}

// writeProblem answers with a problem. The handler may have left the body of the request.
func (a *API) writeProblem(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	switch {
	case r.ProtoMajor > 1 || r.ContentLength == 0:
		p.Write(w)
	case 0 < r.ContentLength && r.ContentLength <= unaskedSize:
		a.readUnasked(w, r)
		p.Write(w)
	default:
		// The answer would wait for the end of the body, which may stay open for hours.
		w.Header().Set("Connection", "close")
		p.Write(w)
		if http.NewResponseController(w).Flush() == nil {
			a.readUnasked(w, r)
		}
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return problem.New(http.StatusNotFound,
		"the hub has nothing at %s; GET /openapi.yaml lists every path", strconv.QuoteToASCII(r.URL.Path))
}

// methodNotAllowed answers OPTIONS, and requests whose path has no such method.
func methodNotAllowed(routes chi.Routes) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.RequestURI == "*" && r.Method == http.MethodOptions { // the whole server (RFC 9110, section 9.3.7)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
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
		p := problem.New(http.StatusMethodNotAllowed,
			"this path does not allow %s; it allows %s", strconv.QuoteToASCII(r.Method), allow)
		if r.Method == http.MethodPut && strings.Contains(allow, http.MethodPost) {
			p.Detail += "; curl -T sends PUT: add -X POST"
		}
		return p.With("Allow", allow)
	}
}

// allowedMethods returns the methods of a path; nil where there is no such path.
func allowedMethods(routes chi.Routes, path string) (allowed []string) {
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete,
	} {
		asked := method
		if method == http.MethodHead {
			asked = http.MethodGet // GET routes answer HEAD
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
