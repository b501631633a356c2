package client

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Address is where a hub listens, written as http://host:port, https://host:port or
// unix:/path. An address of a host may have a path, below which the hub's paths are. Several hubs
// of one journal are several addresses of hosts, separated by commas: the Address is the first, and
// [Address.Next] has the others.
type Address struct {
	base   url.URL
	socket string    // path of the unix socket; empty for a host
	others []url.URL // bases of other hubs
}

// Next returns the address of the next hub, behind which come the others and then this one.
func (a Address) Next() Address {
	if len(a.others) == 0 {
		return a
	}
	return Address{base: a.others[0], others: append(slices.Clone(a.others[1:]), a.base)}
}

// HasNext reports whether there are other hubs.
func (a Address) HasNext() bool { return len(a.others) > 0 }

var betweenAddresses = regexp.MustCompile(`, *(https?://)`)

// UnmarshalText reads an address, or several. An error says which forms are allowed.
func (a *Address) UnmarshalText(text []byte) error {
	all := strings.Split(betweenAddresses.ReplaceAllString(string(text), "\n$1"), "\n")
	if err := a.unmarshal(all[0]); err != nil || len(all) == 1 {
		return err
	}
	if a.socket != "" {
		return fmt.Errorf("%q is a socket; of several addresses each must be http://host:port or https://host:port",
			all[0])
	}
	for _, one := range all[1:] {
		var other Address
		if err := other.unmarshal(one); err != nil {
			return err
		}
		a.others = append(a.others, other.base)
	}
	return nil
}

func (a *Address) unmarshal(text string) error {
	if path, ok := strings.CutPrefix(text, "unix:"); ok && path != "" {
		*a = Address{base: url.URL{Scheme: "http", Host: "localhost"}, socket: path}
		return nil
	}
	u, ok := parseBase(text)
	if !ok {
		hint := ""
		if meant := meantAddress(text); meant != "" {
			hint = fmt.Sprintf("; did you mean %q?", meant)
		}
		return fmt.Errorf("%q is not the address of a hub; "+
			"it must be http://host:port, https://host:port or unix:/path%s", text, hint)
	}
	*a = Address{base: *u}
	return nil
}

// parseBase reads the URL of a hub. It drops a fragment: in the address of the map, that is the view. It
// drops /publish at the end: that URL is curl's, and users copy it.
func parseBase(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.RawQuery != "" || u.ForceQuery {
		return nil, false
	}
	u.Fragment, u.RawFragment = "", ""
	if base, found := strings.CutSuffix(strings.TrimSuffix(u.EscapedPath(), "/"), "/publish"); found {
		u.RawPath = base
		u.Path, _ = url.PathUnescape(base) // it was parsed already
	}
	return u, true
}

// meantAddress guesses which address was meant by text, which is none; "" if nothing is near.
func meantAddress(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") {
		return "unix:" + text
	}
	scheme, host, found := strings.Cut(text, "://")
	if !found {
		scheme, host = "http", text
	}
	guesses := []string{host}
	if last := strings.LastIndexByte(host, ':'); last >= 0 { // an IPv6 address needs brackets
		guesses = append(guesses, "["+host[:last]+"]"+host[last:], "["+host+"]")
	}
	for _, guess := range guesses {
		u, ok := parseBase(scheme + "://" + guess)
		if !ok || !isHost(u.Hostname()) || strings.HasSuffix(u.Host, ":") {
			continue
		}
		if !found && u.Port() == "4433" {
			u.Scheme = "https"
		}
		return u.String()
	}
	return ""
}

// isHost reports whether a host can be one: an IP address or a name.
func isHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host != "" && !strings.ContainsAny(host, ":[]% ")
}

// String returns the address as it was written, without the password and /publish.
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
