package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // for --zone, on machines without zones of their own

	"net/http"

	"github.com/alecthomas/kong"

	"livemap/cmd/livemap/client"
)

// network is a range of addresses in CIDR notation.
type network struct{ netip.Prefix }

// UnmarshalText reads a range. An error says how to write one.
func (n *network) UnmarshalText(text []byte) (err error) {
	if n.Prefix, err = netip.ParsePrefix(string(text)); err != nil {
		return fmt.Errorf("%q is not a network; it must be in CIDR notation, like 10.0.0.0/8 or 192.0.2.1/32", text)
	}
	return nil
}

// pageOrigin is an origin as browsers send it.
type pageOrigin string

// UnmarshalText reads an origin. An error says how to write one.
func (o *pageOrigin) UnmarshalText(text []byte) error {
	origin := strings.ToLower(string(text))
	if !isOrigin(origin) {
		return fmt.Errorf("%q is not the origin of a page; it must be http:// or https://, a host and perhaps "+
			"a port, like https://fleet.example.com; * and null are not allowed", text)
	}
	for _, usual := range []struct{ scheme, port string }{{"https://", ":443"}, {"http://", ":80"}} {
		if strings.HasPrefix(origin, usual.scheme) {
			origin = strings.TrimSuffix(origin, usual.port) // browsers leave it out
		}
	}
	*o = pageOrigin(origin)
	return nil
}

// styleURL is the URL of a MapLibre style.
type styleURL string

// UnmarshalText reads a URL. An error says how to write one.
func (s *styleURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.User != nil || !isOrigin(u.Scheme+"://"+u.Host) {
		return fmt.Errorf("%q is not the URL of a style; it must be an http:// or https:// URL", text)
	}
	*s = styleURL(text)
	return nil
}

// origin is an origin as a Content-Security-Policy names it.
type origin string

// UnmarshalText reads an origin. An error says how to write one.
func (o *origin) UnmarshalText(text []byte) error {
	if !isOrigin(string(text)) {
		return fmt.Errorf("%q is not an origin; it must be http:// or https://, a host and perhaps a port, "+
			"like https://tiles.example.com", text)
	}
	*o = origin(text)
	return nil
}

// isOrigin reports whether a Content-Security-Policy can name the text. Such a policy allows no IPv6
// addresses, and some other characters would end a source in it.
var isOrigin = regexp.MustCompile(
	`^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`).MatchString

// unknownVariables returns the LIVEMAP_ variables of an environment that belong to no flag. A misspelt
// one may be meant for a flag that restricts access.
func unknownVariables(app *kong.Application, environment []string) (unknown []string) {
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
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// zone is a time zone; without a Location none is given.
type zone struct{ *time.Location }

// UnmarshalText reads a zone. An error says how to write one.
func (z *zone) UnmarshalText(text []byte) error {
	for _, layout := range []string{"Z07:00", "-0700"} {
		if at, err := time.Parse(layout, string(text)); err == nil {
			_, offset := at.Zone()
			z.Location = time.FixedZone("", offset)
			return nil
		}
	}
	location, err := time.LoadLocation(string(text))
	if err != nil || len(text) == 0 || location == time.Local { // which would differ from machine to machine
		return fmt.Errorf("%q is no time zone; it must be a name such as Europe/Berlin, UTC, or an offset such as "+
			"+02:00", text)
	}
	z.Location = location
	return nil
}

// hubFlags are the flags of every command that talks to a hub. They convert to client.Options.
type hubFlags struct {
	Token    string
	CACert   string `name:"cacert" placeholder:"FILE"`
	Insecure bool

	ClientCert string `placeholder:"FILE"`
	ClientKey  string `placeholder:"FILE"`
}

// hubHelp has the help texts of hubFlags, and of --to, which several commands have.
var hubHelp = helpTexts{
	"to": "Address of the hub's internal port: http://host:port, https://host:port or unix:/path; " +
		"/publish behind it is ignored. Several hubs of one journal are several addresses of hosts, separated " +
		"by commas: when one is away, the next takes its place.",
	"token":       "Token for the hub, sent as Authorization: Bearer.",
	"cacert":      "PEM certificates to trust instead of the system's.",
	"insecure":    "Do not verify the hub's certificate.",
	"client-cert": "PEM client certificate for an internal port that asks for one.",
	"client-key":  "PEM private key of --client-cert.",
}

// transport returns a transport to an address. An unusable file is a mistake in the call.
func (f hubFlags) transport(to client.Address) (*http.Transport, error) {
	t, err := client.Options(f).Transport(to)
	if err != nil {
		return nil, usageError{err}
	}
	return t, nil
}

// hub returns the hub at an address, reached over a transport.
func (f hubFlags) hub(at client.Address, over http.RoundTripper) client.Hub {
	return client.Hub{Address: at, Token: f.Token, Transport: over}
}
