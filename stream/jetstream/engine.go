package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"livemap/stream"
)

const (
	account    = "LIVEMAP"
	streamName = "LIVEMAP"
	subject    = "lm.in"

	metaEpoch  = "livemap.epoch"
	metaFormat = "livemap.format"
	metaBase   = "livemap.base" // missing: 0
	format     = "1"
)

// storeName is what the server makes in its directory.
const storeName = "jetstream"

// engine is a running server and the hub's connection to it.
type engine struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	inbox  string // prefix of the subjects of answers to posts
	ended  chan struct{}
}

// startEngine starts a server on the store that the directory has, or connects to servers elsewhere.
func (j *Journal) startEngine() (_ *engine, err error) {
	e := &engine{ended: make(chan struct{})}
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	options := []nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectBufSize(-1), // what is kept while there is no connection would come late and out of turn
		nats.DisconnectErrHandler(func(*nats.Conn, error) { j.failPending(nats.ErrDisconnected) }),
		nats.FlusherTimeout(answerWait), nats.Timeout(10 * time.Second),
	}
	if j.config.Remote != nil {
		e.conn, err = j.config.Remote.connect(options...)
	} else {
		err = e.startServer(j.config, j.log, options)
	}
	if err != nil {
		return nil, err
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		return nil, err
	}
	e.inbox = e.conn.NewInbox() + "."
	_, err = e.conn.Subscribe(e.inbox+"*", j.answered)
	return e, err
}

// startServer starts a server and connects to it. Without a cluster it has no port.
func (e *engine) startServer(config Config, log *slog.Logger, connect []nats.Option) (err error) {
	key, err := nkeys.CreateUser() // of this process alone
	if err != nil {
		return err
	}
	user, err := key.PublicKey()
	if err != nil {
		return err
	}
	options := &server.Options{}
	// An account cannot be given JetStream in another way than by the text of a configuration file.
	err = options.ProcessConfigString(fmt.Sprintf(
		`accounts { %s { jetstream: enabled, users: [ { nkey: %s } ] } }`, account, user))
	if err != nil {
		return err
	}
	options.ServerName = "livemap"
	options.DontListen = true
	options.NoSigs = true
	options.JetStream = true
	options.DisableJetStreamBanner = true
	options.StoreDir = config.Dir
	options.JetStreamMaxMemory = 64 << 20
	options.JetStreamMaxStore = 1 << 60 // the stream's limit is the one that counts
	options.SyncAlways = config.Sync <= 0
	options.SyncInterval = config.Sync
	options.MaxPayload = MaxMessage
	if config.Cluster != nil {
		options.DontListen = false
		if err := config.Cluster.configure(options); err != nil {
			return err
		}
	}
	if e.server, err = server.NewServer(options); err != nil {
		return err
	}
	logger := &serverLog{log: log}
	e.server.SetLoggerV2(logger, false, false, false)
	e.server.Start()
	if err := logger.fatal(); err != nil {
		return err
	}
	if !e.server.ReadyForConnections(10 * time.Second) {
		return errors.New("the embedded NATS server does not start")
	}
	e.conn, err = nats.Connect("", append(connect, nats.InProcessServer(e.server), nats.Nkey(user, key.Sign))...)
	return err
}

// stop ends the connection, then the server: in the other order goroutines stay behind.
func (e *engine) stop() {
	close(e.ended)
	if e.conn != nil {
		e.conn.Close()
	}
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
}

// openStream opens the stream, or makes it. One of a hub alone gets the limits of the configuration. Those of
// several hubs' are not changed by one of them.
func (e *engine) openStream(ctx context.Context, config Config) (life, error) {
	s, err := e.js.Stream(ctx, streamName)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		s, err = e.js.CreateStream(ctx, newStream(config))
	case err == nil:
		info := s.CachedInfo()
		if err := checkFormat(info.Config.Metadata); err != nil {
			return life{}, &finalError{err}
		}
		want := newStream(config)
		want.Metadata = info.Config.Metadata
		if !config.shared() && (want.MaxBytes != info.Config.MaxBytes || want.MaxAge != info.Config.MaxAge) {
			s, err = e.js.UpdateStream(ctx, want)
		}
	}
	if err != nil {
		return life{}, err
	}
	info := s.CachedInfo()
	base, _ := strconv.ParseUint(info.Config.Metadata[metaBase], 10, 64)
	return life{info.Config.Metadata[metaEpoch], info.Created, info.State.LastSeq, base}, nil
}

// newStream describes a stream with an epoch of its own.
func newStream(config Config) jetstream.StreamConfig {
	limit := config.MaxBytes
	if limit <= 0 {
		limit = -1
	}
	return jetstream.StreamConfig{
		Name: streamName, Subjects: []string{subject}, Storage: jetstream.FileStorage, Replicas: config.replicas(),
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld, MaxBytes: limit, MaxAge: config.MaxAge,
		DenyDelete: true, DenyPurge: true,
		AllowDirect: !config.shared(), // a replica that lags would answer for the leader
		Metadata:    map[string]string{metaEpoch: stream.NewEpoch(), metaFormat: format},
	}
}

// checkFormat returns an error that says what to do, unless this hub reads what the stream has.
func checkFormat(metadata map[string]string) error {
	switch found := metadata[metaFormat]; {
	case found == "" || metadata[metaEpoch] == "":
		return errors.New("what is there is not a hub's; move the directory away, or name another")
	case found != format:
		return fmt.Errorf("it has format %s, and this hub knows format %s only; start the hub that wrote it, "+
			"or move the directory away to begin a new journal", found, format)
	}
	return nil
}

// writeError returns why JetStream has given up writing the stream, if it has. It then answers no post and
// says so nowhere else.
func (e *engine) writeError() error {
	if e.server == nil {
		return nil
	}
	if !e.server.JetStreamEnabled() {
		return errors.New("JetStream was disabled")
	}
	var answer healthAnswer
	e.server.HandleHealthz(&answer, &http.Request{Method: http.MethodGet, URL: &url.URL{}})
	if text := answer.text.String(); strings.Contains(text, "write error") {
		return errors.New(text)
	}
	return nil
}

// healthAnswer keeps what the server says about its health.
type healthAnswer struct {
	text   strings.Builder
	header http.Header
}

func (a *healthAnswer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *healthAnswer) Write(p []byte) (int, error) { return a.text.Write(p) }

func (a *healthAnswer) WriteHeader(int) {}
