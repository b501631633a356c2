package e2e

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestForeignClientsOutliveRestart ends a hub and starts it again on the same port, after the
// client has failed to connect.
func TestForeignClientsOutliveRestart(t *testing.T) {
	eachForeign(t, foreignReconnecting, func(t *testing.T, c foreignClient) {
		hub := startForeignHub(t, "--journal", "off")
		before := hub.publish(foreignPosition("TRUCK", 1_700_001_000))
		seen := c.read(t, hub.proxy+foreignAll, nil)
		seen.wait("live", 1)
		hub.stop()
		seen.wait("bye", 1)
		if c.refusedEnd {
			assert.NotEmpty(t, seen.waitNote("gave up"))
			return
		}
		seen.waitError("refused")
		at, err := url.Parse(hub.proxy)
		require.NoError(t, err)
		hub.start("--journal", "off", "--proxy-listen", at.Host)
		after := hub.publish(foreignPosition("LATER", 1_700_001_000))

		events := seen.wait("live", 2)
		if positions, _ := foreignNamed(events, ""); len(positions) < 3 { // it came back before LATER
			events = seen.wait("", 3)
		}
		told, ids := foreignNamed(events, "reset")
		assert.Equal(t, []string{`{"reason":"new"}`, `{"reason":"epoch"}`}, told)
		assert.Equal(t, c.keepsID, ids[1] == before, "the id said to be the last one when none came: %q", ids[1])
		told, _ = foreignNamed(events, "bye")
		assert.Equal(t, []string{`{"reason":"draining"}`}, told)
		assert.Equal(t, []string{"snapshot", "snapshot"}, foreignModes(t, events))
		positions, ids := foreignNamed(events, "")
		require.Len(t, positions, 3, foreignText(events))
		assert.Equal(t, "TRUCK", foreignMember(t, positions[0], "id"))
		assert.Equal(t, positions[0], positions[1], "the hub remembered it")
		assert.Equal(t, after, ids[2])
	})
}

// TestForeignClientsOutliveKill kills a hub with a journal and starts it again on the same port. Clients go
// on from their id: nothing is told twice, and nothing is missing.
func TestForeignClientsOutliveKill(t *testing.T) {
	eachForeign(t, foreignReconnecting, func(t *testing.T, c foreignClient) {
		hub := startForeignHub(t)
		hub.publish(foreignPosition("TRUCK", 1_700_001_000))
		seen := c.read(t, hub.proxy+foreignAll, nil)
		seen.wait("live", 1)
		hub.kill()
		if c.refusedEnd {
			assert.NotEmpty(t, seen.waitNote("gave up"))
			return
		}
		seen.waitError("refused")
		at, err := url.Parse(hub.proxy)
		require.NoError(t, err)
		hub.start("--proxy-listen", at.Host)
		after := hub.publish(foreignPosition("LATER", 1_700_001_000))

		events := seen.wait("live", 2)
		if positions, _ := foreignNamed(events, ""); len(positions) < 2 { // it came back before LATER
			events = seen.wait("", 2)
		}
		told, _ := foreignNamed(events, "reset")
		assert.Equal(t, []string{`{"reason":"new"}`}, told)
		assert.Equal(t, []string{"snapshot", "replay"}, foreignModes(t, events))
		positions, ids := foreignNamed(events, "")
		require.Len(t, positions, 2, foreignText(events))
		assert.Equal(t, "TRUCK", foreignMember(t, positions[0], "id"))
		assert.Equal(t, "LATER", foreignMember(t, positions[1], "id"))
		assert.Equal(t, after, ids[1])
	})
}

// A proxy's answer when the hub is not there.
const foreignBadGateway = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: " +
	"5\r\nConnection: close\r\n\r\nwhat?"

// TestForeignClientsAfterError checks which clients come back after an answer other than 200. The
// HTML standard forbids it.
func TestForeignClientsAfterError(t *testing.T) {
	eachForeign(t, foreignReading, func(t *testing.T, c foreignClient) {
		hub := startForeignHub(t)
		hub.publish(foreignPosition("TRUCK", 1_700_001_000))
		proxy := startForeignProxy(t, hub.proxy)
		seen := c.read(t, proxy.url+foreignAll, nil)
		seen.wait("live", 1)
		proxy.answer(foreignBadGateway)
		proxy.cutAfter("}}\n")
		missed := hub.publish(foreignPosition("TRUCK", 1_700_001_001))
		if !c.afterError {
			assert.NotEmpty(t, seen.waitNote("gave up"))
			assert.Equal(t, 2, proxy.requests())
			return
		}
		events := seen.wait("live", 2)
		assert.Equal(t, 3, proxy.requests())
		_, ids := foreignNamed(events, "")
		assert.Equal(t, missed, ids[len(ids)-1])
	})
}

// TestForeignClientsFirstConnection checks which clients keep trying while no server listens yet.
func TestForeignClientsFirstConnection(t *testing.T) {
	eachForeign(t, foreignReading, func(t *testing.T, c foreignClient) {
		hub := startForeignHub(t)
		hub.stop()
		seen := c.read(t, hub.proxy+foreignAll, nil)
		if c.name == "launchdarkly" { // unless asked to with StreamOptionCanRetryFirstConnection
			assert.Contains(t, seen.waitNote("gave up"), "refused")
			return
		}
		if c.refusedEnd {
			assert.NotEmpty(t, seen.waitNote("gave up"))
			return
		}
		if c.name == "go-sse" { // comes back, but after an interval of its own
			assert.InDelta(t, foreignNever.Milliseconds(), foreignInt(t, seen.waitNote("retry")),
				float64(foreignNever.Milliseconds())/2+1)
			return
		}
		seen.waitError("refused")
		at, err := url.Parse(hub.proxy)
		require.NoError(t, err)
		hub.start("--proxy-listen", at.Host)
		seen.wait("live", 1)
	})
}

// waitError waits for an error of the client that contains a text, in upper or lower case.
func (s *foreignSeen) waitError(text string) {
	s.t.Helper()
	s.until(func() bool {
		for _, note := range s.notes {
			if strings.HasPrefix(note, "error ") && strings.Contains(strings.ToLower(note), text) {
				return true
			}
		}
		return false
	})
}
