package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/stream"
	"livemap/stream/jetstream"
)

// hubMay returns what a hub publishes to on NATS servers, as deploy/README.md says it.
func hubMay(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/README.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)`_INBOX\\.>`.*?```text(.*?)```").FindSubmatch(text)
	require.NotNil(t, block)
	return strings.Fields(string(block[1]))
}

// natsProcess is a NATS server in a process of its own, whose users have credentials.
type natsProcess struct {
	dir, program, address string
	cmd                   *exec.Cmd
	account               nkeys.KeyPair
}

// startNATS builds and starts a server that knows one account, whose users it signs.
func startNATS(t *testing.T) *natsProcess {
	t.Helper()
	s := &natsProcess{dir: t.TempDir()}
	s.program = filepath.Join(s.dir, "nats-server")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.program,
		"github.com/nats-io/nats-server/v2").CombinedOutput()
	require.NoError(t, err, "%s", out)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = l.Addr().String()
	require.NoError(t, l.Close())

	operator, err := nkeys.CreateOperator()
	require.NoError(t, err)
	public := func(key nkeys.KeyPair) string {
		text, err := key.PublicKey()
		require.NoError(t, err)
		return text
	}
	signed := func(claims interface {
		Encode(nkeys.KeyPair) (string, error)
	}, by nkeys.KeyPair) string {
		text, err := claims.Encode(by)
		require.NoError(t, err)
		return text
	}
	var preload []string
	accounts := map[string]nkeys.KeyPair{}
	for _, name := range []string{"SYS", "FLEET"} {
		accounts[name], err = nkeys.CreateAccount()
		require.NoError(t, err)
		claims := jwt.NewAccountClaims(public(accounts[name]))
		claims.Name = name
		if name == "FLEET" {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
				MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		preload = append(preload, public(accounts[name])+": "+signed(claims, operator))
	}
	s.account = accounts["FLEET"]
	s.write(t, "config", fmt.Sprintf("listen: %q\noperator: %s\nsystem_account: %s\nresolver: MEMORY\n"+
		"resolver_preload: { %s }\njetstream { store_dir: %q }\n", s.address,
		signed(jwt.NewOperatorClaims(public(operator)), operator), public(accounts["SYS"]),
		strings.Join(preload, "\n"), filepath.Join(s.dir, "store")))
	s.start(t)
	t.Cleanup(func() { s.stop(syscall.SIGKILL) })
	return s
}

func (s *natsProcess) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// user makes a file of credentials for a user that may publish to these subjects.
func (s *natsProcess) user(t *testing.T, name string, may ...string) (file string) {
	t.Helper()
	key, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := key.PublicKey()
	require.NoError(t, err)
	claims := jwt.NewUserClaims(public)
	claims.Name = name
	claims.Permissions.Pub.Allow.Add(may...)
	claims.Permissions.Sub.Allow.Add("_INBOX.>")
	token, err := claims.Encode(s.account)
	require.NoError(t, err)
	seed, err := key.Seed()
	require.NoError(t, err)
	text, err := jwt.FormatUserConfig(token, seed)
	require.NoError(t, err)
	return s.write(t, name+".creds", string(text))
}

