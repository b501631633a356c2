package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// foreignCurl is a curl that runs.
type foreignCurl struct {
	t       *testing.T
	mu      sync.Mutex
	changed *sync.Cond
	out     bytes.Buffer
	ended   bool
	status  int
}

// startForeignCurl runs `curl -N` until the test ends. Without curl the test is
// skipped, except where it must not be.
func startForeignCurl(t *testing.T, args ...string) *foreignCurl {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err, "CI must have curl")
		}
		t.Skip("needs curl:", err)
	}
	ctx, running := foreignRunning(t)
	c := &foreignCurl{t: t}
	c.changed = sync.NewCond(&c.mu)
	command := exec.CommandContext(ctx, "curl", append([]string{"--silent", "--no-buffer", "--noproxy", "*"},
		args...)...)
	command.Stdout = c
	require.NoError(t, command.Start())
	running.Go(func() {
		err := command.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			c.status = exit.ExitCode()
		}
		c.changed.Broadcast()
	})
	return c
}

func (c *foreignCurl) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Write(p)
	c.changed.Broadcast()
	return len(p), nil
}

// wait waits until curl has shown text, and returns all it has shown.
func (c *foreignCurl) wait(text string) string {
	c.t.Helper()
	var shown string
	foreignWait(c.t, c.changed, func() bool {
		shown = c.out.String()
		return strings.Contains(shown, text)
	}, c.out.String)
	return shown
}

// exit waits for curl's end and returns its status.
func (c *foreignCurl) exit() int {
	c.t.Helper()
	foreignWait(c.t, c.changed, func() bool { return c.ended }, c.out.String)
	return c.status
}

// TestForeignCurl shows the stream as it is, with each protocol: the header and
// the first comment at once, every event when it happens, and the end in order.
func TestForeignCurl(t *testing.T) {
	for name, test := range map[string]struct {
		args             []string
		public           bool
		status, protocol string
	}{
		"HTTP/1.1":                    {nil, false, "HTTP/1.1 200 OK", "h1"},
		"HTTP/1.1, compression asked": {[]string{"--compressed"}, false, "HTTP/1.1 200 OK", "h1"},
		"HTTP/1.1 over TLS":           {[]string{"-k", "--http1.1"}, true, "HTTP/1.1 200 OK", "h1"},
		"HTTP/2 in plaintext":         {[]string{"--http2-prior-knowledge"}, false, "HTTP/2 200", "h2"},
		"HTTP/2 over TLS":             {[]string{"-k", "--http2"}, true, "HTTP/2 200", "h2"},
		"HTTP/3":                      {[]string{"-k", "--http3-only"}, true, "HTTP/3 200", "h3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.protocol == "h3" && !foreignCurlHas(t, "HTTP3") {
				t.Skip("this curl is built without HTTP/3")
			}
			hub := startForeignHub(t)
			base := hub.proxy
			if test.public {
				base = hub.public
			}
			curl := startForeignCurl(t, append(test.args, "--include", base+foreignAll)...)
			shown := curl.wait("event: live")
			assert.True(t, strings.HasPrefix(shown, test.status), shown)
			assert.Contains(t, strings.ToLower(shown), "content-type: text/event-stream; charset=utf-8\r\n")
			assert.NotContains(t, strings.ToLower(shown), "content-encoding")
			_, stream, _ := strings.Cut(shown, "\r\n\r\n")
			assert.Regexp(t, "^retry: [0-9]{4}\nevent: ping\ndata: {\"time\":[0-9.]+}\n\n"+
				"event: reset\ndata: {\"reason\":\"new\"}\n\n", stream)
			assert.Contains(t, curl.wait(`,"time":`), `"protocol":"`+test.protocol+`"`)

			id := hub.publish(foreignPosition(foreignStrange, 1_700_001_000))
			assert.Contains(t, curl.wait("}}\nid: "+id+"\n\n"), "\n\ndata: {")
			hub.stop()
			assert.Zero(t, curl.exit())
			assert.True(t, strings.HasSuffix(curl.wait("bye"), "\n\nevent: bye\ndata: {\"reason\":\"draining\"}\n\n"))
		})
	}
}

// TestForeignCurlResume sends the id by hand, since curl keeps none. When curl is cut, it prints
// half an event, returns an error status, and does not reconnect with `--retry`.
func TestForeignCurlResume(t *testing.T) {
	t.Parallel()
	hub := startForeignHub(t, "--heartbeat", "1s")
	proxy := startForeignProxy(t, hub.proxy)
	curl := startForeignCurl(t, "--retry", "3", proxy.url+foreignAll)
	curl.wait("event: live")
	first := hub.publish(foreignPosition("TRUCK", 1_700_001_000))
	curl.wait("}\nid: " + first + "\n\nevent: ping\ndata: {")
	proxy.cutAfter(`"vehicle_id":"T`)
	second := hub.publish(foreignPosition("TRUCK", 1_700_001_001))
	assert.Equal(t, 18, curl.exit(), "CURLE_PARTIAL_FILE")
	assert.True(t, strings.HasSuffix(curl.wait("TRUCK"), `"vehicle_id":"T`))
	assert.Equal(t, 1, proxy.requests())

	again := startForeignCurl(t, "--header", "Last-Event-ID: "+first, proxy.url+foreignAll)
	shown := again.wait(`"mode":"replay"`)
	assert.Equal(t, 1, strings.Count(shown, `"id":"TRUCK"`), shown)
	assert.Contains(t, shown, "}}\nid: "+second+"\n\n")
	assert.Regexp(t, "\\Aretry: [0-9]{4}\nevent: ping\nid: "+first+"\ndata: ", shown)
	assert.Equal(t, 1, strings.Count(shown, "id: "+first), "the greeting alone has it")
}

// foreignCurlHas reports whether curl was built with a feature.
func foreignCurlHas(t *testing.T, feature string) bool {
	out, err := exec.Command("curl", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs curl:", err)
	}
	require.NoError(t, err)
	return strings.Contains(string(out), feature)
}
