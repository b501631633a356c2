package main

import (
	"net/http"

	"livemap/cmd/livemap/client"
)

// hubFlags are the flags of every command that talks to a hub. They convert to client.Options.
type hubFlags struct {
	Token    string `help:"Token to show to the hub, sent as Authorization: Bearer."`
	CACert   string `name:"cacert" placeholder:"FILE" help:"PEM certificates to trust, instead of the system's."`
	Insecure bool   `help:"Do not check the hub's certificate."`

	ClientCert string `placeholder:"FILE" help:"PEM certificate to show to an internal port that asks for one."`
	ClientKey  string `placeholder:"FILE" help:"PEM private key of --client-cert."`
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
