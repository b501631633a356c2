package listen

import (
	"cmp"
	"errors"
	"fmt"
)

// Config says where a hub listens, and with which certificates. Errors name each field by
// the flag of `livemap serve` that sets it.
type Config struct {
	Public   Address // --listen: HTTP/1.1 and HTTP/2 over TLS, HTTP/3 over UDP of the same port number; no Unix socket
	Proxy    Address // --proxy-listen: plaintext HTTP/1.1 and HTTP/2, for a reverse proxy
	Internal Address // --publish-listen: for publishers and operators; never off

	TLSCert  string // --tls-cert: PEM file; "": a certificate for localhost is made and kept in [Storage]
	TLSKey   string // --tls-key: PEM file with the private key of TLSCert
	ClientCA string // --publish-client-ca: PEM file; Internal then speaks TLS and asks for certificates signed by these
	Tokens   bool   // Internal's handler can ask for tokens, so that Internal may be open to other machines

	passed PassedSockets
}

// ConfigError is a mistake in a [Config], or in what it names: a certificate that cannot be
// read, a passed socket of the wrong kind.
type ConfigError struct{ Err error }

// Error implements error.
func (e ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what the mistake is.
func (e ConfigError) Unwrap() error { return e.Err }

// Validate reports the first mistake that can be seen without opening anything.
func (c *Config) Validate() error { return cmp.Or(c.ValidatePublic(), c.ValidateInternal()) }

// ValidatePublic reports the first mistake in TLSCert, TLSKey and Public.
func (c *Config) ValidatePublic() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case c.Public.IsUnix():
		return errors.New("--listen cannot be a unix socket; --proxy-listen can")
	}
	return nil
}

// ValidateInternal reports why Internal may not be where it is.
func (c *Config) ValidateInternal() error {
	at := c.Internal
	switch {
	case at.IsOff():
		return errors.New("--publish-listen cannot be off; it must be host:port or unix:/path")
	case at.IsUnix() && c.ClientCA != "":
		return errors.New("--publish-client-ca goes with a --publish-listen of host:port; a unix socket speaks no TLS")
	case !at.IsLocal() && (c.TLSCert == "" || c.ClientCA == "" && !c.Tokens):
		return fmt.Errorf("--publish-listen is %s, which others can reach, and anyone who does could publish: there it needs --tls-cert and --tls-key, and --publish-client-ca to ask them for a certificate, or --jwt-key or --jwks-url to ask for a token; else it must be a loopback host:port or unix:/path", at)
	case c.ClientCA != "" && c.TLSCert == "":
		return errors.New("--publish-client-ca goes with --tls-cert and --tls-key, which the internal port then speaks TLS with")
	}
	return nil
}

// needsAuth reports whether the internal port asks its clients who they are: it was told to,
// or other machines can reach it. A host's name counts as open, wherever it leads now: such a
// hub was started with keys for that.
func (c *Config) needsAuth(internal *httpPort) bool {
	return c.ClientCA != "" || !c.Internal.IsLocal() || !internal.isLocal()
}
