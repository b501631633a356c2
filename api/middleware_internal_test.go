package api

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"livemap/api/token"
)

// Via does not count over TLS, where no proxy is in between.
func TestProtocolOverTLS(t *testing.T) {
	r := &http.Request{ProtoMajor: 2, Header: http.Header{"Via": {"3.0 made up"}}}
	require.Equal(t, "h3", protocol(r))
	r.TLS = new(tls.ConnectionState)
	require.Equal(t, "h2", protocol(r))
}

func TestPublisherName(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/publish", nil)
	require.Equal(t, "local", publisherName(r))
	for range 2 { // another key of the same name is the same publisher
		shown := &principal{certificate: &x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}}}
		require.Equal(t, "certificate CN=gateway", publisherName(withPrincipal(r, shown)))
	}
	me := &principal{grant: &token.Grant{Subject: "me"}}
	require.Equal(t, "subject me", publisherName(withPrincipal(r, me)))
	require.Equal(t, "address 192.0.2.1", publisherName(withPrincipal(r, &principal{grant: &token.Grant{}})))
}
