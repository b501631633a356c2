package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/cmd/livemap/bench/workload"
)

// TestPublishToKinds: each kind of server is published to as its documentation says.
func TestPublishToKinds(t *testing.T) {
	const feature = `{"type":"Feature","id":"bench-1000000","geometry":{"type":"Point",` +
		`"coordinates":[-178.949999,-59.949999]},"properties":{"vehicle_id":"bench-1000000",` +
		`"speed_kmh":85.5,"heading":270,"n":100000000,"timestamp":1795867200}}`
	for _, test := range []struct {
		kind, path, contentType, authorization, key string
		begins, contains                            string
	}{
		{"hub", "/publish", "application/json", "", "", `{"vehicle_id":"bench-1000000"`, `"n":100000000`},
		{"mercure", "/.well-known/mercure", "application/x-www-form-urlencoded", "Bearer t", "", "data=%7B%22type",
			"&topic=bench"},
		{"centrifugo", "/api/publish", "application/json", "", "t", `{"channel":"bench","data":{"type"`,
			feature + "}"},
		{"nchan", "/own", "application/json", "Bearer t", "", feature, feature},
	} {
		t.Run(test.kind, func(t *testing.T) {
			requests := make(chan *http.Request, 1)
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ = io.ReadAll(r.Body)
				requests <- r
			}))
			defer server.Close()
			c := &Custom{Kind: test.kind, Publish: server.URL, Token: "t", Rate: 1}
			if test.kind == "nchan" {
				c.Publish += "/own"
			}
			s := workload.Schedule{Start: time.Unix(1795867200, 0), Period: time.Second, Events: 1}
			require.NoError(t, c.target().Publish(t.Context(), s, workload.Events{Vehicles: 1}))
			r := <-requests
			assert.Equal(t, test.path, r.URL.Path)
			assert.Equal(t, test.contentType, r.Header.Get("Content-Type"))
			assert.Equal(t, test.authorization, r.Header.Get("Authorization"))
			assert.Equal(t, test.key, r.Header.Get("X-Api-Key"))
			assert.True(t, strings.HasPrefix(string(body), test.begins), string(body))
			assert.Contains(t, string(body), test.contains)
		})
	}
}
