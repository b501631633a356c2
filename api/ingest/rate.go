package ingest

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RateLimiters bound how many positions per second each publisher may publish. They remember
// recent publishers only. The zero value is ready to use; all methods are safe for concurrent use.
type RateLimiters struct {
	mu       sync.Mutex // guards what follows
	byClient map[string]*rate.Limiter
	// sweepAt is the number of limiters at which those that owe nothing are forgotten.
	sweepAt int
}

const minSweep = 1024

// RateLimiter limits one publisher. A publisher that owes nothing may publish any number of
// positions, and owes them from then on. A nil RateLimiter does not limit.
type RateLimiter struct {
	*rate.Limiter
	all    *RateLimiters
	client string
}

// RateError reports that a publisher exceeds its rate.
type RateError struct {
	PerSecond float64 // positions that it may publish
	Wait      float64 // whole seconds until it may publish again
}

// Error returns the rate and how long to wait.
func (e *RateError) Error() string {
	return fmt.Sprintf("the publisher exceeded %g positions per second; wait %g s", e.PerSecond, e.Wait)
}

// Acquire returns the limiter of a client that may publish now. For one that still owes positions
// it returns a [*RateError].
func (l *RateLimiters) Acquire(client string, perSecond float64) (*RateLimiter, error) {
	limiter := l.limiter(client, perSecond)
	if owed := 1 - limiter.Tokens(); owed > 0 {
		return nil, &RateError{PerSecond: perSecond, Wait: math.Ceil(owed / perSecond)}
	}
	return &RateLimiter{limiter, l, client}, nil
}

// Renew looks the limiter up again. Call it after a wait: meanwhile the limiter may have been
// forgotten, and its publisher may have another.
func (l *RateLimiter) Renew() {
	if l != nil {
		l.Limiter = l.all.limiter(l.client, float64(l.Limit()))
	}
}

func (l *RateLimiters) limiter(client string, perSecond float64) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limiter := l.byClient[client]; limiter != nil {
		return limiter
	}
	if len(l.byClient) >= l.sweepAt {
		l.sweepLocked()
	}
	// The positions of a second may come at once.
	limiter := rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(perSecond))))
	l.byClient[client] = limiter
	return limiter
}

func (l *RateLimiters) sweepLocked() {
	if l.byClient == nil {
		l.byClient = map[string]*rate.Limiter{}
	}
	for client, limiter := range l.byClient {
		if limiter.Tokens() >= float64(limiter.Burst()) {
			delete(l.byClient, client)
		}
	}
	l.sweepAt = max(minSweep, 2*len(l.byClient))
}

// charge adds to what the publisher owes.
func (l *RateLimiter) charge(positions int) {
	if l == nil {
		return
	}
	for now := time.Now(); positions > 0; positions -= l.Burst() {
		l.ReserveN(now, min(positions, l.Burst()))
	}
}

// Wait waits until the publisher owes nothing, or ctx is done.
func (l *RateLimiter) Wait(ctx context.Context) {
	if l == nil || l.Tokens() >= 0 {
		return
	}
	paid := time.NewTimer(time.Duration(-l.Tokens() / float64(l.Limit()) * float64(time.Second)))
	defer paid.Stop()
	select {
	case <-paid.C:
	case <-ctx.Done():
	}
}
