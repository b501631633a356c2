package jetstream_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// postUntilKilled is a hub that posts messages "1", "2", … and prints "SEQ NUMBER" for each one that is
// stored.
func postUntilKilled() {
	j, err := jetstream.Open(context.Background(), config(os.Args[1]))
	if err != nil {
		panic(err)
	}
	fmt.Println("began", j.Renewed() != nil)
	window := make(chan struct{}, 64)
	for n := 1; ; n++ {
		window <- struct{}{}
		j.Post(fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", n%3000)), func(seq uint64, err error) {
			if err != nil {
				panic(err)
			}
			fmt.Println(seq, n)
			<-window
		})
	}
}

// runChild starts this program as a child of the test.
func runChild(t *testing.T, what string, args ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env = append(os.Environ(), child+"="+what)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	return command, bufio.NewScanner(out)
}

// TestKill kills a hub while it posts. What was acknowledged stays, and the epoch too.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	epoch, last := "", uint64(0)
	acknowledged := map[uint64]string{} // number by seq
	for round := range 6 {
		command, lines := runChild(t, "post", dir)
		most := rand.IntN(3000)
		for n := 0; lines.Scan(); n++ { // also what it printed before it died
			seq, number, _ := strings.Cut(lines.Text(), " ")
			if s, err := strconv.ParseUint(seq, 10, 64); err == nil && number != "" {
				acknowledged[s] = number
				last = max(last, s)
			} else {
				require.Contains(t, lines.Text(), "began false")
			}
			if n == most {
				require.NoError(t, command.Process.Kill())
			}
		}
		j, err := jetstream.Open(t.Context(), config(dir))
		require.NoError(t, err)
		l := life(t, j)
		require.Nil(t, j.Renewed())
		require.True(t, round == 0 || l.Epoch == epoch)
		require.GreaterOrEqual(t, l.Last, last)
		epoch = l.Epoch
		for _, m := range follow(t, j, stream.Place{}, int(l.Last)) {
			if number, found := acknowledged[m.Seq]; found {
				require.True(t, strings.HasPrefix(m.text, number+" "), "message %d in round %d", m.Seq, round)
			}
		}
		require.NoError(t, j.Close())
	}
	require.Greater(t, len(acknowledged), 100)
}

