package listen

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Config says where a hub listens, and with which certificates.
//
// Errors name each field by the flag of `livemap serve` that sets it.
type Config struct {
	// Public (--listen) is for readers: HTTP/1.1 and HTTP/2 over TLS, and HTTP/3 over UDP of the
	// same port number. It cannot be a Unix socket.
	Public Address
	// Proxy (--proxy-listen) is for a reverse proxy: HTTP/1.1 and HTTP/2 in plaintext.
	Proxy Address
	// Internal (--publish-listen) is for publishers and operators. It cannot be off. If other
	// machines can reach it, it speaks TLS and needs TLSCert, and ClientCA or Tokens.
	Internal Address

	// TLSCert and TLSKey (--tls-cert, --tls-key) are PEM files with a certificate chain and its
	// private key. They are read again when they change. Without them, a certificate for
	// localhost is made and kept in the [Storage].
	TLSCert, TLSKey string
	// ClientCA (--publish-client-ca) is a PEM file with certificates. Internal then speaks TLS and
	// accepts client certificates that these have signed.
	ClientCA string
	// StallTimeout (--stall-timeout) is how long a write of at most 16 KiB may take to which the
	// handler has set no deadline, as all over HTTP/2; 0 is any time. Then the connection is closed.
	StallTimeout time.Duration
	// Tokens says that the handler of Internal can ask for tokens.
	Tokens bool
	// TrustedProxies are networks whose addresses may have any number of connections without a
	// request. Elsewhere an address may have 64 on Public and on Proxy, beside those of the last second.
	TrustedProxies []netip.Prefix

	passed PassedSockets
}

// ConfigError is a mistake in a [Config] or in a file or socket that it names. Its text names the
// flag.
type ConfigError struct{ Err error }

// Error implements error.
func (e ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e ConfigError) Unwrap() error { return e.Err }

// Validate reports the first mistake that shows without opening anything; nil if there is none.
func (c *Config) Validate() error { return cmp.Or(c.ValidatePublic(), c.ValidateInternal()) }

// ValidatePublic is the part of Validate about TLSCert, TLSKey and Public.
func (c *Config) ValidatePublic() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key need each other")
	case c.Public.IsUnix():
		return errors.New("--listen cannot be a unix socket; --proxy-listen can")
	}
	return nil
}

// ValidateInternal is the part of Validate about Internal.
func (c *Config) ValidateInternal() error {
	at := c.Internal
	switch {
	case at.IsOff():
		return errors.New("--publish-listen cannot be off; it must be host:port or unix:/path")
	case at.IsUnix() && c.ClientCA != "":
		return errors.New("--publish-client-ca needs a --publish-listen of host:port; " +
			"a unix socket speaks no TLS")
	case !at.IsLocal() && (c.TLSCert == "" || c.ClientCA == "" && !c.Tokens):
		return fmt.Errorf("--publish-listen is %s, where everyone who can reach it could publish; "+
			"it needs --tls-cert and --tls-key, and --publish-client-ca to ask for client certificates, "+
			"or --jwt-key or --jwks-url to ask for tokens; "+
			"without them, it must be a loopback host:port or unix:/path", at)
	case c.ClientCA != "" && c.TLSCert == "":
		return errors.New("--publish-client-ca needs --tls-cert and --tls-key, " +
			"with which the internal port then speaks TLS")
	}
	return nil
}

// needsAuth reports whether the internal port must ask its clients for who they are: ClientCA is
// set, or other machines can reach the port. Any host name but localhost counts as one that they
// can reach: it may lead elsewhere tomorrow.
func (c *Config) needsAuth(internal *httpPort) bool {
	return c.ClientCA != "" || !c.Internal.IsLocal() || !internal.isLocal()
}
