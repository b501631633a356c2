package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClusterCertificates runs the commands of deploy/README.md that make certificates, for loopback, and
// starts hubs with them.
func TestClusterCertificates(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NOT TESTED: there is no openssl here")
	}
	t.Parallel()
	commands := regexp.MustCompile("(?s)checked by TestClusterCertificates -->\\s+```sh(.*?)```")
	block := commands.FindStringSubmatch(readDeployed(t, "deploy/README.md"))
	require.NotNil(t, block)
	script := strings.ReplaceAll(block[1], "DNS:$hub.example.com", "IP:127.0.0.1")
	require.NotEqual(t, block[1], script)
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := newCluster(t)
	for i, name := range []string{"hub1", "hub2", "hub3"} {
		file := filepath.Join(cmd.Dir, name)
		c.args[i] = append(c.args[i], "--cluster-cert", file+".pem", "--cluster-key", file+".key",
			"--cluster-ca", filepath.Join(cmd.Dir, "cluster-ca.pem"))
	}
	c.start(t, 0, 1, 2)
	c.hubs[0].Load().publishLines(t, at("A", 1))
}

// clusterCA signs certificates of hubs of a cluster on loopback.
type clusterCA struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newClusterCA(t *testing.T) *clusterCA {
	t.Helper()
	ca := &clusterCA{dir: t.TempDir()}
	ca.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a cluster"}, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, ca.key.Public(), ca.key)
	require.NoError(t, err)
	ca.write(t, "ca.pem", "CERTIFICATE", der)
	ca.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return ca
}

// path returns the path of a file of the authority.
func (ca *clusterCA) path(name string) string { return filepath.Join(ca.dir, name) }

func (ca *clusterCA) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	require.NoError(t, os.WriteFile(ca.path(name), text, 0o600))
}

// sign makes name.pem and name.key, of a certificate that ends then, for server and client use or for these.
func (ca *clusterCA) sign(t *testing.T, name string, ends time.Time, uses ...x509.ExtKeyUsage) {
	t.Helper()
	if uses == nil {
		uses = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: ends.Add(-24 * time.Hour), NotAfter: ends, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: uses,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 78, 0, 1), net.IPv4(10, 78, 0, 2),
			net.IPv4(10, 78, 0, 3)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	require.NoError(t, err)
	ca.write(t, name+".pem", "CERTIFICATE", der)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	ca.write(t, name+".key", "PRIVATE KEY", private)
}

// flags returns the flags of a hub with the certificate of that name.
func (ca *clusterCA) flags(name string) []string {
	return []string{"--cluster-cert", ca.path(name + ".pem"), "--cluster-key", ca.path(name + ".key"),
		"--cluster-ca", ca.path("ca.pem")}
}
