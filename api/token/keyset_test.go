package token_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// issuer publishes keys at a JWKS URL. A test in a synctest bubble makes its issuer outside: the bubble's
// time stands still during a fetch.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex // guards what follows
	keys    []jwkset.JWKMarshal
	text    string // what is answered instead; "": the keys
	down    bool
	silent  chan struct{} // there is no answer before it is closed; nil: at once
	waiting int           // for an answer
	fetched int
}

func newIssuer(t testing.TB) *issuer {
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.fetched++
		if silent := i.silent; silent != nil {
			i.waiting++
			i.mu.Unlock()
			select {
			case <-silent:
			case <-r.Context().Done():
			}
			i.mu.Lock()
			i.waiting--
		}
		if i.down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if i.text != "" {
			io.WriteString(w, i.text)
			return
		}
		json.NewEncoder(w).Encode(jwkset.JWKSMarshal{Keys: i.keys})
	}))
	t.Cleanup(i.Close)
	return i
}

// fail answers with an error from now on, until keys are published.
func (i *issuer) fail() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = true
}

// publish serves a set of these keys from now on.
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

// jwk returns a key in the form of a set.
func jwk(t testing.TB, key any, metadata jwkset.JWKMetadataOptions) jwkset.JWKMarshal {
	t.Helper()
	made, err := jwkset.NewJWKFromKey(key, jwkset.JWKOptions{
		Marshal: jwkset.JWKMarshalOptions{Private: true}, Metadata: metadata,
		Validate: jwkset.JWKValidateOptions{SkipAll: true},
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

// signedBy returns a token with a key's id; "" is none.
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

func (i *issuer) verifier(t testing.TB, log io.Writer) *token.Verifier {
	t.Helper()
	return verifierOf(t, i.URL, log)
}

func verifierOf(t testing.TB, url string, log io.Writer) *token.Verifier {
	t.Helper()
	keys, err := token.KeySet(t.Context(), url, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	return token.NewVerifier(keys, token.Rules{Clock: clock})
}

func TestKeySet(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
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
		require.EqualError(t, err, "no key of this hub has its kid",
			"one that was taken back counts no longer")
		require.Equal(t, 2, i.fetches())

		for range 50 {
			_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, third, "made up"))
			require.EqualError(t, err, "no key of this hub has its kid")
			_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, second, "made up"))
			require.EqualError(t, err, "no key of this hub has its kid", "though it is signed with one")
			_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, third, ""))
			require.EqualError(t, err, "it is not signed with a key of this hub")
		}
		require.Equal(t, 2, i.fetches(), "at most once a minute")
		require.Empty(t, log.String())
	})
}

func TestKeySetThatCannotBeFetched(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		i.fail()
		key := p256(t)
		var log bytes.Buffer
		v := i.verifier(t, &log)
		require.Contains(t, log.String(), "cannot fetch the keys")
		_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
		require.ErrorIs(t, err, token.ErrNoKeys)
		for range 50 {
			_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
			require.ErrorIs(t, err, token.ErrNoKeys)
		}
		require.LessOrEqual(t, i.fetches(), 3,
			"at the start, when a token came, and at most again after five seconds")
		i.publish(jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
		time.Sleep(token.RetryAfter - 1)
		_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
		require.ErrorIs(t, err, token.ErrNoKeys)
		time.Sleep(time.Nanosecond)
		_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
		require.NoError(t, err, "it is tried again after some seconds")
		require.Equal(t, 3, i.fetches())

		for _, kid := range []string{"", "1"} {
			i.fail()
			v = i.verifier(t, &log)
			i.publish(jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
			_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, kid))
			require.NoError(t, err, "it is tried again when a token comes")
		}
	})
}

// A key of a set verifies its own algorithm and use, and nothing else.
func TestKeysOfASet(t *testing.T) {
	i := newIssuer(t)
	key, small := p256(t), rsaKey(t, 1024)
	i.publish(
		jwk(t, []byte(secret), jwkset.JWKMetadataOptions{KID: "secret"}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "for encryption", USE: jwkset.UseEnc}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "for other operations",
			KEYOPS: []jwkset.KEYOPS{jwkset.KeyOpsEncrypt}}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "of another algorithm", ALG: jwkset.AlgES384}),
		jwk(t, small.Public(), jwkset.JWKMetadataOptions{KID: "small"}),
		jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "for signatures", USE: jwkset.UseSig,
			ALG: jwkset.AlgES256}),
	)
	var log bytes.Buffer
	v := i.verifier(t, &log)
	for kid, mistake := range map[string]string{
		"for encryption":       "no key of this hub has its kid",
		"for other operations": "no key of this hub has its kid",
		"of another algorithm": `its algorithm is "ES256"; no key of this hub uses it`,
	} {
		_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, kid))
		require.EqualError(t, err, mistake, kid)
	}
	_, err := v.Verify(signedBy(t, jwt.SigningMethodRS256, small, "small"))
	require.Error(t, err, "RSA of 1024 bits")
	_, err = v.Verify(signedBy(t, jwt.SigningMethodHS256, []byte(secret), "secret"))
	require.ErrorContains(t, err, `its algorithm is "HS256"`)
	_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, "for signatures"))
	require.NoError(t, err)
	_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, key, ""))
	require.NoError(t, err)
	require.Empty(t, log.String())

	i.publish(jwk(t, []byte(secret), jwkset.JWKMetadataOptions{KID: "secret"}))
	_, err = i.verifier(t, &log).Verify(signedBy(t, jwt.SigningMethodES256, key, ""))
	require.EqualError(t, err, `its algorithm is "ES256"; no key of this hub uses it`)
	require.Contains(t, log.String(), "no fetched key can verify tokens",
		"else its operator would look for what is wrong with the tokens")

	log.Reset()
	i.publish()
	i.text = `{"keys":[]}`
	_, err = i.verifier(t, &log).Verify(signedBy(t, jwt.SigningMethodES256, key, ""))
	require.ErrorContains(t, err, "no key of this hub", "they were fetched, and all were taken back")
	require.Contains(t, log.String(), "no fetched key can verify tokens")
}

