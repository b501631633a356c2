package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
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
