package main

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
)

// problem is a hub's answer that is not what was asked for, read from
// application/problem+json (RFC 9457) where it has that form.
type problem struct {
	Title  string    `json:"title"`
	Detail string    `json:"detail"`
	Errors []refusal `json:"errors"` // of a publish

	status     int
	retryAfter time.Duration // 0 where the answer does not say
}

// refusal is why the hub did not take one position.
type refusal struct {
	Index     int    `json:"index"` // the line in the body, from 1
	VehicleID string `json:"vehicle_id"`
	Field     string `json:"field"`
	Detail    string `json:"detail"`
}

// problemLimit bounds what is read of an answer: a hundred refusals fit well.
const problemLimit = 1 << 20

// readProblem reads an answer that is no success, and closes it.
func readProblem(resp *http.Response) *problem {
	defer resp.Body.Close()
	p := &problem{}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(body, p) != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		p = &problem{Detail: line[:min(len(line), 200)]}
		if strings.HasPrefix(line, "<") { // somebody's error page
			p.Detail = ""
		}
	}
	p.status = resp.StatusCode
	p.retryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return p
}

func (p *problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	status := fmt.Sprintf("the hub answered %d %s", p.status, http.StatusText(p.status))
	if text == "" || text == http.StatusText(p.status) {
		return status
	}
	return status + ": " + printable(text)
}

// passing reports whether the same request may succeed a little later.
func (p *problem) passing() bool {
	switch p.status {
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

// printable makes text that came over the network safe for a terminal: what
// does not print, escape sequences above all, becomes a replacement character.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
