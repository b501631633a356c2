package api

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"livemap/api/problem"
	"livemap/api/token"
	"livemap/stream"
)

// streamLimiter bounds how many streams, or uploads, each client has. The zero value is ready to use.
type streamLimiter struct {
	mu   sync.Mutex     // guards what follows
	open map[string]int // streams of the clients that have some
}

// acquire counts a stream, unless its client has most already.
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

// release counts that a stream of the client ended.
func (l *streamLimiter) release(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// acquireStream counts a stream of a request's client, unless it has MaxStreams already. The caller
// must call release at the stream's end.
func (a *API) acquireStream(r *http.Request) (release func(), ok bool) {
	if p := principalOf(r); a.MaxStreams == 0 || p == nil || p.certificate != nil {
		return func() {}, true
	}
	client := clientKey(r)
	if !a.streams.acquire(client, a.MaxStreams) {
		return nil, false
	}
	return func() { a.streams.release(client) }, true
}

// clientKey identifies a client by its certificate's key, by its token's subject, or by its address.
// For an IPv6 address it uses the prefix that belongs to one customer (RFC 6177).
func clientKey(r *http.Request) string {
	if p := principalOf(r); p != nil && p.certificate != nil {
		key := sha256.Sum256(p.certificate.RawSubjectPublicKeyInfo)
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

// publisherKey identifies a client together with what it may publish.
func publisherKey(r *http.Request) string {
	if principalOf(r) == nil {
		return localPublisher // at whichever hub of a journal, from whichever address
	}
	grant := grantOf(r)
	if grant == nil {
		return clientKey(r)
	}
	rights, _ := json.Marshal([]token.Patterns{grant.Publish, grant.Topics}) // strings always marshal
	return string(rights) + clientKey(r)
}

// localPublisher is the name of all who publish to an internal port without authentication.
const localPublisher = "local"

// publisherName identifies a publisher by its certificate's name, by its token's subject, or by its
// address. All that an internal port without authentication accepts is one publisher.
func publisherName(r *http.Request) string {
	switch p := principalOf(r); {
	case p == nil:
		return localPublisher
	case p.certificate != nil:
		return "certificate " + p.certificate.Subject.String()
	}
	return clientKey(r)
}

// maxOwnerName bounds the names that the hub remembers with vehicles, in bytes.
const maxOwnerName = 200

// ownerName is the authenticated name to which what a request publishes belongs: its certificate's name or
// its token's subject. It is "" for publishers without either, who are one.
func ownerName(r *http.Request) string {
	name := ""
	if p := principalOf(r); p != nil && p.certificate != nil {
		name = "certificate " + p.certificate.Subject.String()
	} else if grant := grantOf(r); grant != nil && grant.Subject != "" {
		name = "subject " + grant.Subject
	}
	if len(name) > maxOwnerName {
		name = fmt.Sprintf("digest %x", sha256.Sum256([]byte(name)))
	}
	return strings.ToValidUTF8(name, "\ufffd")
}

// acquireUpload counts an NDJSON upload of a request's publisher, unless it has maxUploads already. The
// caller must call release at the upload's end.
func (a *API) acquireUpload(r *http.Request) (release func(), err error) {
	publisher := publisherName(r)
	if !a.uploads.acquire(publisher, maxUploads) {
		return nil, problem.New(http.StatusTooManyRequests,
			"this publisher has %d NDJSON uploads under way, the limit; end some, or send the positions of "+
				"several vehicles in one upload", maxUploads).
			With("Retry-After", strconv.Itoa(int(retryTime.Seconds())))
	}
	return func() { a.uploads.release(publisher) }, nil
}

// retryTime is how long the client of a rejected stream or upload waits before it tries again.
const retryTime = time.Minute

// rejectStream answers with a stream that ends at once, and counts why. After an error status an
// EventSource would never reconnect.
func (a *API) rejectStream(w http.ResponseWriter, q *stream.Query, reason string) error {
	a.Metrics.closed.WithLabelValues(reason).Inc()
	w.Write(a.Hub.TurnedAway(q.LastEventID, retryTime)) // a failure is the client's connection
	return nil
}
