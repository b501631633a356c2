package jetstream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// TestJournal checks what any journal must do.
func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "journal")
	j, err := jetstream.Open(t.Context(), config(dir))
	require.NoError(t, err)
	require.Nil(t, j.Renewed())
	require.Equal(t, stream.Life{Epoch: life(t, j).Epoch, First: 1, Last: 0, Local: true}, life(t, j))
	require.NotEmpty(t, life(t, j).Epoch)

	seqs := stored(t, j, numbered(1, 500)...)
	for i, seq := range seqs {
		require.EqualValues(t, i+1, seq, "messages are stored in the order in which they are posted")
	}
	require.EqualValues(t, 500, j.Stored())
	before := life(t, j)
	require.Equal(t, stream.Life{Epoch: before.Epoch, First: 1, Last: 500, Local: true}, before)

	all := follow(t, j, stream.Place{}, 500)
	for i, m := range all {
		require.EqualValues(t, i+1, m.Seq)
		require.Equal(t, fmt.Sprint(i+1), m.text)
		require.WithinDuration(t, time.Now(), m.At, testLimit)
		require.False(t, i > 0 && m.At.Before(all[i-1].At))
	}
	for _, after := range []int{1, 2, 250, 499} {
		require.Equal(t, all[after:], follow(t, j, all[after-1].Place, 500-after), "after %d", after)
	}

	require.NoError(t, j.Close())
	require.NoError(t, j.Close(), "again")
	j = open(t, config(dir))
	require.Nil(t, j.Renewed())
	require.Equal(t, before, life(t, j))
	require.EqualValues(t, 500, j.Stored())
	again := follow(t, j, stream.Place{}, 500)
	for i := range all {
		require.True(t, all[i].At.Equal(again[i].At), "the time of message %d", i+1)
		require.Equal(t, all[i].text, again[i].text)
	}
	require.Equal(t, []uint64{501}, stored(t, j, "501"))
	require.Equal(t, "501", follow(t, j, all[499].Place, 1)[0].text)
}

// TestFollowWhileOthersPost checks that a follower gets what several goroutines post while it follows, each
// message once and those of one goroutine in its order.
func TestFollowWhileOthersPost(t *testing.T) {
	j := open(t, config(t.TempDir()))
	const posters, each = 4, 500
	var answered atomic.Int64
	var posting sync.WaitGroup
	for p := range posters {
		posting.Go(func() {
			for n := range each {
				j.Post(fmt.Appendf(nil, "%d %d", p, n), func(_ uint64, err error) {
					if err == nil {
						answered.Add(1)
					}
				})
			}
		})
	}
	next := [posters]int{}
	for i, m := range follow(t, j, stream.Place{}, posters*each) {
		var p, n int
		_, err := fmt.Sscan(m.text, &p, &n)
		require.NoError(t, err)
		require.EqualValues(t, i+1, m.Seq)
		require.Equal(t, next[p], n)
		next[p]++
	}
	posting.Wait()
	eventually(t, "each post is answered once", func() bool { return answered.Load() == posters*each })
}

