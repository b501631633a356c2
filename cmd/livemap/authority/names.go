package authority

import (
	"crypto/x509"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// isFileName reports whether a text names a file on every system, and is no option.
var isFileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString

// isLabels reports whether a text is labels of a host's name, the first of which may be `*`.
var isLabels = regexp.MustCompile(
	`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`,
).MatchString

// isNumbers reports whether a text can be no name, as it looks like an address.
var isNumbers = regexp.MustCompile(`^[0-9.]+$`).MatchString

// isHost reports whether a certificate can be for a text: a host name, maybe with a wildcard, or an IP
// address without a zone.
func isHost(text string) bool {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Zone() == ""
	}
	return len(text) <= 253 && isLabels(text) && !isNumbers(text)
}

// withLocalhost returns names and addresses as a certificate has them: those of this machine's loopback
// first, then names, then addresses, each once.
func withLocalhost(names []string) []string {
	hosts, addresses := []string{"localhost"}, []string{"127.0.0.1", "::1"}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			addresses = append(addresses, ip.Unmap().String())
		} else {
			hosts = append(hosts, strings.ToLower(name))
		}
	}
	var all []string
	for _, name := range append(hosts, addresses...) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// namesOf returns the names and addresses of a certificate; nil if it has none.
func namesOf(cert *x509.Certificate) (names []string) {
	names = append(names, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
