package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A snapshot names the id from which a stream of the same query goes on: both
// together are everything, while others publish.
func TestSnapshotThenStream(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	const rounds, fleet = 400, 50
	// Vehicle i reports n = 1, 2, …; it is in the box when n is even.
	line := func(i, n int) string {
		return fmt.Sprintf(`{"vehicle_id":"BUS-%d","lat":%d,"lon":20,"timestamp":%d}`, i, 10+n%2, 1700000000+n)
	}
	publish := func(from, to int) {
		for n := from; n <= to; n++ {
			lines := make([]string, fleet)
			for i := range lines {
				lines[i] = line(i, n)
			}
			hub.publishLines(t, lines...)
		}
	}
	publish(1, 1)
	var publishing, reading sync.WaitGroup
	started := make(chan struct{})
	publishing.Go(func() {
		publish(2, 20)
		close(started)
		publish(21, rounds)
	})
	<-started
	for _, protocol := range protocolNames {
		for _, scope := range []struct {
			name, topic, query string
			step               int // from one position of a vehicle to the next
		}{
			{"all", "live_updates:all", "", 1},
			{"vehicle", "vehicle:BUS-7", "", 1},
			{"box", "live_updates:all", "?bbox=19,9.5,21,10.5", 2},
		} {
			reading.Go(func() {
				client := hub.client(t, protocol)
				base := hub.public + "/topics/" + url.PathEscape(scope.topic)
				held, id := snapshot(t, client, base+"/snapshot"+scope.query)
				if scope.name != "box" { // which may be empty just then
					assert.NotEmpty(t, held)
				}
				s := client.mustOpen(t, base+"/stream"+scope.query, id)
				for last := 0; last < rounds; {
					e, err := s.next()
					if !assert.NoError(t, err) {
						return
					}
					switch e.name {
					case "live":
						live, err := decode[liveData](e.data)
						assert.NoError(t, err)
						assert.Equal(t, "replay", live.Mode)
						continue
					case "gone":
						continue
					}
					got, err := sightOf(e)
					if !assert.NoError(t, err) || !assert.Empty(t, got.what) {
						return
					}
					n := int(got.at) - 1700000000
					if before, known := held[got.vehicle]; known &&
						!assert.Equal(t, before+scope.step, n, "%s %s: %s", protocol, scope.name, got.vehicle) {
						return
					}
					held[got.vehicle] = n
					if last = rounds; true {
						for _, n := range held {
							last = min(last, n)
						}
					}
				}
			})
		}
	}
	publishing.Wait()
	reading.Wait()
}

// snapshot returns the vehicles of a snapshot with their n, and where to go on.
func snapshot(t *testing.T, client *wireClient, url string) (held map[string]int, id string) {
	t.Helper()
	resp, err := client.get(t.Context(), url, "")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "application/geo+json", resp.Header.Get("Content-Type"))
	var collection struct {
		Type     string
		Features []featureData
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&collection))
	require.Equal(t, "FeatureCollection", collection.Type)
	held = map[string]int{}
	for _, f := range collection.Features {
		held[f.ID] = int(f.Properties.Timestamp) - 1700000000
	}
	id = resp.Header.Get("Last-Event-ID")
	require.NotEmpty(t, id)
	return held, id
}
