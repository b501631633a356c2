package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

func init() { children["full"] = fillUp }

// fillUp is a hub whose files may not grow for a while. It prints what becomes of its posts.
func fillUp() {
	signal.Ignore(syscall.SIGXFSZ) // else the system kills it
	c := config(os.Args[1])
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	j, err := jetstream.Open(context.Background(), c)
	must(err)
	post := func(text string) answer {
		told := make(chan answer)
		j.Post([]byte(text), func(seq uint64, err error) { told <- answer{seq, err} })
		return <-told
	}
	limit := func(bytes uint64) {
		var l syscall.Rlimit
		must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l))
		l.Cur = min(bytes, l.Max)
		must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l))
	}
	must(post("first").err)
	limit(200 << 10)
	good := uint64(1)
	var a answer
	for a.err == nil {
		good = a.seq
		a = post(strings.Repeat("x", 10<<10))
	}
	fmt.Println("first error:", a.err)
	for !errors.Is(j.Check(), jetstream.ErrWrite) {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("then:", post("refused").err)
	limit(1 << 62)
	for j.Check() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	a = post("last")
	fmt.Println("after:", a.err, a.seq > good)
	l, err := j.Life(context.Background())
	must(err)
	next := uint64(1)
	err = j.Follow(context.Background(), stream.Place{}, func(at stream.Place, text []byte) error {
		if at.Seq != next {
			panic(fmt.Sprint(at.Seq, " instead of ", next))
		}
		if next++; next > l.Last {
			return errors.New(string(text))
		}
		return nil
	})
	fmt.Println("newest:", err)
	must(j.Close())
	os.Exit(0)
}

// TestWriteError has a write fail, as on a full disk. The server then answers no post, not even when there
// is room again; the journal starts it anew.
func TestWriteError(t *testing.T) {
	command, lines := runChild(t, "full", t.TempDir())
	var out []string
	for lines.Scan() {
		out = append(out, lines.Text())
	}
	require.NoError(t, command.Wait())
	require.Len(t, out, 4)
	require.Contains(t, []string{
		"first error: " + jetstream.ErrNoAnswer.Error(), "first error: " + jetstream.ErrWrite.Error(),
	}, out[0])
	require.Equal(t, []string{
		"then: " + jetstream.ErrWrite.Error(), "after: <nil> true", "newest: last",
	}, out[1:])
}

// TestNotWritable checks the error for a directory in which this process may not write.
func TestNotWritable(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o555))
	told := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks it: the thread ends
		if os.Getuid() == 0 {
			syscall.Setfsuid(65534)
		}
		_, err := jetstream.Open(context.Background(), config(dir))
		told <- err
	}()
	err := <-told
	require.ErrorContains(t, err, "journal in "+dir+": ")
	require.ErrorIs(t, err, os.ErrPermission)
}
