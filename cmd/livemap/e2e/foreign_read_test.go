package e2e

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// foreignStrange is text that a parser may trip over: quotes, backslashes, characters beyond the BMP.
	foreignStrange = "\"q\" \\back\\ 🚚 é:data: id:"
	// foreignControl is what may be in a member though not in an id, foreign line ends among it.
	foreignControl = "\r\n\r\n\x00\x7f\u0085\u2028\u2029\ufeff"
	// foreignMax is the largest feature of a publisher, in bytes: the hub keeps room for what it adds.
	foreignMax = 16<<10 - len(`,"stale_after_s":172800`)

	foreignAll = "/topics/live_updates%3Aall/stream"
)

func TestForeignClientsRead(t *testing.T) {
	eachForeign(t, foreignReading, func(t *testing.T, c foreignClient) {
		hub := startForeignHub(t)
		testForeignRead(t, c, hub, hub.proxy, "h1", nil)
	})
}

func TestForeignClientsReadOverTLS(t *testing.T) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	over := map[string]func(t *testing.T) http.RoundTripper{
		"h1": func(t *testing.T) http.RoundTripper {
			transport := &http.Transport{TLSClientConfig: insecure.Clone()}
			t.Cleanup(transport.CloseIdleConnections)
			return transport
		},
		"h2": func(t *testing.T) http.RoundTripper {
			transport := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}
			t.Cleanup(transport.CloseIdleConnections)
			return transport
		},
		"h3": func(t *testing.T) http.RoundTripper {
			transport := &http3.Transport{TLSClientConfig: insecure.Clone()}
			t.Cleanup(func() { transport.Close() })
			return transport
		},
	}
	inGo := slices.DeleteFunc(slices.Clone(foreignReading), func(c foreignClient) bool { return !c.inGo })
	eachForeign(t, inGo, func(t *testing.T, c foreignClient) {
		for protocol, transport := range over {
			t.Run(protocol, func(t *testing.T) {
				hub := startForeignHub(t)
				testForeignRead(t, c, hub, hub.public, protocol, transport(t))
			})
		}
	})
}

// testForeignRead lets a client read everything a stream has.
func testForeignRead(t *testing.T, c foreignClient, hub *foreignHub, base, protocol string,
	over http.RoundTripper) {
	strange := url.PathEscape(foreignStrange)
	first := hub.publish(foreignPosition(foreignStrange, 1_700_001_000,
		foreignStrange, foreignStrange+foreignControl))
	second := hub.publish(foreignLargest(hub))
	features := []string{hub.feature(strange), hub.feature("BIG")}

	seen := c.read(t, base+foreignAll, over)
	seen.wait("live", 1)
	third := hub.publish(foreignPosition(foreignStrange, 1_700_001_002))
	features = append(features, hub.feature(strange))
	fourth := hub.publish(foreignPosition(foreignStrange, 1_700_001_001))
	hub.remove("BIG")
	sixth := hub.publish(foreignPosition("BIG", 1_700_002_000))
	features = append(features, hub.feature("BIG"))

	events := seen.wait("", 4)
	require.Equal(t, []string{"reset", "", "", "live", "", "late", "gone", ""}, foreignNames(events),
		foreignText(events))
	data, ids := foreignNamed(events, "")
	assert.Equal(t, features, data)
	assert.Equal(t, []string{first, second, third, sixth}, ids)
	assert.Len(t, data[1], foreignMax)
	assertForeignStrange(t, data[0])

	assert.Equal(t, foreignEvent{"reset", "", `{"reason":"new"}`}, events[0])
	assert.Equal(t, second, events[3].ID)
	assert.Equal(t, "snapshot", foreignMember(t, events[3].Data, "mode"))
	assert.Equal(t, protocol, foreignMember(t, events[3].Data, "protocol"))
	assert.Equal(t, fourth, events[5].ID)
	assert.Equal(t, foreignStrange, foreignMember(t, events[5].Data, "id"))
	assert.Equal(t, `{"vehicle_id":"BIG","reason":"deleted"}`, events[6].Data)

	_, pings := seen.all()
	assert.Positive(t, pings, "the greeting is an event")
}

// TestForeignClientsLimit sends what no hub sends: an event of 64 KiB.
func TestForeignClientsLimit(t *testing.T) {
	eachForeign(t, foreignReading, func(t *testing.T, c foreignClient) {
		hub := startForeignHub(t)
		proxy := startForeignProxy(t, hub.proxy)
		large := strings.Repeat("x", 64<<10)
		proxy.answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
			"Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\ndata: " + large + "\n\n")
		seen := c.read(t, proxy.url+foreignAll, nil)
		if c.small {
			seen.waitError("too long")
			return
		}
		data, _ := foreignNamed(seen.wait("", 1), "")
		assert.Equal(t, large, data[0])
	})
}

// foreignLargest makes a position of BIG whose feature is as large as one may be before the hub adds when it
// is stale.
func foreignLargest(hub *foreignHub) map[string]any {
	hub.publish(foreignPosition("TINY", 1_700_001_000, "pad", ""))
	bare := len(hub.feature("TINY")) - 2*len("TINY") + 2*len("BIG")
	hub.remove("TINY")
	return foreignPosition("BIG", 1_700_001_000, "pad", strings.Repeat("x", foreignMax-bare))
}

func foreignNames(events []foreignEvent) (names []string) {
	for _, e := range events {
		names = append(names, e.Name)
	}
	return names
}

func assertForeignStrange(t *testing.T, feature string) {
	t.Helper()
	var got struct {
		ID         string
		Properties map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(feature), &got))
	assert.Equal(t, foreignStrange, got.ID)
	assert.Equal(t, foreignStrange, got.Properties["vehicle_id"])
	assert.Equal(t, foreignStrange+foreignControl, got.Properties[foreignStrange])
}
