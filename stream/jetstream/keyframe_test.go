package jetstream_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// TestKeyframe leaves states beside a journal: the newest is found, and none of another epoch.
func TestKeyframe(t *testing.T) {
	dir := t.TempDir()
	j := open(t, config(dir))
	stored(t, j, "1", "2")
	_, err := j.Keyframe(t.Context())
	require.ErrorIs(t, err, jetstream.ErrNoKeyframe)
	require.ErrorIs(t, j.GetKeyframe(t.Context(), &bytes.Buffer{}), jetstream.ErrNoKeyframe)
	long := strings.Repeat("state ", 100_000)
	for seq, text := range []string{"first", long} {
		require.NoError(t, j.PutKeyframe(t.Context(), uint64(seq+1), strings.NewReader(text)))
		found, err := j.Keyframe(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, seq+1, found.Seq)
		var got bytes.Buffer
		require.NoError(t, j.GetKeyframe(t.Context(), &got))
		require.Equal(t, text, got.String())
	}
	require.NoError(t, j.Renew(t.Context()))
	require.NoError(t, j.Close())
	j = open(t, config(dir))
	_, err = j.Keyframe(t.Context())
	require.ErrorIs(t, err, jetstream.ErrNoKeyframe)
}

// TestRenew gives a journal another epoch: who follows is told so, and what comes then is of the new one.
func TestRenew(t *testing.T) {
	dir := t.TempDir()
	j := open(t, config(dir))
	stored(t, j, "1", "2")
	before := life(t, j)
	at := follow(t, j, stream.Place{}, 2)[1].Place
	require.NoError(t, j.Renew(t.Context()))
	require.ErrorIs(t, j.Follow(t.Context(), at, nil), stream.ErrOtherJournal)
	require.NoError(t, j.Renew(t.Context()), "again, by another hub")
	require.NoError(t, j.Close())
	j = open(t, config(dir))
	after := life(t, j)
	require.NotEqual(t, before.Epoch, after.Epoch)
	require.EqualValues(t, 2, after.Base)
	stored(t, j, "3")
	require.Equal(t, "3", follow(t, j, stream.Place{Seq: after.Base}, 1)[0].text)
}
