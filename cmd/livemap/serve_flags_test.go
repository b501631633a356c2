package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAuthDefaults(t *testing.T) {
	config := (&serveCmd{CookieSameSite: "strict"}).config()
	assert.Equal(t, 256, config.MaxStreams)
	assert.Equal(t, http.SameSiteStrictMode, config.CookieSameSite)
	config = (&serveCmd{Anonymous: true}).config()
	assert.Zero(t, config.MaxStreams)
	some := 7
	config = (&serveCmd{Anonymous: true, limitFlags: limitFlags{MaxStreamsPerClient: &some}}).config()
	assert.Equal(t, 7, config.MaxStreams)
	assert.Contains(t, helpOf(t, "serve", "--help"), "strict, lax or none (strict)")
}

// TestLogLevel checks that a level leaves out what is less important, in both formats.
func TestLogLevel(t *testing.T) {
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for logged, name := range []logLevel{"error", "warn", "info", "debug"} {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			log := (&serveCmd{LogFormat: format, LogLevel: name}).logger(streams{err: &out})
			for _, level := range levels {
				log.Log(context.Background(), level, "something happened")
			}
			assert.Equal(t, logged+1, strings.Count(out.String(), "something happened"), "%s %s", format, name)
		}
	}
	assert.Contains(t, helpOf(t, "serve", "--help"), "debug, info, warn or error (info)")
}
