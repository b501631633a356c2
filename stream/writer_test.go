package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// attachMany opens n streams for each writer. They have begun, and their cooldowns are over.
func attachMany(t testing.TB, h *stream.Hub, n int, q stream.Query) (all []*socket) {
	for range n * runtime.GOMAXPROCS(0) {
		all = append(all, attach(t, h, q))
	}
	time.Sleep(time.Second)
	for _, s := range all {
		s.takeWrites()
	}
	return all
}

func TestBlockedReaderDelaysNobodyOfItsWriter(t *testing.T) {
	for name, blocked := range map[string]int{"one": 1, "half of them": 2 * runtime.GOMAXPROCS(0)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				all := attachMany(t, h, 4, fleetQuery)
				for _, s := range all[:blocked] {
					s.block()
				}
				var want strings.Builder
				for n := range 20 {
					now := time.Now()
					publish(t, h, "a", fmt.Sprintf(`"n":%d`, n))
					var first []write
					for _, s := range all[blocked:] {
						writes := s.takeWrites()
						require.Len(t, writes, 1)
						require.Zero(t, writes[0].at.Sub(now))
						first = writes
					}
					want.WriteString(joinText(first))
					time.Sleep(time.Second)
				}
				for _, s := range all[:blocked] {
					require.Empty(t, s.takeWrites())
					s.unblock()
				}
				time.Sleep(time.Second)
				for _, s := range all[:blocked] {
					require.True(t, want.String() == joinText(s.takeWrites()), "everything, in order, once")
				}
				now := time.Now()
				publish(t, h, "a", "")
				for _, s := range all {
					writes := s.takeWrites()
					require.Len(t, writes, 1)
					require.Zero(t, writes[0].at.Sub(now), "it is as good as any other again")
				}
			})
		})
	}
}

func TestBlockedReaderContinuesConflated(t *testing.T) {
	for name, q := range map[string]stream.Query{
		"whole fleet": fleetQuery,
		"vehicles":    topicQuery("vehicle:a", "vehicle:b"),
		"box":         {Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := smallHub(t)
				all := attachMany(t, h, 2, q)
				for _, s := range all {
					s.block()
				}
				publish(t, h, "a", "")
				publish(t, h, "b", "")
				synctest.Wait()
				fillLog(t, h, "a", 512<<10)
				publish(t, h, "b", `"n":1`)
				head := h.Head().Number
				for _, s := range all {
					require.Empty(t, s.takeWrites())
					s.unblock()
					time.Sleep(time.Second)
					received := s.takeEvents()
					require.Regexp(t, `^1 a \| `, received, "what it was blocked on comes first")
					require.NotContains(t, received, fmt.Sprint(head-2), "that was skipped")
					require.Regexp(t, fmt.Sprintf(`%d a \| %d b \| %d live (conflated|snapshot) \d`, head-1, head, head),
						received)
				}
				publish(t, h, "b", `"n":2`)
				time.Sleep(time.Second)
				for _, s := range all {
					require.Equal(t, fmt.Sprint(head+1, " b"), s.takeEvents(), "the log is the way on")
				}
			})
		})
	}
}

// A reader may block again while it is brought up to date.
func TestBlockedAgainWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := smallHub(t)
		s := attach(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")})
		time.Sleep(time.Second)
		s.takeWrites()
		s.block()
		publish(t, h, "a", "")
		synctest.Wait()
		fillLog(t, h, "b", 512<<10)
		for _, want := range []string{"1 a", "reset behind"} {
			s.taken <- nil
			require.Equal(t, want, s.takeEvents())
		}
		s.unblock()
		head := h.Head().Number
		require.Equal(t, fmt.Sprintf("1 a | %d b | %d live snapshot 2", head, head), s.takeEvents())
	})
}

var errBroken = errors.New("broken pipe")

func TestDrainWhileBlocked(t *testing.T) {
	for _, test := range []struct {
		name     string
		take     error // result of the write that blocks
		received string
		want     stream.Summary
	}{
		{"it takes again", nil, "1 a | bye draining", stream.Summary{Reason: stream.Draining, Events: 1}},
		{"it is given up", errBroken, "", stream.Summary{Reason: stream.Failed, Err: errBroken}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				s := attach(t, h, fleetQuery)
				time.Sleep(time.Second)
				before := int64(len(joinText(s.takeWrites())))
				s.block()
				publish(t, h, "a", "")
				synctest.Wait()
				drained := make(chan struct{})
				go func() {
					defer close(drained)
					h.Drain(t.Context(), time.Second)
				}()
				time.Sleep(time.Minute)
				require.Zero(t, s.ended())
				require.Equal(t, 1, h.Stats().Streams)
				if test.take == nil {
					s.unblock()
				} else {
					s.taken <- test.take
				}
				<-drained
				writes := s.takeWrites()
				require.Equal(t, test.received, brief(joinText(writes)))
				test.want.Bytes = before + int64(len(joinText(writes)))
				require.Equal(t, test.want, s.summary)
			})
		})
	}
}

