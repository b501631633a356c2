package server

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeysOverPlainHTTP checks for the warning about keys that others could replace on their way.
func TestKeysOverPlainHTTP(t *testing.T) {
	for url, warned := range map[string]bool{
		"http://keys.invalid/":  true,
		"http://127.0.0.1:1/":   false,
		"https://keys.invalid/": false,
	} {
		over, cancel := context.WithCancel(t.Context())
		cancel() // nothing is fetched
		var log bytes.Buffer
		_, err := (&Config{JWKSURL: url}).verifier(over, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		assert.Equal(t, warned, strings.Contains(log.String(), "over plain HTTP"), url)
	}
}
