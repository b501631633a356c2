package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// foreignBrowser is a browser that no driver drives. It shows one page, whose frames are the readers. What a
// frame sees, it posts to the server that the page comes from.
type foreignBrowser struct {
	name string
	// command returns the command that shows a page. All files that it makes are in a folder.
	command browserCommand

	origin   func() string // of the pages; listens from the first call on
	listener net.Listener
	begin    func() error // starts it, once
	end      func()

	orders chan foreignFrame
	mu     sync.Mutex // guards what follows
	frames map[string]*foreignSeen
}

// foreignFrame is an order to open a frame, or without Src to close it.
type foreignFrame struct {
	Name string `json:"name"`
	Src  string `json:"src,omitempty"`
}

type browserCommand func(ctx context.Context, dir, page string) (*exec.Cmd, error)

func newForeignBrowser(name string, command browserCommand) *foreignBrowser {
	b := &foreignBrowser{name: name, command: command, frames: map[string]*foreignSeen{},
		orders: make(chan foreignFrame, 100), end: func() {}}
	b.origin = sync.OnceValue(func() string {
		var err error
		if b.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			panic(err)
		}
		return "http://" + b.listener.Addr().String()
	})
	b.begin = sync.OnceValue(b.start)
	return b
}

// start serves the pages and starts the browser.
func (b *foreignBrowser) start() error {
	origin := b.origin()
	ctx, cancel := context.WithCancel(context.Background())
	dir, err := os.MkdirTemp("", "livemap-browser-")
	if err != nil {
		cancel()
		return err
	}
	command, err := b.command(ctx, dir, origin+"/frames.html")
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		cancel()
		os.RemoveAll(dir)
		return err
	}
	server := &http.Server{Handler: b.pages(), BaseContext: func(net.Listener) context.Context { return ctx }}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(b.listener) })
	b.end = func() {
		cancel()
		command.Wait()
		server.Close()
		running.Wait()
		os.RemoveAll(dir)
	}
	return nil
}

// pages serves the pages, orders for frames, and takes what frames tell.
func (b *foreignBrowser) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(foreignScripts)))
	mux.HandleFunc("GET /livemap.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(docsRoot, "web", "src", "livemap.js"))
	})
	mux.HandleFunc("GET /next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case order := <-b.orders:
			json.NewEncoder(w).Encode(order)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /told/{frame}", func(_ http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if seen := b.frames[r.PathValue("frame")]; seen != nil {
			line, _ := io.ReadAll(r.Body)
			seen.readLine(line)
		}
	})
	return mux
}

// open shows a page in a frame until the test ends: one of the browser's own origin, or with an origin
// another's.
func (b *foreignBrowser) open(t *testing.T, origin, page, stream string) *foreignSeen {
	t.Helper()
	if err := b.begin(); err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err, "CI must have %s", b.name)
		}
		t.Skipf("needs %s: %v", b.name, err)
	}
	seen := newForeignSeen(t)
	b.mu.Lock()
	defer b.mu.Unlock()
	name := strconv.Itoa(len(b.frames))
	b.frames[name] = seen
	query := url.Values{"url": {stream}, "told": {b.origin() + "/told/" + name}}
	b.orders <- foreignFrame{name, origin + "/" + page + "?" + query.Encode()}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.frames[name] = nil
		b.orders <- foreignFrame{Name: name}
	})
	return seen
}

// read reads a stream with EventSource, on a page of another origin.
func (b *foreignBrowser) read(t *testing.T, stream string, _ http.RoundTripper) *foreignSeen {
	return b.open(t, b.origin(), "reader.html", stream)
}

// foreignFirefox is Firefox in a profile of its own, without windows.
var foreignFirefox = newForeignBrowser("Firefox",
	func(ctx context.Context, dir, page string) (*exec.Cmd, error) {
		program, err := exec.LookPath("firefox-esr")
		if err != nil {
			if program, err = exec.LookPath("firefox"); err != nil {
				return nil, err
			}
		}
		preferences := ""
		for name, value := range map[string]any{
			"app.normandy.enabled": false, "app.update.enabled": false, "browser.aboutwelcome.enabled": false,
			"browser.shell.checkDefaultBrowser": false, "browser.startup.homepage_override.mstone": "ignore",
			"datareporting.policy.dataSubmissionEnabled": false, "extensions.update.enabled": false,
			"network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
			"network.proxy.type": 0, "toolkit.telemetry.enabled": false, "termsofuse.bypassNotification": true,
		} {
			text, _ := json.Marshal(value)
			preferences += fmt.Sprintf("user_pref(%q, %s);\n", name, text)
		}
		if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(preferences), 0o600); err != nil {
			return nil, err
		}
		command := exec.CommandContext(ctx, program, "--headless", "--no-remote", "--profile", dir, page)
		command.Env = append(os.Environ(), "HOME="+dir)
		return command, nil
	})

// TestForeignBrowserOrigins lets pages of the hub's own and of another origin read while the hub goes away
// for longer than they wait.
func TestForeignBrowserOrigins(t *testing.T) {
	t.Parallel()
	testBrowserOrigins(t, foreignFirefox, true)
}

// testBrowserOrigins requires that EventSource comes back on a page of the hub's own origin, and livemap.js
// on one of another origin. EventSource itself gives up there, or comes back too.
func testBrowserOrigins(t *testing.T, b *foreignBrowser, givesUp bool) {
	hub := startForeignHub(t)
	hub.publish(foreignPosition("TRUCK", 1_700_001_000))
	proxy := startForeignProxy(t, hub.proxy)
	page, err := os.ReadFile(filepath.Join(foreignScripts, "reader.html"))
	require.NoError(t, err)
	proxy.answer("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + string(page))
	own := b.open(t, proxy.url, "reader.html", foreignAll)
	own.wait("live", 1)
	other := b.read(t, proxy.url+foreignAll, nil)
	other.wait("live", 1)
	feed := b.open(t, b.origin(), "feed.html", proxy.url)
	feed.wait("live", 1)

	back := proxy.leave()
	own.waitError("error")
	feed.wait("waiting", 1)
	if givesUp {
		assert.NotEmpty(t, other.waitNote("gave up"))
	}
	back()
	own.wait("live", 2)
	feed.wait("live", 2)
	if !givesUp {
		other.wait("live", 2)
	}
}
