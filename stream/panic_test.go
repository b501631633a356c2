package stream_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// The panic of one stream ends that stream. Its writer, the other streams, publishing and draining
// continue.
func TestPanicEndsItsStreamOnly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4} { // the greeting, `reset`, `live`, the first event
		synctest.Test(t, func(t *testing.T) {
			h := quietHub(t)
			others := attachMany(t, h, 2, fleetQuery)
			s := newSocket(t, h, fleetQuery)
			s.panics, s.before = true, func(asked int) {
				if asked == n {
					panic("the cause")
				}
			}
			s.attach()
			time.Sleep(time.Second)
			publish(t, h, "a", "")
			synctest.Wait()
			requirePanic(t, s.summary)
			for _, other := range others {
				require.Len(t, other.takeWrites(), 1)
			}
			require.Equal(t, len(others), h.Stats().Streams)
			h.Drain(t.Context(), 0)
			require.Zero(t, h.Stats().Streams)
		})
	}
}

func TestPanicInWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		s := attach(t, h, fleetQuery)
		s.panics = true
		time.Sleep(time.Second)
		s.block()
		publish(t, h, "a", "")
		synctest.Wait()
		s.mu.Lock()
		s.cause = "the cause"
		s.mu.Unlock()
		s.unblock()
		synctest.Wait()
		requirePanic(t, s.summary)
		require.Zero(t, h.Stats().Streams)
	})
}

func TestPanicInServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		summary := h.Subscribe(fleetQuery).Serve(t.Context(), func(p []byte) error {
			if bytes.Contains(p, []byte("event: live")) {
				panic("the cause")
			}
			return nil
		})
		requirePanic(t, summary)
		require.Zero(t, h.Stats().Streams)
	})
}

// A panic may also come from Config.Delay.
func TestPanicInDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Delay: func(time.Duration) { panic("the cause") }})
		s := attach(t, h, fleetQuery)
		s.panics = true
		time.Sleep(time.Second)
		publish(t, h, "a", "")
		synctest.Wait()
		requirePanic(t, s.summary)
		publish(t, h, "b", "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		h.Drain(ctx, 0)
		require.NoError(t, ctx.Err())
	})
}

func requirePanic(t *testing.T, summary stream.Summary) {
	t.Helper()
	require.Equal(t, stream.Panicked, summary.Reason)
	var panicked *stream.Panic
	require.ErrorAs(t, summary.Err, &panicked)
	require.EqualValues(t, "the cause", panicked.Value)
	require.Contains(t, string(panicked.Stack), "_test.go")
	require.EqualError(t, panicked, "panic: the cause")
}