// When a hub drains just as a stream blocks, the stream ends when it unblocks.
func TestDrainJustWhenBlocked(t *testing.T) {
	for _, test := range []struct {
		name     string
		before   []string // sent one by one before the drain
		received string
	}{
		{"on an event", nil, "1 a | bye draining"},
		{"on what brings it to date", []string{"1 a"}, "reset behind | bye draining"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := smallHub(t)
				s := attach(t, h, stream.Query{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")})
				time.Sleep(time.Second)
				s.takeWrites()
				s.block()
				writes := 0
				s.before = func(int) {
					if writes++; writes == len(test.before)+1 {
						over, cancel := context.WithCancel(t.Context())
						cancel()
						h.Drain(over, 0)
					}
				}
				publish(t, h, "a", "")
				synctest.Wait()
				fillLog(t, h, "b", 512<<10)
				for _, received := range test.before {
					s.taken <- nil
					require.Equal(t, received, s.takeEvents())
				}
				time.Sleep(time.Minute)
				require.Zero(t, s.ended())
				s.unblock()
				require.Equal(t, test.received, s.takeEvents())
				require.Equal(t, stream.Draining, s.summary.Reason)
			})
		})
	}
}

func TestBlockedOnBye(t *testing.T) {
	for take, want := range map[error]stream.Reason{nil: stream.Draining, errBroken: stream.Failed} {
		t.Run(string(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				s := attach(t, h, fleetQuery)
				s.takeWrites()
				s.block()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				h.Drain(ctx, 0)
				require.Zero(t, s.ended())
				s.sub.Leave() // too late: it was sent `bye`
				synctest.Wait()
				require.Zero(t, s.ended())
				s.taken <- take
				received := s.takeEvents()
				require.Equal(t, want, s.summary.Reason)
				if take == nil {
					require.Equal(t, "bye draining", received)
				}
				require.Zero(t, h.Stats().Streams)
			})
		})
	}
}

func TestLeaveEndsOnce(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, h *stream.Hub, s *socket){
		"before it is attached": func(_ *testing.T, _ *stream.Hub, s *socket) {
			s.sub.Leave()
			s.attach()
		},
		"before its first turn": func(_ *testing.T, _ *stream.Hub, s *socket) {
			s.attach()
			s.sub.Leave()
		},
		"idle": func(_ *testing.T, _ *stream.Hub, s *socket) {
			s.attach()
			synctest.Wait()
			s.sub.Leave()
		},
		"cooling down": func(t *testing.T, h *stream.Hub, s *socket) {
			s.attach()
			publish(t, h, "a", "")
			synctest.Wait()
			publish(t, h, "a", `"n":1`)
			synctest.Wait()
			s.sub.Leave()
		},
		"blocked": func(t *testing.T, h *stream.Hub, s *socket) {
			s.attach()
			time.Sleep(time.Second)
			s.block()
			publish(t, h, "a", "")
			synctest.Wait()
			s.sub.Leave()
			time.Sleep(time.Minute)
			require.Zero(t, s.ended(), "its outlet is in use")
			s.taken <- nil
		},
		"twice": func(_ *testing.T, _ *stream.Hub, s *socket) {
			s.attach()
			s.sub.Leave()
			s.sub.Leave()
		},
		"after the end": func(t *testing.T, _ *stream.Hub, s *socket) {
			s.attach()
			s.sub.Leave()
			synctest.Wait()
			require.Equal(t, 1, s.ended())
			s.sub.Leave()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				other := attach(t, h, fleetQuery)
				s := newSocket(t, h, fleetQuery)
				leave(t, h, s)
				synctest.Wait()
				require.Equal(t, 1, s.ended(), "at once")
				require.Equal(t, stream.Cancelled, s.summary.Reason)
				require.Equal(t, int64(len(joinText(s.takeWrites()))), s.summary.Bytes)
				require.Equal(t, 1, h.Stats().Streams, "the other")
				time.Sleep(time.Second)
				other.takeWrites()
				publish(t, h, "a", `"n":2`)
				time.Sleep(time.Minute)
				require.Equal(t, 1, s.ended())
				require.Contains(t, other.takeEvents(), " a", "its writer goes on")
			})
		})
	}
}

