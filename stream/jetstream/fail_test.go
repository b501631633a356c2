package jetstream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// TestServerStartsAgain checks that a journal whose server was stopped starts it again: posts are taken
// again, and a follower goes on where it was.
func TestServerStartsAgain(t *testing.T) {
	j := open(t, config(t.TempDir()))
	stored(t, j, "1", "2")
	before := life(t, j)
	ended := make(chan error, 1)
	applied := make(chan message, 10)
	var last stream.Place
	goOn := func(at stream.Place, text []byte) error {
		last = at
		applied <- message{at, string(text)}
		return nil
	}
	go func() { ended <- j.Follow(t.Context(), last, goOn) }()
	require.Equal(t, "1", (<-applied).text)
	require.Equal(t, "2", (<-applied).text)
	jetstream.Fail(j)
	require.Error(t, <-ended)
	eventually(t, "posts are taken", func() bool { return j.Check() == nil })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- j.Follow(ctx, last, goOn) }()
	require.Equal(t, []uint64{3}, stored(t, j, "3"))
	require.Equal(t, "3", (<-applied).text)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Equal(t, stream.Life{Epoch: before.Epoch, First: 1, Last: 3, Local: true}, life(t, j))
}

// TestEndIsLostMeanwhile checks that a journal takes no more posts if its server lacks, when it starts again,
// what was acknowledged before.
func TestEndIsLostMeanwhile(t *testing.T) {
	c := config(t.TempDir())
	j, err := jetstream.Open(t.Context(), c)
	require.NoError(t, err)
	stored(t, j, "1")
	jetstream.Pretend(j, 2)
	jetstream.Fail(j)
	eventually(t, "posts are refused", func() bool { return errors.Is(j.Check(), jetstream.ErrCutOff) })
	require.ErrorIs(t, post(t, j, "x")[0].err, jetstream.ErrCutOff)
	require.ErrorIs(t, j.Close(), jetstream.ErrCutOff)
	j = open(t, c)
	require.Equal(t, "messages 2 to 2 are missing at its end", j.Renewed().Reason)
}

// TestStreamIsDeleted deletes and makes again the stream under a follower.
func TestStreamIsDeleted(t *testing.T) {
	j := open(t, config(t.TempDir()))
	stored(t, j, "1")
	place := follow(t, j, stream.Place{}, 1)[0].Place
	js := jetstream.Engine(j)
	s, err := js.Stream(t.Context(), "LIVEMAP")
	require.NoError(t, err)
	same := s.CachedInfo().Config
	ignore := func(stream.Place, []byte) error { return nil }
	ended := make(chan error, 1)
	go func() { ended <- j.Follow(t.Context(), place, ignore) }()
	require.NoError(t, js.DeleteStream(t.Context(), "LIVEMAP"))
	require.Error(t, <-ended)
	require.EqualError(t, j.Follow(t.Context(), place, ignore),
		stream.ErrOtherJournal.Error()+": it was deleted")
	require.Error(t, post(t, j, "2")[0].err)
	_, err = js.CreateStream(t.Context(), same)
	require.NoError(t, err)
	require.EqualError(t, j.Follow(t.Context(), stream.Place{}, ignore),
		stream.ErrOtherJournal.Error()+": it was deleted and made again")
	j.Close()
}

// TestStuck checks that a follower whose consumer gives nothing returns when more is known to be stored.
func TestStuck(t *testing.T) {
	j := open(t, config(t.TempDir()))
	stored(t, j, "1")
	place := follow(t, j, stream.Place{}, 1)[0].Place
	jetstream.Pretend(j, 2)
	err := j.Follow(t.Context(), place, func(stream.Place, []byte) error { panic("applied") })
	require.EqualError(t, err, "nothing came after message 1, though there are 2")
	jetstream.Pretend(j, 1)
}
