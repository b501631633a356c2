//go:build unix

package e2e

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// handle is how system calls name a socket.
type handle = int

// requireFiles requires that the process may open more than n files.
func requireFiles(t *testing.T, n int) {
	t.Helper()
	var files syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	require.Greater(t, files.Cur, uint64(n), "raise the limit of open files (ulimit -n)")
}
