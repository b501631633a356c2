package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"livemap/api/problem"
)

// Limits of the one-off reads under way: snapshots, tracks, single vehicles and the description of the
// API. What each holds in memory, it holds for as long as its reader takes.
const (
	clientReads = 8
	allReads    = 256
	readSize    = 64 << 10        // vehicles or positions, of 16 bytes each, that count as one read
	readWait    = 5 * time.Second // for others to end
)

// readLimiter bounds the reads under way. The zero value is ready to use.
type readLimiter struct {
	once sync.Once
	all  *semaphore.Weighted

	mu      sync.Mutex // guards what follows
	clients map[string]*readingClient
}

// readingClient is a client with reads that wait or are under way.
type readingClient struct {
	*semaphore.Weighted
	reads int
}

// Errors of a read that waited in vain.
var (
	errClientReads = errors.New("of the client")
	errAllReads    = errors.New("of all clients")
)

// acquire counts a read of n vehicles or positions, as soon as others have ended. It waits for these until
// ctx is done. client "" has no limit of its own.
func (l *readLimiter) acquire(ctx context.Context, client string, n int) (release func(), err error) {
	l.once.Do(func() { l.all = semaphore.NewWeighted(allReads) })
	weight := int64(min(1+n/readSize, clientReads)) // the largest waits for all others of its client
	own := l.client(client)
	if !own.TryAcquire(weight) && own.Acquire(ctx, weight) != nil {
		l.leave(client)
		return nil, errClientReads
	}
	if !l.all.TryAcquire(weight) && l.all.Acquire(ctx, weight) != nil {
		own.Release(weight)
		l.leave(client)
		return nil, errAllReads
	}
	return func() {
		l.all.Release(weight)
		own.Release(weight)
		l.leave(client)
	}, nil
}

// client returns the client of a read that begins; leave is called at its end.
func (l *readLimiter) client(key string) *readingClient {
	if key == "" {
		return &readingClient{Weighted: semaphore.NewWeighted(clientReads)}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients == nil {
		l.clients = map[string]*readingClient{}
	}
	own := l.clients[key]
	if own == nil {
		own = &readingClient{Weighted: semaphore.NewWeighted(clientReads)}
		l.clients[key] = own
	}
	own.reads++
	return own
}

func (l *readLimiter) leave(key string) {
	if key == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.clients[key]; own.reads == 1 {
		delete(l.clients, key)
	} else {
		own.reads--
	}
}

// acquireRead counts a read of n vehicles or positions. The caller must call release at its end. A client
// may read more at once than clientReads: the rest waits for readWait, as behind a NAT a client is many.
//
// Requests without a principal are of the machine itself. They have no limit per client, and the public
// port cannot keep them out.
func (a *API) acquireRead(r *http.Request, n int) (release func(), err error) {
	reads, client := &a.reads, clientKey(r)
	if principalOf(r) == nil {
		reads, client = &a.ownReads, ""
	}
	ctx := r.Context()
	if r.ProtoMajor == 1 { // it may be done for a client that has only closed its half of the connection
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	defer context.AfterFunc(a.draining, cancel)()
	release, err = reads.acquire(ctx, client, n)
	switch {
	case err == nil:
		return release, nil
	case a.draining.Err() != nil:
		return nil, errDraining()
	}
	a.Metrics.readsRefused.Inc()
	p := problem.New(http.StatusTooManyRequests, "%d snapshots or tracks are under way for this client, "+
		"the most at once; a large one counts as several; try again when they have ended", clientReads)
	if errors.Is(err, errAllReads) {
		p.Detail = "the hub answers " + strconv.Itoa(allReads) +
			" snapshots and tracks, the most at once; try again in a moment"
	}
	return nil, p.With("Retry-After", strconv.Itoa(int(readWait.Seconds())))
}

// asClient counts the reads of a request by its address.
func asClient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, withPrincipal(r, new(principal)))
	})
}
