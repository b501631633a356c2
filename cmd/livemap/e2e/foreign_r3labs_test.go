package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/cenkalti/backoff.v1"
)

// TestForeignR3labsCut shows that github.com/r3labs/sse hands out an event that
// was cut, and takes its id: what else a client loses depends on where the cut
// was. No server can mend that.
func TestForeignR3labsCut(t *testing.T) {
	for name, test := range map[string]struct {
		after string // %s: the epoch
		want  []string
		modes []string
	}{
		"in the id: it is not one, and all is told anew": {
			after: "}}\nid: %s-",
			want:  []string{"first", "cut", "first", "cut", "next"},
			modes: []string{"snapshot", "snapshot"},
		},
		"in the data: half a position, and then the whole": {
			after: `"vehicle_id":"c`,
			want:  []string{"first", "half", "cut", "next"},
			modes: []string{"snapshot", "replay"},
		},
		"before the id: it comes twice": {
			after: "}}\n",
			want:  []string{"first", "cut", "cut", "next"},
			modes: []string{"snapshot", "replay"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := startForeignHub(t)
			proxy := startForeignProxy(t, hub.proxy)
			id := hub.publish(foreignPosition("first", 1_700_001_000))
			epoch, _, _ := strings.Cut(id, "-")
			seen := foreignR3labs(t, proxy.url+foreignAll, nil)
			seen.wait("live", 1)
			proxy.cutAfter(strings.ReplaceAll(test.after, "%s", epoch))
			hub.publish(foreignPosition("cut", 1_700_001_000))
			seen.wait("live", 2)
			hub.publish(foreignPosition("next", 1_700_001_000))

			events := seen.wait("", len(test.want))
			var got []string
			data, _ := foreignNamed(events, "")
			for _, feature := range data {
				if !strings.HasSuffix(feature, "}}") {
					got = append(got, "half")
					continue
				}
				got = append(got, foreignMember(t, feature, "id"))
			}
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.modes, foreignModes(t, events))
		})
	}
}

// TestForeignR3labsBye shows that r3labs does not come back after a complete stream, which every
// stream is when the hub restarts.
func TestForeignR3labsBye(t *testing.T) {
	t.Parallel()
	hub := startForeignHub(t)
	seen := foreignR3labs(t, hub.proxy+foreignAll, nil)
	seen.wait("live", 1)
	hub.stop()
	seen.wait("bye", 1)
	assert.Equal(t, "<nil>", seen.waitNote("ended"))
}

// TestForeignR3labsDefaultStrategy shows that with its default strategy r3labs does not come back
// from a cut after a quarter of an hour. It counts its time from the first connection.
func TestForeignR3labsDefaultStrategy(t *testing.T) {
	t.Parallel()
	hub := startForeignHub(t)
	proxy := startForeignProxy(t, hub.proxy)
	strategy := backoff.NewExponentialBackOff()
	strategy.Clock = &foreignClock{}
	require.Equal(t, 15*time.Minute, strategy.MaxElapsedTime)
	seen := foreignR3labsWith(t, proxy.url+foreignAll, nil, strategy)
	seen.wait("live", 1)
	proxy.cutAfter("}}\n")
	hub.publish(foreignPosition("TRUCK", 1_700_001_000))
	assert.Contains(t, seen.waitNote("ended"), "EOF")
	assert.Equal(t, 1, proxy.requests())
}

// foreignClock is 16 minutes later whenever it is looked at.
type foreignClock struct{ now time.Time }

func (c *foreignClock) Now() time.Time {
	c.now = c.now.Add(16 * time.Minute)
	return c.now
}