// TestBoot checks when a journal that was not closed begins anew.
func TestBoot(t *testing.T) {
	const otherBoot = `{"boot":"another","closed":false,"always":%t}`
	const lost = "the machine stopped before it was closed, and its last messages may be missing"
	thisBoot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip("this system gives its boots no ids: ", err)
	}
	same := fmt.Sprintf(`{"boot":%q}`, bytes.TrimSpace(thisBoot))
	for _, c := range []struct{ name, mark, end, reason string }{
		{"closed", "", "", ""},
		{"closed on another boot", `{"boot":"another","closed":true}`, "", ""},
		{"killed on this boot", same, "", ""},
		{"killed on another boot", fmt.Sprintf(otherBoot, false), "", lost},
		{"killed on another boot, each message synced", fmt.Sprintf(otherBoot, true), "", ""},
		{"each message synced, the end not", fmt.Sprintf(otherBoot, true), "junk", ""},
		{"killed without boot ids", `{"boot":""}`, "", lost},
		{"a mark that is none", "{", "", "it is not known whether it was closed (unexpected end of JSON input)"},
		{"messages are missing", "", "12", "messages 11 to 12 are missing at its end"},
		{"messages are missing after a kill", same, "12", "messages 11 to 12 are missing at its end"},
		{"more than was noted", same, "9", ""},
		{"an end that is none", "", "x",
			`it is not known where it ended (strconv.ParseUint: parsing "x": invalid syntax)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			j, err := jetstream.Open(t.Context(), config(dir))
			require.NoError(t, err)
			stored(t, j, numbered(1, 10)...)
			before := life(t, j)
			require.NoError(t, j.Close())
			if c.mark != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(c.mark), 0o600))
			}
			if c.end != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "end"), []byte(c.end), 0o600))
			}
			for range 2 { // the second time it was closed
				j, err = jetstream.Open(t.Context(), config(dir))
				require.NoError(t, err)
				now, renewed := life(t, j), j.Renewed()
				require.NoError(t, j.Close())
				if c.reason == "" {
					require.Nil(t, renewed)
					require.Equal(t, before, now)
					continue
				}
				require.Equal(t, &jetstream.Renewal{Reason: c.reason, Kept: filepath.Join(dir, "jetstream.old")}, renewed)
				require.NotEqual(t, before.Epoch, now.Epoch)
				require.Equal(t, stream.Life{Epoch: now.Epoch, First: 1, Local: true}, now)
				c.reason, before = "", now
				require.DirExists(t, renewed.Kept)
			}
		})
	}
}

// TestSyncAlways checks that a journal can have each message synced, and that its mark says so.
func TestSyncAlways(t *testing.T) {
	c := config(t.TempDir())
	for _, c.Sync = range []time.Duration{0, time.Second} {
		j, err := jetstream.Open(t.Context(), c)
		require.NoError(t, err)
		stored(t, j, numbered(1, 10)...)
		mark, err := os.ReadFile(filepath.Join(c.Dir, "run.json"))
		require.NoError(t, err)
		require.Contains(t, string(mark), fmt.Sprintf(`"always":%t`, c.Sync == 0))
		require.NoError(t, j.Close())
	}
}

// TestAnew checks that a new journal can be asked for, and that only the last one is kept.
func TestAnew(t *testing.T) {
	c := config(t.TempDir())
	c.Anew = true
	epochs := map[string]bool{}
	for round := range 3 {
		j, err := jetstream.Open(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, round == 0, j.Renewed() == nil, "there was none")
		l := life(t, j)
		require.Zero(t, l.Last)
		epochs[l.Epoch] = true
		stored(t, j, "x")
		require.NoError(t, j.Close())
	}
	require.Len(t, epochs, 3)
	entries, err := os.ReadDir(c.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 5, "the journal, the old one, two files beside it and the lock")
}

// blocks returns the files that have messages.
func blocks(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".blk") {
			files = append(files, path)
		}
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// TestDamage flips a byte of a file with messages. Nothing is skipped silently: messages come in order up
// to the damage, where the follower is told, or the journal begins anew.
func TestDamage(t *testing.T) {
	original := t.TempDir()
	j, err := jetstream.Open(t.Context(), config(original))
	require.NoError(t, err)
	const count = 200
	texts := make([]string, count)
	for i := range texts {
		texts[i] = fmt.Sprintf("%-1000d", i+1)
	}
	stored(t, j, texts...)
	require.NoError(t, j.Close())
	info, err := os.Stat(blocks(t, original)[0])
	require.NoError(t, err)
	size := info.Size() / count // of a message with its head: length, seq, time, length of the subject
	for _, c := range []struct {
		name string
		at   int64 // of the byte
		flip byte  // bits of it; 0: some
	}{
		{"first message", 100, 0},
		{"length", 100 * size, 0},
		{"seq", 100*size + 4, 0},
		{"highest byte of the first seq", 11, 1},
		{"highest byte of a seq", 100*size + 11, 1},
		{"highest bits of a seq", 100*size + 11, 0xc0},
		{"highest byte of the last seq", 199*size + 11, 1},
		{"highest byte of the last seq, and its flags", 199*size + 11, 0},
		{"time", 100*size + 12, 0},
		// This moves bytes between subject and text, which no checksum tells.
		{"length of the subject", 100*size + 20, 0},
		{"text", 100*size + 300, 0},
		{"last message", 199*size + 300, 0},
		{"last byte", 200*size - 1, 0},
	} {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, ", index: ", index), func(t *testing.T) {
				t.Parallel()
				testDamage(t, original, c.at, cmp.Or(c.flip, 0x55), index, texts)
			})
		}
	}
}

// testDamage flips a byte in a copy of a journal. index: what the server noted beside the messages stays.
func testDamage(t *testing.T, original string, at int64, flip byte, index bool, texts []string) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(original)))
	block := blocks(t, dir)[0]
	text, err := os.ReadFile(block)
	require.NoError(t, err)
	text[at] ^= flip
	require.NoError(t, os.WriteFile(block, text, 0o600))
	if !index {
		require.NoError(t, os.Remove(filepath.Join(filepath.Dir(block), "index.db")))
	}
	j := open(t, config(dir))
	if j.Renewed() != nil {
		require.Regexp(t, `are missing at its end|msgs/1\.blk is damaged: message \d+ stands before message \d+$`,
			filepath.ToSlash(j.Renewed().Reason))
		require.Zero(t, life(t, j).Last)
		t.Log("renewed: ", j.Renewed().Reason)
		return
	}
	last, err := followToTheEnd(t, j, func(m message) bool { return m.text == texts[m.Seq-1] })
	t.Log(last, "messages, then: ", err)
	require.Less(t, last, uint64(len(texts)))
}

var errWrong = errors.New("not what was posted")

// followToTheEnd follows a journal until its end cannot be reached, and returns how far it came.
func followToTheEnd(t *testing.T, j *jetstream.Journal, check func(message) bool) (uint64, error) {
	var last stream.Place
	for {
		err := j.Follow(t.Context(), last, func(at stream.Place, text []byte) error {
			if at.Seq != last.Seq+1 || !check(message{at, string(text)}) {
				return errWrong
			}
			last = at
			return nil
		})
		require.NotErrorIs(t, err, errWrong, "after message %d", last.Seq)
		if errors.Is(err, stream.ErrOtherJournal) {
			return last.Seq, err
		}
		t.Log("after message", last.Seq, ": ", err)
	}
}

// TestBlockIsMissing removes a file with messages between others.
func TestBlockIsMissing(t *testing.T) {
	c := config(t.TempDir())
	c.MaxBytes = 0
	j, err := jetstream.Open(t.Context(), c)
	require.NoError(t, err)
	text := strings.Repeat("x", 1<<20)
	for len(blocksOrNone(c.Dir)) < 4 {
		stored(t, j, text, text, text, text)
	}
	count := life(t, j).Last
	require.NoError(t, j.Close())
	require.NoError(t, os.Remove(blocks(t, c.Dir)[1]))
	j = open(t, c)
	require.Nil(t, j.Renewed())
	last, err := followToTheEnd(t, j, func(message) bool { return true })
	require.Less(t, last, count)
	require.ErrorContains(t, err, fmt.Sprintf("message %d is missing or damaged", last+1))
}

func blocksOrNone(dir string) (files []string) {
	files, _ = filepath.Glob(filepath.Join(dir, "jetstream/*/streams/*/msgs/*.blk"))
	return files
}

// onStore does something with the stream in a directory, as somebody else would.
func onStore(t *testing.T, dir string, do func(ctx context.Context, js natsjs.JetStream)) {
	t.Helper()
	options := &natsserver.Options{}
	require.NoError(t, options.ProcessConfigString(
		`accounts { LIVEMAP { jetstream: enabled, users: [ { user: u, password: p } ] } }`))
	options.DontListen, options.NoSigs, options.NoLog = true, true, true
	options.JetStream, options.StoreDir, options.JetStreamMaxStore = true, dir, 1<<60
	server, err := natsserver.NewServer(options)
	require.NoError(t, err)
	server.Start()
	conn, err := nats.Connect("", nats.InProcessServer(server), nats.UserInfo("u", "p"))
	require.NoError(t, err)
	js, err := natsjs.New(conn)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	do(ctx, js)
	conn.Close()
	server.Shutdown()
	server.WaitForShutdown()
}

// TestFormat checks that a journal of another format is refused, and stays as it is.
func TestFormat(t *testing.T) {
	for found, says := range map[string]string{
		"2": "it has format 2, and this hub knows format 1 only; start the hub that wrote it, " +
			"or move the directory away to begin a new journal",
		"0": "it has format 0, and this hub knows format 1 only; start the hub that wrote it, " +
			"or move the directory away to begin a new journal",
		"": "what is there is not a hub's; move the directory away, or name another",
	} {
		t.Run("format "+found, func(t *testing.T) {
			dir := t.TempDir()
			j, err := jetstream.Open(t.Context(), config(dir))
			require.NoError(t, err)
			before := life(t, j)
			stored(t, j, "x")
			require.NoError(t, j.Close())
			set := func(format string) {
				onStore(t, dir, func(ctx context.Context, js natsjs.JetStream) {
					s, err := js.Stream(ctx, "LIVEMAP")
					require.NoError(t, err)
					changed := s.CachedInfo().Config
					changed.Metadata["livemap.format"] = format
					_, err = js.UpdateStream(ctx, changed)
					require.NoError(t, err)
				})
			}
			set(found)
			for range 2 {
				_, err = jetstream.Open(t.Context(), config(dir))
				require.EqualError(t, err, "journal in "+dir+": "+says)
			}
			set("1")
			j = open(t, config(dir))
			require.Nil(t, j.Renewed())
			require.Equal(t, stream.Life{Epoch: before.Epoch, First: 1, Last: 1, Local: true}, life(t, j))
		})
	}
}

// TestRemoved removes the directory, or what is in it, under a running hub: posts are refused, since what
// is written is lost.
func TestRemoved(t *testing.T) {
	for name, remove := range map[string]func(dir string) error{
		"directory":   os.RemoveAll,
		"replaced":    func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) },
		"stream only": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "jetstream")) },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(filepath.Join(t.TempDir(), "journal"))
			var log buffer
			c.Logger = logTo(&log)
			j, err := jetstream.Open(t.Context(), c)
			require.NoError(t, err)
			stored(t, j, "x")
			require.NoError(t, remove(c.Dir))
			eventually(t, "posts are refused", func() bool {
				return errors.Is(post(t, j, "y")[0].err, jetstream.ErrRemoved)
			})
			require.ErrorIs(t, j.Check(), jetstream.ErrRemoved)
			require.Equal(t, 1, strings.Count(log.String(), `reason="the journal's directory was removed`))
			require.ErrorIs(t, j.Close(), jetstream.ErrRemoved)
		})
	}
}

