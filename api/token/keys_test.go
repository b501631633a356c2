package token_test

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// whiteSpace is what tools trim from the end of a file.
const whiteSpace = "\t\n\v\f\r "

// endings returns, for each white space character, the first of the numbered keys that ends in it.
func endings(t testing.TB, numbered func(n int) []byte) (keys [][]byte) {
	t.Helper()
	for _, last := range []byte(whiteSpace) {
		for n := 0; ; n++ {
			require.Less(t, n, 10_000, "no key ends in %#02x", last)
			if key := numbered(n); key[len(key)-1] == last {
				keys = append(keys, key)
				break
			}
		}
	}
	return keys
}

// fixed returns so many bytes that look random and are the same in every run.
func fixed(n, size int) []byte {
	bytes := make([]byte, size)
	rand.NewChaCha8([32]byte(fmt.Appendf(nil, "%32d", n))).Read(bytes)
	return bytes
}

// points returns, for each curve of ECDSA, six public keys that end in a white space character each.
func points(t testing.TB) map[ecdh.Curve][]*ecdh.PublicKey {
	t.Helper()
	points := map[ecdh.Curve][]*ecdh.PublicKey{}
	for curve, fixture := range map[ecdh.Curve]struct {
		size    int // of a private key, in bytes
		numbers []int
	}{
		ecdh.P256(): {32, []int{17, 8, 703, 26, 387, 103}},
		ecdh.P384(): {48, []int{104, 261, 1042, 82, 1355, 356}},
		ecdh.P521(): {66, []int{1421, 123, 144, 735, 228, 168}},
	} {
		for i, n := range fixture.numbers { // endings would search for seconds
			private := fixed(n, fixture.size)
			private[0] = 0 // else it may be larger than the order of the curve
			key, err := curve.NewPrivateKey(private)
			require.NoError(t, err)
			point := key.PublicKey().Bytes()
			require.Equal(t, whiteSpace[i], point[len(point)-1])
			points[curve] = append(points[curve], key.PublicKey())
		}
	}
	return points
}

func edPrivate(n int) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(fixed(n, ed25519.SeedSize)) }

// pkix returns the SubjectPublicKeyInfo of a key (RFC 5280, section 4.1).
func pkix(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return der
}

