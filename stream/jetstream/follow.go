package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"livemap/stream"
)

// stuckAfter is how long Follow may make no progress though more is known to be stored.
const stuckAfter = time.Second

// Follow implements [stream.Journal]. [stream.ErrOtherJournal] has a text that says what was found.
//
// It does not use the library's ordered consumer, which takes seconds to begin anew.
func (j *Journal) Follow(
	ctx context.Context, after stream.Place, apply func(at stream.Place, message []byte) error,
) error {
	engine, err := j.current()
	if err != nil {
		return err
	}
	if err := j.check(ctx, engine, after); err != nil {
		return err
	}
	f := &follower{apply: apply, stored: j.noteStored, failed: make(chan error, 1)}
	f.applied.Store(after.Seq)
	consumer := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after.Seq + 1,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: 10 * time.Second,
	}
	failed := func(_ jetstream.ConsumeContext, err error) { f.fail(j.orClosed(err)) }
	consume := engine.push
	if j.config.shared() {
		consume = engine.pull
	}
	name, consuming, err := consume(ctx, consumer, f.take, failed)
	if err != nil {
		return j.orClosed(err)
	}
	defer engine.deleteConsumer(name)
	defer func() {
		f.fail(nil) // take does nothing from now on
		consuming.Stop()
		<-consuming.Closed()
	}()
	return j.wait(ctx, engine, f)
}

// push makes a consumer to which the server pushes messages, and consumes them. Where messages come one by
// one it costs the server and the library half as much as pull.
func (e *engine) push(
	ctx context.Context, config jetstream.ConsumerConfig, take jetstream.MessageHandler,
	failed func(jetstream.ConsumeContext, error),
) (name string, _ jetstream.ConsumeContext, err error) {
	config.DeliverSubject = e.conn.NewInbox()
	config.FlowControl, config.IdleHeartbeat = true, 500*time.Millisecond
	consumer, err := e.js.CreatePushConsumer(ctx, streamName, config)
	if err != nil {
		return "", nil, err
	}
	consuming, err := consumer.Consume(take, jetstream.ConsumeErrHandler(failed))
	return consumer.CachedInfo().Name, consuming, err
}

// pull makes a consumer and pulls its messages. It needs no right to publish to subjects of flow control,
// which servers elsewhere may not grant.
func (e *engine) pull(
	ctx context.Context, config jetstream.ConsumerConfig, take jetstream.MessageHandler,
	failed func(jetstream.ConsumeContext, error),
) (name string, _ jetstream.ConsumeContext, err error) {
	config.MaxWaiting = 8
	consumer, err := e.js.CreateConsumer(ctx, streamName, config)
	if err != nil {
		return "", nil, err
	}
	consuming, err := consumer.Consume(take,
		jetstream.PullMaxMessagesWithBytesLimit(4096, 16*MaxMessage),
		jetstream.PullExpiry(2*time.Second), jetstream.PullHeartbeat(500*time.Millisecond),
		jetstream.ConsumeErrHandler(failed))
	return consumer.CachedInfo().Name, consuming, err
}

// orClosed returns an error of the connection, or the reason why it was closed.
func (j *Journal) orClosed(err error) error {
	select {
	case <-j.closing:
		return ErrClosed
	default:
		return err
	}
}

// wait waits until a follower fails, or is stuck.
func (j *Journal) wait(ctx context.Context, engine *engine, f *follower) error {
	tick := time.NewTicker(stuckAfter / 4)
	defer tick.Stop()
	was, still := f.applied.Load(), 0
	for {
		select {
		case err := <-f.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-j.closing:
			return ErrClosed
		case <-engine.ended:
			return j.orClosed(ErrWrite)
		case <-tick.C:
		}
		now := f.applied.Load()
		if still++; now != was || j.stored.Load() <= now || f.busy.Load() {
			was, still = now, 0
		}
		if still > 4 {
			return fmt.Errorf("nothing came after message %d, though there are %d", now, j.stored.Load())
		}
	}
}

