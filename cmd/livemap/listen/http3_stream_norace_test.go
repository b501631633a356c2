//go:build !race

package listen

import (
	"io"
	"runtime"
	"testing"

	"livemap/api/transport"

	"github.com/stretchr/testify/require"
)

// With the race detector, sync.Pool drops memory at random.

// TestHTTP3StreamReusesItsFrame checks that a write allocates only what QUIC needs.
func TestHTTP3StreamReusesItsFrame(t *testing.T) {
	ours, theirs, _ := quicPair(t)
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(io.Discard, theirs)
	}()
	const writes = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range writes {
		_, err := ours.put([]byte("data: 1\n\n"))
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	perWrite := (after.TotalAlloc - before.TotalAlloc) / writes
	t.Logf("%d bytes per write", perWrite)
	require.Less(t, perWrite, uint64(transport.MaxWrite)/2)
	require.NoError(t, ours.quic.Close())
	<-read
}
