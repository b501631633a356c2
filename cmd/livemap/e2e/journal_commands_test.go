package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// journalCommand runs `livemap journal` on a state directory and returns what it printed.
func journalCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, stderr, status := command(t, "", append([]string{"journal", "--state-dir", dir}, args...)...)
	require.Zero(t, status, stderr)
	return out
}

// refusedJournalCommand runs `livemap journal`, which must fail.
func refusedJournalCommand(t *testing.T, want int, dir string, args ...string) string {
	t.Helper()
	out, stderr, status := command(t, "", append([]string{"journal", "--state-dir", dir}, args...)...)
	require.Equal(t, want, status, out+stderr)
	return stderr
}

func journalHub(t *testing.T, dir string, args ...string) *runningHub {
	return startHub(t, append([]string{"--listen", "off", "--state-dir", dir}, args...)...)
}

// TestJournalCommands does all of `livemap journal` beside a hub, after it was killed, and on a copy.
func TestJournalCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saved := filepath.Join(t.TempDir(), "backup")
	hub := journalHub(t, dir)
	first := publishOne(t, hub, "first")
	socket, err := os.Stat(filepath.Join(dir, "control"))
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, socket.Mode().Perm())

	assert.Equal(t, "vehicle-ttl=24h from now on\n", journalCommand(t, dir, "set", "vehicle-ttl=24h"))
	info := journalCommand(t, dir, "info")
	assert.Contains(t, info, "hub        running\n")
	assert.Contains(t, info, "vehicles   1, and 0 that are gone\n")
	assert.Contains(t, info, "setting    vehicle-ttl=24h")
	epoch, _, _ := strings.Cut(first, "-")
	assert.Contains(t, info, "epoch      "+epoch+"\n")
	assert.Contains(t, journalCommand(t, dir, "check"), "the journal is sound: messages 1 to ")
	publishOne(t, hub, "second")
	assert.Contains(t, journalCommand(t, dir, "backup", saved), "has the journal")
	assert.Contains(t, refusedJournalCommand(t, 1, dir, "restore", saved), "is not empty")
	publishOne(t, hub, "third")

	hub.kill()
	sound := journalCommand(t, dir, "check")
	assert.Contains(t, sound, ", 3 vehicles, digest ")
	assert.Equal(t, sound, journalCommand(t, dir, "check"), "it changes nothing")
	assert.Equal(t, "max-vehicles=7 when a hub starts\n", journalCommand(t, dir, "set", "max-vehicles=7"))
	info = journalCommand(t, dir, "info", "--json")
	for _, want := range []string{`"vehicles":3,"gone":0,`, `"max-vehicles":"7"`, `"vehicle-ttl":"24h"`} {
		assert.Contains(t, info, want)
	}
	again := journalHub(t, dir, "--max-vehicles", "8")
	assert.Contains(t, journalCommand(t, dir, "info"), "setting    max-vehicles=8\n", "of a hub alone")
	assert.Contains(t, readUntil(t, again, first, `"label":"third"`), `"label":"second"`)
	again.stop(t)

	restored := filepath.Join(t.TempDir(), "restored")
	assert.Contains(t, journalCommand(t, restored, "restore", saved), ", 2 vehicles, digest ")
	copied := journalHub(t, restored)
	text := readUntil(t, copied, first, "event: live\n")
	assert.Contains(t, text, "event: reset\n", "another epoch")
	for _, label := range []string{"first", "second"} {
		assert.Contains(t, text, `"label":"`+label+`"`)
	}
	assert.NotContains(t, text, "third")
	next := publishOne(t, copied, "fourth")
	copied.kill()
	copied = journalHub(t, restored)
	readUntil(t, copied, next, "event: live\n")
	assert.NotContains(t, next, epoch)
	assert.Contains(t, journalCommand(t, restored, "info"), "setting    vehicle-ttl=24h")
}

// backupOf makes a backup of a journal with a few vehicles, whose hub has ended.
func backupOf(t *testing.T) (dir, file string) {
	dir, file = t.TempDir(), filepath.Join(t.TempDir(), "backup")
	hub := journalHub(t, dir)
	for _, label := range []string{"a", "b", "c"} {
		publishOne(t, hub, label)
	}
	hub.stop(t)
	journalCommand(t, dir, "backup", file)
	return dir, file
}

// TestRestoreRefuses gives restore what is no backup, or no whole one. The directory is then as it was.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	dir, file := backupOf(t)
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	refused := func(name string, backup []byte, want string) {
		t.Helper()
		bad, into := filepath.Join(t.TempDir(), "bad"), filepath.Join(t.TempDir(), "into")
		require.NoError(t, os.WriteFile(bad, backup, 0o600))
		assert.Contains(t, refusedJournalCommand(t, 1, into, "restore", bad), want, name)
		left, err := os.ReadDir(into)
		assert.True(t, os.IsNotExist(err) || len(left) == 0, name)
	}
	refused("empty", nil, "it is no backup of a journal")
	refused("text", []byte(strings.Repeat("text ", 1000)), "it is no backup of a journal")
	refused("another archive", archive(t, map[string]string{"a": "b"}), "it is no backup of a journal")
	newer := map[string]string{"livemap-backup.json": `{"format":"livemap-backup","version":2}`}
	refused("newer", archive(t, newer),
		"the backup has version 2; this program reads version 1")
	refused("a file that leads out", bytes.Replace(good, []byte("blocks/1.blk"), []byte("blocks/../b"), 1),
		"the backup is damaged")
	sums := bytes.Index(good, []byte("sums.json"))
	for part := 1; part <= 8; part++ {
		refused("cut short", good[:sums*part/8], "the backup is ")
	}
	block := bytes.Index(good, []byte("lm.in"))
	damaged := bytes.Clone(good)
	damaged[block+100] ^= 1
	refused("damaged", damaged, "has another checksum than it had")

	into := t.TempDir()
	nothing := filepath.Join(dir, "nothing")
	assert.Contains(t, refusedJournalCommand(t, 1, into, "restore", nothing), "no such file")
	assert.Contains(t, refusedJournalCommand(t, 1, dir, "backup", file), "already exists, and is not over")
	assert.Contains(t, refusedJournalCommand(t, 1, into, "info"), "holds no journal")
	assert.Contains(t, refusedJournalCommand(t, 1, filepath.Join(into, "nothing"), "info"), "no such directory")
	for _, args := range [][]string{
		{"set"}, {"set", "history=1"}, {"set", "max-vehicles=0"}, {"backup"}, {"restore"}, {"info", "x"}, {"mend"},
		{"check", "--json"},
	} {
		refusedJournalCommand(t, 2, dir, args...)
	}
	off := t.TempDir()
	startHub(t, "--listen", "off", "--state-dir", off, "--journal", "off")
	assert.Contains(t, refusedJournalCommand(t, 1, off, "info"), "was it started with --journal off?")
}