// Signatures distinguish keys without ids, and several keys of one id.
func TestKeysWithoutIDsOfTheirOwn(t *testing.T) {
	i := newIssuer(t)
	first, second := p256(t), p256(t)
	i.publish(jwk(t, first.Public(), jwkset.JWKMetadataOptions{}))
	v := i.verifier(t, io.Discard)
	_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, first, ""))
	require.NoError(t, err)
	i.publish(jwk(t, second.Public(), jwkset.JWKMetadataOptions{}))
	_, err = v.Verify(signedBy(t, jwt.SigningMethodES256, second, ""))
	require.NoError(t, err, "a key that is new is noticed")
	require.Equal(t, 2, i.fetches())

	i.publish(jwk(t, first.Public(), jwkset.JWKMetadataOptions{KID: "same"}),
		jwk(t, second.Public(), jwkset.JWKMetadataOptions{KID: "same"}))
	v = i.verifier(t, io.Discard)
	for _, key := range []*ecdsa.PrivateKey{first, second} {
		_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, "same"))
		require.NoError(t, err)
	}
}

// An answer that is no key set changes nothing. A wrong key of a set spoils no other.
func TestBrokenKeySets(t *testing.T) {
	i := newIssuer(t)
	key := p256(t)
	good, err := json.Marshal(jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
	require.NoError(t, err)
	for name, set := range map[string]struct{ text, says string }{
		"a page":     {"<html>", "is not a JSON Web Key Set"},
		"another":    {`{"key":[]}`, "is not a JSON Web Key Set"},
		"a null":     {`{"keys":null}`, "is not a JSON Web Key Set"},
		"very large": {strings.Repeat(" ", 2<<20), "larger than 1048576 bytes"},
	} {
		var log bytes.Buffer
		i.text = set.text
		_, err := i.verifier(t, &log).Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
		require.ErrorIs(t, err, token.ErrNoKeys, name)
		require.Contains(t, log.String(), set.says, name)
	}
	i.text = fmt.Sprintf(
		`{"keys":[{},{"kty":"EC","crv":"P-256"},{"kty":"strange"},{"kty":"RSA","n":"AQAB","e":"AQAB"},%s]}`, good)
	_, err = i.verifier(t, io.Discard).Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
	require.NoError(t, err)
}

// Neither a starting hub nor its readers wait long for an issuer that does not answer.
func TestSilentIssuer(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for seconds")
	}
	t.Parallel()
	i := newIssuer(t)
	key := p256(t)
	i.publish(jwk(t, key.Public(), jwkset.JWKMetadataOptions{KID: "1"}))
	i.silent = make(chan struct{})
	underWay := func() int {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.waiting
	}
	v := i.verifier(t, io.Discard)
	require.Equal(t, 1, underWay(), "what was begun goes on")
	_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
	require.ErrorIs(t, err, token.ErrNoKeys)
	require.Equal(t, 1, underWay())
	close(i.silent)
	require.Eventually(t, func() bool {
		_, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, "1"))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}

// The log omits secrets in the URL of a key set.
func TestSecretsInTheAddressOfKeys(t *testing.T) {
	i := newIssuer(t)
	i.fail()
	var log bytes.Buffer
	for _, base := range []string{i.URL, "http://127.0.0.1:1"} {
		verifierOf(t, strings.Replace(base, "//", "//user:hunter2@", 1)+"/keys?api_key=hunter3#hunter4", &log)
	}
	require.Equal(t, 2, strings.Count(log.String(), "cannot fetch the keys"))
	require.Contains(t, log.String(), "http://127.0.0.1:1/keys")
	require.NotContains(t, log.String(), "hunter")
}

// TestKeyLeavesTheSet checks that the tokens of a key that is no longer in the set are revoked, and no
// others: also where the set's keys have no ids, and each may be the one that signed.
func TestKeyLeavesTheSet(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		first, second := p256(t), p256(t)
		set := func(keys ...*ecdsa.PrivateKey) (marshalled []jwkset.JWKMarshal) {
			for _, key := range keys {
				marshalled = append(marshalled, jwk(t, key.Public(), jwkset.JWKMetadataOptions{}))
			}
			return marshalled
		}
		i.publish(set(first, second)...)
		v := i.verifier(t, io.Discard)
		grants := map[*ecdsa.PrivateKey]*token.Grant{}
		for _, key := range []*ecdsa.PrivateKey{first, second} {
			grant, err := v.Verify(signedBy(t, jwt.SigningMethodES256, key, ""))
			require.NoError(t, err)
			grants[key] = grant
		}
		changes := v.Changes()
		i.publish(set(second)...)
		require.False(t, v.Revoked(grants[first]), "nobody has fetched the set")
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		require.Greater(t, v.Changes(), changes)
		require.True(t, v.Revoked(grants[first]))
		require.False(t, v.Revoked(grants[second]))
		i.fail()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.False(t, v.Revoked(grants[second]), "a set that cannot be fetched revokes nothing")
	})
}
