package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"livemap/api/regular"
	"livemap/cmd/livemap/listen"
	"livemap/stream"
	"livemap/stream/lockdir"
)

// saveInterval is how often the vehicles are saved. A hub that is killed loses as much at most, and
// what came while the last save ran.
const saveInterval = 10 * time.Second

// vehiclesFile is the name of the file with every vehicle's newest position.
const vehiclesFile = "vehicles.ndjson"

// maxAside is how many files of vehicles that the hub does not use are kept. A further one replaces
// the last.
const maxAside = 10

// stateDir is the directory that outlives the process. It keeps the certificate that was made,
// the QUIC keys and every vehicle's newest position. One hub at a time has it.
type stateDir struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex // held for a save; guards what follows
	held  *lockdir.Dir
	saved stream.ID // newest event when the vehicles were last saved; zero: they have to be
}

// openState opens the directory and makes it if need be. path "" is livemap in the user's state directory.
func openState(path string, log *slog.Logger) (*stateDir, error) {
	if path == "" {
		var err error
		if path, err = userStateDir(); err != nil {
			err = fmt.Errorf("there is no user state directory (%w); set --state-dir", err)
			return nil, ConfigError{Err: err}
		}
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, unusableDir(err)
	}
	held, err := lockdir.Hold(path)
	if errors.Is(err, lockdir.ErrInUse) {
		return nil, fmt.Errorf("--state-dir %s: %s; stop it, or give this hub a directory of its own "+
			"with --state-dir", path, lockdir.InUse(path))
	}
	if err != nil {
		return nil, unusableDir(err)
	}
	if _, err := held.Root.Lstat(RestoringName); err == nil {
		held.Close()
		return nil, fmt.Errorf("--state-dir %s: a restore into it did not come to its end; repeat it: livemap "+
			"journal restore", path)
	}
	torn, _ := fs.Glob(held.Root.FS(), "*.new-*") // files that a killed hub was writing
	for _, file := range torn {
		held.Root.Remove(file)
	}
	return &stateDir{path: path, log: log, held: held}, nil
}

// unusableDir is the error for a directory that the hub cannot use.
func unusableDir(err error) error {
	return ConfigError{Err: fmt.Errorf("--state-dir must be a directory in which the hub may write: %w", err)}
}

// userStateDir returns livemap's directory by the XDG Base Directory Specification.
func userStateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "livemap"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "livemap"), err
}

// close releases the directory for other hubs.
func (s *stateDir) close() { s.held.Close() }

// Path implements listen.Storage.
func (s *stateDir) Path(name string) string { return filepath.Join(s.path, name) }

// Write implements listen.Storage.
func (s *stateDir) Write(name string, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.held.Replace(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return fmt.Errorf("--state-dir: %w", err)
	}
	return nil
}

// load restores the saved vehicles. A file that cannot be read is renamed, and the hub starts
// without vehicles. If some of them cannot be read, the hub starts without these and keeps a copy of
// the file.
func (s *stateDir) load(hub *stream.Hub) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := regular.Open(s.Path(vehiclesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--state-dir: %w", err)
	}
	began := time.Now()
	loaded, err := hub.Load(file)
	file.Close()
	if err != nil {
		aside := freeName(s.held, "unreadable")
		s.log.Error("cannot read the saved vehicles; starting without them", "error", err,
			"kept_as", s.Path(aside))
		if err := s.held.Root.Rename(vehiclesFile, aside); err != nil {
			return fmt.Errorf("--state-dir: %w", err)
		}
		return nil
	}
	s.saved = hub.Head()
	s.log.Info("read the saved vehicles", "vehicles", loaded.Vehicles,
		"duration", time.Since(began).Round(time.Millisecond).String())
	if loaded.Skipped == 0 {
		return nil
	}
	aside := freeName(s.held, "unreadable")
	s.log.Error("cannot read some of the saved vehicles; starting without these", "skipped", loaded.Skipped,
		"error", loaded.Reason, "kept_as", s.Path(aside))
	s.saved = stream.ID{}
	err = s.held.Copy(vehiclesFile, aside)
	if err == nil {
		err = s.saveLocked(hub) // so that the next start does not skip and keep the same again
	}
	if err != nil {
		s.log.Error("cannot keep the saved vehicles that were skipped", "error", err)
	}
	return nil
}

// save saves the vehicles, unless there was no event since the last time.
func (s *stateDir) save(hub *stream.Hub) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saveLocked(hub)
}

func (s *stateDir) saveLocked(hub *stream.Hub) error {
	err := s.check()
	head := hub.Head()
	if err == nil && head != s.saved {
		err = s.held.Replace(vehiclesFile, hub.Save)
	}
	if err != nil {
		return fmt.Errorf("--state-dir: cannot save the vehicles: %w", err)
	}
	s.saved = head
	return nil
}

// check reports whether the hub may save: whether it still has the directory at the path. A
// directory that was removed and made again is taken, unless another hub has it. The vehicles must be
// saved there anew.
func (s *stateDir) check() error {
	now, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, s.held.Info) {
		held, err := lockdir.Hold(s.path)
		if errors.Is(err, lockdir.ErrInUse) {
			return fmt.Errorf("%s was removed and made again, and now %s", s.path, lockdir.InUse(s.path))
		}
		if err != nil {
			return fmt.Errorf("%s was removed and made again: %w", s.path, err)
		}
		s.held.Close()
		s.held, s.saved = held, stream.ID{}
		s.log.Warn("the state directory was removed and made again; saving the vehicles there", "dir", s.path)
		aside := freeName(held, "found")
		if err := held.Root.Rename(vehiclesFile, aside); err == nil {
			s.log.Warn("the state directory had vehicles of another hub", "kept_as", s.Path(aside))
		}
	}
	if err := s.held.LockAgain(); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	_, err = s.held.Root.Lstat(vehiclesFile)
	if errors.Is(err, fs.ErrNotExist) && s.saved != (stream.ID{}) {
		s.saved = stream.ID{}
		s.log.Warn("the saved vehicles were removed; saving them again", "file", s.Path(vehiclesFile))
	}
	return nil
}

// freeName returns a name under which a file of vehicles can be kept, such as vehicles.ndjson.unreadable.
// Those that were kept before stay, up to maxAside.
func freeName(d *lockdir.Dir, why string) string {
	name := vehiclesFile + "." + why
	for n := 2; n <= maxAside; n++ {
		if _, err := d.Root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s.%s-%d", vehiclesFile, why, n)
	}
	return name
}

// quicKeys returns the keys that are kept. It makes and keeps new ones if there are none.
func (s *stateDir) quicKeys() (k listen.QUICKeys, err error) {
	const name = "quic-keys"
	content, err := regular.Read(s.Path(name), 1<<10)
	if errors.Is(err, regular.ErrOther) {
		return k, fmt.Errorf("--state-dir: %w", err)
	}
	if err != nil || len(content) != len(k.Reset)+len(k.Token) {
		content = make([]byte, len(k.Reset)+len(k.Token))
		rand.Read(content)
		if err := s.Write(name, content); err != nil {
			return k, err
		}
	}
	copy(k.Reset[:], content)
	copy(k.Token[:], content[len(k.Reset):])
	return k, nil
}
