package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// foreignLimit is generous: no wait in these tests takes as long unless it hangs.
const foreignLimit = time.Minute

// foreignHub is a hub started as the program starts it.
type foreignHub struct {
	public, proxy, internal string // addresses, as URLs

	t     *testing.T
	http  *http.Client
	state string
	stop  func() // ends it as SIGTERM would, and waits for that
	kill  func() // ends it at once
}

// startForeignHub runs a hub until the test ends or it is stopped. Later flags
// override the usual ones.
func startForeignHub(t *testing.T, flags ...string) *foreignHub {
	h := &foreignHub{t: t, http: foreignHTTP(t), state: t.TempDir()}
	h.start(flags...)
	t.Cleanup(func() { h.stop() })
	return h
}

// start runs the hub, again if it was stopped.
func (h *foreignHub) start(flags ...string) {
	h.t.Helper()
	args := append([]string{"serve", "--anonymous",
		"--listen", "127.0.0.1:0", "--publish-listen", "127.0.0.1:0", "--proxy-listen", "127.0.0.1:0",
		"--state-dir", h.state, "--log-format", "json",
		"--allow-origin", foreignFirefox.origin() + "," + foreignWebKit.origin()}, flags...)
	log := &hubLog{grown: make(chan struct{})}
	ended := make(chan error, 1)
	cmd := exec.Command(program, args...)
	cmd.Stderr = log
	require.NoError(h.t, cmd.Start())
	go func() { ended <- cmd.Wait() }()
	h.stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		assert.NoError(h.t, <-ended)
	})
	h.kill = func() {
		h.stop = func() {}
		cmd.Process.Kill()
		<-ended
	}
	select {
	case <-log.seen("the hub is ready"):
		at := log.find("the hub is ready")[0]
		h.public, h.proxy, h.internal = at["public"].(string), at["proxy"].(string), at["publish"].(string)
	case err := <-ended:
		h.stop = func() {}
		require.FailNow(h.t, "the hub did not start", "%v", err)
	}
}

// publish publishes one position and returns its event id.
func (h *foreignHub) publish(position map[string]any) (id string) {
	h.t.Helper()
	body, err := json.Marshal(position)
	require.NoError(h.t, err)
	answer, err := h.http.Post(h.internal+"/publish", "application/json", bytes.NewReader(body))
	require.NoError(h.t, err)
	defer answer.Body.Close()
	told, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	var ack struct {
		Accepted int    `json:"accepted"`
		ID       string `json:"last_event_id"`
	}
	require.NoError(h.t, json.Unmarshal(told, &ack))
	require.Equal(h.t, 1, ack.Accepted, "%s", told)
	return ack.ID
}

// feature returns a vehicle's newest Feature as the hub has it, byte for byte.
func (h *foreignHub) feature(vehicle string) string {
	h.t.Helper()
	answer, err := h.http.Get(h.internal + "/vehicles/" + vehicle)
	require.NoError(h.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, http.StatusOK, answer.StatusCode, "%s", body)
	return strings.TrimSuffix(string(body), "\n")
}

// remove deletes a vehicle.
func (h *foreignHub) remove(vehicle string) {
	h.t.Helper()
	request, err := http.NewRequest(http.MethodDelete, h.internal+"/vehicles/"+vehicle, nil)
	require.NoError(h.t, err)
	answer, err := h.http.Do(request)
	require.NoError(h.t, err)
	answer.Body.Close()
	require.Less(h.t, answer.StatusCode, 300)
}

// foreignHTTP makes an HTTP client that leaves nothing behind.
func foreignHTTP(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// foreignPosition makes a position object.
func foreignPosition(vehicle string, timestamp int, more ...any) map[string]any {
	position := map[string]any{"vehicle_id": vehicle, "lat": 52.5, "lon": 13.4, "timestamp": timestamp}
	for i := 0; i+1 < len(more); i += 2 {
		position[fmt.Sprint(more[i])] = more[i+1]
	}
	return position
}
