// Package jetstream keeps a journal on NATS JetStream, whose server runs inside the hub, or elsewhere.
//
// [Open] starts the server on a directory and returns a [Journal], which implements [stream.Journal]. The
// server opens no port, unless it is one of a [Cluster]. The journal is the stream LIVEMAP with one
// subject, and a message of the journal is a message of the stream: its seq and its time are those that
// JetStream gave it.
//
// JetStream keeps silent about much that a hub must know. The package therefore checks that messages follow
// one another without a hole, that the journal is still the one that was opened, and that its end is there.
// Where any of that does not hold, it returns an error and never skips.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	nats "github.com/nats-io/nats.go/jetstream"

	"livemap/stream"
	"livemap/stream/lockdir"
)

// MaxMessage is the greatest size of a message in bytes: what NATS servers take by default.
const MaxMessage = 1 << 20

// Errors of [Journal.Post], beside those of the connection and of JetStream. After any of them a message may
// be stored all the same, except after [ErrTooLarge] and [ErrNoRoom].
var (
	ErrClosed   = errors.New("the journal is closed")
	ErrTooLarge = fmt.Errorf("the message is larger than %d bytes", MaxMessage)
	ErrNoRoom   = stream.ErrNoRoom
	ErrNoAnswer = errors.New("the journal did not answer in time")
	ErrWrite    = errors.New("the journal could not write, and starts anew when it can")
	ErrRemoved  = errors.New("the journal's directory was removed or replaced; the hub has to be restarted")
	ErrCutOff   = errors.New("the journal lost its end while it was started anew; the hub has to be restarted")
)

// Config describes a journal that is kept in a directory.
type Config struct {
	Dir      string        // made if it is missing; one process has it at a time
	MaxBytes int64         // the oldest messages beyond it are removed; 0: no limit
	MaxAge   time.Duration // messages older than it are removed, at least 100 ms; 0: no limit
	// Sync is how often the disk is told to keep for good what was written. 0: before each answer to a
	// Post. A process that is killed loses nothing either way.
	Sync    time.Duration
	Cluster *Cluster // nil: the hub is alone
	Remote  *Remote  // servers elsewhere, and no directory; nil: the server runs here
	// Waiting is called with the reason while Open waits for the other servers of a cluster; nil: it is not.
	Waiting func(why string)
	Anew    bool         // puts away what the directory has, and begins a new journal
	Keep    bool         // an error instead of a new journal in place of what the directory has
	Logger  *slog.Logger // also for what the server logs; nil: no log
}

// shared reports whether the journal may be that of several hubs.
func (c *Config) shared() bool { return c.Cluster != nil || c.Remote != nil }

// replicas returns how many servers are to have each message.
func (c *Config) replicas() int {
	if c.Cluster != nil {
		return c.Cluster.size()
	}
	return 1
}

// where names the journal in errors.
func (c *Config) where() string {
	if c.Remote != nil {
		return "journal at " + c.Remote.URLs
	}
	return "journal in " + c.Dir
}

// Renewal says why a journal was not opened but made anew, with another epoch.
type Renewal struct {
	Reason string
	Kept   string // directory of the old journal, until the next renewal replaces it; "": there was none
}

// Journal is a [stream.Journal] on an embedded JetStream server.
type Journal struct {
	config  Config
	log     *slog.Logger
	dir     *lockdir.Dir
	life    life
	renewed *Renewal
	end     *endFile
	files   map[string]os.FileInfo // what the server writes to, by path in the directory
	stored  atomic.Uint64          // newest seq that a Post was answered with, or that Follow came to
	closing chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	engine  *engine    // nil while there is none
	refused error      // why Post takes nothing; nil: it does
	pending map[uint64]pending
	posts   uint64 // so many were begun
}

var _ stream.Journal = (*Journal)(nil)

// Open opens the journal of a directory, and makes it if it is missing. An error names the directory and
// says what to do.
//
// The journal is made anew, with another epoch, where seqs that readers know could be used again: after the
// machine stopped without [Journal.Close], unless each message had been synced; when messages are missing
// at its end; and when the server could not read it. The old one is put away, not deleted: it has positions
// that were acknowledged. [Journal.Renewed] tells.
func Open(ctx context.Context, config Config) (_ *Journal, err error) {
	j := &Journal{
		config: config, log: config.Logger, pending: map[uint64]pending{}, closing: make(chan struct{}),
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			j.release()
			err = fmt.Errorf("%s: %w", config.where(), err)
		}
	}()
	if config.Remote != nil {
		if err := j.start(ctx); err != nil {
			return nil, err
		}
		j.running.Go(j.watch)
		return j, nil
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, err
	}
	if j.dir, err = lockdir.Hold(config.Dir); errors.Is(err, lockdir.ErrInUse) {
		return nil, errors.New(lockdir.InUse(config.Dir))
	} else if err != nil {
		return nil, err
	}
	reason, end := j.doubts()
	if damage := j.damagedBlock(); damage != "" && config.Cluster != nil {
		return nil, fmt.Errorf("%s; move the directory away, and this hub gets all from the others", damage)
	} else if reason == "" {
		reason = damage
	}
	if reason != "" {
		if err := j.putAway(reason); err != nil {
			return nil, err
		}
	}
	if err := j.start(ctx); err != nil {
		return nil, err
	}
	if last := j.life.last; last < end && config.Cluster == nil { // a damaged end is cut off by the server
		reason := fmt.Sprintf("messages %d to %d are missing at its end", last+1, end)
		j.stopEngine(ErrClosed)
		if err := j.putAway(reason); err != nil {
			return nil, err
		}
		if err := j.start(ctx); err != nil {
			return nil, err
		}
	}
	if err := j.end.write(j.life.last); err != nil {
		return nil, err
	}
	j.running.Go(j.watch)
	return j, nil
}