// start starts the server, again if it ran before, and waits until it answers.
func (s *natsProcess) start(t *testing.T) {
	t.Helper()
	var out bytes.Buffer
	s.cmd = exec.Command(s.program, "-c", filepath.Join(s.dir, "config"))
	s.cmd.Stderr = &out
	require.NoError(t, s.cmd.Start())
	eventually(t, "the NATS server", func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (s *natsProcess) stop(signal os.Signal) {
	s.cmd.Process.Signal(signal)
	s.cmd.Wait() //nolint:errcheck // it was killed
}

// remoteHub opens a hub on a server.
func remoteHub(t *testing.T, s *natsProcess, creds string) (*stream.Hub, *jetstream.Journal) {
	t.Helper()
	j, err := jetstream.Open(t.Context(), jetstream.Config{
		Remote: &jetstream.Remote{URLs: "nats://" + s.address, Creds: creds}, MaxAge: time.Hour})
	require.NoError(t, err)
	hub, _, err := stream.NewWithJournal(t.Context(), stream.Config{PublishWait: time.Minute}, j, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		hub.Close()
		assert.NoError(t, j.Close())
	})
	return hub, j
}

// TestForeignServers runs two hubs on a NATS server of its own, with the rights of a hub and no more. The
// server is stopped, killed and started again: nothing acknowledged is lost.
func TestForeignServers(t *testing.T) {
	s := startNATS(t)
	creds := s.user(t, "hub", hubMay(t)...)
	a, journal := remoteHub(t, s, creds)
	b, _ := remoteHub(t, s, creds)
	r := read(b, "")
	defer r.close()
	var ids []string
	publish := func(h *stream.Hub) {
		t.Helper()
		p := someone(t, fmt.Sprint("n", len(ids)))
		receipt, err := h.Publish(&p)
		require.NoError(t, err)
		ids = append(ids, receipt.ID.String())
	}
	for range 20 {
		publish(a)
		publish(b)
	}
	require.NoError(t, journal.PutKeyframe(t.Context(), 1, strings.NewReader("first")))
	require.NoError(t, journal.PutKeyframe(t.Context(), 2, strings.NewReader("second")))
	var state bytes.Buffer
	require.NoError(t, journal.GetKeyframe(t.Context(), &state))
	assert.Equal(t, "second", state.String())

	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		s.stop(signal)
		published := make(chan struct{})
		go func() {
			defer close(published)
			publish(a) // waits
		}()
		eventually(t, "the hubs to say so", func() bool {
			_, frozen := a.Frozen()
			return frozen
		})
		s.start(t)
		<-published
		publish(b)
	}
	eventually(t, "all events, once and in order", func() bool { return len(r.events()) >= len(ids) })
	var got []string
	for _, event := range r.events() {
		got = append(got, idOf(event))
	}
	assert.Equal(t, ids, got)

	t.Run("rights", func(t *testing.T) {
		conn, err := nats.Connect("nats://"+s.address, nats.UserCredentials(creds))
		require.NoError(t, err)
		defer conn.Close()
		js, err := natsjs.New(conn)
		require.NoError(t, err)
		live, err := js.Stream(t.Context(), "LIVEMAP")
		require.NoError(t, err)
		was := live.CachedInfo().State
		for what, try := range map[string]func(context.Context) error{
			"delete":           func(ctx context.Context) error { return js.DeleteStream(ctx, "LIVEMAP") },
			"purge":            func(ctx context.Context) error { return live.Purge(ctx) },
			"delete a message": func(ctx context.Context) error { return live.DeleteMsg(ctx, 1) },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // NATS answers nothing
			assert.Error(t, try(ctx), what)
			cancel()
			assert.ErrorContains(t, conn.LastError(), "Permissions Violation", what)
		}
		info, err := live.Info(t.Context())
		require.NoError(t, err)
		assert.Equal(t, was.FirstSeq, info.State.FirstSeq)
	})
	t.Run("nobody", func(t *testing.T) {
		for _, creds := range []string{"", s.user(t, "recorder", "$JS.API.STREAM.INFO.LIVEMAP")} {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			j, err := jetstream.Open(ctx, jetstream.Config{
				Remote: &jetstream.Remote{URLs: "nats://" + s.address, Creds: creds}})
			if creds == "" {
				assert.ErrorContains(t, err, "Authorization Violation")
				continue
			}
			require.NoError(t, err)
			posted := make(chan error, 1)
			j.Post([]byte("x"), func(_ uint64, err error) { posted <- err })
			assert.Error(t, <-posted, "it may not post")
			assert.NoError(t, j.Close())
		}
	})
}
