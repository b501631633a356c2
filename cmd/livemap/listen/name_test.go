package listen

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestAddressesThatOpen checks that a port on all addresses is named by a host that clients can open.
func TestAddressesThatOpen(t *testing.T) {
	named := func(names []string, addresses ...net.IP) string {
		leaf := &x509.Certificate{DNSNames: names, IPAddresses: addresses}
		return (&certificate{current: &tls.Certificate{Leaf: leaf}}).name()
	}
	assert.Equal(t, "hub.example", named([]string{"*.example", "hub.example"}))
	assert.Equal(t, "192.0.2.1", named([]string{"*.example"}, net.IPv4(192, 0, 2, 1)))
	assert.Equal(t, "localhost", named(nil))
	for at, want := range map[string]string{
		"[::]:4433":      "https://hub.example:4433",
		"0.0.0.0:4433":   "https://hub.example:4433",
		"127.0.0.1:4433": "https://127.0.0.1:4433",
		"[::1]:4433":     "https://[::1]:4433",
		"192.0.2.1:443":  "https://192.0.2.1:443",
	} {
		port := &httpPort{Listener: listenerAt{nil, at}, tls: &tls.Config{}}
		assert.Equal(t, want, port.address("hub.example"))
	}
	plain := &httpPort{Listener: listenerAt{nil, "[::]:8080"}}
	assert.Equal(t, "http://localhost:8080", plain.address(localhost))
}
