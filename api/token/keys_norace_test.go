//go:build !race

package token_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// A public key is known to everyone, so it never serves as a secret: whatever its form, and whatever a
// tool added or trimmed at its end.
func TestPublicKeysAreNoSecrets(t *testing.T) {
	path := file(t, "")
	refused := func(t *testing.T, form, text string, last byte) {
		t.Helper()
		added := []string{"\n"}
		if form == "bytes" || form == "DER, trimmed" || form == "base64" {
			added = []string{"", "\n", "\r\n", " ", "\v\t\n\n", "\x00"}
		}
		for _, after := range added {
			require.NoError(t, os.WriteFile(path, []byte(text+after), 0o600))
			for _, format := range []token.SecretFormat{token.TextSecret, token.RawSecret} {
				_, err := token.KeyFile(path, format)
				assert.ErrorContains(t, err, "a key in another form",
					"a key that ends in %#02x, as %s with %q, %s", last, form, after, format)
			}
		}
	}
	for kind, keys := range publicKeys(t) {
		t.Run(kind, func(t *testing.T) {
			for _, der := range keys {
				for form, text := range forms(der) {
					refused(t, form, text, der[len(der)-1])
				}
			}
		})
	}
	for curve, points := range points(t) {
		t.Run(fmt.Sprintf("a point of %s", curve), func(t *testing.T) { // as for Web Push
			for _, point := range points {
				bytes := point.Bytes()
				for form, text := range encodings(bytes) {
					refused(t, form, text, bytes[len(bytes)-1])
				}
			}
		})
	}
	for name, text := range map[string]string{
		"XML":                "<RSAKeyValue><Modulus>" + base64.StdEncoding.EncodeToString(fixed(0, 256)),
		"openssl pkey -text": "Public-Key: (2048 bit)\nModulus:\n    00:c5",
		"the blob of SSH":    "AAAAC3NzaC1lZDI1NTE5AAAAIJ0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
	} {
		t.Run(name, func(t *testing.T) { refused(t, "text", text, 0) })
	}
}
