package bench

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/client"
	"livemap/cmd/livemap/bench/floor"
	"livemap/cmd/livemap/bench/measure"
	"livemap/cmd/livemap/bench/report"
	"livemap/cmd/livemap/bench/target"
	"livemap/cmd/livemap/bench/workload"
)

func testLab(t *testing.T) *lab {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return &lab{quick: true, program: program, dir: t.TempDir()}
}

// TestFloors: a floor writes every event to every stream, each of the size that it was set to.
func TestFloors(t *testing.T) {
	const events, streams, size = 47, 3, 300
	program := testLab(t).program
	for _, test := range []struct {
		name    string
		kind    string
		by      client.Protocol
		chunked bool
		batch   time.Duration
	}{
		{"write", "write", client.H1, false, 0},
		{"write, chunked", "write", client.H1, true, 0},
		{"write, chunked, batches", "write", client.H1, true, flushTime},
		{"tls", "tls", client.H1, false, 0},
		{"quic", "quic", client.BareQUIC, false, 0},
		{"quic, batches", "quic", client.BareQUIC, false, flushTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			setup := floor.Setup{
				Kind:    test.kind,
				Streams: streams,
				Size:    size,
				Chunked: test.chunked,
				Batch:   test.batch,
			}
			floor, err := target.StartFloor(program, setup)
			require.NoError(t, err)
			defer floor.Stop()
			opening := client.Opening{URL: floor.URL(test.by, "/"), Silent: true, Buffer: 4 << 10}
			open, err := client.Open(
				t.Context(),
				test.by,
				streams,
				streams,
				client.NewMeter(),
				func(int) (client.Opening, client.Check) {
					return opening, client.Every(events)
				},
			)
			require.NoError(t, err)
			defer open.Close()
			schedule := workload.Schedule{Start: time.Now(), Period: time.Millisecond, Events: events}
			require.NoError(t, floor.Publish(t.Context(), schedule, workload.Events{}))
			open.AwaitComplete(t.Context(), time.Minute)
			received, text := open.Received()
			assert.EqualValues(t, streams*events, received)
			assert.EqualValues(t, streams*events*size, text)
			assert.Greater(t, open.Wire(), text, "with what frames the events")
			assert.Equal(t, test.chunked, open.Chunked())
			open.Close()
			faults := open.Faults()
			assert.False(t, faults.Any(), faults)
		})
	}
}

// TestFloorIsLikeTheHub: a floor writes as many bytes to as many streams, in the same framing.
func TestFloorIsLikeTheHub(t *testing.T) {
	load := littleLoad
	load.Drain, load.Rate = time.Minute, 2*target.PostRate
	hub := &measure.Result{EventBytes: 299.6, Chunked: true}
	result, err := testLab(t).floor(t.Context(), load, "write", "", hub)
	require.NoError(t, err)
	require.Nil(t, result.Faults)
	assert.True(t, result.Floor)
	assert.Equal(t, "write(2)", result.Subject)
	assert.True(t, result.Chunked)
	assert.Equal(t, 3, result.Streams)
	if n := float64(result.Deliveries); n > 0 { // a busy machine may have slept through the window
		require.NotNil(t, result.CPU)
		const edges = 2 * 3 * 300 // a window may begin and end inside of an event, on each stream
		assert.InDelta(t, 300*n, result.EventBytes*n, edges)
		assert.Greater(t, result.Bytes*n, result.EventBytes*n-edges)
	}
}

func TestChiFloor(t *testing.T) {
	chi, err := target.StartFloor(testLab(t).program, floor.Setup{Kind: "chi"})
	require.NoError(t, err)
	defer chi.Stop()
	resp, err := http.Post(chi.URL(client.H1, "/publish"), "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	used, sent, err := postFor(t.Context(), chi.URL(client.H1, ""), chi.PIDs[0], 100*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, sent)
	require.Positive(t, used.Total)
	http.DefaultClient.CloseIdleConnections()
}

func TestUnknownFloor(t *testing.T) {
	_, err := target.StartFloor(testLab(t).program, floor.Setup{Kind: "marble"})
	require.ErrorContains(t, err, "marble")
	require.ErrorContains(t, err, "write, tls, quic or chi")
}

// TestNchan measures nchan where it is installed.
func TestNchan(t *testing.T) {
	o, lab := &report.Outcome{}, testLab(t)
	lab.quick = false
	require.NoError(t, lab.nchan(t.Context(), littleLoad, o))
	if slices.Contains(o.Notes, target.ErrNoNchan.Error()) {
		t.Skip(target.ErrNoNchan)
	}
	require.Empty(t, o.Notes)
	require.Len(t, o.Runs, 1)
	assert.True(t, o.Runs[0].Peer)
	assert.Nil(t, o.Runs[0].Faults)
	assert.Positive(t, o.Runs[0].Deliveries)
}