// spki returns a SubjectPublicKeyInfo of any algorithm (RFC 5280, section 4.1).
func spki(t testing.TB, algorithm asn1.ObjectIdentifier, parameters asn1.RawValue, key []byte) []byte {
	t.Helper()
	type identifier struct {
		Algorithm  asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	der, err := asn1.Marshal(struct {
		Algorithm identifier
		Key       asn1.BitString
	}{identifier{algorithm, parameters}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
	require.NoError(t, err)
	return der
}

// publicKeys returns six public keys of every type, one for each white space character that is their last
// byte. They are the same in every run.
func publicKeys(t testing.TB) map[string][][]byte {
	t.Helper()
	modulus := new(big.Int).SetBit(new(big.Int).SetBytes(fixed(0, 256)), 2047, 1)
	rsaPublic := func(n int) *rsa.PublicKey { return &rsa.PublicKey{N: modulus, E: 65537 + n} } // it ends in E
	certificate := func(n int) []byte {
		template := &x509.Certificate{SerialNumber: big.NewInt(1)}
		der, err := x509.CreateCertificate(nil, template, template, edPrivate(1).Public(), edPrivate(1))
		require.NoError(t, err)
		der[len(der)-1] = byte(n) // of the signature, which nobody checks
		return der
	}
	koblitz := asn1.RawValue{FullBytes: []byte("\x06\x05\x2b\x81\x04\x00\x0a")} // secp256k1
	keys := map[string][][]byte{
		"Ed25519":      endings(t, func(n int) []byte { return pkix(t, edPrivate(n).Public()) }),
		"RSA":          endings(t, func(n int) []byte { return pkix(t, rsaPublic(n)) }),
		"RSA, PKCS #1": endings(t, func(n int) []byte { return x509.MarshalPKCS1PublicKey(rsaPublic(n)) }),
		"certificate":  endings(t, certificate),
		"certificates": endings(t, func(n int) []byte { return append(certificate(0), certificate(n)...) }),
		"secp256k1, which Go does not know": endings(t, func(n int) []byte {
			return spki(t, asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, koblitz, append([]byte{4}, fixed(n, 64)...))
		}),
		"RSASSA-PSS, which Go does not know": endings(t, func(n int) []byte {
			pss := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
			return spki(t, pss, asn1.RawValue{}, x509.MarshalPKCS1PublicKey(rsaPublic(n)))
		}),
		"X25519": endings(t, func(n int) []byte {
			return spki(t, asn1.ObjectIdentifier{1, 3, 101, 110}, asn1.RawValue{}, fixed(n, 32))
		}),
	}
	for curve, points := range points(t) {
		for _, point := range points {
			keys[fmt.Sprint(curve)] = append(keys[fmt.Sprint(curve)], pkix(t, point))
		}
	}
	return keys
}

// forms returns the bytes and texts in which a key in DER is passed on.
func forms(der []byte) map[string]string {
	armored := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	lines := strings.Split(strings.TrimSpace(armored), "\n")
	forms := encodings(der)
	forms["DER, trimmed"] = strings.TrimRight(string(der), whiteSpace)
	forms["the body of PEM"] = strings.Join(lines[1:len(lines)-1], "\n")
	forms["base64 of PEM"] = base64.StdEncoding.EncodeToString([]byte(armored))
	return forms
}

// encodings returns the forms of any bytes.
func encodings(bytes []byte) map[string]string {
	base := base64.StdEncoding.EncodeToString(bytes)
	var pairs, numbers, signed, escapes, octal, lines []string
	for _, b := range bytes {
		pairs = append(pairs, fmt.Sprintf("%02x", b))
		numbers = append(numbers, strconv.Itoa(int(b)))
		signed = append(signed, strconv.Itoa(int(int8(b))))
		octal = append(octal, fmt.Sprintf(`\%03o`, b))
		if b == '\\' || b < ' ' || b > '~' {
			escapes = append(escapes,
				strings.NewReplacer(`\x5c`, `\\`, `\x0a`, `\n`).Replace(fmt.Sprintf(`\x%02x`, b)))
		} else {
			escapes = append(escapes, string(b))
		}
	}
	for line := range slices.Chunk([]byte(base), 64) {
		lines = append(lines, string(line))
	}
	return map[string]string{
		"bytes":                          string(bytes),
		"bytes behind a byte order mark": "\ufeff" + string(bytes),
		"base64":                         base,
		"base64 without padding":         strings.TrimRight(base, "="),
		"base64url":                      base64.RawURLEncoding.EncodeToString(bytes),
		"base64 with a newline in it":    base64.StdEncoding.EncodeToString(append(slices.Clip(bytes), '\n')),
		"base64 in quotes":               `"` + base + `"`,
		"base64 behind a name":           "JWT_KEY=" + base,
		"base64 behind a word":           "key: " + base,
		"base64 in UTF-16":               strings.Join(strings.Split(base, ""), "\x00") + "\x00",
		"base64 of base64":               base64.StdEncoding.EncodeToString([]byte(base + "\n")),
		"hex":                            strings.Join(pairs, ""),
		"hex in upper case":              strings.ToUpper(strings.Join(pairs, "")),
		"hex with colons":                strings.Join(pairs, ":"),
		"hex as in C":                    "0x" + strings.Join(pairs, ", 0x"),
		"hex as in .NET":                 strings.ToUpper(strings.Join(pairs, "-")),
		"hex as in Go":                   fmt.Sprintf("%#v", bytes),
		"hex in escapes":                 `\x` + strings.Join(pairs, `\x`),
		"hex in percents":                "%" + strings.Join(pairs, "%"),
		"hex as strings":                 `["` + strings.Join(pairs, `", "`) + `"]`,
		"escapes among characters":       "b'" + strings.Join(escapes, "") + "'", // as in Python
		"escapes in octal":               strings.Join(octal, ""),
		"numbers":                        "Uint8Array(9) [" + strings.Join(numbers, ", ") + "]",
		"numbers with spaces":            strings.Join(numbers, " "),
		"numbers on lines":               strings.Join(numbers, "\n"),
		"signed numbers":                 "{" + strings.Join(signed, ",") + "}", // as in Java
		"base32":                         base32.StdEncoding.EncodeToString(bytes),
		"base32 in lower case":           strings.ToLower(base32.StdEncoding.EncodeToString(bytes)),
		"base64 with escaped newlines":   strings.Join(lines, `\n`),
		"base64 in a query":              url.QueryEscape(base),
		"base64 with escaped slashes":    strings.NewReplacer("/", `\/`, "+", `\u002B`).Replace(base),
		"base64 in several strings":      `"` + strings.Join(lines, "\" +\n\"") + `"`,
		"a dump":                         dump(bytes, "%08x: ", "% x"),
		"a dump in octal":                dump(bytes, "%07o ", "%03o"),
		"a dump as of Windows":           "Offset Bytes\n" + dump(bytes, "%016X  ", "% X"),
	}
}

// dump returns lines of 16 bytes behind their offset, as xxd, od, hexdump and Format-Hex do.
func dump(bytes []byte, offset, format string) string {
	var text strings.Builder
	for start := 0; start < len(bytes); start += 16 {
		line := fmt.Sprintf(format, bytes[start:min(start+16, len(bytes))])
		fmt.Fprintf(&text, offset+"%s  ................\n", start, strings.Trim(line, "[]"))
	}
	return text.String()
}

// jwks returns JWKs (RFC 7517), also as other tools print them.
func jwks() map[string]string {
	n := base64.RawURLEncoding.EncodeToString(fixed(0, 256))
	x := base64.RawURLEncoding.EncodeToString(fixed(1, 32))
	forms := map[string]string{}
	for kind, key := range map[string]string{
		"RSA":            `{"kty": "RSA", "n": "` + n + `", "e": "AQAB"}`,
		"EC":             `{"kty": "EC", "crv": "P-256", "x": "` + x + `", "y": "` + x + `"}`,
		"Ed25519":        `{"crv": "Ed25519", "x": "` + x + `"}`,
		"a modulus":      `{"e": "AQAB", "n": "` + n + `"}`,
		"one coordinate": `{"use": "sig", "x": "` + x + `"}`,
	} {
		object := strings.Trim(strings.ReplaceAll(key, `"`, ""), "{}")
		forms[kind+", JSON"] = key
		forms[kind+", a JSON string"] = strconv.Quote(key)
		forms[kind+", a JSON string in another"] = strconv.Quote(strconv.Quote(key))
		forms[kind+", Python"] = strings.ReplaceAll(key, `"`, "'")
		forms[kind+", JavaScript"] = regexp.MustCompile(`"(\w+)": `).ReplaceAllString(key, "$1:")
		forms[kind+", YAML"] = strings.ReplaceAll(object, ", ", "\n")
		forms[kind+", TOML"] = strings.NewReplacer(", ", "\n", ":", " =").Replace(object)
		forms[kind+", PHP"] = strings.NewReplacer(":", " =>", "{", "[", "}", "]").Replace(key)
		forms[kind+", percent-encoded"] = url.QueryEscape(key)
	}
	return forms
}

// A public key that is text is no secret either, whatever the quotes and the case.
func TestPublicKeysInTextAreNoSecrets(t *testing.T) {
	texts := jwks()
	texts["PEM in lower case"] = strings.ToLower(string(pem.EncodeToMemory(
		&pem.Block{Type: "PUBLIC KEY", Bytes: pkix(t, edPrivate(1).Public())})))
	texts["openssl rsa -modulus"] = fmt.Sprintf("Modulus=%X", fixed(0, 256))
	texts["openssl asn1parse"] = "    0:d=0  hl=2 l=  89 cons: SEQUENCE          \n" +
		"    2:d=1  hl=2 l=  19 cons: SEQUENCE"
	path := file(t, "")
	for name, text := range texts {
		for form, encoded := range map[string]string{
			"text": text, "hex": hex.EncodeToString([]byte(text)),
			"base64": base64.StdEncoding.EncodeToString([]byte(text)),
			"base64 of base64": base64.StdEncoding.EncodeToString(
				[]byte(base64.StdEncoding.EncodeToString([]byte(text)))),
		} {
			require.NoError(t, os.WriteFile(path, []byte(encoded), 0o600))
			for _, format := range []token.SecretFormat{token.TextSecret, token.RawSecret} {
				_, err := token.KeyFile(path, format)
				assert.ErrorContains(t, err, "a key in another form", "%s as %s, %s", name, form, format)
			}
		}
	}
}

// Nothing is signed with a key in another form either, whether private or public.
func TestKeysInOtherFormsDoNotSign(t *testing.T) {
	private, err := x509.MarshalPKCS8PrivateKey(edPrivate(1))
	require.NoError(t, err)
	for _, der := range [][]byte{private, pkix(t, edPrivate(1).Public())} {
		for form, text := range forms(der) {
			for _, format := range []token.SecretFormat{token.TextSecret, token.RawSecret} {
				_, err := token.SignerFile(file(t, text), format)
				assert.ErrorContains(t, err, "a key in another form", "%s, %s", form, format)
			}
		}
	}
}

// A secret is text, of which a final newline is no part, unless it is asked for as raw: then each byte
// counts. The hub and `livemap token` read it alike.
func TestSecretFormats(t *testing.T) {
	for _, test := range []struct {
		name, data string
		text, raw  string // the secrets; "": an error
	}{
		{"text", secret, secret, secret},
		{"text and a newline", secret + "\n", secret, secret + "\n"},
		{"text and a newline of Windows", secret + "\r\n", secret, secret + "\r\n"},
		{"text and two newlines", secret + "\n\n", secret + "\n", secret + "\n\n"},
		{"words", "a pass phrase\twith größe,\nwhich is long\n", "a pass phrase\twith größe,\nwhich is long",
			"a pass phrase\twith größe,\nwhich is long\n"},
		{"32 bytes, the last a newline", secret[1:] + "\n", "", secret[1:] + "\n"},
		{"bytes that are not UTF-8", "\xff" + secret, "", "\xff" + secret},
		{"a control character", "\x01" + secret, "", "\x01" + secret},
		{"a control character of two bytes", "\u0085" + secret, "", "\u0085" + secret},
		{"31 bytes", secret[1:], "", ""},
	} {
		for format, want := range map[token.SecretFormat]string{
			token.TextSecret: test.text, token.RawSecret: test.raw,
		} {
			t.Run(fmt.Sprint(test.name, " as ", format), func(t *testing.T) {
				path := file(t, test.data)
				keys, err := token.KeyFile(path, format)
				signer, signerErr := token.SignerFile(path, format)
				if want == "" {
					require.Error(t, err)
					require.Equal(t, err, signerErr)
					return
				}
				require.NoError(t, err)
				require.NoError(t, signerErr)
				v := token.NewVerifier(keys, token.Rules{Clock: clock})
				_, err = v.Verify(sign(t, jwt.SigningMethodHS256, []byte(want), nil))
				require.NoError(t, err)
				signed, err := signer.Sign(token.Grant{Expires: now.Add(1e12)}, token.Rules{}, now)
				require.NoError(t, err)
				_, err = v.Verify(signed)
				require.NoError(t, err)
			})
		}
	}
	_, err := token.KeyFile(file(t, string(fixed(1, 48))), token.TextSecret)
	require.ErrorContains(t, err, "it must be text in UTF-8")
	require.ErrorContains(t, err, "--jwt-secret-format raw")
}
