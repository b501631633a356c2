package server

import (
	"log/slog"
	"os"
	"time"

	"livemap/api/regular"
	"livemap/api/token"
)

// keyPoll is how often the hub looks whether its keys have changed.
const keyPoll = time.Second

// keyWatch makes what has changed about the keys count: it reads the file of --jwt-key again, and ends the
// streams of keys that are gone.
type keyWatch struct {
	tokens *token.Verifier
	path   string // of the file; "": the keys come from a URL
	format token.SecretFormat
	log    *slog.Logger

	read os.FileInfo // the file that was read last, whether it held a key or not; nil: there was none
	seen os.FileInfo // the file as it was at the last look; nil: there was none

	ended uint64 // Verifier.Changes when streams were ended last
}

// watchKeys begins to watch the keys of a verifier. It is for the time before the file of --jwt-key is read
// for the first time: what changes while the hub starts must not go unnoticed.
func (c *Config) watchKeys(log *slog.Logger) *keyWatch {
	w := &keyWatch{path: c.JWTKey, format: c.JWTSecretFormat, log: log}
	w.read, _ = os.Stat(w.path)
	w.seen = w.read
	return w
}

// look acts on what has changed since the last call. end ends the streams of keys that are gone and
// returns how many these are; reloaded gets the result of reading the file again.
func (w *keyWatch) look(end func() (streams int), reloaded func(error)) {
	if w.path != "" && w.hasNewFile() {
		keys, err := token.KeyFile(w.path, w.format)
		reloaded(err)
		if err != nil {
			w.log.Warn("cannot reload --jwt-key; the old key counts", "error", err)
			return
		}
		w.tokens.Replace(keys)
	}
	changes := w.tokens.Changes()
	if changes == w.ended {
		return
	}
	w.ended = changes
	streams := end()
	switch {
	case w.path != "":
		w.log.Info("reloaded --jwt-key; tokens of another key count no longer",
			"file", w.path, "streams_ended", streams)
	case streams > 0:
		w.log.Info("a key has left the set of --jwks-url; its tokens count no longer", "streams_ended", streams)
	}
}

// hasNewFile reports whether there is another file than the one that was read, and has been since the last
// look. A file that is still being written changes from look to look.
func (w *keyWatch) hasNewFile() bool {
	info, err := os.Stat(w.path)
	if err != nil {
		info = nil
	}
	rests := regular.Unchanged(info, w.seen)
	w.seen = info
	if !rests || regular.Unchanged(info, w.read) {
		return false
	}
	w.read = info
	return true
}
