package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Signer signs tokens, to try a hub out.
type Signer struct {
	key    any
	method jwt.SigningMethod
}

// SignerFile reads a key to sign tokens with: a PEM private key, or else a secret as [KeyFile] does.
func SignerFile(path string, format SecretFormat) (*Signer, error) {
	text, err := readKey(path)
	if err != nil {
		return nil, err
	}
	if !isPEM(text) {
		secret, err := secretOf(path, text, format)
		return &Signer{secret, jwt.SigningMethodHS256}, err
	}
	if key, err := jwt.ParseRSAPrivateKeyFromPEM(text); err == nil {
		return &Signer{key, jwt.SigningMethodRS256}, nil
	}
	if key, err := jwt.ParseEdPrivateKeyFromPEM(text); err == nil {
		return &Signer{key, jwt.SigningMethodEdDSA}, nil
	}
	if key, err := jwt.ParseECPrivateKeyFromPEM(text); err == nil {
		if method, err := methodOf(&key.PublicKey); err == nil {
			return &Signer{key, jwt.GetSigningMethod(method)}, nil
		}
	}
	return nil, fmt.Errorf("%s must hold a PEM private key "+
		"(RSA, ECDSA on P-256, P-384 or P-521, or Ed25519), or a secret", path)
}

// Sign returns a JSON Web Token of a grant, issued at a time, that satisfies the rules of a hub.
func (s *Signer) Sign(g Grant, rules Rules, now time.Time) (string, error) {
	rights := map[string]Patterns{}
	for name, patterns := range map[string]Patterns{
		"read": g.Read, "publish": g.Publish, "topics": g.Topics, "fences": g.Fences,
	} {
		if len(patterns) > 0 {
			rights[name] = patterns
		}
	}
	claims := jwt.MapClaims{"iat": now.Unix(), "exp": g.Expires.Unix(), "livemap": rights}
	for name, value := range map[string]string{"sub": g.Subject, "iss": rules.Issuer, "aud": rules.Audience} {
		if value != "" {
			claims[name] = value
		}
	}
	return jwt.NewWithClaims(s.method, claims).SignedString(s.key)
}

// MakeSecret returns a random secret for HS256, as a line of text.
func MakeSecret() []byte {
	secret := make([]byte, MinSecret)
	rand.Read(secret) // never fails
	return []byte(base64.RawURLEncoding.EncodeToString(secret) + "\n")
}

// MakeKey returns a new key of a kind (es256, eddsa or rs256), both halves as PEM.
func MakeKey(kind string) (private, public []byte, err error) {
	var key crypto.Signer
	switch kind {
	case "es256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "eddsa":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rs256":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		err = fmt.Errorf("%q is not a kind of key; it must be es256, eddsa or rs256", kind)
	}
	if err != nil {
		return nil, nil, err
	}
	if private, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, nil, err
	}
	if public, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), nil
}
