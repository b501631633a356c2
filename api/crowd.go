package api

import (
	"io"
	"net/http"
	"sync"
)

// crowd counts the streams of each client, those that have some.
type crowd struct {
	mu   sync.Mutex // guards what follows
	open map[string]int
}

// enter counts a stream, unless its client has as many as it may; 0 is any number.
func (c *crowd) enter(client string, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if most > 0 && c.open[client] >= most {
		return false
	}
	if c.open == nil {
		c.open = map[string]int{}
	}
	c.open[client]++
	return true
}

func (c *crowd) leave(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[client]--; c.open[client] == 0 {
		delete(c.open, client)
	}
}

// clientKey tells clients apart: by their token's subject, else by their address.
func clientKey(r *http.Request) string {
	if grant := grantOf(r); grant != nil && grant.Subject != "" {
		return "subject " + grant.Subject
	}
	return "address " + client(r)
}

// turnAway ends a stream at once. Of an answer that is an error a browser would
// never come back; told so, it does in a minute.
func (a *API) turnAway(w http.ResponseWriter) error {
	a.Metrics.closed.WithLabelValues("too-many").Inc()
	io.WriteString(w, "retry: 60000\n: livemap\n\nevent: bye\ndata: {\"reason\":\"too-many\"}\n\n") // what fails is the client's connection
	return nil
}
