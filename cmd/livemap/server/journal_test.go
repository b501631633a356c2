package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
	"livemap/stream/jetstream"
)

// TestStatesOfJournal checks that a hub starts from a state that is at least a backlog behind, and comes to
// where it was.
func TestStatesOfJournal(t *testing.T) {
	var log bytes.Buffer
	state, err := openState(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer state.close()
	config := Default()
	config.MaxBacklog = 64 << 10
	filler := strings.Repeat("x", 8000)
	var head stream.ID
	for range 2 {
		hub, j, err := config.openJournal(t.Context(), state, stream.Config{}, func(string) {})
		require.NoError(t, err)
		if head != (stream.ID{}) {
			require.Equal(t, head, hub.Head())
			require.Contains(t, log.String(), "from="+journalOlder)
			require.Greater(t, hub.Stats().LogTotal, uint64(config.MaxBacklog))
		}
		for n := range 40 {
			p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":"v%d","lon":1,"lat":2,"x":%q}`, n, filler))
			require.NoError(t, err)
			_, err = hub.Publish(&p)
			require.NoError(t, err)
			if n%10 == 9 {
				require.NoError(t, j.save(hub))
			}
		}
		head = hub.Head()
		hub.Close()
		j.end()
	}
	for _, name := range []string{journalState, journalLater, journalOlder} {
		_, err := os.Stat(filepath.Join(state.path, name))
		require.NoError(t, err)
	}
}

// TestSavesCostWhatChanged saves when about as much was published as is saved, when there are many messages
// or much time has passed, and before the journal forgets what follows the saved state.
func TestSavesCostWhatChanged(t *testing.T) {
	state, err := openState(t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer state.close()
	options := jetstream.Config{Dir: state.Path(journalDir), MaxBytes: 4 << 20, Sync: time.Hour}
	journalOf, err := jetstream.Open(t.Context(), options)
	require.NoError(t, err)
	j := &journal{Journal: journalOf, state: state, backlog: 1 << 30}
	defer j.end()
	hub, _, err := stream.NewWithJournal(t.Context(), stream.Config{}, j, nil)
	require.NoError(t, err)
	defer hub.Close()
	publish := func(vehicles, size int) {
		for n := range vehicles {
			p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":"v%d","lon":1,"lat":2,"x":%q}`, n,
				random(size)))
			require.NoError(t, err)
			_, err = hub.Publish(&p)
			require.NoError(t, err)
		}
	}
	saves := func() bool {
		before := j.savedAt
		require.NoError(t, j.saveIfDue(t.Context(), hub))
		return j.savedAt != before
	}
	publish(100, 4000)
	require.True(t, saves(), "the first")
	publish(50, 4000)
	require.False(t, saves())
	publish(60, 4000)
	require.True(t, saves())
	require.False(t, saves())

	publish(1, 10)
	j.savedAt = j.savedAt.Add(-saveAnyway)
	require.True(t, saves(), "long after the last")
	j.savedAt = j.savedAt.Add(-saveAnyway)
	require.False(t, saves(), "of nothing")
	j.savedAt = time.Now()

	publish(1, 10)
	j.savedSeq -= maxUnsaved
	require.True(t, saves(), "there are many messages")

	for life := (stream.Life{}); life.First <= j.savedSeq/2; {
		publish(10, 12_000)
		j.savedSize = 1 << 40 // it is never due for its size
		life, err = j.Life(t.Context())
		require.NoError(t, err)
	}
	require.True(t, saves(), "or a hub could not start from it")
}

// TestOldJournalIsTakenOver begins a new journal after a power cut: its vehicles are those of the old one,
// also what came after the last save, as far as the disk has it.
func TestOldJournalIsTakenOver(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, block string){
		"whole": func(*testing.T, string) {},
		"its end is zeros": func(t *testing.T, block string) {
			file, err := os.OpenFile(block, os.O_WRONLY|os.O_APPEND, 0)
			require.NoError(t, err)
			_, err = file.Write(make([]byte, 300))
			require.NoError(t, err)
			require.NoError(t, file.Close())
		},
	} {
		for _, saved := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", a saved state: ", saved), func(t *testing.T) {
				var log bytes.Buffer
				state, err := openState(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
				require.NoError(t, err)
				defer state.close()
				config := Default()
				hub, j, err := config.openJournal(t.Context(), state, stream.Config{}, func(string) {})
				require.NoError(t, err)
				publish := func(vehicle string) {
					p, err := geo.ParsePosition(fmt.Appendf(nil, `{"vehicle_id":%q,"lon":1,"lat":2}`, vehicle))
					require.NoError(t, err)
					_, err = hub.Publish(&p)
					require.NoError(t, err)
				}
				publish("a")
				if saved {
					require.NoError(t, j.save(hub))
				}
				publish("b")
				_, err = hub.Delete("a")
				require.NoError(t, err)
				hub.Close()
				j.end()
				damage(t, filepath.Join(state.Path(journalDir), jetstream.BlocksDir, "1.blk"))
				mark := []byte(`{"boot":"another","closed":false}`)
				require.NoError(t, os.WriteFile(filepath.Join(state.Path(journalDir), "run.json"), mark, 0o600))

				hub, j, err = config.openJournal(t.Context(), state, stream.Config{}, func(string) {})
				require.NoError(t, err)
				_, _, known := hub.Vehicle("a")
				require.False(t, known, log.String())
				_, _, known = hub.Vehicle("b")
				require.True(t, known, log.String())
				hub.Close()
				j.end()
			})
		}
	}
}