// TestQuiet checks that opening, using and closing a journal logs nothing but details for debugging.
func TestQuiet(t *testing.T) {
	var log buffer
	c := config(t.TempDir())
	c.Logger = logTo(&log)
	for range 2 {
		j, err := jetstream.Open(t.Context(), c)
		require.NoError(t, err)
		stored(t, j, "x")
		follow(t, j, stream.Place{}, 1)
		require.NoError(t, j.Close())
	}
	require.Empty(t, log.String())
}

// TestManyFollowers checks that followers do not disturb one another.
func TestManyFollowers(t *testing.T) {
	j := open(t, config(t.TempDir()))
	stored(t, j, numbered(1, 100)...)
	var following sync.WaitGroup
	for range 8 {
		following.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), testLimit)
			defer cancel()
			next := 1
			err := j.Follow(ctx, stream.Place{}, func(_ stream.Place, text []byte) error {
				if string(text) != strconv.Itoa(next) {
					return fmt.Errorf("%s instead of %d", text, next)
				}
				if next++; next > 200 {
					return errEnough
				}
				return nil
			})
			if !errors.Is(err, errEnough) {
				t.Error(err)
			}
		})
	}
	for n := 101; n <= 200; n++ {
		stored(t, j, strconv.Itoa(n))
	}
	following.Wait()
}
