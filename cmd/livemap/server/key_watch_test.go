package server

import (
	"bytes"
	"cmp"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// watched is a keyWatch of a file, with what it did.
type watched struct {
	*keyWatch
	log      bytes.Buffer
	ended    int     // how often streams were ended
	reloaded []error // results of reading the file again
}

// look looks at the keys as the hub does each second.
func (w *watched) look() {
	w.keyWatch.look(func() int { w.ended++; return 7 }, func(err error) { w.reloaded = append(w.reloaded, err) })
}

const (
	firstSecret  = "the first secret of thirty-two bytes"
	secondSecret = "the second secret of 32 bytes or so"
)

// watchFile begins to watch a file that holds firstSecret.
func watchFile(t *testing.T) (w *watched, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hub.key")
	require.NoError(t, os.WriteFile(path, []byte(firstSecret), 0o600))
	w = &watched{}
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	config := Config{JWTKey: path, JWTSecretFormat: token.TextSecret}
	w.keyWatch = config.watchKeys(log)
	tokens, err := config.verifier(t.Context(), log)
	require.NoError(t, err)
	w.tokens = tokens
	return w, path
}

// accepts reports whether a token counts that a secret has signed.
func (w *watched) accepts(t *testing.T, secret string) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(secret), 0o600))
	signer, err := token.SignerFile(path, token.TextSecret)
	require.NoError(t, err)
	raw, err := signer.Sign(token.Grant{Expires: time.Now().Add(time.Hour)}, token.Rules{}, time.Now())
	require.NoError(t, err)
	_, err = w.tokens.Verify(raw)
	return err == nil
}

// TestKeyFileChanges checks that a new key counts once its file has come to rest, however it was written.
func TestKeyFileChanges(t *testing.T) {
	for name, write := range map[string]func(path string) error{
		"in place": func(path string) error { return os.WriteFile(path, []byte(secondSecret), 0o600) },
		"renamed": func(path string) error {
			return cmp.Or(os.WriteFile(path+".new", []byte(secondSecret), 0o600), os.Rename(path+".new", path))
		},
		"removed and made again": func(path string) error {
			return cmp.Or(os.Remove(path), os.WriteFile(path, []byte(secondSecret), 0o600))
		},
		"another link": func(path string) error {
			return cmp.Or(os.WriteFile(path+".2", []byte(secondSecret), 0o600), os.Remove(path),
				os.Symlink(path+".2", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, path := watchFile(t)
			w.look()
			w.look()
			require.Empty(t, w.reloaded, "nothing has changed")
			require.NoError(t, write(path))
			w.look()
			assert.Empty(t, w.reloaded, "it may still be being written")
			assert.True(t, w.accepts(t, firstSecret))
			w.look()
			assert.Equal(t, []error{nil}, w.reloaded)
			assert.Equal(t, 1, w.ended)
			assert.True(t, w.accepts(t, secondSecret))
			assert.False(t, w.accepts(t, firstSecret))
			assert.Contains(t, w.log.String(), "streams_ended=7")
			w.look()
			assert.Len(t, w.reloaded, 1, "once")
			assert.Equal(t, 1, w.ended)
		})
	}
}

// TestBrokenKeyFile checks that the old key counts while the file holds none, and that the log says so once
// for each such file.
func TestBrokenKeyFile(t *testing.T) {
	for name, test := range map[string]struct {
		write func(path string) error
		says  string
	}{
		"too short": {func(path string) error { return os.WriteFile(path, []byte("short"), 0o600) }, "of 5 bytes"},
		"empty":     {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "of 0 bytes"},
		"half a key": {func(path string) error {
			return os.WriteFile(path, []byte("-----BEGIN PUBLIC KEY-----\nMFk"), 0o600)
		}, "does not parse"},
		"removed": {os.Remove, "no such file"},
		"a directory": {func(path string) error {
			return cmp.Or(os.Remove(path), os.Mkdir(path, 0o700))
		}, "a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			w, path := watchFile(t)
			require.NoError(t, test.write(path))
			for range 5 {
				w.look()
			}
			require.Len(t, w.reloaded, 1)
			assert.ErrorContains(t, w.reloaded[0], test.says)
			assert.True(t, w.accepts(t, firstSecret))
			assert.Zero(t, w.ended)
			assert.Equal(t, 1, strings.Count(w.log.String(), "cannot reload --jwt-key; the old key counts"))
			assert.Contains(t, w.log.String(), test.says)

			require.NoError(t, os.RemoveAll(path))
			require.NoError(t, os.WriteFile(path, []byte(secondSecret), 0o600))
			w.look()
			w.look()
			require.Len(t, w.reloaded, 2)
			assert.NoError(t, w.reloaded[1], "the hub recovers")
			assert.True(t, w.accepts(t, secondSecret))
		})
	}
}

// TestKeyFileBeingWritten checks that no part of a key counts while a slow writer is at work.
func TestKeyFileBeingWritten(t *testing.T) {
	w, path := watchFile(t)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0o600)
	require.NoError(t, err)
	defer file.Close()
	for _, part := range []string{secondSecret, secondSecret, secondSecret} {
		_, err := file.WriteString(part)
		require.NoError(t, err)
		w.look()
		assert.Empty(t, w.reloaded)
	}
	w.look()
	assert.True(t, w.accepts(t, strings.Repeat(secondSecret, 3)))
	assert.False(t, w.accepts(t, secondSecret))
}

// TestWarningOfLocalUsers checks which internal ports let in users of this machine who have no token.
func TestWarningOfLocalUsers(t *testing.T) {
	for name, test := range map[string]struct {
		config  Config
		address string
		warned  bool
	}{
		"loopback and tokens": {Config{JWTKey: "key"}, "http://127.0.0.1:9801", true},
		"loopback and a set":  {Config{JWKSURL: "https://keys.invalid/"}, "http://[::1]:9801", true},
		"a unix socket":       {Config{JWTKey: "key"}, "unix:/run/livemap/publish.sock", false},
		"a port that asks":    {Config{JWTKey: "key"}, "https://192.0.2.1:9801", false},
		"everyone may read":   {Config{JWTKey: "key", Anonymous: true}, "http://127.0.0.1:9801", false},
	} {
		var log bytes.Buffer
		test.config.warnOfLocalUsers(test.address, slog.New(slog.NewTextHandler(&log, nil)))
		assert.Equal(t, test.warned, strings.Contains(log.String(), "every user of this machine"), name)
	}
}
