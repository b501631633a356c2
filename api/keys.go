package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"

	"livemap/api/problem"

	"github.com/jellydator/ttlcache/v3"
)

// What is remembered of publishes with an Idempotency-Key.
const (
	maxKey   = 128 // bytes
	keyTime  = 5 * time.Minute
	keyCount = 100_000
)

// keys remembers which publishes have been done, so that a repeat publishes
// nothing again.
type keys struct {
	done     *ttlcache.Cache[keyID, *attempt]
	closing  chan struct{}
	sweeping sync.WaitGroup
}

// keyID is a digest of a key and whose it is, which may be long.
type keyID [sha256.Size]byte

func idOf(publisher, key string) keyID {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q", publisher, key)) // quoted, no two pairs are the same text
}

// attempt is one publish under a key.
type attempt struct {
	content [sha256.Size]byte // of the body
	over    chan struct{}     // closed when the ack is there, or will not be
	ack     *problem.Ack      // nil where nothing was published
}

func newKeys() *keys {
	k := &keys{closing: make(chan struct{}), done: ttlcache.New(
		ttlcache.WithTTL[keyID, *attempt](keyTime),
		ttlcache.WithCapacity[keyID, *attempt](keyCount),
		ttlcache.WithDisableTouchOnHit[keyID, *attempt](),
	)}
	k.sweeping.Go(k.sweep)
	return k
}

func (k *keys) close() {
	close(k.closing)
	k.sweeping.Wait()
}

// sweep lets go of what has expired. The cache's own Start does that too, but
// runs on for good if Stop comes before it has begun.
func (k *keys) sweep() {
	every := time.NewTicker(keyTime / 5)
	defer every.Stop()
	for {
		select {
		case <-k.closing:
			return
		case <-every.C:
			k.done.DeleteExpired()
		}
	}
}

// once publishes, or gives the ack of the publish that the publisher did under the
// same key, waiting for it if it is still under way. One that published nothing is
// not remembered. Another body under the key is a problem, 422.
func (k *keys) once(ctx context.Context, publisher, key string, content [sha256.Size]byte, publish func() (*problem.Ack, error)) (*problem.Ack, error) {
	mine := &attempt{content: content, over: make(chan struct{})}
	id := idOf(publisher, key)
	for {
		item, found := k.done.GetOrSet(id, mine)
		if !found {
			return k.run(id, mine, publish)
		}
		first := item.Value()
		if first.content != content {
			return nil, problem.New(http.StatusUnprocessableEntity, "Idempotency-Key %q was used for another body less than %s ago", key, keyTime)
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

func (k *keys) run(id keyID, mine *attempt, publish func() (*problem.Ack, error)) (*problem.Ack, error) {
	defer func() {
		if mine.ack == nil { // refused, or publish panicked
			k.done.Delete(id)
		}
		close(mine.over)
	}()
	ack, err := publish()
	if err == nil {
		mine.ack = ack
	}
	return ack, err
}
