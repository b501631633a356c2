package api

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Via does not count over TLS, where no proxy is in between.
func TestProtocolOverTLS(t *testing.T) {
	r := &http.Request{ProtoMajor: 2, Header: http.Header{"Via": {"3.0 made up"}}}
	require.Equal(t, "h3", protocol(r))
	r.TLS = new(tls.ConnectionState)
	require.Equal(t, "h2", protocol(r))
}
