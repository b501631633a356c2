package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"livemap/api/regular"
	"livemap/stream"
	"livemap/stream/jetstream"
)

// Values of Config.Journal.
const (
	JournalEmbedded = "embedded"
	JournalOff      = "off"
)

// Names in the state directory. A hub starts from journalOlder: it is so far behind that the hub has in its
// log again what readers come back for. journalLater replaces it when it is as far behind. Readers of the
// newest state are other programs, and a hub whose journal was lost.
const (
	journalDir   = "journal"
	journalState = "journal-state.ndjson"
	journalLater = "journal-state.later.ndjson"
	journalOlder = "journal-state.older.ndjson"
	// journalKeyframe is the state that another hub of the journal left there.
	journalKeyframe = "journal-state.keyframe.ndjson"
)

// When a state is saved while the hub runs: what came since is in the journal, and a start applies it.
const (
	maxUnsaved = 100_000         // messages of the journal that may follow the saved state
	saveAnyway = 5 * time.Minute // after the last save, if there was any event since
)

// journal is the journal of a hub and the states that are saved beside it.
type journal struct {
	*jetstream.Journal
	state   *stateDir
	shared  bool          // other hubs may have it too
	pause   time.Duration // renewPause
	backlog uint64        // bytes of events after which journalLater is as far behind as journalOlder must be

	keyframeAt atomic.Int64 // when the newest keyframe was written, Unix nanoseconds; 0: not known

	// Guarded by state.mu.
	savedHead  stream.ID // newest event of journalState
	savedSeq   uint64    // newest message of journalState
	savedTotal uint64    // stream.Stats.LogTotal of journalState
	savedSize  uint64    // bytes of journalState; 0: none was saved
	savedAt    time.Time // when it was
	laterTotal uint64    // stream.Stats.LogTotal of journalLater
}

