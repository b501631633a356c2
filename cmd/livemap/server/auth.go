package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"livemap/api/token"
	"livemap/cmd/livemap/listen"
)

// takesTokens reports whether there are keys to verify tokens with.
func (c *Config) takesTokens() bool { return c.JWTKey != "" || c.JWKSURL != "" }

// ErrNobodyMayRead is the error of a [Config] that says neither who has a token nor that everyone may read.
var ErrNobodyMayRead = errors.New("nobody may read; set --jwt-key or --jwks-url for clients with tokens, " +
	"or --anonymous for everyone who can reach the public or proxy port")

// checkAuth reports what is wrong with the fields about who may read and publish.
func (c *Config) checkAuth() error {
	keys := c.takesTokens()
	switch {
	case !keys && !c.Anonymous:
		return ErrNobodyMayRead
	case c.JWTKey != "" && c.JWKSURL != "":
		return errors.New("--jwt-key and --jwks-url exclude each other")
	case c.JWKSURL != "" && !isWebURL(c.JWKSURL):
		return fmt.Errorf("--jwks-url is %q; it must be an http:// or https:// URL", c.JWKSURL)
	case !keys && c.JWTIssuer != "":
		return errors.New("--jwt-issuer needs --jwt-key or --jwks-url")
	case !keys && c.JWTAudience != "":
		return errors.New("--jwt-audience needs --jwt-key or --jwks-url")
	case !slices.Contains([]token.SecretFormat{"", token.TextSecret, token.RawSecret}, c.JWTSecretFormat):
		return fmt.Errorf("--jwt-secret-format is %q; it must be text or raw", c.JWTSecretFormat)
	case c.JWTSecretFormat == token.RawSecret && c.JWTKey == "":
		return errors.New("--jwt-secret-format raw needs --jwt-key")
	case c.LoginURL != "" && c.Anonymous:
		return errors.New("--login-url and --anonymous exclude each other: where everyone may read, nobody " +
			"signs in")
	case c.LoginURL != "" && !isWebURL(c.LoginURL):
		return fmt.Errorf("--login-url is %q; it must be an http:// or https:// URL", c.LoginURL)
	case c.MaxStreams < 0 || c.MaxStreams > 1_000_000:
		return fmt.Errorf("--max-streams-per-client is %d; it must be from 0 to 1000000", c.MaxStreams)
	case !(c.PublishRate >= 0 && c.PublishRate <= 1e9):
		return fmt.Errorf("--publish-rate is %s; it must be from 0 to 1000000000",
			strconv.FormatFloat(c.PublishRate, 'f', -1, 64))
	}
	return nil
}

// verifier returns the verifier of tokens; nil if there are no keys.
func (c *Config) verifier(ctx context.Context, log *slog.Logger) (*token.Verifier, error) {
	var keys *token.Keys
	var err error
	switch {
	case c.JWTKey != "":
		keys, err = token.KeyFile(c.JWTKey, c.JWTSecretFormat)
		err = flagError("--jwt-key", err)
	case c.JWKSURL != "":
		if !isPrivate(c.JWKSURL) {
			log.Warn("fetching keys over plain HTTP; everyone on the path can forge tokens",
				"jwks_url", token.RedactURL(c.JWKSURL))
		}
		keys, err = token.KeySet(ctx, c.JWKSURL, log)
		err = flagError("--jwks-url", err)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return token.NewVerifier(keys, token.Rules{Issuer: c.JWTIssuer, Audience: c.JWTAudience}), nil
}

// warnOfLocalUsers logs that the internal port lets in users of this machine who have no token. address is
// that of the port, as clients name it.
func (c *Config) warnOfLocalUsers(address string, log *slog.Logger) {
	if c.Anonymous || !strings.HasPrefix(address, "http://") {
		return
	}
	log.Warn("every user of this machine may read and publish on the internal port, without a token",
		"publish", address, "advice", "--publish-listen unix:/path admits the socket's owner and group only")
}

// flagError is a mistake in what a flag names; nil if err is nil.
func flagError(flag string, err error) error {
	if err == nil {
		return nil
	}
	return ConfigError{Err: fmt.Errorf("%s: %w", flag, err)}
}

// isWebURL reports whether a text is an absolute http:// or https:// URL.
func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// isPrivate reports whether nobody else can change what comes from a URL.
func isPrivate(text string) bool {
	u, err := url.Parse(text)
	return err != nil || u.Scheme == "https" || listen.IsLoopback(u.Hostname())
}
