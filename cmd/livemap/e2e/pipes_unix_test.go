//go:build unix

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pipe makes a named pipe, which whoever opens it waits for.
func pipe(t *testing.T, path string) string {
	t.Helper()
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

// The hub does not wait for a pipe or device in place of any file that it reads at its start.
func TestPipesAreRefused(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, "hub")
	fifo := pipe(t, filepath.Join(t.TempDir(), "fifo"))
	for name, args := range map[string][]string{
		"certificate": {"--tls-cert", fifo, "--tls-key", key},
		"key":         {"--tls-cert", cert, "--tls-key", fifo},
		"device":      {"--tls-cert", "/dev/zero", "--tls-key", key},
		"--publish-client-ca": {"--publish-client-ca", fifo, "--publish-listen", "0.0.0.0:0",
			"--tls-cert", cert, "--tls-key", key},
		"--jwt-key":     {"--jwt-key", fifo},
		"--map-pmtiles": {"--map-pmtiles", fifo},
	} {
		stderr, status := serveFails(t, args...)
		assert.Equal(t, 2, status, name)
		assert.Contains(t, stderr, "not a regular file, but a ", name)
		if strings.HasPrefix(name, "--") {
			assert.Contains(t, stderr, name)
		}
	}
	for _, name := range []string{vehiclesFile, "quic-keys", "localhost.pem", "lock"} {
		dir := t.TempDir()
		path := pipe(t, filepath.Join(dir, name))
		stderr, status := serveFails(t, "--state-dir", dir)
		assert.NotZero(t, status, name)
		assert.Contains(t, stderr, "--state-dir", name)
		assert.Contains(t, stderr, "not a regular file", name)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		assert.Equal(t, fs.ModeNamedPipe, info.Mode().Type(), "%s stays", name)
	}
}

// A certificate that is replaced by a pipe holds up no handshake.
func TestCertificateBecomesAPipe(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, "hub")
	hub := startHub(t, "--tls-cert", cert, "--tls-key", key)
	for _, path := range []string{cert, key} {
		require.NoError(t, os.Rename(pipe(t, path+".pipe"), path))
		assert.Equal(t, [2]string{"hub", "hub"}, served(t, hub))
	}
	line := hub.log.await(t, "cannot reload the certificate; serving the old one")
	assert.Contains(t, line["error"], "not a regular file, but a pipe")
}

// Unix sockets are open to their owner and group, whatever the umask.
func TestPermissionsOfUnixSockets(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"0", "022", "077", "0177"} {
		dir, err := os.MkdirTemp("", "livemap") // the path of a socket must be short
		require.NoError(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		require.NoError(t, os.Mkdir(filepath.Join(dir, "state"), 0o700))
		publish, proxy := filepath.Join(dir, "publish.sock"), filepath.Join(dir, "proxy.sock")
		hub := startHubUnder(t, []string{"sh", "-c", fmt.Sprintf(`umask %s; exec "$@"`, umask), "sh"},
			"--publish-listen", "unix:"+publish, "--proxy-listen", "unix:"+proxy, "--state-dir",
			filepath.Join(dir, "state"), "--listen", "off")
		for _, path := range []string{publish, proxy} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, fs.ModeSocket|0o660, info.Mode(), "%s with umask %s", filepath.Base(path), umask)
		}
		hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
		hub.stop(t)
	}
}
