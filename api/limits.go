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

// streamLimiter counts the streams of each client, those that have some.
type streamLimiter struct {
	mu   sync.Mutex // guards what follows
	open map[string]int
}

// acquire counts a stream, unless its client has as many as it may.
func (l *streamLimiter) acquire(client string, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client] >= most {
		return false
	}
	if l.open == nil {
		l.open = map[string]int{}
	}
	l.open[client]++
	return true
}

func (l *streamLimiter) release(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// acquireStream counts a stream of a principal, unless they have as many as they may.
func (a *API) acquireStream(r *http.Request) (release func(), ok bool) {
	if a.MaxStreams == 0 || principalOf(r) == nil {
		return func() {}, true
	}
	client := clientKey(r)
	if !a.streams.acquire(client, a.MaxStreams) {
		return nil, false
	}
	return func() { a.streams.release(client) }, true
}

// clientKey tells clients apart: by their certificate's key, their token's subject,
// else by their address, or what of an IPv6 address is one customer's (RFC 6177).
func clientKey(r *http.Request) string {
	if shown := clientCertificate(r); shown != nil {
		key := sha256.Sum256(shown.RawSubjectPublicKeyInfo)
		return "certificate " + string(key[:])
	}
	if grant := grantOf(r); grant != nil && grant.Subject != "" {
		return "subject " + grant.Subject
	}
	address := clientAddress(r)
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

// retryTime is for how long those are sent away for whom there is no room.
const retryTime = time.Minute

// rejectStream ends a stream at once, and counts why. Of an answer that is an error a
// browser would never come back.
func (a *API) rejectStream(w http.ResponseWriter, reason string) error {
	a.Metrics.closed.WithLabelValues(reason).Inc()
	w.Write(stream.TurnedAway(retryTime)) // what fails is the client's connection
	return nil
}
