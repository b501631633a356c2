package main

import (
	"fmt"
	"net/url"
	"strings"

	"livemap/cmd/livemap/client"
)

// tailURL is what tail follows: the address of a hub, or the URL of one of its streams.
type tailURL struct {
	client.Address        // the hub's
	path           string // percent-encoded, below the hub's address; "" if the URL names no stream
	query          url.Values
}

// UnmarshalText reads either form. An error says which forms are allowed.
func (t *tailURL) UnmarshalText(text []byte) error {
	hub, path, query, found := cutStream(string(text))
	if !found {
		return t.Address.UnmarshalText(text)
	}
	if err := t.Address.UnmarshalText([]byte(hub)); err != nil {
		return err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("%q has a query that cannot be read: %w", text, err)
	}
	t.path, t.query = path, values
	return nil
}

// cutStream splits the URL of a stream: …/stream?topic=A or …/topics/A/stream. The query has no ?.
func cutStream(text string) (hub, path, query string, found bool) {
	text, _, _ = strings.Cut(text, "#")
	text, query, _ = strings.Cut(text, "?")
	hub, found = strings.CutSuffix(strings.TrimSuffix(text, "/"), "/stream")
	if !found || strings.HasPrefix(text, "unix:") || !strings.Contains(hub, "://") {
		return "", "", "", false
	}
	path = "/stream"
	if at := strings.LastIndexByte(hub, '/'); strings.HasSuffix(hub[:max(at, 0)], "/topics") {
		path = "/topics" + hub[at:] + path
		hub = strings.TrimSuffix(hub[:at], "/topics")
	}
	return hub, path, query, true
}