// TestFollowEnds checks why Follow returns.
func TestFollowEnds(t *testing.T) {
	j := open(t, config(t.TempDir()))
	stored(t, j, "1", "2")
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := j.Follow(ctx, stream.Place{}, func(stream.Place, []byte) error {
		if calls++; calls == 2 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, calls)

	ended := make(chan error)
	begun := make(chan struct{}, 2)
	go func() {
		ended <- j.Follow(t.Context(), stream.Place{}, func(stream.Place, []byte) error {
			begun <- struct{}{}
			return nil
		})
	}()
	<-begun
	require.NoError(t, j.Close())
	require.ErrorIs(t, <-ended, jetstream.ErrClosed)
	_, err = j.Life(t.Context())
	require.ErrorIs(t, err, jetstream.ErrClosed)
	require.ErrorIs(t, j.Check(), jetstream.ErrClosed)
}

// TestEveryPostIsAnswered checks that posts are answered once, also when the journal is closed meanwhile.
func TestEveryPostIsAnswered(t *testing.T) {
	dir := t.TempDir()
	j := open(t, config(dir))
	const posts = 3000
	var answers [posts + 1]atomic.Int32
	var newest atomic.Uint64
	var answered sync.WaitGroup
	answered.Add(len(answers))
	began := make(chan struct{})
	go func() {
		for i := range posts {
			j.Post([]byte("x"), func(seq uint64, err error) {
				if err == nil {
					newest.Store(max(newest.Load(), seq)) // answers come one after the other
				}
				answers[i].Add(1)
				answered.Done()
			})
			if i == posts/2 {
				close(began)
			}
		}
	}()
	<-began
	require.NoError(t, j.Close())
	j.Post([]byte("late"), func(seq uint64, err error) {
		if err != jetstream.ErrClosed || seq != 0 {
			t.Error("a post after the end: ", seq, err)
		}
		answers[posts].Add(1)
		answered.Done()
	})
	answered.Wait()
	for i := range answers {
		require.EqualValues(t, 1, answers[i].Load(), "post %d", i)
	}
	require.GreaterOrEqual(t, life(t, open(t, config(dir))).Last, newest.Load())
}

// TestTooLarge checks that the greatest message is stored, and that a larger one is refused.
func TestTooLarge(t *testing.T) {
	j := open(t, config(t.TempDir()))
	text := strings.Repeat("x", jetstream.MaxMessage)
	answers := post(t, j, "small", text, text+"x", "small")
	require.Equal(t, []answer{{1, nil}, {2, nil}, {0, jetstream.ErrTooLarge}, {3, nil}}, answers)
	require.Equal(t, text, follow(t, j, stream.Place{}, 3)[1].text)
}

// TestOtherJournal checks that a follower whose place is not in the journal is told, and what is wrong.
func TestOtherJournal(t *testing.T) {
	limited := config(t.TempDir())
	limited.MaxBytes = 64 << 10
	j := open(t, limited)
	stored(t, j, numbered(1, 10)...)
	places := follow(t, j, stream.Place{}, 10)
	other := places[4].Place
	other.At = other.At.Add(1)
	check := func(after stream.Place, text string) {
		t.Helper()
		err := j.Follow(t.Context(), after, func(stream.Place, []byte) error { panic("applied") })
		require.ErrorIs(t, err, stream.ErrOtherJournal)
		require.ErrorContains(t, err, text)
	}
	check(other, "message 5 is of ")
	check(stream.Place{Seq: 11, At: places[9].At}, "its newest message is 10, and 11 is known")
	stored(t, j, strings.Repeat("x", 40<<10), strings.Repeat("y", 40<<10)) // makes the first go
	check(places[8].Place, "its oldest message is 12, and 10 comes next")
	check(stream.Place{}, "its oldest message is 12, and 1 comes next")
	require.EqualValues(t, 12, life(t, j).First)
}

// TestLimitsChange checks that a journal that is opened gets the limits of its configuration, and keeps its
// epoch.
func TestLimitsChange(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	stored(t, j, strings.Repeat("x", 40<<10), strings.Repeat("y", 40<<10))
	before := life(t, j)
	require.NoError(t, j.Close())
	c.MaxBytes = 64 << 10
	j = open(t, c)
	require.Equal(t, stream.Life{Epoch: before.Epoch, First: 2, Last: 2, Local: true}, life(t, j))
	require.NoError(t, j.Close())
	c.MaxAge = 100 * time.Millisecond
	j = open(t, c)
	eventually(t, "the old message goes", func() bool { return life(t, j).First == 3 })
	require.Equal(t, stream.Life{Epoch: before.Epoch, First: 3, Last: 2, Local: true}, life(t, j))
	require.Equal(t, []uint64{3}, stored(t, j, "z"))
}

// TestUnusable checks the errors for directories that cannot be used.
func TestUnusable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := jetstream.Open(t.Context(), config(file))
	require.ErrorContains(t, err, "journal in "+file+": ")
	require.ErrorContains(t, err, "not a directory")

	used := filepath.Join(dir, "used")
	open(t, config(used))
	_, err = jetstream.Open(t.Context(), config(used))
	says := fmt.Sprintf("journal in %s: another hub is using it (process %d, ", used, os.Getpid())
	require.ErrorContains(t, err, says)
}
