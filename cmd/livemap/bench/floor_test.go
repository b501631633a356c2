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
)

func testLab(t *testing.T) *lab {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return &lab{quick: true, program: program, dir: t.TempDir()}
}

// Floors write every event to every stream, as many bytes as they are told.
func TestFloors(t *testing.T) {
	lab := testLab(t)
	for _, test := range []struct {
		kind    string
		by      client.Protocol
		chunked bool
		batch   bool
	}{
		{"write", client.H1, false, false}, {"write", client.H1, true, false}, {"write", client.H1, true, true},
		{"tls", client.H1, false, false}, {"quic", client.BareQUIC, false, false}, {"quic", client.BareQUIC, false, true},
	} {
		t.Run(test.kind, func(t *testing.T) {
			t.Parallel()
			little := littleLoad
			if test.batch {
				little.Rate = 1000
			}
			result, err := lab.floor(t.Context(), little, test.kind, test.by, &measure.Result{EventBytes: 300, Chunked: test.chunked})
			require.NoError(t, err)
			require.Nil(t, result.Faults)
			require.NotNil(t, result.CPU)
			assert.InEpsilon(t, 300, result.EventBytes, 0.2, "a window may begin or end inside of an event")
			assert.Equal(t, test.chunked, result.Chunked)
			assert.True(t, result.Floor)
			assert.Greater(t, result.Bytes, result.EventBytes*0.8)
		})
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

func TestFloorsThatThereAreNot(t *testing.T) {
	_, err := target.StartFloor(testLab(t).program, floor.Setup{Kind: "marble"})
	require.ErrorContains(t, err, "marble")
	require.ErrorContains(t, err, "write, tls, quic and chi")
}

// A peer is measured where it is installed.
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
