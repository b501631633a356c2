// Package journal looks after the journal in a state directory: it describes and checks it, changes its
// settings, makes backups and restores them. A hub may run there meanwhile, except for a restore.
//
// The messages are read from the files themselves, not through the hub, and not by a JetStream server, which
// would mend what it finds.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"livemap/cmd/livemap/server"
	"livemap/stream"
	"livemap/stream/jetstream"
)

// open is a state directory that a hub has, or that is held so that none starts.
type open struct {
	dir   string
	hub   *server.Control // nil: no hub runs
	files *jetstream.Files
	close func()
}

func openDir(dir string) (*open, error) {
	o := &open{dir: dir, close: func() {}}
	hub, err := server.Dial(dir)
	if err == nil {
		o.hub, o.close = hub, hub.Close
	} else if !errors.Is(err, server.ErrNoHub) {
		return nil, fmt.Errorf("--state-dir %s: %w", dir, err)
	} else {
		held, err := server.HoldState(dir)
		if err != nil {
			return nil, err
		}
		o.close = held.Close
	}
	if o.files, err = jetstream.OpenFiles(server.JournalDir(dir)); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// state is a saved state of the journal.
type state struct {
	name string
	file *os.File
	seq  uint64 // it is that after this message
}

// states opens the saved states of the journal, the oldest first. Those of another journal are left out.
func (o *open) states() (all []state, err error) {
	for _, name := range server.StateNames {
		file, err := os.Open(filepath.Join(o.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return all, err
		}
		epoch, seq, err := stream.StateOf(file)
		if err == nil {
			_, err = file.Seek(0, 0)
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", file.Name(), err)
		}
		if epoch == o.files.Epoch {
			all = append(all, state{name, file, seq})
		} else {
			file.Close()
		}
	}
	return all, nil
}

func closeStates(all []state) {
	for _, s := range all {
		s.file.Close()
	}
}

// Info returns what is known of the journal in a state directory. running: a hub has it.
func Info(ctx context.Context, dir string) (info server.JournalInfo, running bool, err error) {
	hub, err := server.Dial(dir)
	if err == nil {
		defer hub.Close()
		info, err = hub.Info(ctx)
		return info, true, err
	}
	o, err := openDir(dir)
	if err != nil {
		return info, false, err
	}
	defer o.close()
	checked, err := o.check(false)
	if err != nil {
		return info, false, err
	}
	_, size, err := o.files.Blocks()
	stats := checked.replica.Stats()
	return server.JournalInfo{
		Epoch: o.files.Epoch, First: checked.First, Last: checked.Last, Oldest: checked.Oldest, Bytes: uint64(size),
		Applied: checked.replica.Applied(), Vehicles: stats.Vehicles, Gone: stats.Gone,
		Settings: server.TextOf(checked.replica.Settings()),
	}, false, err
}

// Set changes a setting, given as NAME=VALUE, of the journal of a state directory. running: a hub did it.
func Set(ctx context.Context, dir, setting string) (running bool, err error) {
	s, value, err := stream.ParseSetting(setting)
	if err != nil {
		return false, err
	}
	hub, err := server.Dial(dir)
	if err == nil {
		defer hub.Close()
		return true, hub.Set(ctx, setting)
	}
	if !errors.Is(err, server.ErrNoHub) {
		return false, fmt.Errorf("--state-dir %s: %w", dir, err)
	}
	held, err := server.HoldState(dir)
	if err != nil {
		return false, err
	}
	held.Close()
	return false, server.ChangeSettings(ctx, dir, stream.Settings{s: value})
}

// Checked is what a check of a journal found.
type Checked struct {
	First, Last uint64 // messages
	Oldest      time.Time
	From        string // the saved state that was gone out from, "" for the first message
	Vehicles    int
	Digest      string // of the state that the journal comes to

	replica *stream.Replica
}

// Check reads the whole journal of a state directory and applies it. It compares what it comes to with each
// saved state. The error says what is wrong and where.
func Check(dir string) (Checked, error) {
	o, err := openDir(dir)
	if err != nil {
		return Checked{}, err
	}
	defer o.close()
	return o.check(true)
}

// check applies the journal: all of it, or what follows the newest saved state.
func (o *open) check(whole bool) (c Checked, err error) {
	states, err := o.states()
	defer closeStates(states)
	if err != nil {
		return c, err
	}
	if !whole && len(states) > 0 {
		states = states[len(states)-1:]
	}
	err = o.files.Read(func(at stream.Place, message []byte) error {
		if c.First == 0 {
			c.First, c.Oldest = at.Seq, at.At
			if err := c.begin(o.files.Epoch, &states, whole); err != nil {
				return err
			}
		}
		c.Last = at.Seq
		if at.Seq <= c.replica.Applied() {
			return c.replica.Read(message)
		}
		if err := c.replica.Apply(at, message); err != nil {
			return err
		}
		return c.compare(&states, o.files.Epoch)
	})
	if err == nil && c.replica == nil {
		err = c.begin(o.files.Epoch, &states, whole)
	}
	if err != nil {
		return c, err
	}
	if noted := o.files.Acknowledged(); c.Last < noted {
		return c, fmt.Errorf("messages %d to %d are missing at the end: they were acknowledged", c.Last+1, noted)
	}
	if len(states) > 0 {
		return c, fmt.Errorf("%s is of message %d, but the journal ends with message %d",
			states[0].file.Name(), states[0].seq, c.Last)
	}
	c.Vehicles = c.replica.Stats().Vehicles
	c.Digest, err = c.replica.Digest()
	return c, err
}

// begin makes the replica of the first message, or else of the oldest state that leads on to the journal. The
// states that are left are compared with.
func (c *Checked) begin(epoch string, states *[]state, whole bool) (err error) {
	if c.First <= 1 && (whole || len(*states) == 0) {
		c.replica, err = stream.NewReplica(epoch, nil)
		return err
	}
	for i, s := range *states {
		if s.seq+1 < c.First {
			continue
		}
		c.From = s.name
		if c.replica, err = stream.NewReplica(epoch, s.file); err != nil {
			return fmt.Errorf("%s: %w", s.file.Name(), err)
		}
		*states = (*states)[i+1:]
		return c.compare(states, epoch)
	}
	return fmt.Errorf("the journal begins with message %d, and no saved state leads on to it", c.First)
}

// compare compares the replica with the states that were saved after the message that it has come to.
func (c *Checked) compare(states *[]state, epoch string) error {
	for len(*states) > 0 && (*states)[0].seq <= c.replica.Applied() {
		s := (*states)[0]
		*states = (*states)[1:]
		if s.seq < c.replica.Applied() {
			continue // older than the journal's first message, or than the state that it began with
		}
		other, err := stream.NewReplica(epoch, s.file)
		if err != nil {
			return fmt.Errorf("%s: %w", s.file.Name(), err)
		}
		has, err := c.replica.Digest()
		if err != nil {
			return err
		}
		if saved, err := other.Digest(); err != nil || saved != has {
			return errors.Join(err, fmt.Errorf("%s has the digest %s, but the journal comes to %s", s.file.Name(),
				saved, has))
		}
	}
	return nil
}
