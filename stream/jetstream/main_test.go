package jetstream_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// testLimit is how long a test waits for anything. Nothing takes as long unless it hangs.
const testLimit = 2 * time.Minute

// child names what this process does as a child of a test, instead of running tests: one of children.
const child = "LIVEMAP_JOURNAL_CHILD"

var children = map[string]func(){"post": postUntilKilled}

// TestMain fails on goroutines that a test left behind.
func TestMain(m *testing.M) {
	if run, found := children[os.Getenv(child)]; found {
		run()
	}
	goleak.VerifyTestMain(m)
}

// config describes a journal for a test.
func config(dir string) jetstream.Config {
	return jetstream.Config{Dir: dir, MaxBytes: 64 << 20, Sync: time.Second}
}

// open opens a journal that is closed when the test ends.
func open(t testing.TB, config jetstream.Config) *jetstream.Journal {
	t.Helper()
	j, err := jetstream.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// answer is what a Post was told.
type answer struct {
	seq uint64
	err error
}

// post posts messages one after the other and returns their answers.
func post(t testing.TB, j *jetstream.Journal, messages ...string) []answer {
	t.Helper()
	answers := make([]answer, len(messages))
	var waiting sync.WaitGroup
	for i, message := range messages {
		waiting.Add(1)
		j.Post([]byte(message), func(seq uint64, err error) {
			answers[i] = answer{seq, err}
			waiting.Done()
		})
	}
	waiting.Wait()
	return answers
}

// numbered returns the decimal numbers first to last.
func numbered(first, last int) (messages []string) {
	for n := first; n <= last; n++ {
		messages = append(messages, strconv.Itoa(n))
	}
	return messages
}

// stored posts messages, each of which must be stored.
func stored(t testing.TB, j *jetstream.Journal, messages ...string) (seqs []uint64) {
	t.Helper()
	for _, a := range post(t, j, messages...) {
		require.NoError(t, a.err)
		seqs = append(seqs, a.seq)
	}
	return seqs
}

// message is what Follow applied.
type message struct {
	stream.Place
	text string
}

var errEnough = errors.New("enough")

// follow returns so many messages after a place.
func follow(t testing.TB, j *jetstream.Journal, after stream.Place, count int) (messages []message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	err := j.Follow(ctx, after, func(at stream.Place, text []byte) error {
		messages = append(messages, message{at, string(text)})
		if len(messages) == count {
			return errEnough
		}
		return nil
	})
	require.ErrorIs(t, err, errEnough)
	return messages
}

// life returns what the journal says about itself, without what depends on the clock and the disk.
func life(t testing.TB, j *jetstream.Journal) stream.Life {
	t.Helper()
	l, err := j.Life(t.Context())
	require.NoError(t, err)
	l.Oldest, l.Bytes, l.Free = time.Time{}, 0, 0
	return l
}

// eventually calls a function until it returns true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, testLimit, 20*time.Millisecond, what)
}

// logTo returns a log of a test.
func logTo(w *buffer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
