package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"livemap/stream"
	"livemap/stream/jetstream"
	"livemap/stream/lockdir"
)

// RestoringName is the name of a file in a state directory into which a backup is being restored. No hub
// starts there.
const RestoringName = "restoring"

// StateNames are the names of the states beside a journal, the oldest first.
var StateNames = []string{journalOlder, journalLater, journalState}

// StateName is the name of the newest of [StateNames].
const StateName = journalState

// JournalDir returns the directory of the journal in a state directory.
func JournalDir(stateDir string) string { return filepath.Join(stateDir, journalDir) }

// DefaultStateDir returns livemap in the user's state directory.
func DefaultStateDir() (string, error) {
	dir, err := userStateDir()
	if err != nil {
		return "", fmt.Errorf("there is no user state directory (%w); set --state-dir", err)
	}
	return dir, nil
}

// HoldState holds a state directory that is there, so that no hub starts in it.
func HoldState(dir string) (*lockdir.Dir, error) {
	held, err := lockdir.Hold(dir)
	if errors.Is(err, lockdir.ErrInUse) {
		return nil, fmt.Errorf("--state-dir %s: %s, but it does not answer on the socket %s there; was it "+
			"started with --journal off?", dir, lockdir.InUse(dir), controlName)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--state-dir %s: there is no such directory", dir)
	}
	return held, err
}

// ChangeSettings changes settings of the journal in a state directory that no hub has.
func ChangeSettings(ctx context.Context, dir string, settings stream.Settings) error {
	files, err := jetstream.OpenFiles(JournalDir(dir))
	if err != nil {
		return err
	}
	if node := files.Node(); node != "" {
		return fmt.Errorf("%s is of the hub %s of a cluster, which does not run; start the hubs, and call this "+
			"beside one of them", dir, node)
	}
	state, err := openState(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer state.close()
	c := Default()
	c.JournalSize, c.JournalAge, c.keepJournal = Size(max(0, files.MaxBytes)), files.MaxAge, true
	hub, journal, err := c.openJournal(ctx, state, stream.Config{PublishWait: c.PublishWait, Settings: settings},
		func(string) {})
	if err != nil {
		return err
	}
	err = journal.save(hub)
	hub.Close()
	journal.end()
	return err
}
