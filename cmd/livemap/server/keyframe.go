package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"livemap/api/regular"
	"livemap/stream"
	"livemap/stream/jetstream"
)

const (
	keyframeEvery    = 5 * time.Minute // at most
	keyframeMessages = 10_000          // of the journal since the last one, for another
	keyframeAnyway   = time.Hour
	keyframeWait     = time.Minute // for the servers
)

// keyframe leaves the state that was saved last beside the journal, if that is due: a hub without a state
// starts from it when the journal has lost its first messages. Two hubs that do so at once do no harm.
func (j *journal) keyframe(ctx context.Context, hub *stream.Hub) error {
	if _, differ := hub.StatesDiffer(); !j.shared || differ != nil || hub.JournalError() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keyframeWait)
	defer cancel()
	j.state.mu.Lock()
	file, err := regular.Open(j.state.Path(journalState))
	seq := j.savedSeq
	j.state.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	due, err := j.keyframeDue(ctx, seq)
	if err != nil || !due {
		return err
	}
	err = j.PutKeyframe(ctx, seq, file)
	if err == nil {
		j.keyframeAt.Store(time.Now().UnixNano())
	}
	return err
}

// keyframeAge returns the age of the newest keyframe that this hub knows of, in seconds.
func (j *journal) keyframeAge() (age float64, known bool) {
	at := j.keyframeAt.Load()
	return time.Since(time.Unix(0, at)).Seconds(), at != 0
}

// keyframeDue reports whether a state after a message is to be left beside the journal.
func (j *journal) keyframeDue(ctx context.Context, seq uint64) (bool, error) {
	last, err := j.Keyframe(ctx)
	if errors.Is(err, jetstream.ErrNoKeyframe) {
		return true, nil
	}
	if err == nil {
		j.keyframeAt.Store(last.At.UnixNano())
	}
	if err != nil || seq <= last.Seq {
		return false, err
	}
	life, err := j.Life(ctx)
	if err != nil {
		return false, err
	}
	age := time.Since(last.At)
	return age >= keyframeAnyway || age >= keyframeEvery && seq-last.Seq >= keyframeMessages ||
		last.Seq+1 < life.First, nil
}

// fetchKeyframe writes the newest keyframe to journalKeyframe.
func (j *journal) fetchKeyframe(ctx context.Context) error {
	err := j.state.held.Replace(journalKeyframe, func(w io.Writer) error { return j.GetKeyframe(ctx, w) })
	if err == nil {
		j.state.log.Info("fetched a state that another hub left beside the journal")
	}
	return err
}

// renewAgain is how often a hub tries to start, after a pause, before it gives up what the journal has. A
// leader that was just elected may not have the end yet.
const (
	renewAgain = 5
	renewPause = 3 * time.Second
)

// renew starts a hub on the journal of several hubs, with another epoch if there is no other way.
func (j *journal) renew(
	ctx context.Context, options jetstream.Config, config stream.Config,
) (hub *stream.Hub, life stream.Life, err error) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil, life, ctx.Err()
		case <-time.After(j.pause):
		}
		if life, err = j.Life(ctx); err != nil {
			return nil, life, err
		}
		if hub, err = j.start(ctx, config, life); !errors.Is(err, stream.ErrOtherJournal) && !forked(err) {
			return hub, life, err
		}
		if n == renewAgain || forked(err) {
			break
		}
	}
	if err = j.Renew(ctx); err == nil {
		err = j.Journal.Close()
	}
	if err == nil {
		j.Journal, err = jetstream.Open(ctx, options)
	}
	if err != nil {
		return nil, life, err
	}
	if life, err = j.Life(ctx); err != nil {
		return nil, life, err
	}
	hub, err = j.start(ctx, config, life)
	return hub, life, err
}

func forked(err error) bool { return errors.Is(err, stream.ErrForked) }

// ended returns why a hub cannot go on and has to be started again; nil: it goes on. A hub alone is frozen
// instead.
func (j *journal) ended(hub *stream.Hub) error {
	err := hub.JournalError()
	if !j.shared ||
		!errors.Is(err, stream.ErrOtherJournal) && !errors.Is(err, stream.ErrDiverged) && !forked(err) {
		return nil
	}
	return fmt.Errorf("the hub ends, to be started again with what the journal has: %w", err)
}

// putAside renames the states of a hub whose state was wrong.
func (j *journal) putAside() {
	for _, name := range []string{journalState, journalLater, journalOlder, journalKeyframe} {
		j.state.held.Root.Rename(name, name+".wrong") //nolint:errcheck // it may be missing
	}
}
