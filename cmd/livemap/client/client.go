// Package client talks to a hub over HTTP, as any program outside the hub does.
//
// [Options.Transport] and [Options.StreamTransport] connect to an [Address]; a [Hub] is an
// address with a transport. A [Publisher] sends it batches of lines, an [Upload] one long
// request. An answer that is no success is a [Problem].
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Options say what a client shows to a hub and which certificates it trusts. The zero value
// shows nothing and trusts what the system trusts.
type Options struct {
	Token    string // for Authorization: Bearer; a transport does not send it, a [Hub] does
	CACert   string // file of PEM certificates to trust, instead of the system's
	Insecure bool   // do not check the hub's certificate

	ClientCert string // file of the PEM certificate for a port that asks for one
	ClientKey  string // file of its PEM private key
}

// tlsConfig reads the files. Its errors name the flags of the commands.
func (o Options) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: o.Insecure}
	switch {
	case o.ClientCert != "" && o.ClientKey == "":
		return nil, errors.New("--client-cert: it needs its private key too; add --client-key FILE")
	case o.ClientCert == "" && o.ClientKey != "":
		return nil, errors.New("--client-key: it needs its certificate too; add --client-cert FILE")
	case o.ClientCert != "":
		own, err := tls.LoadX509KeyPair(o.ClientCert, o.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("--client-cert, --client-key: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	if o.CACert == "" {
		return config, nil
	}
	pem, err := os.ReadFile(o.CACert)
	if err != nil {
		return nil, fmt.Errorf("--cacert: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--cacert: %s holds no certificate in PEM form", o.CACert)
	}
	return config, nil
}

// Transport returns a transport to an address, over TCP or its unix socket. It keeps its
// connections open, and detects a dead HTTP/2 connection by pings. An error is about a file of
// the options.
func (o Options) Transport(a Address) (*http.Transport, error) {
	config, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = config
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
	if a.socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", a.socket)
		}
	}
	return t, nil
}

// Hub is a hub and how it is reached.
type Hub struct {
	Address   Address
	Token     string // sent as Authorization: Bearer, unless empty
	Transport http.RoundTripper
}

// remedy says what a client does while the hub is away.
func (h Hub) remedy() string {
	if h.Address.HasNext() {
		return "going on with another hub"
	}
	return "waiting for it"
}

// answersAgain says that a hub answers after one was away.
func (h Hub) answersAgain() string {
	if h.Address.HasNext() {
		return fmt.Sprint("connected to ", h.Address)
	}
	return fmt.Sprint(h.Address, " is back")
}

// NewRequest returns a request for a path of the hub, in the form that [Address.URL] describes.
// The request shows the token.
func (h Hub) NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.Address.URL(path), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "livemap")
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	return req, nil
}

// IsUntrusted reports whether err means that asking again is useless: the hub's
// certificate is not trusted, or its port does not speak TLS.
func IsUntrusted(err error) bool {
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	return cert || isPlain(err)
}

// isPlain reports whether err means that a port does not speak TLS. Where it speaks HTTP, net/http has
// an error of its own.
func isPlain(err error) bool {
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return record || errors.Is(err, http.ErrSchemeMismatch)
}

// Explain removes the method and the URL, which the user knows, from an error of [http.Client].
// To an error about the hub's certificate it adds which flags help, and to one about a port
// without TLS what address helps.
func Explain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w (name its certificate with --cacert, or use --insecure)", err)
	}
	if isPlain(err) {
		return fmt.Errorf("%w (the port does not speak TLS; write http:// instead of https://)", err)
	}
	return err
}
