package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What a read holds grows with its vehicles or positions, and so does what it counts.
func TestLargeReadsCountAsSeveral(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct{ size, weight int }{
		{0, 1}, {readSize - 1, 1}, {readSize, 2}, {7 * readSize, 8}, {1000 * readSize, 8},
	} {
		var l readLimiter
		fits := func(client string, n int) bool {
			_, err := l.acquire(over, client, n)
			return err == nil
		}
		for range clientReads / test.weight {
			require.True(t, fits("a", test.size))
		}
		require.False(t, fits("a", test.size))
		require.True(t, fits("b", test.size))
	}
}

// Nothing is left of clients whose reads have ended or were refused.
func TestClientsOfReadsAreForgotten(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var l readLimiter
	var ends []func()
	for range clientReads {
		release, err := l.acquire(context.Background(), "a", 0)
		require.NoError(t, err)
		ends = append(ends, release)
	}
	_, err := l.acquire(over, "a", 0)
	require.ErrorIs(t, err, errClientReads)
	for _, end := range ends {
		end()
	}
	require.Empty(t, l.clients)
}

// A read that waits is answered though its client has closed its half of the connection, which net/http
// takes for its end.
func TestHalfClosedReadsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &API{Config: Config{Metrics: NewMetrics()}, draining: context.Background()}
		ctx, halfClosed := context.WithCancel(t.Context())
		halfClosed()
		r := withPrincipal(httptest.NewRequestWithContext(ctx, http.MethodGet, "/snapshot", nil), new(principal))
		var releases []func()
		for range clientReads {
			release, err := a.acquireRead(r, 1)
			require.NoError(t, err)
			releases = append(releases, release)
		}
		time.AfterFunc(readWait/2, releases[0])
		_, err := a.acquireRead(r, 1)
		require.NoError(t, err)
	})
}
