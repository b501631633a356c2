package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/geo"
	"livemap/stream"
	"livemap/stream/lockdir"
)

// openTestState opens a state directory. Its log goes to the returned buffer.
func openTestState(t *testing.T, dir string) (*stateDir, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	state, err := openState(dir, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { state.close() })
	return state, &log
}

// hubOf returns a hub that knows vehicles.
func hubOf(t *testing.T, vehicles ...string) *stream.Hub {
	hub := stream.New(stream.Config{})
	t.Cleanup(hub.Close)
	for _, id := range vehicles {
		p, err := geo.ParsePosition([]byte(`{"vehicle_id":"` + id + `","lat":1,"lon":2}`))
		require.NoError(t, err)
		_, err = hub.Publish(&p)
		require.NoError(t, err)
	}
	return hub
}

// requireSaved checks which vehicles a file of a state directory has.
func requireSaved(t *testing.T, file string, vehicles ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, len(vehicles), bytes.Count(text, []byte(`"id":`)))
	for _, id := range vehicles {
		require.Contains(t, string(text), `"id":"`+id+`"`)
	}
}

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
	h := &running{hub: hub, state: state, log: state.log}
	stop := h.saveEvery(time.Millisecond, func() {
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

// TestLockFileIsRemoved checks that the directory stays locked without its lock file, which comes back.
func TestLockFileIsRemoved(t *testing.T) {
	dir := t.TempDir()
	state, _ := openTestState(t, dir)
	lock := filepath.Join(dir, lockdir.LockName)
	for range 2 {
		require.NoError(t, os.Remove(lock))
		_, err := openState(dir, slog.New(slog.DiscardHandler))
		require.EqualError(t, err, "--state-dir "+dir+": another hub is using it; stop it, or give this hub a "+
			"directory of its own with --state-dir")
		require.NoError(t, state.save(hubOf(t)))
		requireInUse(t, dir)
	}
	state.close()
	openTestState(t, dir)
}

// thisProcess names the process of the test, as a message about a directory in use does.
func thisProcess(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return fmt.Sprintf("process %d, %q", os.Getpid(), program)
}

// requireInUse requires that no other hub can take a directory, and is told which process has it.
func requireInUse(t *testing.T, dir string) {
	t.Helper()
	_, err := openState(dir, slog.New(slog.DiscardHandler))
	require.EqualError(t, err, "--state-dir "+dir+": another hub is using it ("+thisProcess(t)+
		"); stop it, or give this hub a directory of its own with --state-dir")
}

// TestOwnerOfTheLock checks that what is in the lock file is named only if a hub wrote it.
func TestOwnerOfTheLock(t *testing.T) {
	dir := t.TempDir()
	for text, says := range map[string]string{
		"\n4711 /opt/live map/livemap\n": `another hub is using it (process 4711, "/opt/live map/livemap")`,
		"\n4711 \x1b[2J\n":               `another hub is using it (process 4711, "\x1b[2J")`,
		"":                               "another hub is using it",
		"\n":                             "another hub is using it",
		"\nno number\n":                  "another hub is using it",
		"4711":                           "another hub is using it",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, lockdir.LockName), []byte(text), 0o600))
		require.Equal(t, says, lockdir.InUse(dir), "%q", text)
	}
}

// TestStateDirIsMadeAgain checks that a hub takes the directory that replaced its own, and saves there
// though there is no news.
func TestStateDirIsMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	state, log := openTestState(t, dir)
	hub := hubOf(t, "a", "b")
	require.NoError(t, state.save(hub))
	require.NoError(t, os.RemoveAll(dir))
	require.ErrorContains(t, state.save(hub), "no such file or directory")
	require.NoDirExists(t, dir, "it may have been the mount point of another disk")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, state.save(hub))
	require.Contains(t, log.String(), "the state directory was removed and made again")
	requireSaved(t, filepath.Join(dir, vehiclesFile), "a", "b")
	requireInUse(t, dir)

	require.NotContains(t, log.String(), "the saved vehicles were removed")
	require.NoError(t, os.Remove(filepath.Join(dir, vehiclesFile)))
	require.NoError(t, state.save(hub))
	requireSaved(t, filepath.Join(dir, vehiclesFile), "a", "b")
	require.Contains(t, log.String(), "the saved vehicles were removed; saving them again")
}

