package token_test

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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

const secret = "0123456789abcdef0123456789abcdef"

var now = time.Unix(1795421061, 0)

func clock() time.Time { return now }

// file writes a temporary file and returns its path.
func file(t testing.TB, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
	return path
}

// public returns the public half of a key as PEM.
func public(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func verifier(t testing.TB, key string, rules token.Rules) *token.Verifier {
	t.Helper()
	keys, err := token.KeyFile(file(t, key), token.TextSecret)
	require.NoError(t, err)
	rules.Clock = clock
	return token.NewVerifier(keys, rules)
}

type claims = jwt.MapClaims

// sign returns a token that expires in an hour, unless the claims say otherwise.
func sign(t testing.TB, method jwt.SigningMethod, key any, with claims) string {
	t.Helper()
	all := claims{"exp": now.Add(time.Hour).Unix()}
	for name, value := range with {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	signed, err := jwt.NewWithClaims(method, all).SignedString(key)
	require.NoError(t, err)
	return signed
}

// signText signs a token with the text of its header and claims.
func signText(t testing.TB, key *ecdsa.PrivateKey, header, claims string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := jwt.SigningMethodES256.Sign(text, key)
	require.NoError(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return key
}

// Every kind of key verifies tokens of its own algorithm, and of no other.
func TestTheKeyFixesTheAlgorithm(t *testing.T) {
	type pair struct {
		method jwt.SigningMethod
		key    crypto.Signer // nil: the secret
	}
	pairs := []pair{
		{jwt.SigningMethodHS256, nil},
		{jwt.SigningMethodRS256, rsaKey(t, 2048)},
		{jwt.SigningMethodES256, ecKey(t, elliptic.P256())},
		{jwt.SigningMethodES384, ecKey(t, elliptic.P384())},
		{jwt.SigningMethodES512, ecKey(t, elliptic.P521())},
		{jwt.SigningMethodEdDSA, edKey(t)},
	}
	var tokens []string
	for _, p := range pairs {
		key := any(p.key)
		if p.key == nil {
			key = []byte(secret)
		}
		tokens = append(tokens, sign(t, p.method, key, claims{"sub": p.method.Alg(), "livemap": claims{
			"read": []string{"vehicle:TRUCK-*", "depot:7"}, "publish": []string{"TRUCK-*"},
			"topics": []string{"depot:*"}, "more": 1,
		}}))
	}
	for i, p := range pairs {
		own := secret
		if p.key != nil {
			own = public(t, p.key)
		}
		v := verifier(t, own, token.Rules{})
		for n, raw := range tokens {
			grant, err := v.Verify(raw)
			if n != i {
				require.EqualError(t, err,
					`its algorithm is "`+pairs[n].method.Alg()+`"; this hub accepts `+p.method.Alg())
				continue
			}
			require.NoError(t, err)
			require.EqualExportedValues(t, token.Grant{
				Subject: p.method.Alg(), Expires: now.Add(time.Hour),
				Read: token.Patterns{"vehicle:TRUCK-*", "depot:7"}, Publish: token.Patterns{"TRUCK-*"},
				Topics: token.Patterns{"depot:*"},
			}, *grant)
			require.False(t, v.Revoked(grant))
		}
	}
}

// A key does not verify other algorithms of its kind.
func TestOtherAlgorithmsOfTheKey(t *testing.T) {
	key := rsaKey(t, 2048)
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS384, jwt.SigningMethodRS512,
		jwt.SigningMethodPS256} {
		_, err := verifier(t, public(t, key), token.Rules{}).Verify(sign(t, method, key, nil))
		require.EqualError(t, err, `its algorithm is "`+method.Alg()+`"; this hub accepts RS256`)
	}
	for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		_, err := verifier(t, secret, token.Rules{}).Verify(sign(t, method, []byte(secret), nil))
		require.EqualError(t, err, `its algorithm is "`+method.Alg()+`"; this hub accepts HS256`)
	}
}

func TestRefusedTokens(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	v := verifier(t, public(t, key), token.Rules{Issuer: "https://issuer.example", Audience: "map"})
	base := claims{"iss": "https://issuer.example", "aud": "map"}
	with := func(name string, value any) claims {
		all := claims{}
		for name, value := range base {
			all[name] = value
		}
		all[name] = value
		return all
	}
	es256 := jwt.SigningMethodES256
	good := sign(t, es256, key, base)
	parts := strings.Split(good, ".")
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, base).SignedString(
		jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	for _, test := range []struct{ name, raw, want string }{
		{"good", good, ""},
		{"one of several audiences", sign(t, es256, key, with("aud", []string{"other", "map"})), ""},
		{"no right", sign(t, es256, key, with("livemap", claims{})), ""},
		{"none", "", "it is not a JSON Web Token"},
		{"words", "let me in", "it is not a JSON Web Token"},
		{"without signature", parts[0] + "." + parts[1], "it is not a JSON Web Token"},
		{"an exp of somebody's, beyond all bounds", sign(t, es256, ecKey(t, elliptic.P256()), with("exp", 1e300)),
			"it is not signed with a key of this hub"},
		{"an empty signature", parts[0] + "." + parts[1] + ".", "it is not signed with a key of this hub"},
		{"somebody's signature", sign(t, es256, ecKey(t, elliptic.P256()), base),
			"it is not signed with a key of this hub"},
		{"another's payload", parts[0] + "." + strings.Split(sign(t, es256, key, with("sub", "admin")), ".")[1] +
			"." + parts[2], "it is not signed with a key of this hub"},
		{"alg none", unsigned, `its algorithm is "none"; this hub accepts ES256`},
		{"the public key as a secret", sign(t, jwt.SigningMethodHS256, []byte(public(t, key)), base),
			`its algorithm is "HS256"; this hub accepts ES256`},
		{"no exp", sign(t, es256, key, with("exp", nil)), "it has no exp, which this hub requires"},
		{"exp is text", sign(t, es256, key, with("exp", "tomorrow")),
			"its claims are not JSON, or one has a wrong type or appears twice"},
		{"exp in other letters", sign(t, es256, key,
			claims{"exp": nil, "EXP": now.Add(time.Hour).Unix(), "iss": "https://issuer.example", "aud": "map"}),
			"it has no exp, which this hub requires"},
		{"exp twice", signText(t, key, `{"alg":"ES256"}`,
			`{"exp":1,"exp":1795500000,"iss":"https://issuer.example","aud":"map"}`),
			"its claims are not JSON, or one has a wrong type or appears twice"},
		{"rights in other letters", sign(t, es256, key, with("LIVEMAP", "*")), ""},
		{"an exp that never comes", sign(t, es256, key, with("exp", 1e300)),
			"its exp is out of range; it must be in seconds since 1970, up to the year 9999"},
		{"exp in milliseconds", sign(t, es256, key, with("exp", now.UnixMilli())),
			"its exp is out of range; it must be in seconds since 1970, up to the year 9999"},
		{"the year 9999", sign(t, es256, key, with("exp", 253402300799)), ""},
		{"an nbf beyond all bounds", sign(t, es256, key, with("nbf", 1e19)),
			"its nbf is out of range; it must be in seconds since 1970, up to the year 9999"},
		{"an iat beyond all bounds", sign(t, es256, key, with("iat", 1e19)),
			"its iat is out of range; it must be in seconds since 1970, up to the year 9999"},
		{"cut off by one letter", good[:len(good)-1],
			"its signature is incomplete or damaged; copy the whole token"},
		{"padded", good + "==", "its signature is incomplete or damaged; copy the whole token"},
		{"crit", signText(t, key, `{"alg":"ES256","crit":["exp-ext"],"exp-ext":1}`,
			`{"exp":1795500000,"iss":"https://issuer.example","aud":"map"}`),
			"its header has crit, which this hub does not support"},
		{"expired", sign(t, es256, key, with("exp", now.Add(-61*time.Second).Unix())),
			"it expired at 2026-11-23T08:03:20Z"},
		{"expired, within the leeway", sign(t, es256, key, with("exp", now.Add(-59*time.Second).Unix())), ""},
		{"not yet", sign(t, es256, key, with("nbf", now.Add(61*time.Second).Unix())),
			"it is not valid before 2026-11-23T08:05:22Z"},
		{"not yet, within the leeway", sign(t, es256, key, with("nbf", now.Add(59*time.Second).Unix())), ""},
		{"another issuer", sign(t, es256, key, with("iss", "https://evil.example")),
			`its issuer is "https://evil.example"; this hub accepts "https://issuer.example"`},
		{"no issuer", sign(t, es256, key, with("iss", nil)), "it has no iss, which this hub requires"},
		{"another audience", sign(t, es256, key, with("aud", "shop")), `it is not for the audience "map"`},
		{"no audience", sign(t, es256, key, with("aud", nil)), "it has no aud, which this hub requires"},
		{"rights are a list", sign(t, es256, key, with("livemap", []string{"*"})),
			"its claim livemap must be an object"},
		{"rights are null", sign(t, es256, key, with("livemap", claims(nil))),
			"its claim livemap must be an object"},
		{"a right is text", sign(t, es256, key, with("livemap", claims{"read": "*"})),
			"in its claim livemap, read must be an array of strings"},
		{"a star in the middle", sign(t, es256, key, with("livemap", claims{"publish": []string{"a*b"}})),
			`in its claim livemap, publish has "a*b"; a * is allowed only at the end`},
		{"two stars", sign(t, es256, key, with("livemap", claims{"topics": []string{"a**"}})),
			`in its claim livemap, topics has "a**"; a * is allowed only at the end`},
		{"nothing", sign(t, es256, key, with("livemap", claims{"read": []string{""}})),
			`in its claim livemap, read has ""; the pattern for everything is "*"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			grant, err := v.Verify(test.raw)
			if test.want == "" {
				require.NoError(t, err)
				require.NotNil(t, grant)
				return
			}
			require.EqualError(t, err, test.want)
			require.Nil(t, grant)
		})
	}
}

// An error reveals no claim of a token whose signature is wrong.
func TestErrorsOfForgeriesRevealNothing(t *testing.T) {
	v := verifier(t, secret, token.Rules{Issuer: "https://issuer.example"})
	for _, forged := range []claims{
		{"iss": "told"}, {"exp": 1}, {"livemap": "told"}, {"livemap": claims{"read": []string{"told*told"}}},
	} {
		_, err := v.Verify(sign(t, jwt.SigningMethodHS256, []byte("another secret, which is as long as that"),
			forged))
		require.EqualError(t, err, "it is not signed with a key of this hub")
	}
}

func TestKeyFiles(t *testing.T) {
	small, p224 := public(t, rsaKey(t, 1024)), public(t, ecKey(t, elliptic.P224()))
	private, err := x509.MarshalPKCS8PrivateKey(edKey(t))
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(edKey(t).Public())
	require.NoError(t, err)
	random := make([]byte, 48)
	rand.Read(random)
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY",
		Bytes: x509.MarshalPKCS1PublicKey(&rsaKey(t, 2048).PublicKey)}))
	for _, test := range []struct{ name, data, want string }{
		{"a secret", secret, ""},
		{"with a newline", secret + "\n", ""},
		{"with a newline of Windows", secret + "\r\n", ""},
		{"too short", secret[1:], "31 bytes; it must have at least 32"},
		{"too short with a newline", secret[1:] + "\n", "31 bytes"},
		{"nothing", "", "0 bytes"},
		{"something large", strings.Repeat(secret, 3000), "larger than 65536 bytes"},
		{"PKCS #1", pkcs1, ""},
		{"white space before", "\n  " + pkcs1, ""},
		{"two keys", pkcs1 + pkcs1, "holds more than one key"},
		{"a small RSA key", small, "this RSA key has 1024 bits; it must be a PEM public key"},
		{"a curve that JWT has no algorithm for", p224, "P-224; it must be"},
		{"a private key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
			"holds a PRIVATE KEY; it must be a PEM public key"},
		{"behind a byte order mark", "\ufeff" + pkcs1, "a key in another form"},
		{"in UTF-16", "\xff\xfe" + strings.Join(strings.Split(pkcs1, ""), "\x00") + "\x00",
			"a key in another form"},
		{"behind words", "Public-Key: (2048 bit)\n" + pkcs1, "a key in another form"},
		{"DER", string(der), "a key in another form"},
		{"DER and a newline", string(der) + "\n", "a key in another form"},
		{"DER of PKCS #1", string(x509.MarshalPKCS1PublicKey(&rsaKey(t, 2048).PublicKey)), "a key in another form"},
		{"DER as base64", base64.StdEncoding.EncodeToString(der) + "\n", "a key in another form"},
		{"DER as base64url", base64.RawURLEncoding.EncodeToString(der), "a key in another form"},
		{"PEM without its first line", pkcs1[strings.IndexByte(pkcs1, '\n')+1:], "a key in another form"},
		{"PEM without both", strings.Join(strings.Split(strings.TrimSpace(pkcs1),
			"\n")[1:strings.Count(pkcs1, "\n")-1], "\n"), "a key in another form"},
		{"PEM with four dashes", strings.Replace(pkcs1, "-----BEGIN", "----BEGIN", 1), "a key in another form"},
		{"SSH2", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789abcdef",
			"a key in another form"},
		{"a JWK without its kty", `{"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"a key in another form"},
		{"OpenSSH, RSA", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789abcdef me@example", "a key in another form"},
		{"OpenSSH, ECDSA", "ecdsa-sha2-nistp256 AAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789abcdef me@example",
			"a key in another form"},
		{"a secret of random bytes", string(random), "--jwt-secret-format raw accepts any bytes"},
		{"a secret as base64", base64.StdEncoding.EncodeToString(random), ""},
		{"an RSA key that is a little small", public(t, rsaKey(t, 2040)), "this RSA key has 2040 bits"},
		{"a JWK", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"a key in another form"},
		{"OpenSSH", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789abcdef me@example", "a key in another form"},
		{"broken", "-----BEGIN PUBLIC KEY-----\nand no more, but long enough to be a secret",
			"begins like PEM but does not parse"},
		{"broken within", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("nonsense")})),
			"it must be a PEM public key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := file(t, test.data)
			keys, err := token.KeyFile(path, token.TextSecret)
			if test.want == "" {
				require.NoError(t, err)
				require.NotNil(t, keys)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "0123456789")
		})
	}
	_, err = token.SignerFile(file(t, string(der)), token.TextSecret)
	require.ErrorContains(t, err, "a key in another form", "nothing is signed with it either")
	_, err = token.KeyFile("/nowhere/key", token.TextSecret)
	require.ErrorContains(t, err, "/nowhere/key")
	v := verifier(t, secret+"\r\n", token.Rules{})
	_, err = v.Verify(sign(t, jwt.SigningMethodHS256, []byte(secret), nil))
	require.NoError(t, err, "the newline is not part of the secret")
}

func TestPatterns(t *testing.T) {
	p := token.Patterns{"vehicle:TRUCK-*", "depot:7"}
	for id, want := range map[string]bool{
		"vehicle:TRUCK-042": true, "vehicle:TRUCK-": true, "vehicle:TRUCK": false, "vehicle:truck-042": false,
		"depot:7": true, "DEPOT:7": false, "depot:77": false, "depot:": false, "": false, "depot:7*": false,
		"vehicle:TRUCK-*": true,
	} {
		require.Equal(t, want, p.Match(id), id)
	}
	require.True(t, token.Patterns{"*"}.Match("anything"))
	require.False(t, token.Patterns(nil).Match("anything"))
}

func TestEnds(t *testing.T) {
	g := token.Grant{Expires: now}
	require.Equal(t, now, g.Ends(now.Add(-time.Hour)))
	require.Equal(t, now.Add(token.Leeway), g.Ends(now))
	require.Equal(t, now.Add(token.Leeway), g.Ends(now.Add(30*time.Second)))
}

// TestReplacedKey checks that a new key verifies new tokens and revokes those of the old one, whatever the
// kinds of the two, and that the same key in another file revokes nothing.
func TestReplacedKey(t *testing.T) {
	ec, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	ed, rs := edKey(t), rsaKey(t, 2048)
	keys := []struct {
		text   string
		method jwt.SigningMethod
		sign   any
	}{
		{secret, jwt.SigningMethodHS256, []byte(secret)},
		{secret + "!", jwt.SigningMethodHS256, []byte(secret + "!")},
		{public(t, ec), jwt.SigningMethodES256, ec},
		{public(t, other), jwt.SigningMethodES256, other},
		{public(t, ed), jwt.SigningMethodEdDSA, ed},
		{public(t, rs), jwt.SigningMethodRS256, rs},
	}
	for _, before := range keys {
		for _, after := range keys {
			v := verifier(t, before.text, token.Rules{})
			old := sign(t, before.method, before.sign, nil)
			grant, err := v.Verify(old)
			require.NoError(t, err)
			changes := v.Changes()
			replacement, err := token.KeyFile(file(t, after.text), token.TextSecret)
			require.NoError(t, err)
			v.Replace(replacement)
			require.Greater(t, v.Changes(), changes)
			require.Equal(t, before.text != after.text, v.Revoked(grant))
			_, err = v.Verify(old)
			require.Equal(t, before.text != after.text, err != nil)
			fresh, err := v.Verify(sign(t, after.method, after.sign, nil))
			require.NoError(t, err)
			require.False(t, v.Revoked(fresh))
		}
	}
}
