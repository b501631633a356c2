package api

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"livemap/api/token"
	"livemap/stream"
)

// crowd counts the streams of each client, those that have some.
type crowd struct {
	mu   sync.Mutex // guards what follows
	open map[string]int
}

// enter counts a stream, unless its client has as many as it may.
func (c *crowd) enter(client string, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[client] >= most {
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

// enterCrowd counts a stream of a visitor's, unless they have as many as they may.
func (a *API) enterCrowd(r *http.Request) (leave func(), ok bool) {
	if a.MaxStreams == 0 || visitorOf(r) == nil {
		return func() {}, true
	}
	client := clientKey(r)
	if !a.crowd.enter(client, a.MaxStreams) {
		return nil, false
	}
	return func() { a.crowd.leave(client) }, true
}

// clientKey tells clients apart: by their certificate's key, their token's subject,
// else by their address, or what of an IPv6 address is one customer's (RFC 6177).
func clientKey(r *http.Request) string {
	if shown := certificateOf(r); shown != nil {
		key := sha256.Sum256(shown.RawSubjectPublicKeyInfo)
		return "certificate " + string(key[:])
	}
	if grant := grantOf(r); grant != nil && grant.Subject != "" {
		return "subject " + grant.Subject
	}
	address := client(r)
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() && !ip.Is4In6() {
		address = netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
	}
	return "address " + address
}

// publisherKey tells publishers apart that may publish other things, too.
func publisherKey(r *http.Request) string {
	grant := grantOf(r)
	if grant == nil {
		return clientKey(r)
	}
	rights, _ := json.Marshal([]token.Patterns{grant.Publish, grant.Topics}) // strings, which is no error
	return string(rights) + clientKey(r)
}

// awayTime is for how long those are sent away for whom there is no room.
const awayTime = time.Minute

// turnAway ends a stream at once, and counts why. Of an answer that is an error a
// browser would never come back.
func (a *API) turnAway(w http.ResponseWriter, reason string) error {
	a.Metrics.closed.WithLabelValues(reason).Inc()
	w.Write(stream.TurnedAway(awayTime)) // what fails is the client's connection
	return nil
}