// TestStateDirIsTakenByAnother checks that a hub saves nothing where another hub does. What it finds
// when the other has ended, it keeps.
func TestStateDirIsTakenByAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, log := openTestState(t, dir)
	hub := hubOf(t, "a")
	require.NoError(t, first.save(hub))
	require.NoError(t, os.RemoveAll(dir))
	second, _ := openTestState(t, dir)
	require.NoError(t, second.save(hubOf(t, "b")))
	for range 2 {
		require.EqualError(t, first.save(hub), "--state-dir: cannot save the vehicles: "+dir+
			" was removed and made again, and now another hub is using it ("+thisProcess(t)+")")
		requireSaved(t, filepath.Join(dir, vehiclesFile), "b")
	}
	second.close()
	require.NoError(t, first.save(hub))
	requireSaved(t, filepath.Join(dir, vehiclesFile), "a")
	requireSaved(t, filepath.Join(dir, vehiclesFile+".found"), "b")
	require.Contains(t, log.String(), "kept_as="+filepath.Join(dir, vehiclesFile+".found"))
}

// TestUnreadableVehiclesAreKept checks that each unreadable file is kept, the first ones for good.
func TestUnreadableVehiclesAreKept(t *testing.T) {
	dir := t.TempDir()
	state, log := openTestState(t, dir)
	for n := range maxAside + 2 {
		bad := fmt.Sprint("bad ", n)
		require.NoError(t, os.WriteFile(filepath.Join(dir, vehiclesFile), []byte(bad), 0o600))
		log.Reset()
		require.NoError(t, state.load(hubOf(t)))
		aside := filepath.Join(dir, vehiclesFile+".unreadable")
		if n > 0 {
			aside += fmt.Sprint("-", min(n+1, maxAside))
		}
		require.Contains(t, log.String(), "kept_as="+aside+"\n")
		kept, err := os.ReadFile(aside)
		require.NoError(t, err)
		require.Equal(t, bad, string(kept))
		require.NoFileExists(t, filepath.Join(dir, vehiclesFile))
	}
	kept, err := filepath.Glob(filepath.Join(dir, vehiclesFile+".*"))
	require.NoError(t, err)
	require.Len(t, kept, maxAside)
	first, err := os.ReadFile(filepath.Join(dir, vehiclesFile+".unreadable"))
	require.NoError(t, err)
	require.Equal(t, "bad 0", string(first))
}

// TestDamagedVehicleIsSkipped checks that the hub starts with the others, says so, and keeps a copy.
func TestDamagedVehicleIsSkipped(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, vehiclesFile)
	state, log := openTestState(t, dir)
	require.NoError(t, state.save(hubOf(t, "a", "b", "c")))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	damaged := bytes.Replace(text, []byte(`"id":"b"`), []byte(`"id":"B"`), 1)
	require.NoError(t, os.WriteFile(file, damaged, 0o600))
	hub := hubOf(t)
	require.NoError(t, state.load(hub))
	require.Equal(t, 2, hub.Stats().Vehicles)
	require.Contains(t, log.String(), `msg="read the saved vehicles" vehicles=2`)
	require.Contains(t, log.String(), `msg="cannot read some of the saved vehicles; starting without these" `+
		`skipped=1 error="stream: saved state, line 3: its checksum is wrong" kept_as=`+file+".unreadable")
	kept, err := os.ReadFile(file + ".unreadable")
	require.NoError(t, err)
	require.Equal(t, string(damaged), string(kept))

	log.Reset()
	require.NoError(t, state.load(hubOf(t)))
	require.NotContains(t, log.String(), "cannot read", "what could be read was saved at once")
	requireSaved(t, file, "a", "c")
}
