package main

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/dustin/go-humanize"
)

// size is a number of bytes, written like 64MiB.
type size int

// UnmarshalText reads a size; an error tells what is allowed.
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > math.MaxInt {
		return fmt.Errorf("%q is no size; it must be written like 64MiB", text)
	}
	*s = size(n)
	return nil
}

func (s size) String() string { return strings.ReplaceAll(humanize.IBytes(uint64(s)), " ", "") }

// listenAddress is where to listen: host:port, :port, unix:/path or off.
type listenAddress struct {
	network, address string // network is "" for off
}

const off = "off"

// UnmarshalText reads an address; an error tells what is allowed.
func (a *listenAddress) UnmarshalText(text []byte) error {
	if string(text) == off {
		*a = listenAddress{}
		return nil
	}
	if path, ok := strings.CutPrefix(string(text), "unix:"); ok && path != "" {
		*a = listenAddress{"unix", path}
		return nil
	}
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("%q is no address; it must be host:port, :port, unix:/path or off, the port from 0 to 65535", text)
	}
	*a = listenAddress{"tcp", string(text)}
	return nil
}

func (a listenAddress) String() string {
	switch a.network {
	case "":
		return off
	case "unix":
		return "unix:" + a.address
	}
	return a.address
}

// isOff tells that nobody is to listen.
func (a listenAddress) isOff() bool { return a.network == "" }

// isPicked tells that the system picks the port number.
func (a listenAddress) isPicked() bool {
	_, port, _ := net.SplitHostPort(a.address)
	return port == "0"
}

// addresses are all that are to be listened on. Browsers take localhost for both
// of these, whatever the system's own tables say, and try ::1 first.
func (a listenAddress) addresses() []string {
	host, port, _ := net.SplitHostPort(a.address)
	if a.network == "tcp" && host == "localhost" {
		return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return []string{a.address}
}

// isLocal tells that only this machine can reach the address.
func (a listenAddress) isLocal() bool {
	if a.network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.address)
	return isLoopback(host)
}

// isLoopback tells that a host is this machine, whatever its system says.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// network is a range of addresses in CIDR notation.
type network struct{ netip.Prefix }

// UnmarshalText reads a range; an error tells what is allowed.
func (n *network) UnmarshalText(text []byte) (err error) {
	if n.Prefix, err = netip.ParsePrefix(string(text)); err != nil {
		return fmt.Errorf("%q is no network; it must be in CIDR notation, like 10.0.0.0/8 or 192.0.2.1/32", text)
	}
	return nil
}

func prefixes(networks []network) (prefixes []netip.Prefix) {
	for _, n := range networks {
		prefixes = append(prefixes, n.Prefix)
	}
	return prefixes
}

// strangeVariables finds variables in an environment that look like those of flags and
// are none: a misspelt one may be of a flag that keeps somebody out.
func strangeVariables(app *kong.Application, environment []string) (strange []string) {
	known := map[string]bool{}
	for _, command := range app.Leaves(false) {
		for _, group := range command.AllFlags(false) {
			for _, flag := range group {
				for _, name := range flag.Envs {
					known[name] = true
				}
			}
		}
	}
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "LIVEMAP_") && !known[name] {
			strange = append(strange, name)
		}
	}
	return strange
}

// within checks a value of a flag against its range.
type within struct {
	flag        string
	value, text string // as given, and the range
	ok          bool
}

func durationWithin(flag string, value, least, most time.Duration) within {
	return within{flag, value.String(), fmt.Sprintf("from %s to %s", least, most), least <= value && value <= most}
}

func sizeWithin(flag string, value, least, most size) within {
	return within{flag, value.String(), fmt.Sprintf("from %s to %s", least, most), least <= value && value <= most}
}

func (c within) err() error {
	if c.ok {
		return nil
	}
	return fmt.Errorf("--%s is %s; it must be %s", c.flag, c.value, c.text)
}
