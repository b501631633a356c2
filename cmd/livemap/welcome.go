package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"livemap/api/token"
	"livemap/cmd/livemap/listen"
)

// curlPosition returns a curl command that publishes a position at a place, in degrees, with further
// arguments. publish is the address of the hub.
func curlPosition(publish string, lat, lon float64, args ...string) string {
	args = append(args, "-H 'Content-Type: application/json'", fmt.Sprintf(
		`-d '{"vehicle_id":"HELLO-1","lat":%v,"lon":%v,"speed_kmh":85,"heading":270}'`, lat, lon))
	return "curl " + curlURL(publish, "/publish") + " " + strings.Join(args, " ")
}

// curlURL returns the arguments of curl for a path at an address.
func curlURL(address, path string) string {
	if socket, ok := strings.CutPrefix(address, "unix:"); ok {
		return "--unix-socket " + socket + " http://localhost" + path
	}
	return address + path
}

// welcome returns what serve prints on a terminal once the hub serves: what to open, how to sign in and
// how to publish one position.
func (c *serveCmd) welcome(at listen.Addresses) string {
	var text strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&text, "  %-12s"+format+"\n", append([]any{name}, args...)...)
	}
	switch {
	case at.Public == "":
	case c.TLSCert == "":
		line("Map", "%s/  (self-signed certificate: the browser warns)", mapURL(c.Listen, at.Public))
	default:
		line("Map", "%s/", mapURL(c.Listen, at.Public))
	}
	if strings.HasPrefix(at.Proxy, "http:") {
		line("Map", "%s/  (for the proxy)", mapURL(c.ProxyListen, at.Proxy))
	}
	if !c.Anonymous && c.JWTKey != "" {
		line("Sign in", "with a token: %s token --key %s --read '*'", os.Args[0], c.signingKey())
	}
	var credentials []string
	if strings.HasPrefix(at.Internal, "https:") {
		credentials = []string{`-H "Authorization: Bearer $TOKEN"`}
		if c.PublishClientCA != "" {
			credentials = []string{"--cert FILE --key FILE"}
		}
	}
	line("A position", "%s", curlPosition(at.Internal, 52.520008, 13.404954, credentials...))
	line("To stop", "Ctrl-C")
	return "\n" + text.String() + "\n"
}

// mapURL returns the address of a port that a browser opens. If the flag says localhost, so does the
// address: browsers trust plain HTTP to localhost.
func mapURL(flag listen.Address, bound string) string {
	at, err := url.Parse(bound)
	if err != nil || flag.Host() != "localhost" {
		return bound
	}
	at.Host = net.JoinHostPort("localhost", at.Port())
	return at.String()
}

// signingKey returns the file of a key that signs tokens for this hub: that of --jwt-key if it is a
// secret, else the placeholder FILE.
func (c *serveCmd) signingKey() string {
	if _, err := token.SignerFile(c.JWTKey, token.SecretFormat(c.JWTSecretFormat)); err != nil {
		return "FILE"
	}
	return c.JWTKey
}
