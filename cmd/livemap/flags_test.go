package main

import (
	"path/filepath"
	"strings"
	"testing"

	"livemap/cmd/livemap/server"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// helpOf returns the output of a call for help, without line breaks.
func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	out, stderr, status := command(t, "", args...)
	require.Zero(t, status, stderr)
	return strings.Join(strings.Fields(out), " ")
}

// Help lists every command, and every flag of each with its environment variable.
func TestHelpIsComplete(t *testing.T) {
	model, err := kong.New(&commands{}, kong.Name("livemap"), kong.DefaultEnvars("LIVEMAP"),
		kong.PostBuild(setHelp))
	require.NoError(t, err)
	all := helpOf(t, "help")
	assert.Equal(t, all, helpOf(t), "and without arguments")
	assert.Equal(t, all, helpOf(t, "--help"))
	require.NotEmpty(t, model.Model.Children)
	for _, node := range model.Model.Children {
		t.Run(node.Name, func(t *testing.T) {
			assert.Contains(t, all, node.Name+" ")
			assert.Contains(t, all, node.Help)
			own := helpOf(t, node.Name, "--help")
			assert.Equal(t, own, helpOf(t, "help", node.Name))
			own = strings.ReplaceAll(own, "--[no-]", "--")
			for _, flag := range node.Flags {
				env := "LIVEMAP_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
				assert.Contains(t, own, "--"+flag.Name)
				assert.Contains(t, own, "$"+env)
				assert.NotEmpty(t, flag.Help, flag.Name)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	assert.Regexp(t, `^livemap .*go1\.`, helpOf(t, "--version"))
}

// An error explains the flag of the command that was called; another command may have one of the
// same name.
func TestMistakesExplainTheRightFlag(t *testing.T) {
	for name, means := range map[string]string{"bench": "Events per second", "simulate": "Reports per second"} {
		out, stderr, status := command(t, "", name, "--rate", "x")
		assert.Equal(t, 2, status)
		assert.Empty(t, out)
		assert.Contains(t, stderr, `--rate: expected a float but got "x"`)
		assert.Contains(t, stderr, "--rate is: "+means)
	}
}

// serve rejects wrong values of every flag. The error names the flag and the allowed values, on the
// command line and from the environment.
func TestServeRefusesFlags(t *testing.T) {
	for _, test := range []struct {
		flag   string
		values []string
		accept string // what the message tells
	}{
		{"anonymous", []string{"perhaps"}, "true"},
		{"listen", []string{"", "4433", "localhost", "localhost:https:1", ":nosuchservice", "[::1"},
			"host:port, :port, unix:/path or off"},
		{"listen", []string{"unix:/x.sock"}, "--proxy-listen"},
		{"proxy-listen", []string{"9801", "unix:", "http://localhost:1"}, "host:port, :port, unix:/path or off"},
		{"publish-listen", []string{"9801", "unix:"}, "host:port, :port, unix:/path or off"},
		{"publish-listen", []string{"off"}, "host:port or unix:/path"},
		{"publish-listen", []string{":9801", "0.0.0.0:9801", "[::]:9801", "192.0.2.1:9801", "10.0.0.1:9801",
			"192.168.0.1:9801", "example.com:9801", "localhost.example.com:1"}, "loopback host:port or unix:/path"},
		{"journal", []string{"memory", "http://localhost:4222", "nats://", "nats://a:1/x"}, "nats://host:port"},
		{"journal", []string{"nats://me:secret@localhost:4222"}, "--journal-creds"},
		{"journal-creds", []string{"user.creds"}, "--journal nats://"},
		{"journal-ca", []string{"ca.pem"}, "--journal nats://"},
		{"journal-cert", []string{"cert.pem"}, "--journal nats://"},
		{"journal-key", []string{"key.pem"}, "--journal nats://"},
		{"cluster-listen", []string{"7422", "localhost:", "localhost:0", "unix:/x"}, "host:port"},
		{"cluster-listen", []string{"localhost:7422"}, "--cluster-peers"},
		{"cluster-peers", []string{"localhost:7423"}, "--cluster-listen"},
		{"cluster-advertise", []string{"localhost:7423"}, "--cluster-listen"},
		{"cluster-cert", []string{"cert.pem"}, "--cluster-listen"},
		{"cluster-key", []string{"key.pem"}, "--cluster-listen"},
		{"cluster-ca", []string{"ca.pem"}, "--cluster-listen"},
		{"trusted-proxy", []string{"10.0.0.1", "10.0.0.0/33", "proxy"}, "CIDR"},
		{"tls-cert", []string{"cert.pem"}, "--tls-key"},
		{"tls-key", []string{"key.pem"}, "--tls-cert"},
		{"jwt-key", []string{"/nowhere/key", "main.go.nothing"}, "no such file"},
		{"jwt-secret-format", []string{"base64", "Text"}, `"text","raw"`},
		{"jwt-secret-format", []string{"raw"}, "--jwt-key"},
		{"jwks-url", []string{"keys.json", "ftp://example.com/keys", "https://"}, "an http:// or https:// URL"},
		{"jwt-issuer", []string{"me"}, "--jwt-key or --jwks-url"},
		{"jwt-audience", []string{"me"}, "--jwt-key or --jwks-url"},
		{"publish-client-ca", []string{"ca.pem"}, "--tls-cert"},
		{"allow-origin", []string{"*", "null", "example.com", "https://*.example.com", "https://example.com/",
			"file://x"}, "like https://fleet.example.com"},
		{"cookie-same-site", []string{"Sometimes"}, `"strict","lax","none"`},
		{"login-url", []string{"https://login.example.com"}, "--anonymous"},
		{"max-streams-per-client", []string{"-1", "1000001", "many"}, "0 to 1000000"},
		{"publish-rate", []string{"-1", "NaN", "1e10", "fast"}, "0 to 1000000000"},
		{"history", []string{"0", "1023KiB", "65GiB", "-1", "many"}, "MiB"},
		{"max-backlog", []string{"0", "63KiB", "65GiB", "-1", "many"}, "KiB|MiB"},
		{"flush-interval", []string{"0s", "999us", "1001ms", "-20ms"}, "from 1ms to 1s"},
		{"heartbeat", []string{"0s", "999ms", "-15s", "24h"}, "from 1s to "},
		{"stall-timeout", []string{"0s", "999ms", "10m1s", "-30s"}, "from 1s to 10m"},
		{"stall-timeout", []string{"30", "soon"}, "units h, m, s or ms"},
		{"max-vehicles", []string{"0", "-1", "10000001"}, "from 1 to 10000000"},
		{"max-vehicles", []string{"many", "1.5"}, "int"},
		{"max-state", []string{"0", "1023KiB", "2TiB", "-1", "many"}, "MiB"},
		{"max-vehicles-per-publisher", []string{"-1", "10000001"}, "from 1 to 10000000, or off for no limit"},
		{"max-vehicles-per-publisher", []string{"many"}, "a number such as 1000"},
		{"vehicle-ttl", []string{"999ms", "87601h", "-1h"}, "from 1s to 87600h, or 0 for never"},
		{"drain", []string{"-1s", "5m1s"}, "from 0s to 5m"},
		{"map-style", []string{"streets", "ftp://example.com/style.json", "//example.com/style.json", "https://",
			"https://user@example.com/style.json", "https://a;b/style.json", "mapbox://styles/x"},
			"an http:// or https:// URL"},
		{"map-origin", []string{"example.com", "https://example.com/", "https://*.example.com", "https://a b",
			"https://a;script-src", "'unsafe-inline'", "*", "ws://example.com", "https://[::1]"},
			"like https://tiles.example.com"},
		{"map-origin", []string{"https://tiles.example.com"}, "--map-style"},
		{"map-pmtiles", []string{"/nowhere/map.pmtiles", ".", "go.mod", "main.go", "main.go,.", ","},
			"a PMTiles archive, version 3, with vector (MVT) or image tiles"},
		{"log-format", []string{"xml"}, `"text","json"`},
		{"log-level", []string{"trace", "INFO", "-4", ""}, `"debug","info","warn","error"`},
	} {
		for _, value := range test.values {
			name := test.flag + "=" + value
			check := func(t *testing.T, args ...string) {
				t.Helper()
				// A hub that is started all the same has nothing to listen on.
				args = append([]string{"serve", "--state-dir", t.TempDir()}, args...)
				out, stderr, status := command(t, "", args...)
				assert.Equal(t, 2, status, stderr)
				assert.Empty(t, out)
				assert.Contains(t, stderr, test.flag)
				one := false
				for _, accept := range strings.Split(test.accept, "|") {
					one = one || strings.Contains(stderr, accept)
				}
				assert.True(t, one, "%q does not say %q", stderr, test.accept)
			}
			t.Run(name, func(t *testing.T) {
				args := []string{"--" + test.flag + "=" + value}
				if test.flag != "anonymous" {
					args = append(args, "--anonymous")
				}
				check(t, args...)
			})
			t.Run("environment "+name, func(t *testing.T) {
				if value == "" {
					t.Skip("an empty variable is as none")
				}
				if test.flag != "anonymous" {
					t.Setenv("LIVEMAP_ANONYMOUS", "true")
				}
				t.Setenv("LIVEMAP_"+strings.ToUpper(strings.ReplaceAll(test.flag, "-", "_")), value)
				check(t)
			})
		}
	}
}

func TestServeRefusesToGuess(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"who may read", []string{"serve"}, "set --jwt-key or --jwks-url for clients with tokens, or " +
			"--anonymous for everyone"},
		{"which keys", []string{"serve", "--jwt-key=main.go", "--jwks-url=https://example.com/keys"},
			"--jwt-key and --jwks-url exclude each other"},
		{"where to sign in", []string{"serve", "--jwt-key=main.go", "--login-url=login"},
			"--login-url is \"login\"; it must be an http:// or https:// URL"},
		{"whom a wide port asks", []string{"serve", "--anonymous", "--tls-cert=c", "--tls-key=k",
			"--publish-listen=:9801"}, "--publish-client-ca to ask for client certificates, or --jwt-key or " +
			"--jwks-url"},
		{"how a wide port is secret", []string{"serve", "--jwt-key=main.go", "--publish-listen=:9801"},
			"it needs --tls-cert and --tls-key"},
		{"TLS of a unix socket", []string{"serve", "--anonymous", "--tls-cert=c", "--tls-key=k",
			"--publish-client-ca=ca", "--publish-listen=unix:/x"}, "a unix socket speaks no TLS"},
		{"which map", []string{"serve", "--anonymous", "--map-style=https://example.com/style.json",
			"--map-pmtiles=main.go"}, "--map-style and --map-pmtiles exclude each other"},
		{"a flag", []string{"serve", "--anonymous", "--port=1"}, "--port"},
		{"an argument", []string{"serve", "--anonymous", "now"}, "now"},
		{"a command", []string{"server"}, "server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, stderr, status := command(t, "", test.args...)
			assert.Equal(t, 2, status)
			assert.Empty(t, out)
			assert.Contains(t, stderr, test.says)
		})
	}
}

// TestServiceRefusesToGuess checks that a service of systemd without settings says in one line what to set,
// and where.
func TestServiceRefusesToGuess(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "notify"))
	_, stderr, status := command(t, "", "serve")
	assert.Equal(t, 2, status)
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line")
	assert.Contains(t, stderr, "/etc/livemap/livemap.env")
	for _, name := range []string{"LIVEMAP_JWKS_URL", "LIVEMAP_ANONYMOUS", "LIVEMAP_JWT_KEY"} {
		assert.Contains(t, stderr, name)
		assert.Contains(t, flagsOf(t, "serve"), name)
	}
}

// A hub that Go code starts with the defaults equals one that serve runs without flags.
func TestDefaultsAreThoseOfTheFlags(t *testing.T) {
	var parsed commands
	parser, err := kong.New(&parsed, kong.Name("livemap"), kong.Vars{"version": ""})
	require.NoError(t, err)
	_, err = parser.Parse([]string{"serve", "--jwt-key", "key"})
	require.NoError(t, err)
	want := server.Default()
	want.JWTKey, want.Version = "key", version()
	assert.Equal(t, want, parsed.Serve.config())
}

// TestHalfOfAClientCertificate is a mistake in the call of every command that takes one.
func TestHalfOfAClientCertificate(t *testing.T) {
	path := write(t, "one.ndjson", many(1))
	const cert, key = "--client-cert", "--client-key"
	for _, args := range [][]string{{"health"}, {"simulate"}, {"replay", path}, {"tail", "https://localhost"}} {
		for _, half := range []struct{ given, missing string }{{cert, key}, {key, cert}} {
			_, stderr, status := command(t, "", append(args, half.given, "x.pem")...)
			assert.Equal(t, 2, status, args)
			assert.Contains(t, stderr, half.given+": ")
			assert.Contains(t, stderr, "add "+half.missing+" FILE")
		}
	}
}
