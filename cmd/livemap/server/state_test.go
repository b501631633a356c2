package server

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
)

// TestStateThatCannotBeSaved checks that a hub that cannot save goes on and logs it.
func TestStateThatCannotBeSaved(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "state")
	state, err := openState(dir, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer state.close()
	hub := stream.New(stream.Config{})
	defer hub.Close()
	hub.PublishAll([]geo.Position{{VehicleID: "a"}}, func(_ int, _ stream.Receipt, err error) {
		require.NoError(t, err)
	})
	require.NoError(t, os.RemoveAll(dir))
	failed := make(chan struct{}, 1)
	stop := state.saveEvery(time.Millisecond, hub, func() {
		select {
		case failed <- struct{}{}:
		default:
		}
	})
	<-failed
	stop()
	require.ErrorContains(t, state.save(hub), "--state-dir: cannot save the vehicles")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, state.save(hub))
	require.Contains(t, log.String(), "cannot save the vehicles")
}
