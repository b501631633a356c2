package token_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// issuer is who publishes keys at a JWKS URL.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex // guards what follows
	keys    []jwkset.JWKMarshal
	down    bool
	fetched int
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.fetched++
		if i.down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(jwkset.JWKSMarshal{Keys: i.keys})
	}))
	t.Cleanup(i.Close)
	return i
}

// publish makes a set of these keys what is fetched from now on.
func (i *issuer) publish(keys ...jwkset.JWKMarshal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.down = keys, false
}

func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetched
}

// jwk is a key as a set has it.
func jwk(t testing.TB, key any, metadata jwkset.JWKMetadataOptions) jwkset.JWKMarshal {
	t.Helper()
	made, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal: jwkset.JWKMarshalOptions{Private: true}, Metadata: metadata, Validate: jwkset.JWKValidateOptions{SkipAll: true},
	})
	require.NoError(t, err)
	return made.Marshal()
}

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// signedBy makes a token with a key's id; "" is none.
func signedBy(t testing.TB, method jwt.SigningMethod, key any, kid string) string {
	t.Helper()
	made := jwt.NewWithClaims(method, claims{"exp": now.Add(1e9 * 3600).Unix(), "sub": "me"})
	if kid != "" {
		made.Header["kid"] = kid
	}
	made.Header["jku"] = "http://127.0.0.1:1/keys" // where nobody is to look
	raw, err := made.SignedString(key)
	require.NoError(t, err)
	return raw
}

func (i *issuer) verifier(t testing.TB, log *bytes.Buffer) *token.Verifier {
	t.Helper()
	keys, err := token.KeySet(t.Context(), i.URL, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	return token.NewVerifier(keys, token.Rules{Clock: clock})
}

func TestKeySet(t *testing.T) {
	i := newIssuer(t)
	first, second, third := p256(t), p256(t), p256(t)
	i.publish(jwk(t, first.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
	var log bytes.Buffer
	v := i.verifier(t, &log)

	for _, kid := range []string{"1", ""} {
		grant, err := v.Verify(signedBy(t, jwt.SigningMethodES256, first, kid))
		require.NoError(t, err)
		require.Equal(t, "me", grant.Subject)
	}
	_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, second, "1"))
	require.EqualError(t, err, "it is not signed with a key of this hub")
	require.Equal(t, 1, i.fetches(), "what is known is not fetched again")

	i.publish(jwk(t, second.Public(), jwkset.JWKMetadataOptions{KID: "2"}))
	var verifying sync.WaitGroup
	for range 20 {
		verifying.Go(func() {
			_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, second, "2"))
			assert.NoError(t, err, "a key that is new is fetched, and whoever asks meanwhile waits for it")
		})
	}
	verifying.Wait()
	_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, first, "1"))
	require.EqualError(t, err, "it is not signed with a key of this hub", "one that was taken back counts no longer")
	require.Equal(t, 2, i.fetches())

	for range 50 {
		_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, third, "made up"))
		require.EqualError(t, err, "it is not signed with a key of this hub")
	}
	require.Equal(t, 2, i.fetches(), "at most once a minute")
	require.Empty(t, log.String())
}

func TestKeySetThatCannotBeFetched(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.down = true
	key := p256(t)
	var log bytes.Buffer
	v := i.verifier(t, &log)
	require.Contains(t, log.String(), "cannot be fetched")
	_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
	require.ErrorIs(t, err, token.ErrNoKeys)
	i.publish(jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
	fetched := i.fetches()
	require.Eventually(t, func() bool {
		_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
		return err == nil
	}, time.Minute, 100*time.Millisecond, "it is tried again after some seconds")
	require.Equal(t, fetched+1, i.fetches())

	for _, kid := range []string{"", "1"} {
		i.down = true
		v = i.verifier(t, &log)
		i.publish(jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
		_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, kid))
		require.NoError(t, err, "it is tried again when a token comes")
	}
}

// A set's keys are taken for what they are, and for nothing else.
func TestKeysOfASet(t *testing.T) {
	i := newIssuer(t)
	key := p256(t)
	i.publish(
		jwk(t, []byte(secret), jwkset.JWKMetadataOptions{KID: "secret"}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "for encryption", USE: jwkset.UseEnc}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "for other operations", KEYOPS: []jwkset.KEYOPS{jwkset.KeyOpsEncrypt}}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "of another algorithm", ALG: jwkset.AlgES384}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "for signatures", USE: jwkset.UseSig, ALG: jwkset.AlgES256}),
	)
	var log bytes.Buffer
	v := i.verifier(t, &log)
	for _, kid := range []string{"for encryption", "for other operations", "of another algorithm"} {
		_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, kid))
		require.EqualError(t, err, "it is not signed with a key of this hub", kid)
	}
	_, err := v.Verify(signedBy(t, jwt.SigningMethodHS256, []byte(secret), "secret"))
	require.ErrorContains(t, err, `its algorithm is "HS256"`)
	_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, "for signatures"))
	require.NoError(t, err)
	_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, ""))
	require.NoError(t, err)
	require.Empty(t, log.String())

	i.publish(jwk(t, []byte(secret), jwkset.JWKMetadataOptions{KID: "secret"}))
	_, err = i.verifier(t, &log).Verify(signedBy(t, jwt.SigningMethodES256, key, ""))
	require.EqualError(t, err, "it is not signed with a key of this hub")
	require.Contains(t, log.String(), "none of the keys", "else its operator would look for what is wrong with the tokens")
}
