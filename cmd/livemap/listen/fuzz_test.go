package listen

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAddress reads anything as an address. An address that is accepted is written as text that is
// accepted too and means the same.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"64MiB", "0", "off", "unix:", "unix:/x", ":4433", "localhost:http", "[::1]:0", "[::1%lo]:1",
		"host:99999", "10.0.0.0/8", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a, b Address
		if a.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.NoError(t, b.UnmarshalText([]byte(a.String())))
		require.Equal(t, a, b)
		require.Equal(t, a.IsOff(), len(text) == len(off) && a.address == "")
		require.NotEmpty(t, a.addresses())
	})
}
