package main

import (
	"net/http"

	"livemap/cmd/livemap/client"
)

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
	"to":          "Address of the hub's internal port: http://host:port, https://host:port or unix:/path.",
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
