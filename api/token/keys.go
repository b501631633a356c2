package token

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// MinSecret is how long, in bytes, a secret for HS256 must be at least (RFC 7518,
// section 3.2).
const MinSecret = 32

// minRSA is how long, in bits, an RSA key must be at least (RFC 7518, section 3.3).
const minRSA = 2048

// Keys are what tokens are verified with.
type Keys struct {
	methods []string // of signing: the algorithms that are taken
	find    jwt.Keyfunc
}

// KeyFile reads a key: a PEM public key, or a secret for HS256 of at least
// MinSecret bytes, a final newline not counted.
func KeyFile(path string) (*Keys, error) {
	data, err := os.ReadFile(path)
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

func isPEM(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("-----BEGIN"))
}

func secretOf(path string, data []byte) ([]byte, error) {
	if isPublic(data) {
		return nil, fmt.Errorf("%s holds a key in another form, which must not become a secret; it must be PEM in UTF-8, with nothing before it", path)
	}
	secret := bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("%s has a secret of %d bytes; it must have at least %d, or be a PEM key", path, len(secret), MinSecret)
	}
	return secret, nil
}

// isPublic tells whether a file that is to be a secret is a public key that was
// saved otherwise: whoever knows that could make tokens. It is PEM behind a byte
// order mark or in UTF-16, as Windows writes it, or behind other text; DER, a JWK,
// or OpenSSH's.
func isPublic(data []byte) bool {
	text := bytes.ReplaceAll(data, []byte{0}, nil)
	for _, mark := range []string{"-----BEGIN", `"kty"`, "ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"} {
		if bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	_, err := x509.ParsePKIXPublicKey(data)
	return err == nil
}

func oneKey(key any, method string) *Keys {
	return &Keys{[]string{method}, func(*jwt.Token) (any, error) { return key, nil }}
}

func publicKey(path string, data []byte) (*Keys, error) {
	const want = "a PEM public key (RSA of at least 2048 bits, ECDSA on P-256, P-384 or P-521, or Ed25519)"
	block, rest := pem.Decode(bytes.TrimLeft(data, " \t\r\n"))
	if block == nil {
		return nil, fmt.Errorf("%s begins like PEM and is not; it must be %s", path, want)
	}
	if another, _ := pem.Decode(rest); another != nil {
		return nil, fmt.Errorf("%s holds more than one key; it must be %s, and --jwks-url has several", path, want)
	}
	if block.Type != "PUBLIC KEY" && block.Type != "RSA PUBLIC KEY" {
		return nil, fmt.Errorf("%s has a %.40s; it must be %s", path, block.Type, want)
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

// methodOf gives the algorithm of a public key.
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

const (
	refreshEvery = time.Hour        // a key set is fetched
	refreshLeast = time.Minute      // from one fetch for an unknown key to the next
	retryLeast   = 5 * time.Second  // the same while there are no keys at all
	fetchTime    = 10 * time.Second // for a fetch
)

// RetryAfter is how long somebody should wait whose token met ErrNoKeys.
const RetryAfter = retryLeast

// KeySet fetches keys from a JWKS URL (RFC 7517, section 5), again every hour, and
// for a key that is not known at most once a minute, until ctx is done. Where it
// cannot be fetched the keys are as they were, at the start none; then it is tried
// again when a token comes, every five seconds at most.
func KeySet(ctx context.Context, url string, log *slog.Logger) (*Keys, error) {
	store, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Ctx:                       ctx,
		HTTPTimeout:               fetchTime,
		NoErrorReturnFirstHTTPReq: true,
		RefreshErrorHandler: func(_ context.Context, err error) {
			log.Warn("the keys for tokens cannot be fetched", "error", err)
		},
		RefreshInterval: refreshEvery,
	})
	if err != nil {
		return nil, err
	}
	if all, err := store.KeyReadAll(ctx); err == nil && len(all) > 0 && !slices.ContainsFunc(all, isUsable) {
		log.Warn("none of the keys that were fetched is one to verify tokens with", "keys", len(all))
	}
	fresh, err := jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{url: store},
		RateLimitWaitMax:  fetchTime,
		RefreshUnknownKID: rate.NewLimiter(rate.Inf, 1), // who comes too early is not to wait, as they would here
	})
	if err != nil {
		return nil, err
	}
	set := &keySet{
		known: store, fresh: fresh,
		refresh: rate.NewLimiter(rate.Every(refreshLeast), 1), retry: rate.NewLimiter(rate.Every(retryLeast), 1),
	}
	// Secrets are not taken: whoever may read them from the URL could make tokens.
	methods := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	return &Keys{methods, func(t *jwt.Token) (any, error) { return set.find(ctx, t) }}, nil
}

// ErrNoKeys is that a key set has not been fetched yet, so that nothing can be said
// of a token.
var ErrNoKeys = errors.New("the keys that tokens are verified with cannot be fetched")

// keySet is the keys of a URL. It fetches them anew when asked for one that is not
// there, when that was not long ago.
type keySet struct {
	known    jwkset.Storage // as they were fetched last
	fresh    jwkset.Storage // fetches them for a key that is not known
	refresh  *rate.Limiter  // of fetches for such a key
	retry    *rate.Limiter  // of fetches while there are none
	fetching singleflight.Group
}

// fetch fetches the keys for one that is not known, if that may be done now. Those who
// ask meanwhile wait for the same answer.
func (s *keySet) fetch(ctx context.Context, kid string, limit *rate.Limiter) {
	s.fetching.Do("", func() (any, error) {
		if limit.Allow() {
			s.fresh.KeyRead(ctx, kid) // what it gives is asked for again, of what is known then
		}
		return nil, nil
	})
}

// find gives the keys that a token may be signed with.
func (s *keySet) find(ctx context.Context, t *jwt.Token) (any, error) {
	kid, given := t.Header["kid"].(string)
	all, err := s.known.KeyReadAll(ctx)
	if err == nil && len(all) == 0 {
		s.fetch(ctx, kid, s.retry)
		all, err = s.known.KeyReadAll(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, ErrNoKeys
	case given:
		one, err := s.known.KeyRead(ctx, kid)
		if err != nil {
			s.fetch(ctx, kid, s.refresh)
			one, err = s.known.KeyRead(ctx, kid)
		}
		if err != nil {
			return nil, err
		}
		all = []jwkset.JWK{one}
	}
	var fitting jwt.VerificationKeySet
	for _, one := range all {
		if algorithmOf(one) == t.Method.Alg() {
			fitting.Keys = append(fitting.Keys, one.Key())
		}
	}
	if len(fitting.Keys) == 0 {
		return nil, errors.New("no key fits")
	}
	return fitting, nil
}

// algorithmOf gives the algorithm of a key of a set: the one that the set says, else
// the one of its kind; "" if it is not for verifying.
func algorithmOf(one jwkset.JWK) string {
	said := one.Marshal()
	method, err := methodOf(one.Key())
	switch {
	case err != nil,
		said.USE != "" && said.USE != jwkset.UseSig,
		len(said.KEYOPS) > 0 && !slices.Contains(said.KEYOPS, jwkset.KeyOpsVerify):
		return ""
	case said.ALG != "":
		return said.ALG.String()
	}
	return method
}

func isUsable(one jwkset.JWK) bool { return algorithmOf(one) != "" }
