package listen

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestAddressThatWasMeant checks that the error for what is nearly an address names the address.
func TestAddressThatWasMeant(t *testing.T) {
	for text, meant := range map[string]string{
		"::1:4436":                   "[::1]:4436",
		"2001:db8::7:4433":           "[2001:db8::7]:4433",
		"::":                         "[::]:PORT",
		"::1":                        "[::1]:PORT",
		"[::1]":                      "[::1]:PORT",
		"1:2:3:4:5:6:7:8":            "[1:2:3:4:5:6:7:8]:PORT",
		"4436":                       ":4436",
		" :4436":                     ":4436",
		"localhost":                  "localhost:PORT",
		"127.0.0.1":                  "127.0.0.1:PORT",
		"https://localhost:4433/":    "localhost:4433",
		"http://192.0.2.1:80":        "192.0.2.1:80",
		"https://example.com":        "example.com:PORT",
		"/run/livemap/publish.sock":  "unix:/run/livemap/publish.sock",
		"./publish.sock":             "unix:./publish.sock",
		":99999":                     "",
		"localhost:nosuchservice":    "",
		"localhost:https:1":          "",
		"http://localhost:4433/path": "",
		"a host:1":                   "",
		"unix:":                      "",
		"":                           "",
	} {
		err := new(Address).UnmarshalText([]byte(text))
		if !assert.Error(t, err, text) {
			continue
		}
		assert.Contains(t, err.Error(), "it must be host:port, :port, unix:/path or off")
		if meant == "" {
			assert.NotContains(t, err.Error(), "did you mean", text)
			continue
		}
		assert.Contains(t, err.Error(), `; did you mean "`+meant+`"?`, text)
	}
}
