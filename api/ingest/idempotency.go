package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"livemap/api/problem"

	"github.com/jellydator/ttlcache/v3"
)

// What is remembered of publishes with an Idempotency-Key.
const (
	MaxKey   = 128 // bytes
	keyTime  = 5 * time.Minute
	keyCount = 100_000
)

// Idempotency remembers which publishes have been done under an Idempotency-Key, so that a
// repeat publishes nothing again (draft-ietf-httpapi-idempotency-key-header). [NewIdempotency]
// makes one.
type Idempotency struct {
	done     *ttlcache.Cache[keyID, *attempt]
	closing  chan struct{}
	sweeping sync.WaitGroup
}

// keyID is a digest of a key and whose it is, which may be long.
type keyID [sha256.Size]byte

func idOf(publisher, key string) keyID {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q", publisher, key)) // quoted, no two pairs are the same text
}

// KeyReusedError reports that a publisher used a key for another body a short time ago.
type KeyReusedError struct{ Key string }

// Error returns the key and for how long it is remembered.
func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("Idempotency-Key %q was used for another body less than %s ago", e.Key, keyTime)
}

// attempt is one publish under a key.
type attempt struct {
	content [sha256.Size]byte // of the body
	over    chan struct{}     // closed when the ack is there, or will not be
	ack     *problem.Ack      // nil where nothing was published
}

// NewIdempotency makes one that remembers nothing yet. Close it at the end.
func NewIdempotency() *Idempotency {
	i := &Idempotency{closing: make(chan struct{}), done: ttlcache.New(
		ttlcache.WithTTL[keyID, *attempt](keyTime),
		ttlcache.WithCapacity[keyID, *attempt](keyCount),
		ttlcache.WithDisableTouchOnHit[keyID, *attempt](),
	)}
	i.sweeping.Go(i.sweep)
	return i
}

// Close ends the goroutine that forgets expired keys.
func (i *Idempotency) Close() {
	close(i.closing)
	i.sweeping.Wait()
}

// sweep lets go of what has expired. The cache's own Start does that too, but
// runs on for good if Stop comes before it has begun.
func (i *Idempotency) sweep() {
	every := time.NewTicker(keyTime / 5)
	defer every.Stop()
	for {
		select {
		case <-i.closing:
			return
		case <-every.C:
			i.done.DeleteExpired()
		}
	}
}

// Once publishes, or gives the ack of the publish that the publisher did under the
// same key, waiting for it if it is still under way. One that published nothing is
// not remembered. For another body under the key the error is a [*KeyReusedError].
func (i *Idempotency) Once(ctx context.Context, publisher, key string, content [sha256.Size]byte, publish func() (*problem.Ack, error)) (*problem.Ack, error) {
	mine := &attempt{content: content, over: make(chan struct{})}
	id := idOf(publisher, key)
	for {
		item, found := i.done.GetOrSet(id, mine)
		if !found {
			return i.run(id, mine, publish)
		}
		first := item.Value()
		if first.content != content {
			return nil, &KeyReusedError{Key: key}
		}
		select {
		case <-first.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if first.ack != nil {
			return first.ack, nil
		}
	}
}

func (i *Idempotency) run(id keyID, mine *attempt, publish func() (*problem.Ack, error)) (*problem.Ack, error) {
	defer func() {
		if mine.ack == nil { // refused, or publish panicked
			i.done.Delete(id)
		}
		close(mine.over)
	}()
	ack, err := publish()
	if err == nil {
		mine.ack = ack
	}
	return ack, err
}