// A write that fails at once ends the stream too, at any point.
func TestWriteThatFailsEndsAttachedStream(t *testing.T) {
	for n := range 4 {
		t.Run(fmt.Sprint("write ", n+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := quietHub(t)
				s := newSocket(t, h, stream.Query{Topics: []string{stream.AllTopic}, Ping: 5 * time.Second})
				s.before = func(asked int) {
					if asked > n {
						s.fails = errBroken
					}
				}
				s.attach()
				publish(t, h, "a", "")
				time.Sleep(time.Minute)
				require.Equal(t, 1, s.ended())
				require.Equal(t, stream.Failed, s.summary.Reason)
				require.Equal(t, errBroken, s.summary.Err)
				require.Equal(t, n+1, s.asked, "nothing is written after")
				require.Equal(t, int64(len(joinText(s.takeWrites()))), s.summary.Bytes)
				require.Zero(t, h.Stats().Streams)
			})
		})
	}
}

// Nothing keeps an ended stream in memory: no queue of turns, no cooldown, no deadline.
func TestEndedStreamsAreFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		var all []weak.Pointer[stream.Subscription]
		for n := range 100 {
			q := stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Duration(n%2) * time.Second}
			s := h.Subscribe(q)
			s.Attach(&testOutlet{slow: n%3 == 0, write: func([]byte) error { return nil }}, func(stream.Summary) {})
			all = append(all, weak.Make(s))
		}
		publish(t, h, "a", "")
		time.Sleep(time.Second)
		publish(t, h, "a", `"n":1`)
		synctest.Wait()
		leaveAll(all)
		time.Sleep(time.Second)
		runtime.GC()
		kept := 0
		for _, s := range all {
			if s.Value() != nil {
				kept++
			}
		}
		require.Zero(t, kept)
	})
}

func leaveAll(all []weak.Pointer[stream.Subscription]) {
	for _, s := range all {
		s.Value().Leave()
	}
}

func TestAttachedStreamsGetOneWriteAfterACooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		all := attachMany(t, h, 20, fleetQuery)
		for round := range 3 {
			began := time.Now()
			for range 9 {
				publish(t, h, "a", "")
				time.Sleep(10 * time.Millisecond)
			}
			first := h.Head().Number - 8
			time.Sleep(20 * time.Millisecond)
			for _, s := range all {
				writes := s.takeWrites()
				require.Len(t, writes, 2, round)
				require.Equal(t, fmt.Sprint(first, " a"), brief(writes[0].text))
				require.Zero(t, writes[0].at.Sub(began))
				require.Equal(t, 7, strings.Count(brief(writes[1].text), "|"))
				require.Equal(t, 100*time.Millisecond, writes[1].at.Sub(began))
			}
			time.Sleep(time.Second)
		}
	})
}

// A cooldown begins when the reader has taken the write, not when the write began.
func TestCooldownBeginsWhenReaderHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		all := attachMany(t, h, 2, fleetQuery)
		for _, s := range all {
			s.block()
		}
		publish(t, h, "a", "")
		time.Sleep(time.Minute)
		for _, s := range all {
			s.unblock()
		}
		synctest.Wait()
		took := time.Now()
		time.Sleep(30 * time.Millisecond)
		publish(t, h, "a", `"n":1`)
		time.Sleep(time.Second)
		for _, s := range all {
			writes := s.takeWrites()
			require.Len(t, writes, 2)
			require.Zero(t, writes[0].at.Sub(took))
			require.Equal(t, 100*time.Millisecond, writes[1].at.Sub(took))
		}
	})
}

func TestIntervalOfAttachedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		every := attachMany(t, h, 2, stream.Query{Topics: []string{stream.AllTopic}, Interval: time.Second})
		busy := attachMany(t, h, 2, fleetQuery)
		began := time.Now()
		for n := range 399 {
			publish(t, h, "a", fmt.Sprintf(`"n":%d`, n))
			time.Sleep(10 * time.Millisecond)
		}
		for _, s := range every {
			writes := s.takeWrites()
			require.Len(t, writes, 4)
			for i, w := range writes {
				require.Equal(t, time.Duration(i)*time.Second, w.at.Sub(began))
				require.Equal(t, 1, strings.Count(w.text, `"n":`), "the newest alone")
			}
		}
		for _, s := range busy {
			require.Len(t, s.takeWrites(), 40)
		}
	})
}

