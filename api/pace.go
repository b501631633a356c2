package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"livemap/api/problem"

	"golang.org/x/time/rate"
)

// paces hold publishers to so many positions per second, those that published of late.
type paces struct {
	mu sync.Mutex // guards what follows
	of map[string]*rate.Limiter
	// When there are so many, those that owe nothing are forgotten.
	sweepAt int
}

const fewPaces = 1024

// pace is one publisher's: it may publish when it owes nothing, and then owes what
// it published. Nil is any number.
type pace struct {
	*rate.Limiter
	all    *paces
	client string
}

// enter gives the pace of a request's publisher, or asks it to wait.
func (p *paces) enter(client string, perSecond float64) (*pace, error) {
	one := p.limiter(client, perSecond)
	if owed := 1 - one.Tokens(); owed > 0 {
		seconds := math.Ceil(owed / perSecond)
		return nil, problem.New(http.StatusTooManyRequests, "more than %g positions per second; wait %g s", perSecond, seconds).
			With("Retry-After", strconv.Itoa(int(seconds)))
	}
	return &pace{one, p, client}, nil
}

// renew is for an upload that may have waited so long that its limiter was forgotten,
// and its publisher given another.
func (p *pace) renew() {
	if p != nil {
		p.Limiter = p.all.limiter(p.client, float64(p.Limit()))
	}
}

func (p *paces) limiter(client string, perSecond float64) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one := p.of[client]; one != nil {
		return one
	}
	if len(p.of) >= p.sweepAt {
		p.sweepLocked()
	}
	// A second's worth may come at once.
	one := rate.NewLimiter(rate.Limit(perSecond), max(1, int(math.Ceil(perSecond))))
	p.of[client] = one
	return one
}

func (p *paces) sweepLocked() {
	if p.of == nil {
		p.of = map[string]*rate.Limiter{}
	}
	for client, one := range p.of {
		if one.Tokens() >= float64(one.Burst()) {
			delete(p.of, client)
		}
	}
	p.sweepAt = max(fewPaces, 2*len(p.of))
}

// charge adds to what the publisher owes.
func (p *pace) charge(positions int) {
	if p == nil {
		return
	}
	for now := time.Now(); positions > 0; positions -= p.Burst() {
		p.ReserveN(now, min(positions, p.Burst()))
	}
}

// wait waits until the publisher owes nothing, or ctx is done.
func (p *pace) wait(ctx context.Context) {
	if p == nil || p.Tokens() >= 0 {
		return
	}
	paid := time.NewTimer(time.Duration(-p.Tokens() / float64(p.Limit()) * float64(time.Second)))
	defer paid.Stop()
	select {
	case <-paid.C:
	case <-ctx.Done():
	}
}
