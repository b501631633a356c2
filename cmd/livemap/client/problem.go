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

// Problem is a hub's answer that is not what was asked for, read from
// application/problem+json (RFC 9457) where it has that form. Of another answer the Detail is
// the first line, of an HTML page nothing.
type Problem struct {
	*problem.Problem // its Status is that of the answer

	RetryAfter time.Duration // how long to wait before another try; 0 where the hub does not say
}

// problemLimit bounds what is read of an answer: a hundred refusals fit well.
const problemLimit = 1 << 20

// ReadProblem reads an answer that is no success, and closes it.
func ReadProblem(resp *http.Response) *Problem {
	defer resp.Body.Close()
	p := &problem.Problem{}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != problem.ContentType || json.Unmarshal(body, p) != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		p = &problem.Problem{Detail: line[:min(len(line), 200)]}
		if strings.HasPrefix(line, "<") { // somebody's error page
			p.Detail = ""
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
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 20); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// Printable makes text that came over the network safe for a terminal: what
// does not print, escape sequences above all, becomes a replacement character.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
