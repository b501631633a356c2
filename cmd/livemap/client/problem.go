package client

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"livemap/api/problem"
)

// Problem is an answer of a hub that is no success, read from application/problem+json
// (RFC 9457). If the answer has another form, the Detail is its first line, cut to 200 bytes; of
// an HTML page it is empty.
type Problem struct {
	*problem.Problem // its Status is that of the answer

	RetryAfter time.Duration // the wait that the hub asks for; 0 if it does not
}

// problemLimit bounds how much of an answer is read, in bytes. A hundred refusals fit well.
const problemLimit = 1 << 20

// sentPlain is what net/http answers to plain HTTP on a port that speaks TLS.
const sentPlain = "Client sent an HTTP request to an HTTPS server."

// ReadProblem reads an answer that is no success, and closes its body. To that of a port which speaks TLS
// it adds what address helps.
func ReadProblem(resp *http.Response) *Problem {
	defer resp.Body.Close()
	p := &problem.Problem{}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != problem.ContentType || json.Unmarshal(body, p) != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		p = &problem.Problem{Detail: line[:min(len(line), 200)]}
		if strings.HasPrefix(line, "<") { // the error page of a proxy
			p.Detail = ""
		}
		if line == sentPlain {
			p.Detail += " (write https:// instead of http://)"
		}
	}
	p.Status = resp.StatusCode
	return &Problem{Problem: p, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
}

// Error returns the status and the detail, safe for a terminal.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	status := fmt.Sprintf("the hub answered %d %s", p.Status, http.StatusText(p.Status))
	if text == "" || text == http.StatusText(p.Status) {
		return status
	}
	return status + ": " + Printable(text)
}

// Temporary reports whether the same request may succeed a little later.
func (p *Problem) Temporary() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads a Retry-After header: seconds, or a date.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 20); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// Printable makes text from the network safe for a terminal: a character that does not print,
// such as the beginning of an escape sequence, becomes a replacement character.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
