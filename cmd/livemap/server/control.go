package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"livemap/stream"
)

// controlName is the name of a Unix socket in the state directory, over which `livemap journal` speaks to the
// hub that has the directory: HTTP, for the hub's own user alone.
const controlName = "control"

// mostSocketPath is how long the path of a Unix socket may be everywhere, in bytes.
const mostSocketPath = 100

// JournalInfo is what a hub says of its journal.
type JournalInfo struct {
	Epoch       string            `json:"epoch"`
	First       uint64            `json:"first"` // messages
	Last        uint64            `json:"last"`
	Oldest      time.Time         `json:"oldest,omitzero"` // when First was stored
	Bytes       uint64            `json:"bytes"`
	Free        uint64            `json:"free,omitempty"` // bytes on its disk
	Applied     uint64            `json:"applied"`
	Vehicles    int               `json:"vehicles"`
	Gone        int               `json:"gone"` // remembered
	Settings    map[string]string `json:"settings"`
	FrozenSince time.Time         `json:"frozen_since,omitzero"`
}

// TextOf returns settings as `livemap journal set` takes them.
func TextOf(settings stream.Settings) map[string]string {
	text := map[string]string{}
	for s, value := range settings {
		text[s.String()] = s.Format(value)
	}
	return text
}

// control answers `livemap journal`.
type control struct {
	hub     *stream.Hub
	journal *journal
}

// openControl serves the control socket until close is called. A hub without one still serves.
func openControl(hub *stream.Hub, journal *journal, log *slog.Logger) (close func()) {
	if journal == nil {
		return func() {}
	}
	c := &control{hub, journal}
	path, release, err := socketPath(journal.state.path)
	var listener net.Listener
	if err == nil {
		os.Remove(path) // of a hub that was killed
		listener, err = net.Listen("unix", path)
	}
	if err == nil {
		if err = os.Chmod(path, 0o600); err != nil {
			listener.Close()
		}
	}
	if err != nil {
		release()
		log.Warn("livemap journal cannot speak to this hub", "error", err)
		return func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /journal", c.info)
	mux.HandleFunc("POST /journal/save", c.save)
	mux.HandleFunc("PUT /journal/settings", c.set)
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Minute}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(listener) })
	return func() {
		server.Close()
		running.Wait()
		release()
	}
}

// socketPath returns the path of the socket. One that is too long leads through the open directory, where the
// system has such paths. release is to be called when the socket is closed.
func socketPath(dir string) (path string, release func(), err error) {
	path = filepath.Join(dir, controlName)
	if len(path) <= mostSocketPath {
		return path, func() {}, nil
	}
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return "", func() {}, fmt.Errorf("the path %s is longer than the %d bytes that a socket may have", path,
			mostSocketPath)
	}
	file, err := os.Open(dir)
	if err != nil {
		return "", func() {}, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", file.Fd(), controlName), func() { file.Close() }, nil
}

func (c *control) info(w http.ResponseWriter, r *http.Request) {
	s, _ := c.hub.JournalStats(r.Context())
	stats := c.hub.Stats()
	info := JournalInfo{
		Epoch: c.hub.Head().Epoch, First: s.Life.First, Last: s.Stored, Oldest: s.Life.Oldest, Bytes: s.Life.Bytes,
		Free: s.Life.Free, Applied: s.Applied, Vehicles: stats.Vehicles, Gone: stats.Gone,
		Settings: TextOf(c.hub.Settings()),
	}
	if since, frozen := c.hub.Frozen(); frozen {
		info.FrozenSince = since
	}
	json.NewEncoder(w).Encode(info)
}

func (c *control) save(w http.ResponseWriter, _ *http.Request) {
	if err := c.journal.save(c.hub); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (c *control) set(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	settings := stream.Settings{}
	if err == nil {
		s, value, wrong := stream.ParseSetting(string(text))
		settings[s], err = value, wrong
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := c.hub.ChangeSettings(settings); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// Control speaks to the hub that has a state directory.
type Control struct{ client *http.Client }

// ErrNoHub is the error of [Dial] for a directory that no hub has.
var ErrNoHub = errors.New("no hub runs there")

// Dial connects to the hub that has a state directory.
func Dial(dir string) (*Control, error) {
	dial := func() (net.Conn, error) {
		path, release, err := socketPath(dir)
		defer release()
		if err != nil {
			return nil, err
		}
		return net.Dial("unix", path)
	}
	conn, err := dial()
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; call it as the user that runs the hub", err)
	}
	if err != nil {
		return nil, ErrNoHub
	}
	conn.Close()
	return &Control{&http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() },
	}}}, nil
}

// Close ends the connection.
func (c *Control) Close() { c.client.CloseIdleConnections() }

// ask makes a request and reads the answer into what into points to, unless that is nil.
func (c *Control) ask(ctx context.Context, method, path, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://hub"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("the hub does not answer: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("the hub does not answer: %w", err)
	case response.StatusCode != http.StatusOK:
		return errors.New(strings.TrimSpace(string(text)))
	case into != nil:
		return json.Unmarshal(text, into)
	}
	return nil
}

// Info asks for what the hub says of its journal.
func (c *Control) Info(ctx context.Context) (info JournalInfo, err error) {
	return info, c.ask(ctx, http.MethodGet, "/journal", "", &info)
}

// Save has the hub save its state.
func (c *Control) Save(ctx context.Context) error {
	return c.ask(ctx, http.MethodPost, "/journal/save", "", nil)
}

// Set changes a setting, given as NAME=VALUE, of all hubs of the journal.
func (c *Control) Set(ctx context.Context, setting string) error {
	return c.ask(ctx, http.MethodPut, "/journal/settings", setting, nil)
}
