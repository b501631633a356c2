package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"livemap/api"
	"livemap/api/token"
	"livemap/cmd/livemap/listen"
)

// whoFlags say who may read and publish, and how much.
type whoFlags struct {
	Anonymous   bool   `help:"Let anyone who reaches the public or proxy port read."`
	JWTKey      string `name:"jwt-key" placeholder:"FILE" help:"What tokens are verified with: a PEM public key (RSA, ECDSA, Ed25519), or a secret for HS256 of at least 32 bytes."`
	JWKSURL     string `name:"jwks-url" placeholder:"URL" help:"Where the keys are fetched instead, every hour, and at most once a minute for one that is not known."`
	JWTIssuer   string `name:"jwt-issuer" placeholder:"NAME" help:"The iss that tokens must have (default: any)."`
	JWTAudience string `name:"jwt-audience" placeholder:"NAME" help:"An aud that tokens must have (default: any)."`

	PublishClientCA string `name:"publish-client-ca" placeholder:"FILE" help:"PEM certificates of who signs those of publishers; --publish-listen then speaks TLS with --tls-cert, and asks for one."`

	AllowOrigin    []pageOrigin `placeholder:"ORIGIN,…" help:"Origins of other pages that may read, with their users' cookies, like https://fleet.example.com."`
	CookieSameSite string       `default:"strict" enum:"strict,lax,none" placeholder:"WHEN" help:"SameSite of the session cookie: strict, lax or none (${default}); none for pages of --allow-origin on other sites."`
	LoginURL       string       `name:"login-url" placeholder:"URL" help:"Where the page sends those who must sign in; without one, it asks for a token."`

	MaxStreamsPerClient *int    `placeholder:"N" help:"Streams that a client, a token's subject or else an address, may have: 0 to 1000000, 0 is any number (default: 256, with --anonymous 0)."`
	PublishRate         float64 `default:"0" placeholder:"N" help:"Positions per second that a publisher, a token's subject or else an address, may publish: 0 to 1000000000, 0 is any number (${default})."`
}

const defaultMaxStreams = 256

// check tells what is wrong with the flags.
func (f *whoFlags) check() error {
	keys := f.JWTKey != "" || f.JWKSURL != ""
	switch {
	case !keys && !f.Anonymous:
		return errors.New("nobody may read: --jwt-key or --jwks-url lets those who have a token, --anonymous lets anyone who reaches the public or proxy port")
	case f.JWTKey != "" && f.JWKSURL != "":
		return errors.New("--jwt-key and --jwks-url exclude each other: keys come from one of them")
	case f.JWKSURL != "" && !isWebURL(f.JWKSURL):
		return fmt.Errorf("--jwks-url is %q; it must be an http:// or https:// URL", f.JWKSURL)
	case !keys && f.JWTIssuer != "":
		return errors.New("--jwt-issuer goes with --jwt-key or --jwks-url")
	case !keys && f.JWTAudience != "":
		return errors.New("--jwt-audience goes with --jwt-key or --jwks-url")
	case f.LoginURL != "" && f.Anonymous:
		return errors.New("--login-url and --anonymous exclude each other: where anyone may read, nobody signs in")
	case f.LoginURL != "" && !isWebURL(f.LoginURL):
		return fmt.Errorf("--login-url is %q; it must be an http:// or https:// URL", f.LoginURL)
	case f.MaxStreamsPerClient != nil && (*f.MaxStreamsPerClient < 0 || *f.MaxStreamsPerClient > 1_000_000):
		return fmt.Errorf("--max-streams-per-client is %d; it must be from 0 to 1000000", *f.MaxStreamsPerClient)
	case !(f.PublishRate >= 0 && f.PublishRate <= 1e9):
		return fmt.Errorf("--publish-rate is %s; it must be from 0 to 1000000000", strconv.FormatFloat(f.PublishRate, 'f', -1, 64))
	}
	return nil
}

// verifier makes what verifies tokens; nil where none are taken.
func (f *whoFlags) verifier(ctx context.Context, log *slog.Logger) (*token.Verifier, error) {
	var keys *token.Keys
	var err error
	switch {
	case f.JWTKey != "":
		keys, err = token.KeyFile(f.JWTKey)
		err = flagError("--jwt-key", err)
	case f.JWKSURL != "":
		if !isPrivate(f.JWKSURL) {
			log.Warn("keys are fetched over plain HTTP: whoever is between can make tokens", "jwks_url", token.Printable(f.JWKSURL))
		}
		keys, err = token.KeySet(ctx, f.JWKSURL, log)
		err = flagError("--jwks-url", err)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return token.NewVerifier(keys, token.Rules{Issuer: f.JWTIssuer, Audience: f.JWTAudience}), nil
}

func flagError(flag string, err error) error {
	if err == nil {
		return nil
	}
	return usageError{fmt.Errorf("%s: %w", flag, err)}
}

// configure adds who may, and how much, to what the API is to serve.
func (f *whoFlags) configure(config *api.Config, tokens *token.Verifier) {
	config.Anonymous, config.Tokens, config.PublishRate = f.Anonymous, tokens, f.PublishRate
	config.CookieSameSite = map[string]http.SameSite{
		"strict": http.SameSiteStrictMode, "lax": http.SameSiteLaxMode, "none": http.SameSiteNoneMode,
	}[f.CookieSameSite]
	for _, origin := range f.AllowOrigin {
		config.Origins = append(config.Origins, string(origin))
	}
	switch {
	case f.MaxStreamsPerClient != nil:
		config.MaxStreams = *f.MaxStreamsPerClient
	case !f.Anonymous:
		config.MaxStreams = defaultMaxStreams
	}
}

// pageOrigin is an origin as browsers send it.
type pageOrigin string

// UnmarshalText reads an origin; an error tells what is allowed.
func (o *pageOrigin) UnmarshalText(text []byte) error {
	origin := strings.ToLower(string(text))
	if !isOrigin(origin) {
		return fmt.Errorf("%q is no origin of a page; it must be http:// or https://, a host and perhaps a port, like https://fleet.example.com; * and null are not taken", text)
	}
	for _, unsaid := range []struct{ scheme, port string }{{"https://", ":443"}, {"http://", ":80"}} {
		if strings.HasPrefix(origin, unsaid.scheme) {
			origin = strings.TrimSuffix(origin, unsaid.port)
		}
	}
	*o = pageOrigin(origin)
	return nil
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// isPrivate tells that nobody else can change what comes from a URL.
func isPrivate(text string) bool {
	u, err := url.Parse(text)
	return err != nil || u.Scheme == "https" || listen.IsLoopback(u.Hostname())
}
