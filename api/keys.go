package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

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
	done *ttlcache.Cache[string, *attempt]
}

// attempt is one publish under a key.
type attempt struct {
	content [sha256.Size]byte // of the body
	over    chan struct{}     // closed when the ack is there, or will not be
	ack     *ack              // nil where nothing was published
}

func newKeys() *keys {
	k := &keys{ttlcache.New(
		ttlcache.WithTTL[string, *attempt](keyTime),
		ttlcache.WithCapacity[string, *attempt](keyCount),
		ttlcache.WithDisableTouchOnHit[string, *attempt](),
	)}
	go k.done.Start()
	return k
}

func (k *keys) close() { k.done.Stop() }

// once publishes, or gives the ack of the publish that was done under the same
// key, waiting for it if it is still under way. One that published nothing is
// not remembered. Another body under the key is a problem, 422.
func (k *keys) once(ctx context.Context, key string, content [sha256.Size]byte, publish func() (*ack, error)) (*ack, error) {
	mine := &attempt{content: content, over: make(chan struct{})}
	for {
		item, found := k.done.GetOrSet(key, mine)
		if !found {
			return k.run(key, mine, publish)
		}
		first := item.Value()
		if first.content != content {
			return nil, wrong(http.StatusUnprocessableEntity, "Idempotency-Key %q was used for another body less than %s ago", key, keyTime)
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

func (k *keys) run(key string, mine *attempt, publish func() (*ack, error)) (*ack, error) {
	defer func() {
		if mine.ack == nil { // refused, or publish panicked
			k.done.Delete(key)
		}
		close(mine.over)
	}()
	ack, err := publish()
	if err == nil {
		mine.ack = ack
	}
	return ack, err
}
