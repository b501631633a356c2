package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"livemap/api/token"
	"livemap/cmd/livemap/listen"
)

// TestServeWelcome checks what serve prints on a terminal: addresses that open, and commands that work.
func TestServeWelcome(t *testing.T) {
	dir := t.TempDir()
	secret, public := filepath.Join(dir, "secret"), filepath.Join(dir, "public")
	require.NoError(t, os.WriteFile(secret, token.MakeSecret(), 0o600))
	_, pem, err := token.MakeKey("es256")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(public, pem, 0o600))
	at := listen.Addresses{
		Public: "https://127.0.0.1:4433", Proxy: "http://127.0.0.1:8080", Internal: "http://127.0.0.1:9801",
	}
	var local listen.Address
	require.NoError(t, local.UnmarshalText([]byte("localhost:0")))
	const position = ` -H 'Content-Type: application/json' -d '{"vehicle_id":"HELLO-1",`
	for name, test := range map[string]struct {
		serve    serveCmd
		at       listen.Addresses
		says     []string
		saysNone []string
	}{
		"anonymous": {
			serveCmd{Anonymous: true}, at,
			[]string{"https://127.0.0.1:4433/  (self-signed certificate: the browser warns)\n",
				"http://127.0.0.1:8080/", "curl http://127.0.0.1:9801/publish" + position},
			[]string{"Sign in", "Bearer"},
		},
		"localhost": {
			serveCmd{Anonymous: true, Listen: local, ProxyListen: local}, at,
			[]string{"https://localhost:4433/ ", "http://localhost:8080/ "},
			nil,
		},
		"a secret": {
			serveCmd{JWTKey: secret, JWTSecretFormat: "text"}, at,
			[]string{" token --key " + secret + " --read '*'\n"},
			nil,
		},
		"a public key": {
			serveCmd{JWTKey: public, JWTSecretFormat: "text"}, at,
			[]string{" token --key FILE --read '*'\n"},
			nil,
		},
		"sockets alone": {
			serveCmd{Anonymous: true},
			listen.Addresses{Proxy: "unix:/run/proxy.sock", Internal: "unix:/run/publish.sock"},
			[]string{"curl --unix-socket /run/publish.sock http://localhost/publish" + position},
			[]string{"Map"},
		},
		"an internal port for other machines": {
			serveCmd{JWTKey: secret, certificateFlags: certificateFlags{TLSCert: "c", TLSKey: "k"}},
			listen.Addresses{Public: "https://hub.example:443", Internal: "https://hub.example:9801"},
			[]string{"https://hub.example:443/\n",
				`curl https://hub.example:9801/publish -H "Authorization: Bearer $TOKEN"` + position},
			[]string{"self-signed"},
		},
		"client certificates": {
			serveCmd{JWTKey: secret, PublishClientCA: "ca"},
			listen.Addresses{Internal: "https://hub.example:9801"},
			[]string{"curl https://hub.example:9801/publish --cert FILE --key FILE" + position},
			[]string{"Bearer"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := test.serve.welcome(test.at)
			for _, says := range test.says {
				assert.Contains(t, text, says)
			}
			for _, says := range test.saysNone {
				assert.NotContains(t, text, says)
			}
		})
	}
}
