package token

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Secrets from a generator are accepted. One in a million may look like a key.
func TestRandomSecretsAreNoKeys(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for n := range 5000 {
		secret := make([]byte, MinSecret+n%65)
		random.Read(secret)
		for form, text := range map[string][]byte{
			"raw": secret, "hex": []byte(hex.EncodeToString(secret)),
			"base64":    []byte(base64.StdEncoding.EncodeToString(secret)),
			"base64url": []byte(base64.RawURLEncoding.EncodeToString(secret)),
		} {
			require.False(t, holdsKey(text, maxEncodings), "%s %x", form, secret)
		}
	}
}
