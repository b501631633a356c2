package listen

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Address is where to listen. As text it is host:port, :port, unix:/path or off. The zero Address
// is off.
type Address struct {
	network, address string // network is "" for off
}

const off = "off"

// UnmarshalText reads an address. An error says what is allowed.
func (a *Address) UnmarshalText(text []byte) error {
	if string(text) == off {
		*a = Address{}
		return nil
	}
	if path, ok := strings.CutPrefix(string(text), "unix:"); ok && path != "" {
		*a = Address{"unix", path}
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("%q is not an address; it must be host:port, :port, unix:/path or off, "+
			"with a port from 0 to 65535", text)
	}
	*a = Address{"tcp", string(text)}
	return nil
}

// String writes the address as UnmarshalText reads it.
func (a Address) String() string {
	switch a.network {
	case "":
		return off
	case "unix":
		return "unix:" + a.address
	}
	return a.address
}

// IsOff reports whether there is nothing to listen on.
func (a Address) IsOff() bool { return a.network == "" }

// IsUnix reports whether the address is that of a Unix socket.
func (a Address) IsUnix() bool { return a.network == "unix" }

// Host returns the host of host:port; "" if there is none.
func (a Address) Host() string {
	if a.network != "tcp" {
		return ""
	}
	host, _, _ := net.SplitHostPort(a.address)
	return host
}

// IsLocal reports whether this machine alone can reach the address.
func (a Address) IsLocal() bool { return a.network == "unix" || IsLoopback(a.Host()) }

// isPicked reports whether the system picks the port number.
func (a Address) isPicked() bool {
	_, port, _ := net.SplitHostPort(a.address)
	return port == "0"
}

// addresses returns all addresses to listen on. For localhost these are 127.0.0.1 and ::1, whatever
// the system's tables say: browsers use both, and try ::1 first.
func (a Address) addresses() []string {
	host, port, _ := net.SplitHostPort(a.address)
	if a.network == "tcp" && host == "localhost" {
		return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return []string{a.address}
}

// IsLoopback reports whether a host is localhost or a loopback address.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
