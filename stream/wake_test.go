package stream_test

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
)

// follower is a reader that blocks for a moment now and then, and looks only at ids.
type follower struct {
	sub    *stream.Subscription
	random *rand.Rand
	kept   string
	seen   chan uint64 // the newest event it saw, until the test has read it
	ended  chan struct{}
}

func newFollower(t *testing.T, h *stream.Hub, q stream.Query, seed uint64) *follower {
	f := &follower{
		sub: h.Subscribe(q), random: rand.New(rand.NewPCG(seed, 7)), seen: make(chan uint64,
			1), ended: make(chan struct{}),
	}
	t.Cleanup(f.leave)
	return f
}

func (f *follower) attach() { f.sub.Attach(f, func(stream.Summary) { close(f.ended) }) }

func (f *follower) leave() {
	f.sub.Leave()
	<-f.ended
}

// Write implements stream.Outlet.
func (f *follower) Write(p []byte) (waits bool, err error) {
	f.kept = string(p)
	if f.random.IntN(3) == 0 {
		return true, nil
	}
	f.take()
	return false, nil
}

// Wait implements stream.Outlet.
func (f *follower) Wait() error {
	for range f.random.IntN(20) {
		runtime.Gosched()
	}
	f.take()
	return nil
}

func (f *follower) take() {
	_, id, found := strings.Cut(f.kept[strings.LastIndex("\n"+f.kept, "\nid: ")+1:], "-")
	if !found {
		return
	}
	number, _, _ := strings.Cut(id, "\n")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		panic(err)
	}
	select {
	case <-f.seen:
	default:
	}
	f.seen <- seq
}

// patience is how long a test waits for what must come. It only ends a test that hangs.
const patience = 2 * time.Minute

// await waits until the follower sees an event. Nothing else wakes its stream.
func (f *follower) await(t *testing.T, seq uint64) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case seen := <-f.seen:
			if seen >= seq {
				return
			}
		case <-late.C:
			require.FailNow(t, "it was not woken", "for event %d", seq)
		}
	}
}

// cooldownTime is so short that many streams cool down at any time.
const cooldownTime = 200 * time.Microsecond

// busyHub returns a hub whose streams get no heartbeats.
func busyHub(t *testing.T, pause time.Duration) *stream.Hub {
	return start(t, stream.Config{Heartbeat: time.Hour, FlushInterval: pause})
}

func queriesOf(t *testing.T) []stream.Query {
	return []stream.Query{
		fleetQuery, topicQuery("vehicle:a"), topicQuery("x"),
		{Topics: []string{stream.AllTopic}, Box: box(t, "0,0,5,5")},
		{Topics: []string{stream.AllTopic}, Interval: 300 * time.Microsecond},
	}
}

// A stream gets every event, in whatever state it is when the event comes: idle, being written,
// cooling down, or parked.
func TestNoWakeIsLost(t *testing.T) {
	for _, test := range []struct {
		name  string
		pause time.Duration
		burst int // at most so many events
	}{
		{"often in a cooldown", cooldownTime, 3},
		{"hardly ever in a cooldown", time.Nanosecond, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := busyHub(t, test.pause)
			var all []*follower
			for seed := range uint64(10) {
				queries := queriesOf(t)
				f := newFollower(t, h, queries[seed%uint64(len(queries))], seed)
				f.attach()
				all = append(all, f)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for n := range 500 {
				var last uint64
				for m := range 1 + random.IntN(test.burst) {
					last = publish(t, h, "a", `"topics":["x"],"n":`+strconv.Itoa(100*n+m)).ID.Number
					for range random.IntN(300 / test.burst) {
						runtime.Gosched()
					}
				}
				for _, f := range all {
					f.await(t, last)
				}
			}
		})
	}
}

// A stream that is just being attached gets every event, too.
func TestNoEventEscapesBetweenSubscribeAndAttach(t *testing.T) {
	h := busyHub(t, cooldownTime)
	queries := queriesOf(t)
	for n := range 400 {
		q := queries[n%len(queries)]
		q.Tail = n%2 == 0
		f := newFollower(t, h, q, uint64(n))
		published := make(chan uint64)
		go func() {
			for range n % 16 {
				runtime.Gosched()
			}
			published <- publish(t, h, "a", `"topics":["x"],"n":`+strconv.Itoa(n)).ID.Number
		}()
		if n%3 == 0 {
			seq := <-published
			f.attach()
			f.await(t, seq)
			continue
		}
		f.attach()
		f.await(t, <-published)
	}
	require.Equal(t, 400, h.Stats().Streams)
}

// A stream ends on Leave, in whatever state it is.
func TestNoLeaveIsLost(t *testing.T) {
	h := busyHub(t, cooldownTime)
	queries := queriesOf(t)
	for n := range 1000 {
		f := newFollower(t, h, queries[n%len(queries)], uint64(n))
		if n%5 == 0 {
			go f.sub.Leave()
			f.attach()
		} else {
			f.attach()
			publish(t, h, "a", `"topics":["x"],"n":`+strconv.Itoa(n))
			for range n % 32 {
				runtime.Gosched()
			}
			f.sub.Leave()
		}
		select {
		case <-f.ended:
		case <-time.After(patience):
			require.FailNow(t, "it was not woken", "turn %d", n)
		}
	}
	require.Zero(t, h.Stats().Streams)
}
