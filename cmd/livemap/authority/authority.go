// Package authority makes certificates for a hub and for publishers on other hosts, with an authority of its
// own that signs them.
//
// [Make] keeps everything in one directory. Called again, it renews what is near its end.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	lifetime          = 365 * 24 * time.Hour // of a hub's and a publisher's certificate
	// renewal is how long before its end a certificate is renewed.
	renewal = 30 * 24 * time.Hour
)

// Names of the pairs that are no publisher's, without `.pem` and `.key`.
const (
	authorityName = "ca"
	hubName       = "hub"
)

// Request says which certificates there are to be.
type Request struct {
	// Dir is the directory of the authority. It is made if need be, for its owner alone.
	Dir string
	// Hub are the names and IP addresses by which publishers reach the hub, beside localhost. Nil: those of
	// its certificate, or the name of this machine.
	Hub []string
	// Publishers are the names of publishers, which are those of their files too. Those that have a certificate
	// need not be named again. Without any there is one, `publisher`.
	Publishers []string
	// Now is the time at which certificates begin.
	Now time.Time
}

// What happened to a certificate.
const (
	Made    = "made"
	Renewed = "renewed"
	Kept    = "kept"
)

// Certificate is one of the certificates that [Make] has seen to.
type Certificate struct {
	Name     string // ca, hub, or the publisher's
	File     string // the path of the certificate
	Key      string // the path of its private key; "": it is kept elsewhere
	Names    []string
	Expires  time.Time
	Happened string // Made, Renewed or Kept
}

// IsAuthority reports whether the certificate signs the others.
func (c *Certificate) IsAuthority() bool { return c.Name == authorityName }

// IsHub reports whether the certificate is the hub's.
func (c *Certificate) IsHub() bool { return c.Name == hubName }

// Validate reports the first name that cannot be used; nil if there is none.
func (r *Request) Validate() error {
	for _, name := range r.Hub {
		if !isHost(name) {
			return fmt.Errorf("%q is not a name of a hub; it must be a host name or an IP address, without a port",
				name)
		}
	}
	for i, name := range r.Publishers {
		switch {
		case !isFileName(name):
			return fmt.Errorf("%q is not a name of a publisher; it must be 1 to 64 letters, digits, dots, "+
				"hyphens and underscores, and begin with a letter or digit", name)
		case slices.Contains([]string{authorityName, hubName}, strings.ToLower(name)):
			return fmt.Errorf("a publisher cannot be %q, which names another certificate", name)
		case slices.ContainsFunc(r.Publishers[:i], func(one string) bool { return strings.EqualFold(name, one) }):
			return fmt.Errorf("the publisher %q is named twice", name)
		}
	}
	return nil
}

// Make makes the certificates that are missing, and renews those that end within 30 days or are for other
// names. A renewed certificate has the key of the old one, so that the old key file fits it. The authority
// stays as it is. Private keys have the mode 0600, certificates 0644. Make overwrites no key, and no
// certificate of another authority.
//
// The first certificate is the authority's, the second the hub's.
func Make(r Request) ([]Certificate, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return nil, err
	}
	d := directory{path: r.Dir, now: r.Now}
	made, err := d.openAuthority()
	if err != nil {
		return nil, err
	}
	all := []Certificate{made}
	wanted, err := d.wanted(&r)
	if err != nil {
		return nil, err
	}
	for _, leaf := range wanted {
		one, err := d.seeTo(leaf)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// directory is the directory of an authority.
type directory struct {
	path string
	now  time.Time
	ca   *x509.Certificate
	key  crypto.Signer // of ca
}

// openAuthority reads the authority, or makes it.
func (d *directory) openAuthority() (one Certificate, err error) {
	one = d.certificate(authorityName, Kept)
	d.ca, err = readCertificate(one.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		one.Happened = Made
		err = d.makeAuthority(one)
	case err == nil:
		d.key, err = d.readAuthorityKey(one)
	}
	if err != nil {
		return one, err
	}
	one.Expires = d.ca.NotAfter
	if !d.ca.NotAfter.After(d.now.Add(renewal)) {
		return one, fmt.Errorf("the authority of %s ends at %s; make another in another directory",
			one.File, d.ca.NotAfter.UTC().Format(time.RFC3339))
	}
	return one, nil
}

func (d *directory) makeAuthority(one Certificate) (err error) {
	if d.key, err = writeKey(one.Key); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists without %s, and is not overwritten; move it away", one.Key, one.File)
	}
	if err != nil {
		return err
	}
	template := authorityTemplate(d.now)
	d.ca, err = writeCertificate(one.File, template, template, d.key.Public(), d.key)
	if err != nil {
		return errors.Join(err, os.Remove(one.Key)) // one half is of no use
	}
	return nil
}

