package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzSize reads anything as a size. A size that is accepted is written as text that is accepted too
// and means the same.
func FuzzSize(f *testing.F) {
	for _, seed := range []string{
		"64MiB", "0", "1e3", "9200000000000000000", "18446744073709551615", "9223372036854775808B", "1 EiB",
		"1.5kb", "-1", "1,000", "off", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var n, again Size
		if n.UnmarshalText([]byte(text)) == nil && n < 1<<60 { // more may be rounded up to too much
			require.GreaterOrEqual(t, int(n), 0)
			require.NoError(t, again.UnmarshalText([]byte(n.String())), n)
			require.InDelta(t, float64(n), float64(again), float64(n)/10+1, "IBytes rounds")
		}
	})
}
