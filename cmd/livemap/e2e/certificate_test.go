package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// makePair makes a certificate and its key, in PEM form.
func makePair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// served returns the names of the certificates that a new handshake sees, over
// TCP and over QUIC.
func served(t *testing.T, hub *runningHub) [2]string {
	t.Helper()
	address := strings.TrimPrefix(hub.public, "https://")
	config := func(protocol string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}
	}
	tcp, err := tls.Dial("tcp", address, config("h2"))
	require.NoError(t, err)
	defer tcp.Close()
	ctx, cancel := context.WithTimeout(t.Context(), e2eLimit)
	defer cancel()
	to, err := net.ResolveUDPAddr("udp", address)
	require.NoError(t, err)
	udp, err := quicTransport(t).Dial(ctx, to, config("h3"), nil)
	require.NoError(t, err)
	defer udp.CloseWithError(0, "")
	return [2]string{
		tcp.ConnectionState().PeerCertificates[0].Subject.CommonName,
		udp.ConnectionState().TLS.PeerCertificates[0].Subject.CommonName,
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(path string, content []byte) { // as a whole, as certificate tools do
		t.Helper()
		require.NoError(t, os.WriteFile(path+".new", content, 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	cert, key := makePair(t, "first")
	put(certFile, cert)
	put(keyFile, key)
	hub := startHub(t, "--tls-cert", certFile, "--tls-key", keyFile)
	assert.Empty(t, hub.log.find("serving with a self-signed certificate for localhost"))
	s := hub.client(t, "h2").mustOpen(t, hub.public+"/stream", "")
	s.until(t, "live")
	assert.Equal(t, [2]string{"first", "first"}, served(t, hub))

	const broken = "cannot reload the certificate; serving the old one"
	cert, key = makePair(t, "second")
	put(certFile, cert) // its key is still the first one's
	assert.Equal(t, [2]string{"first", "first"}, served(t, hub), "half of the pair has changed")
	assert.Len(t, hub.log.find(broken), 1, "told once, not at each handshake")
	put(keyFile, key)
	assert.Equal(t, [2]string{"second", "second"}, served(t, hub))
	assert.Len(t, hub.log.find("reloaded the certificate", "file", certFile), 1)

	put(certFile, []byte("no certificate\n"))
	assert.Equal(t, [2]string{"second", "second"}, served(t, hub))
	assert.Len(t, hub.log.find(broken), 2)
	require.NoError(t, os.Remove(certFile))
	assert.Equal(t, [2]string{"second", "second"}, served(t, hub))
	cert, key = makePair(t, "third")
	require.NoError(t, os.WriteFile(certFile, cert, 0o600)) // in place
	require.NoError(t, os.WriteFile(keyFile, key, 0o600))
	assert.Equal(t, [2]string{"third", "third"}, served(t, hub))

	hub.publishLines(t, `{"vehicle_id":"A","lat":1,"lon":2}`)
	_, err := s.next()
	assert.NoError(t, err, "streams go on under their old certificate")
}

func TestCertificateUnreadableAtStart(t *testing.T) {
	t.Parallel()
	cert, _ := makePair(t, "one")
	_, key := makePair(t, "another")
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	stderr, status := serveFails(t, "--tls-cert", certFile, "--tls-key", keyFile)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--tls-cert")
	assert.Contains(t, stderr, certFile)
	require.NoError(t, os.WriteFile(certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(keyFile, key, 0o600))
	stderr, status = serveFails(t, "--tls-cert", certFile, "--tls-key", keyFile)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--tls-key")
}

// The certificate that the hub makes is the same after a restart.
func TestMadeCertificateIsKept(t *testing.T) {
	t.Parallel()
	const made = "serving with a self-signed certificate for localhost"
	hub := startHub(t)
	first := hub.log.await(t, made)
	hub.stop(t)
	again := startHub(t, "--state-dir", hub.stateDir)
	second := again.log.await(t, made)
	assert.Equal(t, first["sha256"], second["sha256"])
	assert.Equal(t, first["spki_sha256"], second["spki_sha256"])
	info, err := os.Stat(filepath.Join(hub.stateDir, "localhost.pem"))
	require.NoError(t, err)
	assert.Zero(t, info.Mode().Perm()&0o077, "nobody else reads the key")
	other := startHub(t)
	assert.NotEqual(t, first["sha256"], other.log.await(t, made)["sha256"])
}
