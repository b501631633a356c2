//go:build !race

package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFloodOfVehicles: a publisher that may publish for EVIL-* publishes as many vehicles as the hub
// remembers. The others stay.
func TestFloodOfVehicles(t *testing.T) {
	h := start(t, tokens(t), requireAuth)
	upload := func(subject, prefix string, vehicles int) {
		var lines bytes.Buffer
		for n := range vehicles {
			fmt.Fprintf(&lines, `{"vehicle_id":"%s%d","lat":1,"lon":2}`+"\n", prefix, n)
		}
		got := ask(t, h.client, "POST", h.internal.URL+"/publish", &lines,
			inside("application/x-ndjson", publisher(t, subject, prefix+"*"))...)
		require.Equal(t, http.StatusOK, got.StatusCode, got.body)
		require.Equal(t, vehicles, ackOf(t, got.body).Accepted)
	}
	upload("good", "TRUCK-", 1000)
	upload("evil", "EVIL-", 200_000)
	reader := bearer(claimed(t, "reader", shortLife*100, map[string]any{"read": []string{"*"}}))
	for _, id := range []string{"TRUCK-0", "TRUCK-999", "EVIL-199999"} {
		got := ask(t, h.client, "GET", h.internal.URL+"/vehicles/"+id, nil, reader...)
		require.Equal(t, http.StatusOK, got.StatusCode, id)
	}
	require.Equal(t, 200_000, h.Stats().Vehicles)
	require.Equal(t, http.StatusNotFound,
		ask(t, h.client, "GET", h.internal.URL+"/vehicles/EVIL-0", nil, reader...).StatusCode)
}
