package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestForeignClientsResumeAfterCut cuts a client's connection in the middle of
// events. It must come back by itself, be given every position once, in order,
// and the one that was cut in full.
func TestForeignClientsResumeAfterCut(t *testing.T) {
	eachForeign(t, foreignReconnecting, testForeignResume)
}

func testForeignResume(t *testing.T, c foreignClient) {
	hub := startForeignHub(t)
	proxy := startForeignProxy(t, hub.proxy)
	ids := []string{hub.publish(foreignPosition("CUT", 1_700_001_000))}
	epoch, _, _ := strings.Cut(ids[0], "-")

	seen := c.read(t, proxy.url+foreignAll, nil)
	seen.wait("live", 1)
	brought := []string{""}
	for i, after := range []string{
		"}}\nid: " + epoch + "-", // within the id
		`"vehicle_id":"C`,        // within the data
		"}}\ni",                  // behind the data
	} {
		brought = append(brought, ids[len(ids)-1])
		proxy.cutAfter(after)
		ids = append(ids, hub.publish(foreignPosition("CUT", 1_700_001_001+2*i)))
		proxy.waitCut(i + 1)
		ids = append(ids, hub.publish(foreignPosition("CUT", 1_700_001_002+2*i))) // while it is away, or nearly
		seen.wait("live", i+2)
	}
	ids = append(ids, hub.publish(foreignPosition("CUT", 1_700_002_000)))

	events := seen.wait("", len(ids))
	_, got := foreignNamed(events, "")
	assert.Equal(t, ids, got)
	assert.Equal(t, []string{"snapshot", "replay", "replay", "replay"}, foreignModes(t, events))
	assert.Equal(t, brought, proxy.ids(len(brought)))
}

// TestForeignClientsPingID requires that a client brings back the id of a ping, after
// silence on its topic while others moved on.
func TestForeignClientsPingID(t *testing.T) { eachForeign(t, foreignReading, testForeignPingID) }

func testForeignPingID(t *testing.T, c foreignClient) {
	hub := startForeignHub(t, "--heartbeat", "1s")
	proxy := startForeignProxy(t, hub.proxy)
	old := hub.publish(foreignPosition("QUIET", 1_700_001_000))
	seen := c.read(t, proxy.url+"/topics/vehicle:QUIET/stream", nil)
	seen.wait("live", 1)
	hub.publish(foreignPosition("OTHER", 1_700_001_000))
	newest := hub.publish(foreignPosition("OTHER", 1_700_001_001))
	proxy.waitPassed("}\nid: " + newest + "\n\n")
	// A ping is cut too, so that the one before it surely was read.
	proxy.cutAfter("event: pi")
	proxy.waitCut(1)

	require.Equal(t, []string{"", newest}, proxy.ids(2))
	events := seen.wait("live", 2)
	_, got := foreignNamed(events, "")
	assert.Equal(t, []string{old}, got)
	assert.Equal(t, []string{"snapshot", "replay"}, foreignModes(t, events))
}

// TestForeignClientsRetry checks whether a client waits for the hub's retry delay.
func TestForeignClientsRetry(t *testing.T) {
	eachForeign(t, foreignReading, func(t *testing.T, c foreignClient) {
		if c.hiddenDelay {
			return
		}
		hub := startForeignHub(t)
		proxy := startForeignProxy(t, hub.proxy)
		proxy.setPatient()
		proxy.cutAfter("event: live")
		seen := c.read(t, proxy.url+foreignAll, nil)
		proxy.waitCut(1)
		told := proxy.retry()
		waited := foreignInt(t, seen.waitNote("retry"))
		switch {
		case !c.retry:
			assert.Equal(t, 50, waited, "its own strategy")
		case c.name == "go-sse": // spreads it by a half, which cannot be turned off
			assert.InDelta(t, told, waited, float64(told)/2+1)
		default:
			assert.Equal(t, told, waited)
		}
		seen.wait("live", 1)
	})
}
