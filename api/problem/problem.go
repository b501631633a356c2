// Package problem defines how a hub answers in JSON: a [Problem] for an error (RFC 9457), and the
// [Ack] of a publish, which lists each [Refusal].
//
// Server, client and benchmark share these types.
package problem

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// ContentType is the media type of a [Problem].
const ContentType = "application/problem+json"

// Problem is an answer that says what is wrong, in words that its reader can act on (RFC 9457). It
// is an error that handlers return.
type Problem struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Detail string    `json:"detail,omitempty"`
	Offset *int64    `json:"offset,omitempty"` // in bytes, where a document does not parse
	Errors []Refusal `json:"errors,omitempty"` // the first hundred of a publish

	Header http.Header `json:"-"` // further header fields of the answer
}

// New returns a problem of an HTTP status. Quote text that a client sent with %q, and cut it with
// [Shorten].
func New(status int, detail string, args ...any) *Problem {
	return &Problem{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Detail: fmt.Sprintf(detail, args...),
		Header: http.Header{},
	}
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// With adds a header field to the answer and returns the problem.
func (p *Problem) With(name, value string) *Problem {
	p.Header.Set(name, value)
	return p
}

// Write answers with the problem, its status and its header.
func (p *Problem) Write(w http.ResponseWriter) {
	for name, values := range p.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	text, _ := json.Marshal(p) // strings and numbers always marshal
	text = append(text, '\n')
	w.Header().Set("Content-Length", strconv.Itoa(len(text))) // also when it is flushed
	w.WriteHeader(p.Status)
	w.Write(text) // a failure is the client's connection
}

// Shorten cuts text that a client sent to 40 bytes, so that it cannot fill the answer.
func Shorten(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
