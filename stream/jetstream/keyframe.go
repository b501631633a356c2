package jetstream

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	stateBucket  = "LIVEMAP_STATE"
	keyframeName = "keyframe"
	metaSeq      = "livemap.seq"
)

// ErrNoKeyframe says that no hub has left a state of this epoch beside the journal.
var ErrNoKeyframe = errors.New("there is no keyframe")

// Keyframe describes a state that a hub left beside the journal, for hubs that have none.
type Keyframe struct {
	Seq uint64    // the state is that after this message
	At  time.Time // when it was written
}

// Keyframe returns the newest state of this epoch. An error without a word of the servers' is
// [ErrNoKeyframe].
func (j *Journal) Keyframe(ctx context.Context) (Keyframe, error) {
	bucket, err := j.bucket(ctx, false)
	if err != nil {
		return Keyframe{}, err
	}
	info, err := bucket.GetInfo(ctx, keyframeName)
	if err != nil {
		return Keyframe{}, orNoKeyframe(err)
	}
	seq, _ := strconv.ParseUint(info.Metadata[metaSeq], 10, 64)
	if info.Metadata[metaEpoch] != j.life.epoch {
		return Keyframe{}, ErrNoKeyframe
	}
	return Keyframe{seq, info.ModTime}, nil
}

// PutKeyframe leaves a state beside the journal. The last hub that does counts.
func (j *Journal) PutKeyframe(ctx context.Context, seq uint64, state io.Reader) error {
	bucket, err := j.bucket(ctx, true)
	if err != nil {
		return err
	}
	_, err = bucket.Put(ctx, jetstream.ObjectMeta{Name: keyframeName, Metadata: map[string]string{
		metaEpoch: j.life.epoch, metaSeq: strconv.FormatUint(seq, 10),
	}}, state)
	return err
}

// GetKeyframe writes the newest state. What it wrote is void with an error: its checksum may be wrong.
func (j *Journal) GetKeyframe(ctx context.Context, to io.Writer) error {
	if _, err := j.Keyframe(ctx); err != nil {
		return err
	}
	bucket, err := j.bucket(ctx, false)
	if err != nil {
		return err
	}
	object, err := bucket.Get(ctx, keyframeName)
	if err != nil {
		return orNoKeyframe(err)
	}
	defer object.Close()
	_, err = io.Copy(to, object)
	return err
}

// bucket returns where keyframes are, and makes it if it is missing and asked to.
func (j *Journal) bucket(ctx context.Context, create bool) (jetstream.ObjectStore, error) {
	engine, err := j.current()
	if err != nil {
		return nil, err
	}
	bucket, err := engine.js.ObjectStore(ctx, stateBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) && create {
		return engine.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: stateBucket, Storage: jetstream.FileStorage, Replicas: j.config.replicas(),
		})
	}
	return bucket, orNoKeyframe(err)
}

func orNoKeyframe(err error) error {
	if errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrObjectNotFound) {
		return ErrNoKeyframe
	}
	return err
}