func TestPingsOfAttachedStreamsWhileOthersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, stream.Config{Heartbeat: 10 * time.Second, FlushInterval: 20 * time.Millisecond})
		busy := attachMany(t, h, 4, fleetQuery)
		for _, s := range busy[:len(busy)/2] {
			s.block()
		}
		began := time.Now()
		silent, pinged := topicQuery("vehicle:nobody"), topicQuery("vehicle:nobody")
		pinged.Ping = 7 * time.Second
		var beats, pings []*socket
		for range 2 * runtime.GOMAXPROCS(0) {
			beats, pings = append(beats, attach(t, h, silent)), append(pings, attach(t, h, pinged))
		}
		for n := range 6100 {
			publish(t, h, "a", fmt.Sprintf(`"n":%d`, n))
			time.Sleep(5 * time.Millisecond)
		}
		for _, s := range beats {
			requireTimes(t, "ping", 10*time.Second, began, s.takeWrites()[1:], 3)
		}
		for _, s := range pings {
			requireTimes(t, "ping", 7*time.Second, began, s.takeWrites()[1:], 4)
		}
	})
}

// requireTimes requires n writes of what, at the multiples of every since began.
func requireTimes(t *testing.T, what string, every time.Duration, began time.Time, writes []write, n int) {
	t.Helper()
	for len(writes) > 0 && writes[0].at.Equal(began) {
		writes = writes[1:]
	}
	require.Len(t, writes, n)
	for i, w := range writes {
		require.Contains(t, brief(w.text), what)
		require.Equal(t, time.Duration(i+1)*every, w.at.Sub(began))
	}
}

// A reader of a large snapshot delays the others by a turn of its own, 64 KiB, and perhaps one that
// had begun. It does not delay them by the whole snapshot.
func TestLongBacklogHoldsUpOthersForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := quietHub(t)
		for n := range 400 {
			publish(t, h, fmt.Sprint("v", n), fmt.Sprintf(`"filler":"%s"`, strings.Repeat("x", 8000)))
		}
		others := attachMany(t, h, 2, topicQuery("vehicle:a"))
		for n := range 4 {
			big := newSocket(t, h, fleetQuery)
			between, waited := 0, 0
			published := make(chan struct{})
			big.before = func(asked int) {
				// In the middle of the snapshot, an event for everyone is published.
				if asked == 20+n {
					publish(t, h, "a", fmt.Sprintf(`"n":%d`, n))
					synctest.Wait()
					close(published)
				}
				if asked >= 20+n && !allTook(others) {
					between++
				}
				waited++
			}
			big.attach()
			<-published
			require.Contains(t, big.takeEvents(), "live snapshot")
			require.Greater(t, waited, 100)
			require.LessOrEqual(t, between, 8, "writes of 16 KiB")
			for _, s := range others {
				require.Contains(t, s.takeEvents(), " a")
			}
			big.sub.Leave()
			time.Sleep(time.Second)
		}
	})
}

func allTook(all []*socket) bool {
	for _, s := range all {
		s.mu.Lock()
		took := len(s.writes) > 0
		s.mu.Unlock()
		if !took {
			return false
		}
	}
	return true
}

// Readers block now and then, and fail in the end.
func TestSummaryCountsWhatWasTaken(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			h := start(t, stream.Config{History: 256 << 10, MaxBacklog: 64 << 10})
			for n := range 5 {
				fillLog(t, h, fmt.Sprint("v", n), 8000)
			}
			written := h.Stats().Written
			var events uint64
			var all []*socket
			for range 8 {
				all = append(all, attach(t, h, fleetQuery))
			}
			for range 50 {
				if random.IntN(10) == 0 {
					fillLog(t, h, "v0", 100<<10)
				} else {
					fillLog(t, h, fmt.Sprint("v", random.IntN(5)), 8000)
				}
				s := all[random.IntN(len(all))]
				synctest.Wait()
				if random.IntN(2) == 0 {
					s.block()
				} else {
					s.unblock()
				}
				time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			}
			for i, s := range all {
				synctest.Wait()
				s.block()
				fillLog(t, h, "v1", 8000)
				time.Sleep(time.Second)
				if i%2 == 0 {
					s.taken <- errBroken
				} else {
					s.mu.Lock()
					s.fails = errBroken
					s.mu.Unlock()
					s.taken <- nil
					fillLog(t, h, "v1", 8000)
					time.Sleep(time.Second)
				}
				received := joinText(s.takeWrites())
				require.Equal(t, 1, s.ended())
				n := int64(strings.Count(received, `"filler"`))
				require.Equal(t, stream.Summary{Reason: stream.Failed, Err: errBroken, Bytes: int64(len(received)),
					Events: n}, s.summary)
				events += uint64(n)
			}
			require.Equal(t, events, h.Stats().Written-written)
		})
	}
}
