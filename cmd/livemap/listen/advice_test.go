package listen

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAdviceAboutPorts checks what the error for a port that cannot be opened says: the flag, the
// system's reason and what can be done.
func TestAdviceAboutPorts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	program, err := os.Executable()
	require.NoError(t, err)
	for _, test := range []struct {
		flag, address string
		err           error
		says          []string
	}{
		{"listen", ":443", syscall.EACCES, []string{"deploy/livemap.socket", "--proxy-listen ADDRESS"}},
		{"publish-listen", "127.0.0.1:1023", syscall.EACCES, []string{"choose another port"}},
		{"listen", ":1024", syscall.EACCES, nil},
		{"listen", ":4433", errInUse, []string{"stop the program that uses this port", "another port"}},
		{"listen", "192.0.2.1:4433", errNoSuchAddress, []string{"as in :4433"}},
		{"proxy-listen", "unix:" + file, errInUse, []string{"because it is no socket"}},
		{"proxy-listen", "unix:" + dir + "/x", errInUse, []string{"another path"}},
		{"proxy-listen", "unix:" + dir + "/no/x", syscall.ENOENT, []string{"make the directory " + dir + "/no"}},
		{"proxy-listen", "unix:" + dir + "/x", syscall.EACCES, []string{"write to the directory " + dir}},
		{"listen", ":4433", errors.New("other"), nil},
	} {
		var a Address
		require.NoError(t, a.UnmarshalText([]byte(test.address)))
		err := openError(test.flag, a, test.err)
		require.ErrorIs(t, err, test.err)
		start := "--" + test.flag + " " + test.address + ": " + test.err.Error()
		require.True(t, strings.HasPrefix(err.Error(), start), "%q", err)
		assert.Equal(t, test.says != nil, err.Error() != start, "%q", err)
		for _, says := range test.says {
			assert.Contains(t, err.Error(), says)
		}
		if strings.Contains(err.Error(), "setcap") {
			assert.True(t, strings.HasSuffix(err.Error(), "setcap cap_net_bind_service=+ep "+program), "%q", err)
		}
	}
}

// TestAdviceNamesThePortInUse opens a port that another program has, over TCP and over UDP.
func TestAdviceNamesThePortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var a Address
	require.NoError(t, a.UnmarshalText([]byte(taken.Addr().String())))
	_, err = openHTTPPort(t.Context(), "listen", a, PassedSockets{}, nil, nil)
	require.ErrorContains(t, err, "--listen "+a.String()+": ")
	require.ErrorContains(t, err, "; stop the program that uses this port")
	require.True(t, IsInUse(err))
}
