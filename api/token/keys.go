package token

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

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
	all     func() []any      // every key, as of now
	renew   func() bool       // fetches the keys and reports whether it did; nil: they never change
	changes func() (n uint64) // how often the keys were fetched; nil: they never change
}

// SecretFormat says how a file holds a secret for HS256, of at least [MinSecret] bytes.
type SecretFormat string

const (
	TextSecret SecretFormat = "text" // UTF-8 without control characters; a final newline is no part of it
	RawSecret  SecretFormat = "raw"  // any bytes, each of which counts
)

// KeyFile reads a key: a PEM public key, or else a secret of the format. A key in another form is an
// error, as a public key must not become a secret.
func KeyFile(path string, format SecretFormat) (*Keys, error) {
	data, err := readKey(path)
	if err != nil {
		return nil, err
	}
	if isPEM(data) {
		return publicKey(path, data)
	}
	secret, err := secretOf(path, data, format)
	if err != nil {
		return nil, err
	}
	return oneKey(secret, jwt.SigningMethodHS256.Alg()), nil
}

func readKey(path string) ([]byte, error) { return regular.Read(path, maxKeyFile) }

func isPEM(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("-----BEGIN"))
}

func secretOf(path string, data []byte, format SecretFormat) ([]byte, error) {
	if holdsKey(data, maxEncodings) {
		return nil, fmt.Errorf("%s holds a key in another form, which must not serve as a secret; "+
			"it must be PEM in UTF-8, with nothing before it", path)
	}
	secret := data
	if format != RawSecret {
		secret = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
		if !isText(secret) {
			return nil, fmt.Errorf("%s holds a secret that is not text; it must be text in UTF-8 without "+
				"control characters; --jwt-secret-format raw accepts any bytes", path)
		}
	}
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("%s holds a secret of %d bytes; it must have at least %d, or be a PEM key",
			path, len(secret), MinSecret)
	}
	return secret, nil
}

// isText reports whether data is UTF-8 without control characters. No key in DER is.
func isText(data []byte) bool {
	return utf8.Valid(data) && !bytes.ContainsFunc(data, func(c rune) bool {
		return unicode.IsControl(c) && !strings.ContainsRune("\t\r\n", c)
	})
}

// maxEncodings is how many encodings within each other holdsKey decodes, such as base64 of PEM, which
// is base64 itself.
const maxEncodings = 3

// keyMark is in keys that are text, in any quotes: PEM behind a byte order mark or other text, or without
// its first line, or in lower case; members of a JWK (RFC 7517); a key of SSH or .NET; what `openssl pkey
// -text`, `rsa -modulus` and `asn1parse` print. It is in every dump of xxd, od and others too: lines of
// bytes behind their offset.
var keyMark = regexp.MustCompile(`-- ?BEGIN|--END|---- ?(?i:begin|end)|"(?:kty|crv|n)"` +
	`|\b(?:kty|crv)[\\"']*\s*[:=]|\b[nxy][\\"']*\s*[:=]>?[\s\\"'+]*[\w-]{40}` +
	`|ssh-(?:rsa|dss|ed)|ecdsa-sha2-|KeyValue>|Public-Key:|(?i:modulus)["']?\s*[(=:>]|cons: SEQUENCE` +
	`|(?m:^\s*0{6,16}:?(?:\s+[0-9a-fA-F]{2,8}){4})`)

// holdsKey reports whether a file meant as a secret holds a key that is not PEM. Everyone who knows a
// public key could then make tokens. It recognizes text by keyMark, also in UTF-16 (as Windows writes
// it), and DER and points of curves by their beginning: a tool may have added white space to their end,
// or trimmed it. All of these may be encoded. 32 bytes of an Ed25519 key alone look like any secret.
func holdsKey(data []byte, encodings int) bool {
	data = bytes.TrimLeftFunc(data, func(c rune) bool { // also what Python writes before bytes
		return unicode.IsSpace(c) || strings.ContainsRune("\ufeffb'\"", c)
	})
	text := bytes.ReplaceAll(data, []byte{0}, nil)
	if !isText(data) && isDER(data) || isPoint(data) || keyMark.Match(text) {
		return true
	}
	return encodings > 0 && slices.ContainsFunc(decodings(string(text)), func(decoded []byte) bool {
		return holdsKey(decoded, encodings-1)
	})
}

