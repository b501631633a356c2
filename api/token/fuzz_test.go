package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// signed reports, without a library, whether the secret signed a token with HS256 (RFC 7515, section 5.2;
// RFC 7518, section 3.2).
func signed(raw string) bool {
	head, rest, _ := strings.Cut(raw, ".")
	body, signature, found := strings.Cut(rest, ".")
	given, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(head + "." + body))
	return found && err == nil && hmac.Equal(given, mac.Sum(nil))
}

// signAnything signs parts that need not be a token's.
func signAnything(head, body []byte) string {
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// checkVerdict checks the result of any token. Everyone may read the error.
func checkVerdict(t *testing.T, grant *token.Grant, err error) {
	t.Helper()
	require.Equal(t, err == nil, grant != nil)
	if err != nil {
		require.True(t, utf8.ValidString(err.Error()))
		require.Less(t, len(err.Error()), 1000)
		require.NotContains(t, err.Error(), secret)
		return
	}
	require.True(t, grant.Expires.After(now.Add(-token.Leeway)))
	for _, patterns := range []token.Patterns{grant.Read, grant.Publish, grant.Topics} {
		for _, pattern := range patterns {
			require.NotEmpty(t, pattern)
			require.NotContains(t, pattern[:len(pattern)-1], "*")
		}
	}
}

// FuzzVerify finds no valid token that was not signed with the key.
func FuzzVerify(f *testing.F) {
	other := sign(f, jwt.SigningMethodEdDSA, edKey(f), nil)
	good := sign(f, jwt.SigningMethodHS256, []byte(secret),
		claims{"sub": "me", "livemap": claims{"read": []string{"*"}}})
	for _, seed := range []string{
		"", ".", "..", "...", good, good + "=", good + ".", " " + good, sameBits(good), good[:len(good)-1], good +
			"\n",
		strings.Replace(good, ".", "..", 1), other,
		strings.TrimRight(good, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		"eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDAwMDB9.",
	} {
		f.Add(seed)
	}
	v := verifier(f, secret, token.Rules{})
	f.Fuzz(func(t *testing.T, raw string) {
		grant, err := v.Verify(raw)
		checkVerdict(t, grant, err)
		if err == nil {
			require.True(t, signed(raw), raw)
		}
	})
}

// sameBits returns a token whose last character encodes the same bytes with other unused bits.
func sameBits(raw string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(raw) - 1
	return raw[:last] + string(alphabet[strings.IndexByte(alphabet, raw[last])|1])
}

// FuzzClaims signs any claims. An accepted token names this hub's algorithm and audience, has not
// expired, and grants what its claims say.
func FuzzClaims(f *testing.F) {
	head := `{"alg":"HS256","typ":"JWT"}`
	for _, body := range []string{
		`{"exp":1795424661,"iss":"i","aud":"a"}`,
		`{"exp":1795424661,"iss":"i","aud":["b","a"],"sub":"s","nbf":1795421000.5,"livemap":{"read":["a*"],` +
			`"publish":["*"],"topics":[]}}`,
		`{"exp":1e400,"iss":"i","aud":"a"}`, `{"exp":-1e18}`, `{"exp":"1795424661"}`, `{"exp":null}`,
		`{"exp":9e99,"iss":"i","aud":"a","nbf":-9e99}`,
		`{"exp":1795424661,"exp":1,"iss":"i","aud":"a"}`, `{"EXP":1795424661,"iss":"i","aud":"a"}`,
		`{"exp":1795424661,"iss":"i","aud":{"a":1}}`,
		`{"exp":1795424661,"iss":"i","aud":"a","livemap":{"read":["a*b"],"READ":["*"]}}`,
		`{"exp":1795424661,"iss":"i","aud":"a","livemap":null}`,
		`{"iss":"i","aud":"a"}`, `{}`, `null`, `[]`, ``, `{`, "{\"iss\":\"\xff\"}",
	} {
		f.Add([]byte(head), []byte(body))
	}
	for _, other := range []string{`{"alg":"none"}`, `{"alg":"HS384"}`, `{"alg":"hs256"}`, `{"alg":7}`, `{}`,
		`null`, `{"alg":"HS256","crit":["exp"],"jwk":{},"kid":"../x"}`} {
		f.Add([]byte(other), []byte(`{"exp":1795424661,"iss":"i","aud":"a"}`))
	}
	v := verifier(f, secret, token.Rules{Issuer: "i", Audience: "a"})
	f.Fuzz(func(t *testing.T, head, body []byte) {
		grant, err := v.Verify(signAnything(head, body))
		checkVerdict(t, grant, err)
		if err != nil {
			return
		}
		// Into maps: into a struct, encoding/json ignores the case of names.
		var header, said map[string]any
		require.NoError(t, json.Unmarshal(head, &header))
		require.Equal(t, "HS256", header["alg"])
		require.NoError(t, json.Unmarshal(body, &said), string(body))
		require.Equal(t, "i", said["iss"])
		if list, several := said["aud"].([]any); several {
			require.Contains(t, list, "a")
		} else {
			require.Equal(t, "a", said["aud"])
		}
		subject, _ := said["sub"].(string)
		require.Equal(t, subject, grant.Subject)
		require.Greater(t, grant.Expires, now.Add(-token.Leeway-time.Second))
		if exp, is := said["exp"].(float64); is { // text is taken, too
			require.InDelta(t, exp, float64(grant.Expires.Unix()), 1)
		}
		rights, _ := said["livemap"].(map[string]any)
		for name, patterns := range map[string]token.Patterns{"read": grant.Read, "publish": grant.Publish,
			"topics": grant.Topics} {
			list, _ := rights[name].([]any)
			require.Len(t, patterns, len(list), name)
		}
	})
}

// FuzzKeyFile reads any file as a key. A file that begins like PEM is never a secret, and no error quotes
// the file.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(secret + "\r\n"))
	f.Add([]byte(public(f, edKey(f))))
	for _, der := range publicKeys(f)["Ed25519"] {
		f.Add(append(der, '\n'))
		f.Add([]byte(base64.StdEncoding.EncodeToString(der)))
	}
	f.Add([]byte("\n -----BEGIN PUBLIC KEY-----\n" + secret))
	f.Add([]byte("-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN " + secret + secret + "-----\nAAAA\n-----END " + secret + secret + "-----\n"))
	path := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, data []byte) {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		for format, secret := range map[token.SecretFormat]string{
			token.TextSecret: strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"),
			token.RawSecret:  string(data),
		} {
			keys, err := token.KeyFile(path, format)
			require.Equal(t, err == nil, keys != nil)
			if err != nil {
				require.Less(t, len(err.Error()), 400)
				continue
			}
			v := token.NewVerifier(keys, token.Rules{Clock: func() time.Time { return now }})
			if _, err = v.Verify(sign(t, jwt.SigningMethodHS256, []byte(secret), nil)); err == nil {
				require.GreaterOrEqual(t, len(secret), token.MinSecret)
				require.NotContains(t, secret, "-----BEGIN", "a public key is no secret")
				_, err := x509.ParsePKIXPublicKey(data)
				require.Error(t, err, "a public key is no secret")
			}
		}
	})
}

// FuzzPatterns reads any text as patterns and compares with a match by hand.
func FuzzPatterns(f *testing.F) {
	f.Add([]byte(`["vehicle:TRUCK-*","depot:7"]`), "vehicle:TRUCK-042")
	f.Add([]byte(`["*"]`), "")
	f.Add([]byte(`["a*b"]`), "a*b")
	f.Add([]byte(`[null,""]`), "")
	f.Add([]byte(`null`), "x")
	f.Add([]byte(`["\ud800*"]`), "\ufffd")
	f.Fuzz(func(t *testing.T, text []byte, id string) {
		var p token.Patterns
		if err := json.Unmarshal(text, &p); err != nil {
			require.Empty(t, p)
			return
		}
		want := false
		for _, pattern := range p {
			require.NotEmpty(t, pattern)
			last := len(pattern) - 1
			if pattern[last] == '*' {
				want = want || len(id) >= last && id[:last] == pattern[:last]
			}
			want = want || id == pattern
		}
		require.Equal(t, want, p.Match(id))
	})
}
