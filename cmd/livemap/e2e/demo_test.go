package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/streets"
)

// demoAddresses are free addresses.
var demoAddresses = []string{"--listen", "localhost:0", "--proxy-listen", "localhost:0", "--publish-listen",
	"127.0.0.1:0"}

// A demo prints its addresses, serves a page with vehicles, and leaves nothing behind.
func TestDemoRuns(t *testing.T) {
	t.Parallel()
	demo := startProcess(t, append([]string{"demo", "--vehicles", "60", "--seed", "3"}, demoAddresses...)...)
	await(t, "the welcome", func() bool {
		return strings.Contains(demo.out.String(), "Ctrl-C") || len(demo.ended) > 0
	})
	page := regexp.MustCompile(`Open +(http://localhost:\d+/)`).FindStringSubmatch(demo.out.String())
	require.NotNil(t, page, "%s%s", &demo.out, &demo.err)
	assert.Regexp(t, `or +https://localhost:\d+/ `, demo.out.String())
	example := regexp.MustCompile(`curl -N (http://127.0.0.1:\d+/topics/live_updates:all/stream)`)
	curl := example.FindStringSubmatch(demo.out.String())
	require.NotNil(t, curl, demo.out.String())

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: e2eLimit}
	get := func(url string) (int, string) {
		resp, err := client.Get(url)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text)
	}
	status, text := get(page[1])
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "<html")
	var snapshot struct{ Features []json.RawMessage }
	await(t, "all vehicles", func() bool {
		_, text := get(page[1] + "topics/live_updates:all/snapshot")
		require.NoError(t, json.Unmarshal([]byte(text), &snapshot))
		return len(snapshot.Features) == 60
	})
	inFlorence := 0
	for _, feature := range snapshot.Features {
		var vehicle struct {
			Geometry struct{ Coordinates []float64 }
		}
		require.NoError(t, json.Unmarshal(feature, &vehicle))
		if at := vehicle.Geometry.Coordinates; math.Hypot(at[0]-11.26, at[1]-43.77) < 0.05 {
			inFlorence++
		}
	}
	assert.Equal(t, 30, inFlorence, "half of the fleet")
	status, city := get(page[1] + "map.pmtiles")
	assert.Equal(t, http.StatusOK, status)
	assert.True(t, city == streets.Florence, "the streets of Florence")
	if !strings.Contains(text, "make build") {
		assert.Contains(t, text, `&#34;view&#34;:{&#34;zoom&#34;:14.8`)
	}
	status, _ = get(strings.TrimSuffix(curl[1], "topics/live_updates:all/stream") + "readyz")
	assert.Equal(t, http.StatusOK, status)
	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		page[1]+"topics/live_updates:all/snapshot", nil)
	require.NoError(t, err)
	foreign.Host = "evil.example" // whose page has its name lead here
	resp, err := client.Do(foreign)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusMisdirectedRequest, resp.StatusCode)
	transport.CloseIdleConnections()
	demo.interrupt(t)
	assert.Regexp(t, `60 vehicles, \d+ positions sent: accepted \d+, rejected 0`, demo.out.String())
	left, err := filepath.Glob(filepath.Join(demo.tempDir, "*"))
	require.NoError(t, err)
	assert.Empty(t, left)
	for line := range strings.Lines(demo.err.String()) {
		assert.True(t, strings.HasPrefix(line, "hub: ") || strings.HasPrefix(line, "60 vehicles, "),
			"%q is for no person", line)
	}
}

// A reader of the demo's output may end before it, as tee does at Ctrl-C, and the same Ctrl-C may
// arrive more than once. The demo still leaves nothing behind.
func TestDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reader, stdout, err := os.Pipe()
	require.NoError(t, err)
	demo := exec.Command(program, append([]string{"demo", "--vehicles", "5"}, demoAddresses...)...)
	demo.Env, demo.Stdout = append(os.Environ(), "TMPDIR="+dir), stdout
	require.NoError(t, demo.Start())
	stdout.Close()
	for welcome := bufio.NewScanner(reader); welcome.Scan() && !strings.Contains(welcome.Text(), "Ctrl-C"); {
	}
	reader.Close()

	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range 20 { // within the second in which these are taken for one
		demo.Process.Signal(syscall.SIGINT) // which may have ended by then
		<-again.C
	}
	assert.NoError(t, demo.Wait())
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// A state directory that was named is kept.
func TestDemoKeepsNamedState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	demo := startProcess(t, append([]string{"demo", "--vehicles", "5", "--state-dir", dir}, demoAddresses...)...)
	await(t, "the welcome", func() bool {
		return strings.Contains(demo.out.String(), "Ctrl-C") || len(demo.ended) > 0
	})
	demo.interrupt(t)
	assert.FileExists(t, filepath.Join(dir, "localhost.pem"))
}

// A port in use is named with its flag.
func TestDemoPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for i := 0; i < len(demoAddresses); i += 2 {
		flag := demoAddresses[i]
		args := append(append([]string{"demo", "--vehicles", "1"}, demoAddresses...), flag, taken.Addr().String())
		out, stderr, status := command(t, "", args...)
		assert.Equal(t, 1, status)
		assert.Empty(t, out)
		assert.Contains(t, stderr, flag+" "+taken.Addr().String())
		assert.Contains(t, stderr, "in use")
		assert.Contains(t, stderr, "choose another")
	}
}
