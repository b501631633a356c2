package stream_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

func TestDrainSpreadsByes(t *testing.T) {
	for _, test := range []struct {
		name    string
		streams int
		over    time.Duration
		took    time.Duration
	}{
		{"few take less than there is", 100, 5 * time.Second, 500 * time.Millisecond},
		{"many take what there is", 1000, time.Second, time.Second},
		{"at once", 100, 0, 0},
		{"none", 0, time.Second, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, stream.Config{})
				var clients []*client
				for range test.streams {
					clients = append(clients, listen(t, h, fleetQuery))
				}
				synctest.Wait()
				began := time.Now()
				h.Drain(t.Context(), test.over)
				require.Equal(t, test.took, time.Since(began))
				byes := map[time.Duration]int{}
				for _, c := range clients {
					writes := c.takeWrites()
					last := writes[len(writes)-1]
					require.Equal(t, "bye draining", brief(last.text))
					byes[last.at.Sub(began)]++
					<-c.ended
					require.Equal(t, stream.Draining, c.summary.Reason)
				}
				if test.over > 0 {
					require.Len(t, byes, test.streams, "each at another moment")
				}
				require.Zero(t, h.Stats().Streams)
				late := listen(t, h, fleetQuery)
				require.Equal(t, "hello | reset new | bye draining", late.takeEvents(), "new ones get it at once")
			})
		})
	}
}

// TestDrainDoesNotWaitForThoseWhoLeft checks that clients which leave during a drain, noticed by what the
// connection says or by a write that fails, get no part of its time.
func TestDrainDoesNotWaitForThoseWhoLeft(t *testing.T) {
	for name, leaves := range map[string]func(*socket){
		"the connection ends": func(s *socket) { s.sub.Leave() },
		"a write fails":       func(s *socket) { s.fail(errBroken) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, stream.Config{})
				var clients []*socket
				for range 1000 {
					clients = append(clients, attach(t, h, fleetQuery))
				}
				began, took := time.Now(), make(chan time.Duration)
				go func() {
					h.Drain(t.Context(), 5*time.Second)
					took <- time.Since(began)
				}()
				time.Sleep(100 * time.Millisecond)
				for _, c := range clients {
					leaves(c)
				}
				publish(t, h, "a", "") // to be written to those who are left
				require.InDelta(t, 100*time.Millisecond, <-took, float64(30*time.Millisecond))
				for _, c := range clients {
					require.Equal(t, 1, c.ended())
				}
			})
		})
	}
}

// A reader with a long backlog is ended after the current write.
func TestDrainDoesNotWaitForSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		for _, id := range []string{"a", "b", "c", "d"} {
			fillLog(t, h, id, 8000)
		}
		c := listenSlowly(t, h, fleetQuery)
		for range 2 {
			c.gate <- struct{}{}
			synctest.Wait()
		}
		go h.Drain(t.Context(), time.Second)
		synctest.Wait()
		c.open()
		time.Sleep(time.Second)
		require.Equal(t, "hello | reset new | 2 a | 4 b | bye draining", c.takeEvents())
	})
}

func TestDrainEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		stalled := listenSlowly(t, h, fleetQuery)
		fast := listen(t, h, fleetQuery)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		h.Drain(ctx, time.Second)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Contains(t, fast.takeEvents(), "bye draining")
		require.Equal(t, 1, h.Stats().Streams)

		h.Drain(ctx, time.Second)
		require.Equal(t, 3*time.Second, time.Since(began), "again, and nothing left to wait for")
		stalled.open()
		require.Equal(t, "hello | reset new | bye draining", stalled.takeEvents())
	})
}

func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		publish(t, h, "a", "")
		c := listen(t, h, fleetQuery)
		text := c.takeText()
		require.Equal(t, 1, h.Stats().Streams)
		summary := c.close()
		require.Equal(t, stream.Summary{Reason: stream.Cancelled, Events: 1, Bytes: int64(len(text))}, summary)
		require.Zero(t, h.Stats().Streams)

		broken := errors.New("broken pipe")
		for n := range 4 {
			writes := 0
			s := h.Subscribe(fleetQuery)
			summary := s.Serve(t.Context(), func(p []byte) error {
				if writes++; writes > n {
					return broken
				}
				if n == 3 {
					go publish(t, h, "a", `"n":1`)
				}
				return nil
			})
			require.Equal(t, stream.Failed, summary.Reason, n)
			require.Equal(t, broken, summary.Err)
			require.Equal(t, n+1, writes, "nothing is written after")
		}
		require.Zero(t, h.Stats().Streams)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		summary = h.Subscribe(fleetQuery).Serve(ctx, func([]byte) error { return nil })
		require.Equal(t, stream.Cancelled, summary.Reason)
	})
}

// A stalled reader delays no other and costs no more than its cursor.
func TestStalledWriterDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		var stalled []*client
		for range 20 {
			stalled = append(stalled, listenSlowly(t, h, fleetQuery))
		}
		fast := listen(t, h, fleetQuery)
		fast.takeWrites()
		for range 50 {
			time.Sleep(time.Second)
			now := time.Now()
			fillLog(t, h, "a", 100_000)
			require.Zero(t, time.Since(now))
			writes := fast.takeWrites()
			require.Zero(t, writes[0].at.Sub(now))
			time.Sleep(100 * time.Millisecond)
			require.Contains(t, writes[len(writes)-1].text+fast.takeText(), "id: "+h.Head().String()+"\n")
		}
		for _, c := range stalled {
			require.Empty(t, c.takeWrites())
		}
	})
}

// TestEndRevoked checks that streams whose readers have lost their rights end with `bye`, at once and
// without another event, and that no other stream does.
func TestEndRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{})
		revoked := atomic.Bool{}
		query := fleetQuery
		query.Revoked = revoked.Load
		for range 4 { // attached and served streams, at random
			quiet, blocked := listen(t, h, query), listenSlowly(t, h, query)
			other, allowed := listen(t, h, fleetQuery), fleetQuery
			allowed.Revoked = func() bool { return false }
			third := listen(t, h, allowed)
			synctest.Wait()
			require.Zero(t, h.EndRevoked(), "nobody has lost anything yet")

			revoked.Store(true)
			began := time.Now()
			require.Equal(t, 2, h.EndRevoked())
			<-quiet.ended
			require.Zero(t, time.Since(began))
			require.Equal(t, stream.Outdated, quiet.summary.Reason)
			require.Contains(t, quiet.takeEvents(), "bye expired")
			blocked.open()
			<-blocked.ended
			require.Equal(t, "hello | bye expired", strings.ReplaceAll(blocked.takeEvents(), " | reset new", ""))

			late := listen(t, h, query)
			<-late.ended
			require.Equal(t, "hello | reset new | bye expired", late.takeEvents(),
				"it began with rights that are gone")
			revoked.Store(false)
			for _, c := range []*client{other, third} {
				require.NotContains(t, c.takeEvents(), "bye")
				require.Equal(t, stream.Cancelled, c.close().Reason)
			}
		}
		require.Zero(t, h.Stats().Streams)
	})
}
