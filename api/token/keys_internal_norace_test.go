//go:build !race

package token

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Secrets from a generator are accepted. One in a million may look like a key.
func TestRandomSecretsAreNoKeys(t *testing.T) {
	source := rand.NewChaCha8([32]byte{})
	random := rand.New(source)
	words := strings.Fields("modulus public key ssh begin end certificate x n kty crv " +
		"correct horse battery staple " +
		"größe zero 0 42 curve point exponent dump 000000")
	letters := func(alphabet string, size int) []byte {
		text := make([]byte, size)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		return text
	}
	for n := range 200 {
		secret := make([]byte, MinSecret+n%65)
		source.Read(secret)
		var pairs, numbers, phrase []string
		for _, b := range secret {
			pairs = append(pairs, hex.EncodeToString([]byte{b}))
			numbers = append(numbers, strconv.Itoa(int(b)))
			phrase = append(phrase, words[random.IntN(len(words))])
		}
		for form, text := range map[string][]byte{
			"raw": secret, "hex": []byte(hex.EncodeToString(secret)),
			"HEX":            []byte(strings.ToUpper(hex.EncodeToString(secret))),
			"hex in pairs":   []byte(strings.Join(pairs, []string{":", "-", " ", `\x`}[n%4])),
			"numbers":        []byte(strings.Join(numbers, ", ")),
			"base64":         []byte(base64.StdEncoding.EncodeToString(secret)),
			"base64 of hex":  []byte(base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(secret)))),
			"base64url":      []byte(base64.RawURLEncoding.EncodeToString(secret)),
			"base64 in JSON": []byte(`{"key": "` + base64.StdEncoding.EncodeToString(secret) + `"}`),
			"base32":         []byte(base32.StdEncoding.EncodeToString(secret)),
			"base32, lower":  []byte(strings.ToLower(base32.StdEncoding.EncodeToString(secret))),
			"digits":         letters("0123456789", len(secret)),
			"letters":        letters("abcdefghijklmnopqrstuvwxyz", len(secret)),
			"ASCII":          letters(ascii, len(secret)),
			"words":          []byte(strings.Join(phrase, []string{" ", "-", "_", ""}[n%4])),
		} {
			require.False(t, holdsKey(text, maxEncodings), "%s: %q", form, text)
		}
	}
}

const ascii = " !\"#$%&'()*+,-./0123456789:;<=>?@" +
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
