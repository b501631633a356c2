package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"livemap/api/regular"
)

// certificate is read from files. It is read again when they change.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu         sync.Mutex // guards what follows
	current    *tls.Certificate
	cert, key  os.FileInfo // of the files that current was read from
	complained bool        // whether the log says that the changed files cannot be read
}

// Storage keeps files that a hub makes for itself, from one run to the next.
type Storage interface {
	// Path returns the path of the file with that name, which need not exist.
	Path(name string) string
	// Write replaces the file with that name as a whole: after a crash it is the old or the new one.
	Write(name string, content []byte) error
}

// openCertificate reads the certificate that the configuration names. If it names none, one for
// localhost is read from the storage, and made if need be.
func (c *Config) openCertificate(storage Storage, log *slog.Logger) (*certificate, error) {
	own := &certificate{certFile: c.TLSCert, keyFile: c.TLSKey, log: log}
	if c.TLSCert == "" {
		path, err := selfSigned(storage, time.Now())
		if err != nil {
			return nil, err
		}
		own.certFile, own.keyFile = path, path
	}
	if err := own.read(); err != nil {
		return nil, certificateError(err)
	}
	if c.TLSCert == "" {
		leaf := own.current.Leaf
		sum, key := sha256.Sum256(leaf.Raw), sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
		log.Info("serving with a self-signed certificate for localhost", "file", own.certFile,
			"sha256", hex.EncodeToString(sum[:]), "spki_sha256", base64.StdEncoding.EncodeToString(key[:]))
	}
	return own, nil
}

// CheckFiles reports a file of the configuration that cannot be read, as [Open] would; nil if there is
// none. It opens no port.
func (c *Config) CheckFiles() error {
	if c.TLSCert != "" {
		if _, err := readPair(c.TLSCert, c.TLSKey); err != nil {
			return certificateError(err)
		}
	}
	if c.ClientCA != "" {
		if _, err := c.readClientCA(); err != nil {
			return err
		}
	}
	return nil
}

// certificateError is the error for a certificate of the configuration that cannot be read.
func certificateError(err error) error {
	return ConfigError{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
}

// name returns a host that the certificate is valid for: its first name that is no pattern, else an
// address, else localhost.
func (c *certificate) name() string {
	leaf := c.current.Leaf
	for _, name := range leaf.DNSNames {
		if !strings.Contains(name, "*") {
			return name
		}
	}
	if len(leaf.IPAddresses) > 0 {
		return leaf.IPAddresses[0].String()
	}
	return localhost
}

// config returns a TLS configuration that serves the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.get(), nil
		},
	}
}

// askClients makes a TLS configuration ask for client certificates that ClientCA has signed. A
// client without one may have a token.
func (c *Config) askClients(config *tls.Config) (*tls.Config, error) {
	if c.ClientCA == "" {
		return config, nil
	}
	authorities, err := c.readClientCA()
	if err != nil {
		return nil, err
	}
	config.ClientCAs, config.ClientAuth = authorities, tls.VerifyClientCertIfGiven
	return config, nil
}

// readClientCA reads the file of ClientCA.
func (c *Config) readClientCA() (*x509.CertPool, error) {
	text, err := regular.Read(c.ClientCA, maxPEM)
	if err != nil {
		return nil, ConfigError{fmt.Errorf("--publish-client-ca: %w", err)}
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(text) {
		err := fmt.Errorf("--publish-client-ca: %s holds no certificate in PEM form", c.ClientCA)
		return nil, ConfigError{err}
	}
	return authorities, nil
}

// maxPEM is the largest file of certificates or of a key, in bytes.
const maxPEM = 4 << 20

// readPair reads a certificate and its key from PEM files, which may be the same.
func readPair(certFile, keyFile string) (pair tls.Certificate, err error) {
	cert, err := regular.Read(certFile, maxPEM)
	if err != nil {
		return pair, err
	}
	key, err := regular.Read(keyFile, maxPEM)
	if err != nil {
		return pair, err
	}
	return tls.X509KeyPair(cert, key)
}

// get returns the certificate, and reads it again if its files changed. Files that cannot be
// read may be half replaced: the old certificate serves until they can.
func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if unchanged(c.certFile, c.cert) && unchanged(c.keyFile, c.key) {
		return c.current
	}
	err := c.readLocked()
	switch {
	case err == nil:
		c.log.Info("reloaded the certificate", "file", c.certFile, "expires", c.current.Leaf.NotAfter)
	case !c.complained:
		c.complained = true
		c.log.Error("cannot reload the certificate; serving the old one", "error", err)
	}
	return c.current
}

// unchanged reports whether a file is the one that was read.
func unchanged(path string, was os.FileInfo) bool {
	is, err := os.Stat(path)
	return err == nil && regular.Unchanged(is, was)
}

func (c *certificate) read() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readLocked()
}

func (c *certificate) readLocked() error {
	cert, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	key, err := os.Stat(c.keyFile)
	if err != nil {
		return err
	}
	pair, err := readPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current, c.cert, c.key, c.complained = &pair, cert, key, false
	return nil
}

const (
	selfSignedLifetime = 365 * 24 * time.Hour // of a certificate that the hub makes
	selfSignedRenewal  = 30 * 24 * time.Hour  // a hub that starts this long before the end makes another
)

// selfSigned returns the path of a file with a certificate for localhost and its key. It makes
// one if there is none or it ends soon.
func selfSigned(storage Storage, now time.Time) (path string, err error) {
	path = storage.Path("localhost.pem")
	pair, err := readPair(path, path)
	switch {
	case err == nil && pair.Leaf.NotAfter.After(now.Add(selfSignedRenewal)):
		return path, nil
	case errors.Is(err, regular.ErrOther):
		return "", fmt.Errorf("--state-dir: %w", err)
	}
	text, err := makeSelfSigned(now)
	if err != nil {
		return "", err
	}
	return path, storage.Write("localhost.pem", text)
}

// makeSelfSigned makes a certificate and its key, in PEM form.
func makeSelfSigned(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: localhost, Organization: []string{"Live Map Hub, self-signed"}},
		DNSNames:     []string{localhost},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(selfSignedLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}