func archive(t *testing.T, files map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600}))
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestCheckNamesTheDamage damages what a hub left, and checks that the check says where, and mends nothing.
func TestCheckNamesTheDamage(t *testing.T) {
	t.Parallel()
	dir, _ := backupOf(t)
	block := filepath.Join(dir, "journal/jetstream/LIVEMAP/streams/LIVEMAP/msgs/1.blk")
	good, err := os.ReadFile(block)
	require.NoError(t, err)
	records := []int{} // where a subject begins
	for at := 0; ; at++ {
		next := bytes.Index(good[at:], []byte("lm.in"))
		if next < 0 {
			break
		}
		at += next
		records = append(records, at)
	}
	require.Greater(t, len(records), 3)
	start := func(n int) int { return records[n-1] - 22 } // of message n
	const lost = "are missing at the end: they were acknowledged"
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   string
	}{
		"a bit":    {func(b []byte) []byte { b[start(2)+60] ^= 1; return b }, "message 2 has a wrong checksum"},
		"a length": {func(b []byte) []byte { b[start(2)+1] ^= 0x40; return b }, "after message 1 there is no"},
		"zeros":    {func(b []byte) []byte { clear(b[start(3):]); return b }, "after message 2 there is no"},
		"a message": {func(b []byte) []byte { return append(b[:start(2):start(2)], b[start(3):]...) },
			"message 3 follows message 1"},
		"the end":      {func(b []byte) []byte { return b[:start(4)] }, lost},
		"half the end": {func(b []byte) []byte { return b[:start(4)+12] }, lost},
	} {
		damaged := c.damage(bytes.Clone(good))
		require.NoError(t, os.WriteFile(block, damaged, 0o600))
		text := refusedJournalCommand(t, 1, dir, "check")
		assert.Contains(t, text, c.want, name)
		if !strings.Contains(c.want, "end") {
			assert.Contains(t, text, block+" is damaged at byte ", name)
		}
		left, err := os.ReadFile(block)
		require.NoError(t, err)
		assert.Equal(t, damaged, left, "it mends nothing")
	}
	require.NoError(t, os.WriteFile(block, good, 0o600))
	journalCommand(t, dir, "check")
	state := filepath.Join(dir, "journal-state.ndjson")
	text, err := os.ReadFile(state)
	require.NoError(t, err)
	lines := bytes.SplitAfter(text, []byte("\n"))
	require.NoError(t, os.WriteFile(state, bytes.Join(append(lines[:1:1], lines[2:]...), nil), 0o600))
	assert.Contains(t, refusedJournalCommand(t, 1, dir, "check"), "saved state has too few lines")
}

// TestBackupIsKilled kills a backup and a restore at any moment. There is either a whole one, or none, and it
// can be repeated. No hub starts on half a restore.
func TestBackupIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hub := journalHub(t, dir)
	for range 300 {
		hub.publishLines(t, fmt.Sprintf(`{"vehicle_id":"a","lon":1,"lat":2,"filler":%q}`, rand.Text()+
			strings.Repeat("x", 8000)))
	}
	backup, into := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "into")
	kill := func(appears string, args ...string) {
		t.Helper()
		cmd := exec.Command(program, append([]string{"journal"}, args...)...)
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		await(t, appears, func() bool {
			_, err := os.Lstat(appears)
			return err == nil || len(ended) > 0
		})
		cmd.Process.Kill()
		<-ended
	}
	for range 3 {
		kill(backup+".part", "backup", backup, "--state-dir", dir)
		if _, err := os.Lstat(backup); err == nil {
			journalCommand(t, filepath.Join(t.TempDir(), "whole"), "restore", backup)
			require.NoError(t, os.Remove(backup))
		}
	}
	journalCommand(t, dir, "backup", backup)
	marker := filepath.Join(into, "restoring")
	kill(marker, "restore", backup, "--state-dir", into)
	if _, err := os.Lstat(marker); err == nil {
		_, stderr, status := command(t, "", "serve", "--anonymous", "--listen", "off",
			"--publish-listen", freePort(t), "--state-dir", into)
		assert.Equal(t, 1, status)
		assert.Contains(t, stderr, "a restore into it did not come to its end")
		assert.Contains(t, journalCommand(t, into, "restore", backup), ", 1 vehicles, digest ")
	}
	copied := journalHub(t, into)
	assert.Contains(t, journalCommand(t, into, "info"), "vehicles   1,")
	copied.stop(t)
}
