package listen

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// listenerAt is a listener that claims an address.
type listenerAt struct {
	net.Listener
	address string
}

func (l listenerAt) Addr() net.Addr {
	at, _ := net.ResolveTCPAddr("tcp", l.address)
	return at
}

// TestPortNeedsAuth checks that a port asks for credentials if others can reach any of its sockets.
func TestPortNeedsAuth(t *testing.T) {
	for addresses, local := range map[string]bool{
		"127.0.0.1:1":             true,
		"[::1]:1":                 true,
		"127.0.0.1:1 [::1]:1":     true,
		"127.3.2.1:1":             true,
		"0.0.0.0:1":               false,
		"[::]:1":                  false,
		"192.0.2.1:1":             false,
		"127.0.0.1:1 192.0.2.1:1": false,
		"192.0.2.1:1 127.0.0.1:1": false,
	} {
		var all []net.Listener
		for _, address := range strings.Fields(addresses) {
			all = append(all, listenerAt{nil, address})
		}
		l := &httpPort{Listener: all[0], also: all[1:]}
		assert.Equal(t, local, l.isLocal(), addresses)
		loopback := Address{"tcp", "127.0.0.1:1"}
		assert.Equal(t, !local, (&Config{Internal: loopback}).needsAuth(l), addresses)
		assert.True(t, (&Config{Internal: loopback, ClientCA: "ca"}).needsAuth(l), addresses)
		named := &Config{Internal: Address{"tcp", "hub.example:1"}}
		assert.True(t, named.needsAuth(l), "a name may lead elsewhere tomorrow")
	}
}
