package ingest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"
	"unsafe"

	"livemap/api/problem"

	"github.com/jellydator/ttlcache/v3"
)

// MaxKey is the largest Idempotency-Key, in bytes.
const MaxKey = 128

// Limits of what is remembered. Beyond them the keys go that were not used for the longest time.
const (
	keyTime  = 5 * time.Minute
	keyCount = 100_000
	ackBytes = 16 << 20 // of the acks; each key costs some 300 bytes besides
)

// Idempotency remembers the publishes of the last five minutes by their Idempotency-Key, so that a
// repeat publishes nothing again (draft-ietf-httpapi-idempotency-key-header).
type Idempotency struct {
	done     *ttlcache.Cache[keyID, *attempt]
	closing  chan struct{}
	sweeping sync.WaitGroup
}

// keyID is a digest of a publisher and its key, which may be long.
type keyID [sha256.Size]byte

func idOf(publisher, key string) keyID {
	// Quoted, no two pairs give the same text.
	return sha256.Sum256(fmt.Appendf(nil, "%q %q", publisher, key))
}

// KeyReusedError reports that a publisher used a key for another body in the last five minutes.
type KeyReusedError struct{ Key string }

// Error returns the key and for how long it is remembered.
func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("Idempotency-Key %q belongs to another body, sent less than %s ago; "+
		"send another key", e.Key, keyTime)
}

// attempt is a publish under a key.
type attempt struct {
	content [sha256.Size]byte // of the body
	over    chan struct{}     // closed when the publish is over
	ack     *problem.Ack      // nil where it published nothing
}

// NewIdempotency returns one that remembers nothing yet. The caller must close it.
func NewIdempotency() *Idempotency {
	i := &Idempotency{closing: make(chan struct{}), done: ttlcache.New(
		ttlcache.WithTTL[keyID, *attempt](keyTime),
		ttlcache.WithCapacity[keyID, *attempt](keyCount),
		ttlcache.WithMaxCost(ackBytes, func(item ttlcache.CostItem[keyID, *attempt]) uint64 {
			return sizeOf(item.Value.ack)
		}),
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

// sweep deletes what has expired. The cache's own Start would never end if Stop came before it had
// begun.
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

// Once calls publish, or returns the ack of the publisher's earlier publish under the same key. It waits
// for one that is under way: a publish has its whole body, and takes no longer than the hub does. content
// is a digest of the body: for another body under the key Once returns a [*KeyReusedError]. A publish that
// failed is not remembered.
func (i *Idempotency) Once(
	publisher, key string, content [sha256.Size]byte, publish func() (*problem.Ack, error),
) (*problem.Ack, error) {
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
		<-first.over
		if first.ack != nil {
			return first.ack, nil
		}
	}
}

func (i *Idempotency) run(
	id keyID, mine *attempt, publish func() (*problem.Ack, error),
) (*problem.Ack, error) {
	defer func() {
		if mine.ack == nil { // refused, or publish panicked
			i.done.Delete(id)
		}
		close(mine.over)
	}()
	ack, err := publish()
	if err == nil {
		mine.ack = ack
		kept := &attempt{content: mine.content, over: closed, ack: compact(ack)}
		i.done.Set(id, kept, ttlcache.PreviousOrDefaultTTL)
	}
	return ack, err
}

// closed is what attempts that are over share.
var closed = func() chan struct{} {
	over := make(chan struct{})
	close(over)
	return over
}()

// compact returns a copy of an ack without spare room.
func compact(ack *problem.Ack) *problem.Ack {
	copied := *ack
	copied.Errors = slices.Clone(ack.Errors)
	return &copied
}

// sizeOf returns the bytes of an ack in memory; 0 for nil.
func sizeOf(ack *problem.Ack) uint64 {
	if ack == nil {
		return 0
	}
	size := unsafe.Sizeof(*ack) + uintptr(len(ack.LastEventID))
	for i := range ack.Errors {
		e := &ack.Errors[i]
		size += unsafe.Sizeof(*e) + uintptr(len(e.VehicleID)+len(e.Field)+len(e.Detail))
	}
	return uint64(size)
}
