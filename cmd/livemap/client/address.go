package client

import (
	"fmt"
	"net/url"
	"strings"
)

// Address is where a hub listens, written as http://host:port, https://host:port or
// unix:/path. An address of a host may have a path, below which the hub's paths are.
type Address struct {
	base   url.URL
	socket string // path of the unix socket; empty for a host
}

// UnmarshalText reads an address. An error says which forms are allowed.
func (a *Address) UnmarshalText(text []byte) error {
	if path, ok := strings.CutPrefix(string(text), "unix:"); ok && path != "" {
		*a = Address{base: url.URL{Scheme: "http", Host: "localhost"}, socket: path}
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("%q is not the address of a hub; "+
			"it must be http://host:port, https://host:port or unix:/path", text)
	}
	*a = Address{base: *u}
	return nil
}

// String returns the address as it was written, without the password.
func (a Address) String() string {
	if a.socket != "" {
		return "unix:" + a.socket
	}
	return a.base.Redacted()
}

// Scheme returns http or https; of a unix socket http.
func (a Address) Scheme() string { return a.base.Scheme }

// URL returns the URL of a path of the hub, such as "/publish". The path is percent-encoded
// already, and may have a query.
func (a Address) URL(path string) string {
	u := a.base
	prefix := strings.TrimSuffix(u.EscapedPath(), "/")
	u.Path, u.RawPath = "", ""
	return u.String() + prefix + path
}
