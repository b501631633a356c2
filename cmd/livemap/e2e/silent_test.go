//go:build linux

package e2e

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withDescriptors starts a hub that may have that many files and sockets open.
func withDescriptors(t *testing.T, n string, args ...string) *runningHub {
	t.Helper()
	return startHubUnder(t, []string{"sh", "-c", "ulimit -n " + n + ` && exec "$0" "$@"`}, args...)
}

// silent opens connections that do not ask for anything, until the test is over.
func silent(t *testing.T, n int, url string) {
	t.Helper()
	for range n {
		_, address, _ := strings.Cut(url, "://")
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
	}
}

// F57: clients take connections and do not ask, more than there are descriptors. Publishers, operators
// and readers find room all the same, on every port and over every protocol.
func TestSilentConnectionsLeaveRoom(t *testing.T) {
	t.Parallel()
	hub := withDescriptors(t, "160", "--drain", "0s")
	book := &ledger{vehicles: 3, prefix: "V"}
	book.publish(t, hub)
	first := book.follow(t, hub.client(t, "h1"), hub.public+"/stream")
	silent(t, 200, hub.proxy)
	silent(t, 200, hub.public)
	hub.log.await(t, "cut connections", "reason", "full")
	hub.operator.CloseIdleConnections()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		resp, err := hub.operator.Get(hub.publish + path)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusOK, resp.StatusCode, path)
		hub.operator.CloseIdleConnections()
	}
	book.publish(t, hub)
	readers := []*ledgerReader{first, book.follow(t, newWireClient(t, "h1", &tls.Config{}), hub.proxy+"/stream")}
	for _, protocol := range protocolNames {
		readers = append(readers, book.follow(t, hub.client(t, protocol), hub.public+"/stream"))
	}
	book.publish(t, hub)
	await(t, "the vehicles to be saved", func() bool {
		_, err := os.Stat(filepath.Join(hub.stateDir, "journal-state.ndjson"))
		return err == nil
	})
	book.settle(t, hub, readers...)
	for _, r := range readers {
		assert.Equal(t, 1, r.counts().opened)
	}
	assert.Empty(t, hub.log.find("cannot save"))
	assert.Empty(t, hub.log.find("cannot accept connections"))
	assert.Positive(t, hub.metric(t, `livemap_connections_cut_total{reason="full"}`))
}

// An address has 64 connections without a request. Those above are cut, the longest idle first, and one
// that has a stream stays. Trusted proxies have no such limit.
func TestSilentConnectionsOfAnAddress(t *testing.T) {
	t.Parallel()
	hub := startHub(t, "--drain", "0s", "--trusted-proxy", "192.0.2.1/32")
	reader := hub.client(t, "h1").mustOpen(t, hub.public+"/stream", "")
	reader.until(t, "live")
	for range 120 {
		h2Conn(t, hub) // stays for two minutes: over HTTP/1.1 it would be ten seconds
	}
	const cut = `livemap_connections_cut_total{reason="address"}`
	await(t, "connections to be cut", func() bool { return hub.metric(t, cut) >= 120-64 })
	assert.Equal(t, float64(120-64), hub.metric(t, cut))
	hub.publishLines(t, at("V1", 1))
	_, err := reader.next()
	assert.NoError(t, err)
}