// decodings returns what the parts of a text may encode: bytes in base64, base32 or hexadecimal, a list
// of numbers, or escapes. White space ends a part or is in it, as are the quotes between its lines.
func decodings(text string) (decoded [][]byte) {
	joined := between.ReplaceAllString(text, "")
	bare := strings.NewReplacer("0x", "", "0X", "", ":", "", ",", "", "-", "").Replace(joined)
	toStd := strings.NewReplacer("-", "+", "_", "/") // from base64url
	for _, encoding := range []struct {
		text    string
		letters string
		decode  func(string) ([]byte, error)
	}{
		{toStd.Replace(text), base64Letters, base64.RawStdEncoding.DecodeString},
		{toStd.Replace(joined), base64Letters, base64.RawStdEncoding.DecodeString},
		{strings.ToUpper(text), base32Letters, base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString},
		{strings.ToUpper(bare), base32Letters, base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString},
		{bare, "0123456789abcdefABCDEF", hex.DecodeString},
	} {
		for _, part := range strings.FieldsFunc(encoding.text, isNotIn(encoding.letters)) {
			bytes, _ := encoding.decode(part)
			decoded = append(decoded, bytes)
		}
	}
	for _, list := range numbers.FindAllString(text, -1) {
		var bytes []byte
		for _, number := range strings.FieldsFunc(list, isNotIn("-0123456789abcdefABCDEFxX")) {
			n, _ := strconv.ParseInt(number, 0, 16)
			bytes = append(bytes, byte(n)) // of Java, they are negative
		}
		decoded = append(decoded, bytes)
	}
	if escape.MatchString(text) {
		decoded = append(decoded, []byte(escape.ReplaceAllStringFunc(text, unescaped)))
	}
	return slices.DeleteFunc(decoded, func(bytes []byte) bool { return len(bytes) < minKey })
}

var (
	// between is what joins the lines or strings of one text.
	between = regexp.MustCompile(`["'][\s+.,]*["']|\s`)
	// numbers is a list of bytes, maybe signed.
	numbers = regexp.MustCompile(`(?:-?\b(?:0[xX][0-9a-fA-F]{1,2}|[0-9]{1,3})\b[\s,;:.|]*)+`)
	// escape is a character in a string of a programming language, JSON or a URL.
	escape = regexp.MustCompile(`(?:\\x|\\u00|%)[0-9a-fA-F]{2}|\\[0-3][0-7]{2}|\\.`)
)

// unescaped returns the character of an escape.
func unescaped(escape string) string {
	char, err := strconv.Unquote(`"` + strings.Replace(escape, "%", `\x`, 1) + `"`)
	if err == nil && len(char) == 1 {
		return char
	}
	return escape[1:]
}

const (
	base64Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	base32Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

func isNotIn(letters string) func(rune) bool {
	return func(c rune) bool { return !strings.ContainsRune(letters, c) }
}

// minKey is the size of the shortest key that isDER recognizes, in bytes. That of Ed25519 has 44.
const minKey = 40

// isDER reports whether data begins like a key in DER (X.690), whatever its type: a SEQUENCE of whole
// elements, the first of them a SEQUENCE, an INTEGER or an OBJECT IDENTIFIER. Some bytes may be missing
// at the end. Types that package x509 does not know count too, such as keys for RSASSA-PSS.
func isDER(data []byte) bool {
	const missing = 8 // bytes
	var key, element asn1.RawValue
	_, err := asn1.Unmarshal(append(slices.Clip(data), make([]byte, missing)...), &key)
	if err != nil || key.FullBytes[0] != sequenceTag || len(key.FullBytes) < minKey {
		return false
	}
	if !slices.Contains([]byte{sequenceTag, asn1.TagInteger, asn1.TagOID}, key.Bytes[0]) {
		return false
	}
	for rest := key.Bytes; len(rest) > 0; {
		if rest, err = asn1.Unmarshal(rest, &element); err != nil {
			return false
		}
	}
	return true
}

const sequenceTag = 0x20 | asn1.TagSequence // its constructed form

// isPoint reports whether data begins with the uncompressed point of an ECDSA key (SEC 1, section
// 2.3.3), as keys for Web Push do.
func isPoint(data []byte) bool {
	for size, curve := range map[int]ecdh.Curve{65: ecdh.P256(), 97: ecdh.P384(), 133: ecdh.P521()} {
		if len(data) < size {
			continue
		}
		if _, err := curve.NewPublicKey(data[:size]); err == nil {
			return true
		}
	}
	return false
}

func oneKey(key any, method string) *Keys {
	return &Keys{
		methods: []string{method},
		find:    func(*jwt.Token) (any, error) { return key, nil },
		all:     func() []any { return []any{key} },
	}
}

// isSameKey reports whether two keys are equal: public keys, or secrets.
func isSameKey(a, b any) bool {
	if secret, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && bytes.Equal(secret, other)
	}
	public, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b)
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
