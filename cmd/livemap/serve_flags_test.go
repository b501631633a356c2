package main

import (
	"net/http"
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
