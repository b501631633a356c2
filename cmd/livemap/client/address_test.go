package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAddressThatWasMeant checks that the error for what is nearly an address names the address.
func TestAddressThatWasMeant(t *testing.T) {
	for text, meant := range map[string]string{
		"localhost:9801":        "http://localhost:9801",
		"localhost:4433":        "https://localhost:4433",
		"hub.example.com":       "http://hub.example.com",
		" http://localhost:1":   "http://localhost:1",
		"::1:9801":              "http://[::1]:9801",
		"[::1]:9801":            "http://[::1]:9801",
		"http://::1:9801":       "http://[::1]:9801",
		"https://2001:db8::7":   "https://[2001:db8::7]",
		"/run/livemap/hub.sock": "unix:/run/livemap/hub.sock",
		"./hub.sock":            "unix:./hub.sock",
		"ftp://localhost":       "",
		"http://localhost?x":    "",
		"http://a b":            "",
		"http://":               "",
		"unix:":                 "",
		"":                      "",
	} {
		err := new(Address).UnmarshalText([]byte(text))
		if !assert.Error(t, err, text) {
			continue
		}
		assert.Contains(t, err.Error(), "it must be http://host:port, https://host:port or unix:/path")
		if meant == "" {
			assert.NotContains(t, err.Error(), "did you mean", text)
			continue
		}
		assert.Contains(t, err.Error(), `; did you mean "`+meant+`"?`, text)
	}
}

// TestAddressOfTheMap takes the address of the map, as the browser shows it, for that of the hub.
func TestAddressOfTheMap(t *testing.T) {
	var a Address
	require.NoError(t, a.UnmarshalText([]byte("https://localhost:4433/#map=12.5/48.137/11.575&vehicle=X")))
	assert.Equal(t, "https://localhost:4433/", a.String())
	assert.Equal(t, "https://localhost:4433/publish", a.URL("/publish"))
}

// TestAddressOfPublish takes the URL to which curl publishes for the address of the hub.
func TestAddressOfPublish(t *testing.T) {
	for text, base := range map[string]string{
		"http://127.0.0.1:9801/publish":         "http://127.0.0.1:9801",
		"http://127.0.0.1:9801/publish/":        "http://127.0.0.1:9801",
		"https://example.com/fleet%2F1/publish": "https://example.com/fleet%2F1",
		"https://example.com/republish":         "https://example.com/republish",
		"https://example.com/publish/fleet":     "https://example.com/publish/fleet",
		"unix:/run/publish":                     "http://localhost",
	} {
		var a Address
		require.NoError(t, a.UnmarshalText([]byte(text)))
		assert.Equal(t, base+"/publish", a.URL("/publish"), text)
		assert.Equal(t, base+"/readyz", a.URL("/readyz"), text)
	}
}
