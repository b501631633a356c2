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

	"livemap/cmd/livemap/listen"
	"livemap/stream"
)

// saveInterval is how often the vehicles are saved. A hub that is killed loses as much at most.
const saveInterval = 10 * time.Second

// vehiclesFile is the name of the file with every vehicle's newest position.
const vehiclesFile = "vehicles.ndjson"

// stateDir is the directory that outlives the process. It keeps the certificate that was made,
// the QUIC keys and every vehicle's newest position. One hub at a time has it.
type stateDir struct {
	dir  string
	log  *slog.Logger
	lock *os.File

	mu    sync.Mutex // held for a save; guards what follows
	saved stream.ID  // newest event when the vehicles were last saved
}

// openState opens the directory and makes it if need be. dir "" is livemap in the user's state directory.
func openState(dir string, log *slog.Logger) (*stateDir, error) {
	if dir == "" {
		var err error
		if dir, err = userStateDir(); err != nil {
			err = fmt.Errorf("there is no user state directory (%w); set --state-dir", err)
			return nil, ConfigError{Err: err}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusableDir(err)
	}
	s := &stateDir{dir: dir, log: log}
	lock, err := os.OpenFile(s.Path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusableDir(err)
	}
	if !lockFile(lock) {
		lock.Close()
		return nil, fmt.Errorf("--state-dir %s: another hub is using it", dir)
	}
	s.lock = lock
	torn, _ := filepath.Glob(s.Path("*.new-*")) // files that a killed hub was writing
	for _, file := range torn {
		os.Remove(file)
	}
	return s, nil
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
func (s *stateDir) close() { s.lock.Close() }

// Path implements listen.Storage.
func (s *stateDir) Path(name string) string { return filepath.Join(s.dir, name) }

// Write implements listen.Storage.
func (s *stateDir) Write(name string, content []byte) error {
	err := s.replace(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return fmt.Errorf("--state-dir: %w", err)
	}
	return nil
}

// replace replaces a file by what write writes. After a crash the file is the old or the new one.
func (s *stateDir) replace(name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(s.dir, name+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		file.Close()
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	if err = write(file); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), s.Path(name)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// load restores the saved vehicles. A file that cannot be read is renamed, and the hub starts
// without vehicles.
func (s *stateDir) load(hub *stream.Hub) error {
	file, err := os.Open(s.Path(vehiclesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--state-dir: %w", err)
	}
	defer file.Close()
	began := time.Now()
	vehicles, err := hub.Load(file)
	if err != nil {
		aside := s.Path(vehiclesFile + ".unreadable")
		s.log.Error("cannot read the saved vehicles; starting without them", "error", err, "kept_as", aside)
		return os.Rename(s.Path(vehiclesFile), aside)
	}
	s.saved = hub.Head()
	s.log.Info("read the saved vehicles", "vehicles", vehicles,
		"duration", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// save saves the vehicles, unless there was no event since the last time.
func (s *stateDir) save(hub *stream.Hub) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := hub.Head()
	if head == s.saved {
		return nil
	}
	if err := s.replace(vehiclesFile, hub.Save); err != nil {
		return fmt.Errorf("--state-dir: cannot save the vehicles: %w", err)
	}
	s.saved = head
	return nil
}

// saveEvery saves the vehicles at an interval until stop is called. It logs each failure and calls
// failed.
func (s *stateDir) saveEvery(interval time.Duration, hub *stream.Hub, failed func()) (stop func()) {
	return every(interval, func() {
		if err := s.save(hub); err != nil {
			s.log.Error("cannot save", "error", err)
			failed()
		}
	})
}

// quicKeys returns the keys that are kept. It makes and keeps new ones if there are none.
func (s *stateDir) quicKeys() (k listen.QUICKeys, err error) {
	const name = "quic-keys"
	content, err := os.ReadFile(s.Path(name))
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
