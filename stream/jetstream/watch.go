package jetstream

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// mostReserve is how much room the disk must have for the journal to take messages, in bytes. A smaller disk
// must have a twentieth of it.
const mostReserve = 256 << 20

// watch looks after the journal until it is closed.
func (j *Journal) watch() {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-j.closing:
			return
		case now := <-tick.C:
			j.failLate(now)
		}
		if n%4 == 0 {
			j.look()
		}
	}
}

// look finds out whether the journal can take messages. It starts the server again if that had to give up.
func (j *Journal) look() {
	j.mu.Lock()
	engine, was := j.engine, j.refused
	j.mu.Unlock()
	if broken(was) || j.dir == nil {
		return
	}
	if j.removed() {
		j.refuse(ErrRemoved)
		return
	}
	if stored := j.stored.Load(); stored > j.end.noted {
		if err := j.end.write(stored); err != nil {
			j.log.Warn("cannot note the end of the journal", "error", err)
		}
	}
	if engine != nil && (j.isLate() || !engine.server.JetStreamEnabled()) {
		if err := engine.writeError(); err != nil {
			j.log.Error("the journal cannot be written", "error", err)
			j.refuse(ErrWrite)
			j.stopEngine(ErrWrite)
			engine = nil
		}
	}
	room := j.hasRoom(errors.Is(was, ErrNoRoom))
	if engine == nil {
		switch {
		case !room:
			j.refuse(ErrNoRoom)
		case j.canWrite():
			j.restart()
		}
		return
	}
	if room {
		j.refuse(nil)
	} else {
		j.refuse(ErrNoRoom)
	}
}

// refuse has Post refuse messages with an error, or take them.
func (j *Journal) refuse(err error) {
	j.mu.Lock()
	was := j.refused
	if !errors.Is(was, ErrClosed) {
		j.refused = err
	}
	j.mu.Unlock()
	switch {
	case errors.Is(was, err) || errors.Is(was, ErrClosed):
	case err != nil:
		j.log.Error("the journal takes no messages", "reason", err, "dir", j.config.Dir)
	default:
		j.log.Info("the journal takes messages again", "dir", j.config.Dir)
	}
}

// restart starts the server again, which has to find what it had.
func (j *Journal) restart() {
	engine, err := j.startEngine()
	if err != nil {
		j.log.Error("cannot start the journal again", "error", err)
		return
	}
	if !j.config.shared() && !j.leadsOn(engine) { // the other servers of a cluster have the end
		return
	}
	j.mu.Lock()
	j.engine = engine
	j.mu.Unlock()
	j.refuse(nil)
}

// leadsOn reports whether a server that was started again has what was acknowledged. It stops one that has
// not.
func (j *Journal) leadsOn(engine *engine) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := engine.js.Stream(ctx, streamName)
	if err != nil {
		engine.stop()
		j.log.Error("cannot start the journal again", "error", err)
		return false
	}
	info := s.CachedInfo()
	if !j.life.of(info) || info.State.LastSeq < j.stored.Load() {
		engine.stop()
		j.refuse(ErrCutOff)
		return false
	}
	return true
}

// removed reports whether the directory or the stream in it is not the one that the server writes to.
func (j *Journal) removed() bool {
	for name, was := range j.files {
		is, err := os.Stat(filepath.Join(j.config.Dir, name))
		if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(is, was) {
			return true
		}
	}
	return false
}

// noteFiles notes what the directory and that of the stream's messages are.
func (j *Journal) noteFiles() error {
	j.files = map[string]os.FileInfo{}
	if j.dir == nil {
		return nil
	}
	names := []string{"."}
	if j.config.Cluster == nil { // else it may come later
		names = append(names, filepath.Join(storeName, account, "streams", streamName, "msgs"))
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(j.config.Dir, name))
		if err != nil {
			return err
		}
		j.files[name] = info
	}
	return nil
}

// hasRoom reports whether the disk has room. It takes a little more after it had none.
func (j *Journal) hasRoom(had bool) bool {
	free, total, err := room(j.config.Dir)
	if err != nil {
		return true // a write will tell
	}
	reserve := min(mostReserve, total/20)
	if had {
		reserve += reserve / 4
	}
	return free >= reserve
}

// canWrite tries whether a mebibyte can be written. A quota may forbid what the disk has room for.
func (j *Journal) canWrite() bool {
	const name = "try"
	err := j.dir.Replace(name, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return err
	})
	j.dir.Root.Remove(name)
	return err == nil
}
