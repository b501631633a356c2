package api

import (
	"net/http"
	"strconv"
	"sync"

	"livemap/api/problem"
)

// Limits of the bytes of JSON and GeoJSON documents under way, beside the first 64 KiB of each.
const (
	bodiesInAll       = 256 << 20
	bodiesOfPublisher = bodiesInAll / 4 // of one with a token or a certificate
)

// bodyBudget counts the bytes of documents under way. The zero value is ready to use.
type bodyBudget struct {
	mu   sync.Mutex
	all  int
	each map[string]int // by publisher; without zeros
}

// take counts n bytes of a publisher, unless these are too many.
func (b *bodyBudget) take(publisher string, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all+n > bodiesInAll || publisher != localPublisher && b.each[publisher]+n > bodiesOfPublisher {
		return false
	}
	if b.each == nil {
		b.each = map[string]int{}
	}
	b.all += n
	b.each[publisher] += n
	return true
}

// give ends what take has counted.
func (b *bodyBudget) give(publisher string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all -= n
	if b.each[publisher] -= n; b.each[publisher] == 0 {
		delete(b.each, publisher)
	}
}

// budgetReader reads the body of a publish within a budget.
type budgetReader struct {
	request *http.Request
	budget  *bodyBudget
	read    int // bytes

	publisher string // once something is taken
	taken     int
}

// Read implements io.Reader.
func (r *budgetReader) Read(p []byte) (n int, err error) {
	n, err = r.request.Body.Read(p)
	r.read += n
	more := r.read - bodyRoom - r.taken
	if more <= 0 {
		return n, err
	}
	if r.taken == 0 {
		r.publisher = publisherName(r.request)
	}
	if !r.budget.take(r.publisher, more) {
		return n, problem.New(http.StatusTooManyRequests,
			"the bodies under way hold %d MiB, the limit (%d MiB for one publisher); try again in a moment, "+
				"or send smaller bodies", bodiesInAll>>20, bodiesOfPublisher>>20).
			With("Retry-After", strconv.Itoa(retryAfter))
	}
	r.taken += more
	return n, err
}

// release gives back what the body holds.
func (r *budgetReader) release() {
	if r.taken > 0 {
		r.budget.give(r.publisher, r.taken)
	}
	*r = budgetReader{}
}
