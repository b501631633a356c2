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

const (
	off       = "off"
	localhost = "localhost"
)

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
	if !isHostPort(string(text)) {
		hint := ""
		if meant := meantHostPort(string(text)); meant != "" {
			hint = fmt.Sprintf("; did you mean %q?", meant)
		}
		return fmt.Errorf("%q is not an address; it must be host:port, :port, unix:/path or off, "+
			"with a port from 0 to 65535%s", text, hint)
	}
	*a = Address{"tcp", string(text)}
	return nil
}

// isHostPort reports whether text is host:port or :port. A host may be a name that does not exist.
func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" || strings.ContainsAny(host, " /") {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// meantHostPort guesses which address was meant by text, which is none; "" if nothing is near.
func meantHostPort(text string) string {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") {
		return "unix:" + text
	}
	bare := strings.TrimSpace(text)
	for _, scheme := range []string{"http://", "https://", "tcp://", "tcp:"} {
		bare = strings.TrimPrefix(bare, scheme)
	}
	bare = strings.TrimSuffix(bare, "/")
	guesses := []string{bare, ":" + bare}
	if last := strings.LastIndexByte(bare, ':'); last >= 0 { // an IPv6 address needs brackets
		guesses = append(guesses, net.JoinHostPort(bare[:last], bare[last+1:]))
	}
	for _, guess := range guesses {
		if isHostPort(guess) && isHost(guess) {
			return guess
		}
	}
	noPort := net.JoinHostPort(strings.Trim(bare, "[]"), "PORT")
	if bare != "" && isHost(noPort) {
		return noPort
	}
	return ""
}

// isHost reports whether the host of host:port can be one: an IP address, a name or nothing.
func isHost(hostPort string) bool {
	host, _, _ := net.SplitHostPort(hostPort)
	_, err := netip.ParseAddr(host)
	return err == nil || !strings.ContainsAny(host, ":[]%/ ")
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

// port returns the port of host:port, which may be a service's name.
func (a Address) port() string {
	_, port, _ := net.SplitHostPort(a.address)
	return port
}

// IsLocal reports whether this machine alone can reach the address.
func (a Address) IsLocal() bool { return a.network == "unix" || IsLoopback(a.Host()) }

// isPicked reports whether the system picks the port number.
func (a Address) isPicked() bool { return a.port() == "0" }

// addresses returns all addresses to listen on. For localhost these are 127.0.0.1 and ::1, whatever
// the system's tables say: browsers use both, and try ::1 first.
func (a Address) addresses() []string {
	host, port, _ := net.SplitHostPort(a.address)
	if a.network == "tcp" && host == localhost {
		return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return []string{a.address}
}

// IsLoopback reports whether a host is localhost or a loopback address.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == localhost || err == nil && ip.Unmap().IsLoopback()
}