// openJournal opens the journal of the state directory and starts a hub on it. A hub of an earlier version,
// or without a journal, has left vehiclesFile; its vehicles are taken over into an empty journal. So are
// those of a state that is not of this journal.
func (c *Config) openJournal(
	ctx context.Context, state *stateDir, config stream.Config, waiting func(why string),
) (_ *stream.Hub, _ *journal, err error) {
	j := &journal{state: state, backlog: uint64(c.MaxBacklog), pause: renewPause}
	options, err := c.journalOptions(state)
	if err != nil {
		return nil, nil, err
	}
	options.Waiting = waiting
	config.KeepSettings = options.Cluster != nil || options.Remote != nil
	if j.Journal, err = jetstream.Open(ctx, options); err != nil {
		return nil, nil, err
	}
	waiting("it applies what is there")
	defer func() {
		if err != nil {
			j.Journal.Close()
		}
	}()
	if renewed := j.Renewed(); renewed != nil {
		state.log.Warn("the journal begins anew: readers get all vehicles again", "reason", renewed.Reason,
			"kept_as", renewed.Kept)
	}
	life, err := j.Life(ctx)
	if err != nil {
		return nil, nil, err
	}
	j.shared = options.Cluster != nil || options.Remote != nil
	hub, err := j.start(ctx, config, life)
	if j.shared && (errors.Is(err, stream.ErrOtherJournal) || forked(err)) {
		state.log.Error("no saved state or keyframe leads to what the journal has; it goes on with another epoch",
			"error", err)
		if hub, life, err = j.renew(ctx, options, config); err != nil {
			return nil, nil, err
		}
	} else if !c.keepJournal && errors.Is(err, stream.ErrOtherJournal) {
		state.log.Error("no saved state leads to what the journal has; it begins anew", "error", err)
		if err = j.Journal.Close(); err != nil {
			return nil, nil, err
		}
		options.Anew = true
		if j.Journal, err = jetstream.Open(ctx, options); err != nil {
			return nil, nil, err
		}
		if life, err = j.Life(ctx); err == nil {
			hub, _, err = stream.NewWithJournal(ctx, config, j.Journal, nil)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if life.Last == life.Base || life.Base > 0 && hub.Stats().Vehicles == 0 {
		if err = j.adopt(hub); err != nil {
			hub.Close()
			return nil, nil, err
		}
	}
	return hub, j, nil
}

// start starts a hub from the first state that leads on to what the journal has.
func (j *journal) start(
	ctx context.Context, config stream.Config, life stream.Life,
) (hub *stream.Hub, err error) {
	began := time.Now()
	names := []string{journalOlder, "", journalLater, journalState} // "": the whole journal, while it has all
	if j.shared {
		names = append(names, journalKeyframe)
	}
	for i, name := range names {
		if name == "" && life.First > life.Base+1 {
			continue
		}
		if name == journalKeyframe {
			if err := j.fetchKeyframe(ctx); err != nil {
				return nil, fmt.Errorf("%w: %w", stream.ErrOtherJournal, err)
			}
		}
		if hub, err = j.startFrom(ctx, config, name); err == nil {
			j.state.log.Info("applied the journal", "from", name, "messages", hub.Applied(),
				"vehicles", hub.Stats().Vehicles, "duration", time.Since(began).Round(time.Millisecond).String())
			return hub, nil
		}
		if errors.Is(err, stream.ErrNewer) { // another start, or another epoch, would pass over what is there
			return nil, err
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: there is no saved state", stream.ErrOtherJournal)
		} else if name != "" && i < len(names)-1 && ctx.Err() == nil {
			j.state.log.Warn("cannot start from a saved state", "file", j.state.Path(name), "error", err)
		}
	}
	return nil, err
}

func (j *journal) startFrom(ctx context.Context, config stream.Config, name string) (*stream.Hub, error) {
	var state io.Reader
	if name != "" {
		file, err := regular.Open(j.state.Path(name))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		state = file
	}
	hub, loaded, err := stream.NewWithJournal(ctx, config, j.Journal, state)
	if err == nil && loaded.Skipped > 0 { // not exactly the state
		hub.Close()
		return nil, fmt.Errorf("%w: %w", stream.ErrOtherJournal, loaded.Reason)
	}
	return hub, err
}

// adopt publishes the vehicles of another journal, or of a hub without one, to this one, which is empty. The
// states from which a hub of that journal would start lead nowhere now.
func (j *journal) adopt(hub *stream.Hub) error {
	names := []string{journalState, vehiclesFile}
	if old, file := j.old(); old != nil {
		vehicles, err := hub.AdoptFrom(old)
		if err != nil {
			return fmt.Errorf("--state-dir: cannot take over the vehicles of the old journal: %w", err)
		}
		j.state.log.Info("took over the vehicles of the old journal", "vehicles", vehicles, "file", file)
		names = nil
	}
	for _, name := range names {
		file, err := regular.Open(j.state.Path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("--state-dir: %w", err)
		}
		vehicles, err := hub.Adopt(file)
		file.Close()
		if errors.Is(err, stream.ErrUnavailable) || errors.Is(err, stream.ErrNoRoom) {
			return fmt.Errorf("--state-dir: cannot take over the saved vehicles: %w", err)
		}
		if err == nil {
			j.state.log.Info("took over the saved vehicles", "vehicles", vehicles, "file", j.state.Path(name))
			break
		}
		aside := freeName(j.state.held, "unreadable")
		j.state.log.Error("cannot read the saved vehicles; starting without them", "error", err,
			"kept_as", j.state.Path(aside))
		if err := j.state.held.Root.Rename(name, aside); err != nil {
			return fmt.Errorf("--state-dir: %w", err)
		}
	}
	for _, name := range []string{journalOlder, journalLater} {
		if err := j.state.held.Root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--state-dir: %w", err)
		}
	}
	return nil
}

// saveIfDue saves the state when about as much was published as a save writes. So a save costs what changed,
// and not what is known.
func (j *journal) saveIfDue(ctx context.Context, hub *stream.Hub) error {
	j.state.mu.Lock()
	due := j.due(ctx, hub)
	j.state.mu.Unlock()
	if !due {
		return nil
	}
	return j.save(hub)
}

// due is for saveIfDue. state.mu is held.
func (j *journal) due(ctx context.Context, hub *stream.Hub) bool {
	if time.Since(j.savedAt) >= saveAnyway || hub.Applied() >= j.savedSeq+maxUnsaved ||
		hub.Stats().LogTotal-j.savedTotal >= j.savedSize {
		return true
	}
	// The journal must not forget what follows the saved state.
	life, err := j.Life(ctx)
	return err == nil && life.First > life.Base+1 && j.savedSeq < life.First+(life.Last-life.First)/2
}

// old returns the state after the newest message of the journal that this one replaces, as far as that can be
// read, and the file in which it ends; nil: it cannot, or there is none.
func (j *journal) old() (old *stream.Replica, file string) {
	renewed := j.Renewed()
	if renewed == nil || renewed.Kept == "" {
		return nil, ""
	}
	files, err := renewed.Files()
	if err != nil {
		return nil, ""
	}
	for _, name := range []string{journalState, journalLater, journalOlder, ""} {
		if old, err = j.replica(files.Epoch, name); err != nil {
			continue
		}
		err = files.Read(func(at stream.Place, message []byte) error {
			if at.Seq <= old.Applied() {
				return nil
			}
			return old.Apply(at, message)
		})
		if old.Applied() > 0 {
			if err != nil {
				j.state.log.Warn("cannot read all of the old journal", "messages", old.Applied(), "error", err)
			}
			return old, renewed.Kept
		}
	}
	return nil, ""
}

// replica returns a saved state of an epoch; name "": that before the first message.
func (j *journal) replica(epoch, name string) (*stream.Replica, error) {
	if name == "" {
		return stream.NewReplica(epoch, nil)
	}
	file, err := regular.Open(j.state.Path(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return stream.NewReplica(epoch, file)
}

// save saves the state, unless little has happened since.
func (j *journal) save(hub *stream.Hub) error {
	s := j.state
	s.mu.Lock()
	defer s.mu.Unlock()
	head, applied, total := hub.Head(), hub.Applied(), hub.Stats().LogTotal
	if head == j.savedHead && applied < j.savedSeq+maxUnsaved {
		return nil
	}
	size := counter(0)
	now, err := os.Stat(s.path)
	if err == nil && !os.SameFile(now, s.held.Info) {
		err = fmt.Errorf("%s was removed and made again, and the journal with it; restart the hub", s.path)
	}
	if err == nil {
		err = s.held.LockAgain()
	}
	if err == nil {
		err = s.held.Replace(journalState, func(w io.Writer) error { return hub.Save(io.MultiWriter(w, &size)) })
	}
	if err == nil {
		err = j.rotate(total)
	}
	if err != nil {
		return fmt.Errorf("--state-dir: cannot save the vehicles: %w", err)
	}
	s.held.Root.Remove(vehiclesFile) // of a hub without a journal: what it has is older
	j.savedHead, j.savedSeq, j.savedTotal = head, applied, total
	j.savedSize, j.savedAt = uint64(size), time.Now()
	return nil
}

// counter counts bytes.
type counter uint64

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// rotate makes journalLater the journalOlder when that is due.
func (j *journal) rotate(total uint64) error {
	root := j.state.held.Root
	_, err := root.Lstat(journalLater)
	if err == nil && total-j.laterTotal < j.backlog {
		return nil
	}
	if err == nil {
		err = root.Rename(journalLater, journalOlder)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		j.laterTotal = total
		err = root.Link(journalState, journalLater)
	}
	return err
}

// trouble says why the journal takes nothing and which hubs are missing. It is "" when all is well.
func (j *journal) trouble() string {
	missing := j.Missing()
	switch err := j.Check(); {
	case err == nil:
		return missing
	case missing == "":
		return err.Error()
	default:
		return err.Error() + "; " + missing
	}
}

// end closes the journal, after its hub.
func (j *journal) end() {
	if err := j.Journal.Close(); err != nil {
		j.state.log.Error("cannot end the journal as it should", "error", err)
	}
}
