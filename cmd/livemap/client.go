package main

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
	"strings"
	"time"

	"golang.org/x/term"
)

// hubFlags are the flags of every command that talks to a hub.
type hubFlags struct {
	Token    string `help:"Token to show to the hub, sent as Authorization: Bearer."`
	CACert   string `name:"cacert" placeholder:"FILE" help:"PEM certificates to trust, instead of the system's."`
	Insecure bool   `help:"Do not check the hub's certificate."`

	ClientCert string `placeholder:"FILE" help:"PEM certificate to show to an internal port that asks for one."`
	ClientKey  string `placeholder:"FILE" help:"PEM private key of --client-cert."`
}

// hubAddress is where a hub listens, as it is written on the command line:
// http://host:port, https://host:port or unix:/path.
type hubAddress struct {
	base   url.URL
	socket string // path of the unix socket; empty for a host
}

// UnmarshalText reads an address; an error tells what is allowed.
func (a *hubAddress) UnmarshalText(text []byte) error {
	if path, ok := strings.CutPrefix(string(text), "unix:"); ok && path != "" {
		*a = hubAddress{base: url.URL{Scheme: "http", Host: "localhost"}, socket: path}
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("%q is no address of a hub; it must be http://host:port, https://host:port or unix:/path", text)
	}
	*a = hubAddress{base: *u}
	return nil
}

func (a hubAddress) String() string {
	if a.socket != "" {
		return "unix:" + a.socket
	}
	return a.base.Redacted()
}

// at returns the URL of path, which is percent-encoded already, below the
// address.
func (a hubAddress) at(path string) string {
	u := a.base
	prefix := strings.TrimSuffix(u.EscapedPath(), "/")
	u.Path, u.RawPath = "", ""
	return u.String() + prefix + path
}

func (f hubFlags) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: f.Insecure}
	if f.ClientCert != "" || f.ClientKey != "" {
		own, err := tls.LoadX509KeyPair(f.ClientCert, f.ClientKey)
		if err != nil {
			return nil, usageError{fmt.Errorf("--client-cert, --client-key: %w", err)}
		}
		config.Certificates = []tls.Certificate{own}
	}
	if f.CACert == "" {
		return config, nil
	}
	pem, err := os.ReadFile(f.CACert)
	if err != nil {
		return nil, usageError{fmt.Errorf("--cacert: %w", err)}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usageError{fmt.Errorf("--cacert: %s holds no certificate in PEM form", f.CACert)}
	}
	return config, nil
}

// transport returns a transport over TCP, or the unix socket of a, that keeps
// its connections open. A dead HTTP/2 connection is noticed by pings.
func (f hubFlags) transport(a hubAddress) (*http.Transport, error) {
	config, err := f.tlsConfig()
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

// request makes a request to the hub that shows the token.
func (f hubFlags) request(ctx context.Context, method, url string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "livemap")
	if f.Token != "" {
		req.Header.Set("Authorization", "Bearer "+f.Token)
	}
	return req, nil
}

// untrusted reports whether err means that asking again is useless: the hub's
// certificate is not trusted, or its port does not speak TLS.
func untrusted(err error) bool {
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return cert || record
}

// adviseTrust adds what mends it to an error about the hub's certificate.
func adviseTrust(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w (name its certificate with --cacert, or use --insecure)", err)
	}
	return err
}

// bare strips the method and the URL, which the user knows, from an error of
// http.Client.
func bare(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// isTerminal reports whether stream, one of the standard streams, is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sleep waits for d and reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