func (d *directory) readAuthorityKey(one Certificate) (crypto.Signer, error) {
	key, err := readKey(one.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing, without which %s can sign nothing", one.Key, one.File)
	case err != nil:
		return nil, err
	case !d.ca.IsCA:
		return nil, fmt.Errorf("%s is not the certificate of an authority", one.File)
	case !isPair(d.ca, key):
		return nil, fmt.Errorf("%s is not the key of %s", one.Key, one.File)
	}
	return key, nil
}

// leaf is a certificate that there is to be. names are those of a hub; nil for a publisher.
type leaf struct {
	name  string
	names []string
}

// wanted returns all certificates that the authority is to have signed: the hub's, those of publishers who
// are named, and those of publishers who have one.
func (d *directory) wanted(r *Request) (leaves []leaf, err error) {
	hub := leaf{hubName, r.Hub}
	if hub.names == nil {
		if hub.names, err = d.namesOfHub(); err != nil {
			return nil, err
		}
	}
	hub.names = withLocalhost(hub.names)
	publishers := slices.Clone(r.Publishers)
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name, isCertificate := strings.CutSuffix(entry.Name(), ".pem")
		if isCertificate && !slices.Contains(publishers, name) && d.isOfPublisher(name) {
			publishers = append(publishers, name)
		}
	}
	if len(publishers) == 0 {
		publishers = []string{"publisher"}
	}
	slices.Sort(publishers)
	leaves = []leaf{hub}
	for _, name := range publishers {
		leaves = append(leaves, leaf{name: name})
	}
	return leaves, nil
}

// isOfPublisher reports whether the authority has signed the certificate of that name, and for a publisher.
func (d *directory) isOfPublisher(name string) bool {
	cert, err := readCertificate(d.certificate(name, "").File)
	return err == nil && name != authorityName && name != hubName && cert.CheckSignatureFrom(d.ca) == nil
}

// namesOfHub returns the names in the hub's certificate, or that of this machine without one.
func (d *directory) namesOfHub() ([]string, error) {
	cert, err := readCertificate(d.certificate(hubName, "").File)
	if err == nil {
		return namesOf(cert), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil || !isHost(host) {
		return nil, nil // localhost is enough to begin with
	}
	return []string{host}, nil
}

// seeTo makes a certificate, renews it or keeps it.
func (d *directory) seeTo(l leaf) (one Certificate, err error) {
	one = d.certificate(l.name, Made)
	one.Names = l.names
	public, err := d.publicKey(&one, l)
	if err != nil || one.Happened == Kept {
		return one, err
	}
	template := leafTemplate(l, d.now, d.ca.NotAfter)
	cert, err := writeCertificate(one.File, template, d.ca, public, d.key)
	if err != nil {
		return one, err
	}
	one.Expires = cert.NotAfter
	return one, nil
}

// publicKey returns the public key for a certificate: that of the certificate that there is, or of the key
// file, or of a new one. It sets Happened, and Expires of a certificate that is kept.
func (d *directory) publicKey(one *Certificate, l leaf) (crypto.PublicKey, error) {
	cert, err := readCertificate(one.File)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := readKey(one.Key)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = writeKey(one.Key)
		}
		if err != nil {
			return nil, err
		}
		return key.Public(), nil
	}
	if err != nil {
		return nil, err
	}
	if cert.CheckSignatureFrom(d.ca) != nil {
		return nil, fmt.Errorf("%s is not of this authority, and is not overwritten; move it away", one.File)
	}
	switch key, err := readKey(one.Key); {
	case errors.Is(err, fs.ErrNotExist):
		one.Key = "" // it has been moved to where it is used
	case err != nil:
		return nil, err
	case !isPair(cert, key):
		return nil, fmt.Errorf("%s is not the key of %s; move one of the two away", one.Key, one.File)
	}
	one.Happened = Renewed
	if cert.NotAfter.After(d.now.Add(renewal)) && slices.Equal(namesOf(cert), l.names) {
		one.Happened, one.Expires = Kept, cert.NotAfter
	}
	return cert.PublicKey, nil
}

// certificate returns where a certificate and its key are.
func (d *directory) certificate(name, happened string) Certificate {
	path := filepath.Join(d.path, name)
	return Certificate{Name: name, File: path + ".pem", Key: path + ".key", Happened: happened}
}

// isPair reports whether a private key is that of a certificate.
func isPair(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

// newKey makes a private key, of a kind that every TLS library knows.
func newKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
