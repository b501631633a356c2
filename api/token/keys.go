package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/golang-jwt/jwt/v5"

	"livemap/api/regular"
)

// MinSecret is the shortest secret for HS256, in bytes (RFC 7518, section 3.2).
const MinSecret = 32

// minRSA is the shortest RSA key, in bits (RFC 7518, section 3.3).
const minRSA = 2048

// maxKeyFile is the largest key file, in bytes.
const maxKeyFile = 64 << 10

// Keys are the keys that tokens are verified with. [KeyFile] reads one key, [KeySet] fetches a set.
type Keys struct {
	methods []string // the accepted algorithms
	find    jwt.Keyfunc
	renew   func() bool // fetches the keys and reports whether it did; nil: they never change
}

// KeyFile reads a key: a PEM public key, or a secret for HS256 of at least [MinSecret] bytes without
// its final newline. A public key in another form is an error, as it must not become a secret.
func KeyFile(path string) (*Keys, error) {
	data, err := readKey(path)
	if err != nil {
		return nil, err
	}
	if isPEM(data) {
		return publicKey(path, data)
	}
	secret, err := secretOf(path, data)
	if err != nil {
		return nil, err
	}
	return oneKey(secret, jwt.SigningMethodHS256.Alg()), nil
}

func readKey(path string) ([]byte, error) { return regular.Read(path, maxKeyFile) }

func isPEM(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("-----BEGIN"))
}

func secretOf(path string, data []byte) ([]byte, error) {
	if isPublic(data) {
		return nil, fmt.Errorf("%s holds a key in another form, which must not serve as a secret; "+
			"it must be PEM in UTF-8, with nothing before it", path)
	}
	secret := bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("%s holds a secret of %d bytes; it must have at least %d, or be a PEM key",
			path, len(secret), MinSecret)
	}
	return secret, nil
}

// isPublic reports whether a file meant as a secret is a public key in another form. Everyone who
// knows a public key could then make tokens. It recognizes PEM behind a byte order mark, in UTF-16
// (as Windows writes it), behind other text or without its first line. It also recognizes DER, DER as
// base64, a JWK and an SSH key.
func isPublic(data []byte) bool {
	text := bytes.ReplaceAll(data, []byte{0}, nil)
	for _, mark := range []string{
		"--BEGIN", "-- BEGIN", "--END", `"kty"`, `"crv"`, `"n"`, "ssh-", "ecdsa-sha2-",
	} {
		if bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	if isDER(data) || isDER(bytes.TrimSpace(data)) {
		return true
	}
	body := bytes.TrimRight(bytes.Join(bytes.Fields(text), nil), "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if der, err := encoding.DecodeString(string(body)); err == nil && isDER(der) {
			return true
		}
	}
	return false
}

func isDER(data []byte) bool {
	_, notSPKI := x509.ParsePKIXPublicKey(data)
	_, notPKCS1 := x509.ParsePKCS1PublicKey(data)
	_, notCertificate := x509.ParseCertificate(data)
	return notSPKI == nil || notPKCS1 == nil || notCertificate == nil
}

func oneKey(key any, method string) *Keys {
	return &Keys{methods: []string{method}, find: func(*jwt.Token) (any, error) { return key, nil }}
}

func publicKey(path string, data []byte) (*Keys, error) {
	const want = "a PEM public key (RSA of at least 2048 bits, ECDSA on P-256, P-384 or P-521, or Ed25519)"
	block, rest := pem.Decode(bytes.TrimLeft(data, " \t\r\n"))
	if block == nil {
		return nil, fmt.Errorf("%s begins like PEM but does not parse; it must be %s", path, want)
	}
	if another, _ := pem.Decode(rest); another != nil {
		return nil, fmt.Errorf("%s holds more than one key; it must be %s; --jwks-url allows several", path, want)
	}
	if block.Type != "PUBLIC KEY" && block.Type != "RSA PUBLIC KEY" {
		return nil, fmt.Errorf("%s holds a %.40s; it must be %s", path, block.Type, want)
	}
	parse := x509.ParsePKIXPublicKey
	if block.Type == "RSA PUBLIC KEY" {
		parse = func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) }
	}
	key, err := parse(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; it must be %s", path, err, want)
	}
	method, err := methodOf(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; it must be %s", path, err, want)
	}
	return oneKey(key, method), nil
}

// methodOf returns the algorithm of a public key.
func methodOf(key any) (string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return "", fmt.Errorf("this RSA key has %d bits", key.N.BitLen())
		}
		return jwt.SigningMethodRS256.Alg(), nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return jwt.SigningMethodES256.Alg(), nil
		case 384:
			return jwt.SigningMethodES384.Alg(), nil
		case 521:
			return jwt.SigningMethodES512.Alg(), nil
		}
		return "", fmt.Errorf("this ECDSA key is on %s", key.Curve.Params().Name)
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA.Alg(), nil
	}
	return "", fmt.Errorf("this is a %T", key)
}
