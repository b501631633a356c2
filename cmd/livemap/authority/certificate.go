package authority

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"livemap/api/regular"
)

// maxPEM is the largest file that is read, in bytes.
const maxPEM = 1 << 20

// authorityTemplate describes the certificate of an authority, which can vouch for no other authority.
func authorityTemplate(now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               subject("authority"),
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(authorityLifetime),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// leafTemplate describes the certificate of a hub, which serves, or of a publisher, which does not. It does
// not outlast the authority.
func leafTemplate(l leaf, now, end time.Time) *x509.Certificate {
	template := &x509.Certificate{
		Subject:               subject(l.name),
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(lifetime),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if end.Before(template.NotAfter) {
		template.NotAfter = end
	}
	if l.name != hubName {
		return template
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range l.names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

func subject(name string) pkix.Name {
	return pkix.Name{CommonName: name, Organization: []string{"Live Map Hub"}}
}

// readCertificate reads a certificate in PEM form. The error wraps fs.ErrNotExist where there is no file.
func readCertificate(path string) (*x509.Certificate, error) {
	der, err := readBlock(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}

// readKey reads a private key in PEM form (PKCS #8). The error wraps fs.ErrNotExist where there is no file.
func readKey(path string) (crypto.Signer, error) {
	der, err := readBlock(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, which cannot sign", path, key)
	}
	return signer, nil
}

// readBlock returns what the first block of a PEM file holds, which must be of that type.
func readBlock(path, kind string) ([]byte, error) {
	text, err := regular.Read(path, maxPEM)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s does not begin with a %s in PEM form; it is not overwritten", path, kind)
	}
	return block.Bytes, nil
}

// writeKey makes a private key and a file for it. The error wraps fs.ErrExist where there is one.
func writeKey(path string) (crypto.Signer, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeNew(path, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// writeCertificate signs a certificate and replaces its file as a whole: a hub that reads it meanwhile gets
// the old or the new one.
func writeCertificate(
	path string, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer,
) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writeNew(unfinished, 0o644, text); err != nil {
		return nil, err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// writeNew writes a file that does not exist yet, with these permissions whatever the umask. Nothing is left
// of one that cannot be written whole.
func writeNew(path string, mode os.FileMode, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	for _, step := range []func() error{func() error { return file.Chmod(mode) }, file.Sync, file.Close} {
		if failed := step(); err == nil {
			err = failed
		}
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}
