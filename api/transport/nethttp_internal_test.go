package transport

import (
	"context"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// waitingStream is an HTTP/2 stream whose write waits for its turn, or until it is reset.
type waitingStream struct {
	patientConn
	turn <-chan time.Time
}

func (s *waitingStream) Write(p []byte) (int, error) {
	select {
	case <-s.turn:
		return len(p), nil
	case <-s.over:
		return 0, os.ErrDeadlineExceeded
	}
}

// TestStreamWaitsForItsTurn checks that a write over HTTP/2 may take long on a connection whose reader
// reads, and takes no longer than the stall timeout on one whose reader does not.
func TestStreamWaitsForItsTurn(t *testing.T) {
	const stall = 40 * time.Second
	const limit = MaxWrite / 40 // bytes per second
	for _, test := range []struct {
		name    string
		taken   int           // bytes per second
		stops   time.Duration // when the reader stops; 0: never
		streams int
		turn    time.Duration // of the write
		took    time.Duration // less than turn: the stream is stalled
	}{
		{"the reader takes nothing", 0, 0, 1, time.Hour, stall},
		{"half of enough", limit / 2, 0, 1, time.Hour, stall},
		{"just enough", limit + 1, 0, 1, 3 * stall, 3 * stall},
		{"a lot, and it is soon over", 100 * limit, 0, 1, 3, 3},
		{"enough for one stream of three", 2 * limit, 0, 3, time.Hour, stall},
		{"enough for three", 3*limit + 3, 0, 3, 3 * stall, 3 * stall},
		{"enough, and then nothing", 2 * limit, stall + stall/2, 1, time.Hour, stall + 2*stall*3/4},
		{"more than was before this write", 30 * limit, 0, 1, time.Hour, stall},
		{"the same, more slowly", 10 * limit, 0, 1, time.Hour, stall + 2*stall*3/4},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				conn := &Conn{Taken: func() int64 {
					read := time.Since(began)
					if test.stops > 0 {
						read = min(read, test.stops)
					}
					return int64(read.Seconds() * float64(test.taken))
				}}
				for range test.streams - 1 {
					conn.begin()
				}
				request := (&http.Request{ProtoMajor: 2}).WithContext(WithConn(context.Background(), conn))
				s := &waitingStream{patientConn{over: make(chan struct{})}, time.After(test.turn)}
				err := newResponseWriter(s, request, WriteTimeout{Stall: stall}).write([]byte("event"))
				require.Equal(t, test.took, time.Since(began))
				require.Equal(t, int64(test.streams-1), conn.writers())
				if test.took == test.turn {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, ErrStalled)
				}
			})
		})
	}
}
