package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"livemap/geo"
)

// problem is an answer that says what is wrong, in words its reader can act on
// (RFC 9457). It is an error that handlers return.
type problem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Detail string    `json:"detail,omitempty"`
	Offset *int64    `json:"offset,omitempty"` // bytes, where a document does not parse
	Errors []refusal `json:"errors,omitempty"` // of a publish, the first hundred

	header http.Header
}

func (p *problem) Error() string { return p.Detail }

// wrong makes a problem. Where detail quotes what a client sent, it does so
// with %q.
func wrong(status int, detail string, args ...any) *problem {
	return &problem{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Detail: fmt.Sprintf(detail, args...),
		header: http.Header{},
	}
}

// with adds a header to the answer.
func (p *problem) with(name, value string) *problem {
	p.header.Set(name, value)
	return p
}

// retryAfter is how long, in seconds, a publisher that met a draining hub
// should wait: about as long as a restart takes.
const retryAfter = 2

// problemOf is the table from errors to answers. ok is false for an error that
// nobody foresaw.
func problemOf(err error) (p *problem, ok bool) {
	if errors.As(err, &p) {
		return p, true
	}
	if syntax, is := errors.AsType[*geo.SyntaxError](err); is {
		p = wrong(http.StatusBadRequest, "%s", syntax.Error())
		p.Offset = &syntax.Offset
		return p, true
	}
	if limit, is := errors.AsType[*geo.LimitError](err); is {
		return wrong(http.StatusRequestEntityTooLarge, "%s", limit.Error()), true
	}
	if size, is := errors.AsType[*http.MaxBytesError](err); is {
		return wrong(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes, the limit for JSON and GeoJSON; send several, or NDJSON, which has no limit", size.Limit), true
	}
	return wrong(http.StatusInternalServerError, "something went wrong in the hub; its log has the details"), false
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
		p.write(w)
	}
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return wrong(http.StatusNotFound, "there is nothing at %s; GET /openapi.yaml tells what there is", strconv.QuoteToASCII(r.URL.Path))
}

// methodNotAllowed answers for paths that have no such method, and OPTIONS.
func methodNotAllowed(routes chi.Routes) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		allowed := methods(routes, r.URL.EscapedPath())
		if len(allowed) == 0 {
			return notFound(w, r)
		}
		allow := strings.Join(allowed, ", ")
		if r.Method == http.MethodOptions {
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		p := wrong(http.StatusMethodNotAllowed, "%s is not allowed here; allowed are %s", strconv.QuoteToASCII(r.Method), allow)
		if r.Method == http.MethodPut && strings.Contains(allow, http.MethodPost) {
			p.Detail += "; curl -T sends PUT, which -X POST mends"
		}
		return p.with("Allow", allow)
	}
}

// methods lists what a path allows.
func methods(routes chi.Routes, path string) (allowed []string) {
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
