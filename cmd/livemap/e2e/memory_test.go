package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With a small GOMEMLIMIT and the default flags, the full log leaves room for new streams.
func TestLogFitsIntoTheMemoryLimit(t *testing.T) {
	t.Parallel()
	hub := startHubUnder(t, []string{"env", "GOMEMLIMIT=64MiB"})
	line := hub.log.await(t, "--history does not fit into GOMEMLIMIT; keeping less")
	assert.Equal(t, "64MiB", line["history"])
	assert.Equal(t, "16MiB", line["keeping"])
	filler := strings.Repeat("x", 15_000)
	for n := range 70 { // 70 MB
		var lines []string
		for vehicle := range 64 {
			lines = append(lines, fmt.Sprintf(`{"vehicle_id":"V%d","lat":1,"lon":2,"n":%d,"filler":%q}`,
				vehicle, n, filler))
		}
		hub.publishLines(t, lines...)
	}
	resp, err := hub.operator.Get(hub.publish + "/debug/pprof/heap?gc=1") // the collector counts what is in use
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	inUse := hub.metric(t, "go_memstats_heap_alloc_bytes")
	t.Logf("%.1f MiB in use", inUse/(1<<20))
	assert.Less(t, inUse, 56.0*(1<<20), "new streams are turned away beyond")
	for _, protocol := range protocolNames {
		hub.client(t, protocol).mustOpen(t, hub.public+"/stream?snapshot=false", "").until(t, "live")
	}
	assert.Empty(t, hub.log.find("memory is short; rejecting new streams"))
}
