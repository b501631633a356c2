package client

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/problem"
)

// TestAddresses reads the addresses of several hubs.
func TestAddresses(t *testing.T) {
	var a Address
	require.NoError(t, a.UnmarshalText([]byte("http://a:1,https://b:2/x/publish, http://c:3")))
	var bases []string
	for range 4 {
		bases = append(bases, a.URL("/publish"))
		require.True(t, a.HasNext())
		a = a.Next()
	}
	assert.Equal(t, []string{"http://a:1/publish", "https://b:2/x/publish", "http://c:3/publish",
		"http://a:1/publish"}, bases)
	require.NoError(t, a.UnmarshalText([]byte("http://a:1/x,y")))
	assert.False(t, a.HasNext())
	assert.Equal(t, a, a.Next())
	assert.ErrorContains(t, a.UnmarshalText([]byte("http://a:1,https://")), "is not the address of a hub")
	assert.ErrorContains(t, a.UnmarshalText([]byte("unix:/x,http://a:1")), "is a socket")
}

// severalHubs are hubs that answer or not, by their host.
type severalHubs struct {
	up    map[string]bool
	asked []string
}

func (h *severalHubs) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked = append(h.asked, r.URL.Host)
	switch up, known := h.up[r.URL.Host]; {
	case up && r.Method == http.MethodDelete:
		return answer(200, map[string]int{"deleted": 3}), nil
	case up:
		return answer(200, problem.Ack{Accepted: 1}), nil
	case known:
		return answer(503, problem.New(503, "frozen")), nil
	}
	return nil, errors.New("no route")
}

// TestPublishToSeveralHubs checks that the next hub takes the place of one that is away or frozen.
func TestPublishToSeveralHubs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hubs := &severalHubs{up: map[string]bool{"b": false, "c": true}}
		hub := Hub{Transport: hubs}
		require.NoError(t, hub.Address.UnmarshalText([]byte("http://a,http://b,http://c")))
		var notices []string
		notice := func(format string, args ...any) { notices = append(notices, fmt.Sprintf(format, args...)) }
		p := NewPublisher(hub, notice)
		for range 2 {
			ack, err := p.Publish(t.Context(), [][]byte{[]byte("x")}, nil)
			require.NoError(t, err)
			assert.Equal(t, 1, ack.Accepted)
		}
		assert.Equal(t, []string{"a", "b", "c", "c"}, hubs.asked)
		assert.Equal(t, []string{"livemap: http://a: no route; going on with another hub",
			"livemap: connected to http://c"}, notices)

		hubs.asked = nil
		deleted, err := hub.DeleteVehicles(t.Context(), "x", func(error, time.Duration) {})
		require.NoError(t, err)
		assert.Equal(t, 3, deleted)
		assert.Equal(t, []string{"a", "b", "c"}, hubs.asked)
	})
}
