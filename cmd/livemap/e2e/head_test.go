package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHEAD asks for the header of answers whose length the hub does not know beforehand. It must not be the
// length of nothing (RFC 9110, 8.6).
func TestHEAD(t *testing.T) {
	t.Parallel()
	hub := startHub(t)
	hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
	for _, protocol := range protocolNames {
		for _, path := range []string{
			"/stream", "/topics/vehicle:A/stream", "/snapshot", "/vehicles/A", "/vehicles/A/track", "/openapi.yaml",
		} {
			t.Run(protocol+path, func(t *testing.T) {
				client := hub.client(t, protocol).http
				response, err := client.Head(hub.public + path)
				require.NoError(t, err)
				response.Body.Close()
				require.Equal(t, http.StatusOK, response.StatusCode)
				require.NotZero(t, response.ContentLength, response.Header)
			})
		}
	}
}
