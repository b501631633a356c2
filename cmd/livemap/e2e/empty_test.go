package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A hub without positions sends a `live` too, for every kind of request.
func TestEmptyHub(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, query, mode string }{
		{"snapshot", "", "snapshot"},
		{"tail", "?snapshot=false", "tail"},
		{"interval", "?interval=1s", "snapshot"},
		{"box", "?bbox=1,2,3,4", "snapshot"},
		{"tail of a topic", "?snapshot=false&topic=depot:7", "tail"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub := startHub(t)
			client := hub.client(t, "h2")
			live := func(id string) wireEvent {
				events := client.mustOpen(t, hub.public+"/stream"+test.query, id).until(t, "live")
				return events[len(events)-1]
			}
			first := live("")
			told, err := decode[liveData](first.data)
			require.NoError(t, err)
			assert.Equal(t, test.mode, told.Mode)
			again, err := decode[liveData](live(first.id).data)
			require.NoError(t, err)
			assert.Contains(t, []string{"replay", "conflated"}, again.Mode)
			assert.Zero(t, again.Events)
		})
	}
}