// start starts the server and opens or makes the stream.
func (j *Journal) start(ctx context.Context) (err error) {
	if j.end == nil && j.dir != nil {
		if j.end, err = openEndFile(j.dir); err != nil {
			return err
		}
	}
	if j.dir != nil {
		if err := j.writeMark(false); err != nil {
			return err
		}
	}
	if j.engine, err = j.startEngine(); err != nil {
		return err
	}
	if j.config.shared() {
		j.life, err = j.waitForStream(ctx, j.engine)
	} else {
		j.life, err = j.engine.openStream(ctx, j.config)
	}
	if err != nil {
		return err
	}
	j.stored.Store(j.life.last)
	return j.noteFiles()
}

// Close ends the server. Posts without an answer are told [ErrClosed], and Follow returns. With an error the
// journal may begin anew when it is opened again.
func (j *Journal) Close() error {
	j.mu.Lock()
	was := j.refused
	if errors.Is(was, ErrClosed) {
		j.mu.Unlock()
		return nil
	}
	j.refused = ErrClosed
	close(j.closing)
	j.mu.Unlock()
	j.running.Wait()
	j.stopEngine(ErrClosed)
	if j.dir == nil {
		return nil
	}
	err := j.end.write(j.stored.Load())
	if broken(was) {
		err = was
	}
	if err == nil {
		err = syncTree(j.dir.Root, ".") // the server does not
	}
	if err == nil {
		err = j.writeMark(true)
	}
	j.release()
	if err != nil {
		return fmt.Errorf("%s: %w", j.config.where(), err)
	}
	return nil
}

// release gives up what Open took.
func (j *Journal) release() {
	j.stopEngine(ErrClosed)
	if j.end != nil {
		j.end.close()
	}
	if j.dir != nil {
		j.dir.Close()
	}
}

// stopEngine stops the server, if it runs, and fails the posts that it did not answer.
func (j *Journal) stopEngine(err error) {
	j.mu.Lock()
	engine := j.engine
	j.engine = nil
	j.mu.Unlock()
	j.failPending(err)
	if engine != nil {
		engine.stop()
	}
}

// broken reports whether an error of Post stays until the hub is restarted.
func broken(err error) bool { return errors.Is(err, ErrRemoved) || errors.Is(err, ErrCutOff) }

// Renewed says why the journal was made anew when it was opened. It is nil if it was not.
func (j *Journal) Renewed() *Renewal { return j.renewed }

// Stored returns the newest seq that is known: a Post was answered with it, Follow came to it, or the journal
// had it when it was opened.
func (j *Journal) Stored() uint64 { return j.stored.Load() }

// Check returns why the journal takes no messages now: one of the errors of Post. It is nil if it does.
func (j *Journal) Check() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refused
}

// Life implements [stream.Journal].
func (j *Journal) Life(ctx context.Context) (stream.Life, error) {
	engine, err := j.current()
	if err != nil {
		return stream.Life{}, err
	}
	s, err := engine.js.Stream(ctx, streamName)
	if err != nil {
		return stream.Life{}, err
	}
	state := s.CachedInfo().State
	free, _, _ := room(j.config.Dir)
	return stream.Life{Epoch: j.life.epoch, First: max(1, state.FirstSeq), Last: state.LastSeq,
		Base: j.life.base, Local: !j.config.shared(),
		Oldest: state.FirstTime, Bytes: state.Bytes, Free: free}, nil
}

// current returns the server that runs.
func (j *Journal) current() (*engine, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.engine != nil:
		return j.engine, nil
	case j.refused != nil:
		return nil, j.refused
	}
	return nil, ErrClosed
}

// life is what tells one stream from another, and where it ended when it was opened.
type life struct {
	epoch   string
	created time.Time
	last    uint64
	base    uint64 // the message before the first of the epoch
}

// of reports whether a stream is the one that was opened.
func (l life) of(info *nats.StreamInfo) bool {
	return info.Created.Equal(l.created) && info.Config.Metadata[metaEpoch] == l.epoch
}
