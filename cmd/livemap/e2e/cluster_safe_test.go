package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"math"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pair returns a certificate of the authority.
func (ca *clusterCA) pair(t *testing.T, name string) []tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ca.path(name+".pem"), ca.path(name+".key"))
	require.NoError(t, err)
	return []tls.Certificate{pair}
}

// TestStrangersAtACluster checks that nobody gets to the port between hubs without a certificate of the
// cluster: with none, one of another authority, one that has ended, or in plaintext. The log says why.
func TestStrangersAtACluster(t *testing.T) {
	t.Parallel()
	ca, other := newClusterCA(t), newClusterCA(t)
	ca.sign(t, "hub", time.Now().Add(time.Hour))
	ca.sign(t, "ended", time.Now().Add(-time.Hour))
	other.sign(t, "stranger", time.Now().Add(time.Hour))
	c := startCluster(t, append(ca.flags("hub"), "--log-level", "debug")...)
	hub := c.hubs[0].Load()
	address := c.args[0][slices.Index(c.args[0], "--cluster-listen")+1]
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	says := func(log *hubLog, what string) {
		t.Helper()
		await(t, what, func() bool { return strings.Contains(log.tail(math.MaxInt), what) })
	}
	try := func(name string, certificates []tls.Certificate) error {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, Certificates: certificates})
		if err != nil {
			return err
		}
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(e2eLimit)))
		_, err = conn.Read(make([]byte, 100))
		return err
	}
	require.NoError(t, try("hub", ca.pair(t, "hub")), "a hub of the cluster gets in")
	assert.Error(t, try("none", nil))
	says(hub.log, "TLS route handshake error: tls: client didn't provide a certificate")
	assert.Error(t, try("another authority's", other.pair(t, "stranger")))
	says(hub.log, "certificate signed by unknown authority")
	assert.Error(t, try("ended", ca.pair(t, "ended")))
	says(hub.log, "certificate has expired or is not yet valid")

	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(e2eLimit)))
	_, err = conn.Write([]byte("CONNECT {\"name\":\"n2\",\"verbose\":true}\r\nPING\r\n"))
	require.NoError(t, err)
	answer := make([]byte, 1000)
	n, _ := conn.Read(answer)
	assert.NotContains(t, string(answer[:n]), "+OK", "plaintext")
	assert.NotContains(t, string(answer[:n]), "PONG", "plaintext")

	// With a certificate of its own that the others would refuse, a hub does not start, and says why.
	ca.sign(t, "server", time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
	for _, test := range []struct {
		flags  []string
		reason string
	}{
		{ca.flags("ended"), "ended.pem ended at "},
		{append(other.flags("stranger")[:4], "--cluster-ca", ca.path("ca.pem")),
			"stranger.pem is not signed by an authority of --cluster-ca"},
		{ca.flags("server"), "server.pem is not for client use"},
	} {
		stderr, status := serveFails(t, append(newCluster(t).args[0], test.flags...)...)
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, "--cluster-cert: ")
		assert.Contains(t, stderr, test.reason)
	}

	text := hub.log.tail(math.MaxInt)
	assert.NotContains(t, text, "PRIVATE KEY")
	assert.NotRegexp(t, seed, text)
	key, err := os.ReadFile(ca.path("hub.key"))
	require.NoError(t, err)
	assert.NotContains(t, text, strings.Split(string(key), "\n")[1])
}

// seed is what private keys of NATS look like.
var seed = regexp.MustCompile(`\bS[NCOAUX][A-Z2-7]{54,}`)

// TestClientsOfAnEmbeddedServer checks that the port for clients, which a server of a cluster has, takes
// nobody but its own process.
func TestClientsOfAnEmbeddedServer(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "--log-level", "debug")
	text := c.hubs[0].Load().log.tail(math.MaxInt)
	found := regexp.MustCompile(`Listening for client connections on ([0-9.:]+)`).FindStringSubmatch(text)
	require.NotNil(t, found, text)
	require.True(t, strings.HasPrefix(found[1], "127.0.0.1:"))
	for _, connect := range []string{`{}`, `{"user":"hub","pass":"hub"}`, `{"nkey":"UAAAA","sig":"x"}`} {
		conn, err := net.Dial("tcp", found[1])
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(e2eLimit)))
		_, err = conn.Write([]byte("CONNECT " + connect + "\r\nPUB lm.in 1\r\nx\r\nPING\r\n"))
		require.NoError(t, err)
		answer := ""
		for part := make([]byte, 4096); err == nil; {
			var n int
			n, err = conn.Read(part)
			answer += string(part[:n])
		}
		conn.Close()
		assert.Contains(t, answer, "Authorization Violation", connect)
		assert.NotContains(t, answer, "PONG", connect)
	}
	assert.NotRegexp(t, seed, c.hubs[0].Load().log.tail(math.MaxInt))
}
