package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
	"livemap/stream/jetstream"
)

// random returns text that cannot be compressed much.
func random(size int) string {
	text := make([]byte, size/2)
	rand.Read(text)
	return hex.EncodeToString(text)
}

// TestHubWithoutState starts a hub of a shared journal that has lost its first messages: from the keyframe of
// another hub, or with another epoch if there is none that leads on.
func TestHubWithoutState(t *testing.T) {
	var log bytes.Buffer
	state, err := openState(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer state.close()
	options := jetstream.Config{Dir: state.Path(journalDir), MaxBytes: 1 << 20, Sync: time.Second}
	open := func() *journal {
		j := &journal{state: state, shared: true}
		j.Journal, err = jetstream.Open(t.Context(), options)
		require.NoError(t, err)
		return j
	}
	fill := func(hub *stream.Hub, round string) {
		for n := range 40 {
			p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":"%s%d","lon":1,"lat":2,"x":%q}`, round, n,
				random(12_000)))
			require.NoError(t, err)
			_, err = hub.Publish(&p)
			require.NoError(t, err)
		}
	}
	first := func(j *journal) uint64 {
		life, err := j.Life(t.Context())
		require.NoError(t, err)
		return life.First
	}
	forget := func() {
		for _, name := range []string{journalState, journalLater, journalOlder} {
			require.NoError(t, os.Remove(state.Path(name)))
		}
	}
	j := open()
	hub, _, err := stream.NewWithJournal(t.Context(), stream.Config{}, j, nil)
	require.NoError(t, err)
	for round := 0; first(j) == 1; round++ {
		fill(hub, fmt.Sprint("A", round, "-"))
		require.NoError(t, j.save(hub))
		require.NoError(t, j.keyframe(t.Context(), hub))
	}
	vehicles, head := hub.Stats().Vehicles, hub.Head()
	hub.Close()
	j.end()
	forget()

	j = open()
	life, err := j.Life(t.Context())
	require.NoError(t, err)
	hub, err = j.start(t.Context(), stream.Config{}, life)
	require.NoError(t, err, log.String())
	assert.Equal(t, vehicles, hub.Stats().Vehicles)
	assert.Equal(t, head, hub.Head())
	last, err := j.Keyframe(t.Context())
	require.NoError(t, err)
	for round := 0; first(j) <= last.Seq+1; round++ {
		fill(hub, fmt.Sprint("B", round, "-"))
	}
	hub.Close()

	life, err = j.Life(t.Context())
	require.NoError(t, err)
	_, err = j.start(t.Context(), stream.Config{}, life)
	require.ErrorIs(t, err, stream.ErrOtherJournal)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	hub, after, err := j.renew(ctx, options, stream.Config{})
	require.NoError(t, err)
	assert.NotEqual(t, life.Epoch, after.Epoch)
	assert.Equal(t, life.Last, after.Base)
	assert.Zero(t, hub.Stats().Vehicles)
	fill(hub, "C")
	assert.Equal(t, 40, hub.Stats().Vehicles)
	hub.Close()
	j.end()
}