// follower applies messages, one after the other.
type follower struct {
	apply   func(at stream.Place, message []byte) error
	stored  func(seq uint64) // notes that there is a message
	applied atomic.Uint64
	busy    atomic.Bool // apply is running
	ended   atomic.Bool
	failed  chan error
}

// fail ends the follower. Its first reason counts.
func (f *follower) fail(err error) {
	if f.ended.Swap(true) {
		return
	}
	f.failed <- err
}

// take applies a message of the consumer, unless it is not the next.
func (f *follower) take(m jetstream.Msg) {
	if f.ended.Load() {
		return
	}
	meta, err := m.Metadata()
	if err != nil {
		f.fail(err)
		return
	}
	seq := meta.Sequence.Stream
	if last := f.applied.Load(); seq != last+1 {
		f.fail(fmt.Errorf("message %d came after message %d", seq, last))
		return
	}
	if m.Subject() != subject { // a damaged length, which the checksum does not cover
		f.fail(fmt.Errorf("%w: message %d is damaged", stream.ErrOtherJournal, seq))
		return
	}
	f.stored(seq)
	f.busy.Store(true)
	err = f.apply(stream.Place{Seq: seq, At: meta.Timestamp}, m.Data())
	f.busy.Store(false)
	if err != nil {
		f.fail(err)
		return
	}
	f.applied.Store(seq)
}

// check reports whether the journal leads on from a place. A consumer would begin at another message,
// or wait for ever, without a word.
func (j *Journal) check(ctx context.Context, engine *engine, after stream.Place) error {
	s, err := engine.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: it was deleted", stream.ErrOtherJournal)
	}
	if err != nil {
		return err
	}
	info := s.CachedInfo()
	first, last := max(1, info.State.FirstSeq), info.State.LastSeq
	switch {
	case !j.life.of(info):
		return fmt.Errorf("%w: it was deleted and made again", stream.ErrOtherJournal)
	case last < after.Seq && j.config.shared():
		// A new leader comes to its end by and by. Other content at our places shows by its time, below.
		return fmt.Errorf("the journal's newest message is %d, and %d is known: wait", last, after.Seq)
	case last < after.Seq:
		return fmt.Errorf("%w: its newest message is %d, and %d is known", stream.ErrOtherJournal, last, after.Seq)
	case first > after.Seq+1:
		return fmt.Errorf("%w: its oldest message is %d, and %d comes next",
			stream.ErrOtherJournal, first, after.Seq+1)
	}
	if after.Seq >= first && !after.At.IsZero() {
		at, err := stored(ctx, s, after.Seq)
		if err == nil && !at.Equal(after.At) {
			err = fmt.Errorf("%w: message %d is of %s, and that of %s is known", stream.ErrOtherJournal, after.Seq,
				at.Format(time.RFC3339Nano), after.At.UTC().Format(time.RFC3339Nano))
		}
		if err != nil {
			return err
		}
	}
	if after.Seq < last {
		_, err = stored(ctx, s, after.Seq+1)
	}
	return err
}

// stored returns when a message was stored. An error for one that should be there is of another journal,
// unless it was removed for its age or for room meanwhile.
func stored(ctx context.Context, s jetstream.Stream, seq uint64) (time.Time, error) {
	message, err := s.GetMsg(ctx, seq)
	if err == nil {
		return message.Time, nil
	}
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if info.State.FirstSeq > seq {
		return time.Time{}, fmt.Errorf("message %d was removed: begin anew", seq)
	}
	return time.Time{}, fmt.Errorf("%w: message %d is missing or damaged", stream.ErrOtherJournal, seq)
}

// deleteConsumer saves the server from keeping a consumer until it finds out that nobody asks.
func (e *engine) deleteConsumer(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	e.js.DeleteConsumer(ctx, streamName, name) //nolint:errcheck // it goes by itself
}
