package api

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"livemap/api/problem"
	"livemap/api/token"
)

// cookieName is the name of the session cookie. With this prefix, browsers accept it over TLS only
// and send it to this host alone.
const cookieName = "__Host-livemap"

// principal is the reader or publisher behind a request. Requests that the internal port accepts
// without a token or a certificate have none: they may read and publish everything.
type principal struct {
	grant       *token.Grant      // nil: everything is allowed
	certificate *x509.Certificate // nil: the request has a token, or needs none
	until       time.Time         // when its streams and uploads end; zero: never
}

type principalKey struct{}

func principalOf(r *http.Request) *principal {
	p, _ := r.Context().Value(principalKey{}).(*principal)
	return p
}

// grantOf returns what a request's token allows; nil where everything is.
func grantOf(r *http.Request) *token.Grant {
	if p := principalOf(r); p != nil {
		return p.grant
	}
	return nil
}

// endOf returns when the streams and uploads of a request's principal end; zero: never.
func endOf(r *http.Request) time.Time {
	if p := principalOf(r); p != nil {
		return p.until
	}
	return time.Time{}
}

// revokedOf returns what reports whether the key of a request's token is gone; nil without a token.
func (a *API) revokedOf(r *http.Request) func() bool {
	grant := grantOf(r)
	if grant == nil {
		return nil
	}
	return func() bool { return a.Tokens.Revoked(grant) }
}

// EndRevoked ends the streams whose token was signed with a key that is gone, and returns how many these
// are. Uploads end by themselves within a second. Call it when [token.Verifier.Changes] has changed.
func (a *API) EndRevoked() (streams int) { return a.Hub.EndRevoked() }

// withPrincipal returns the request with its principal.
func withPrincipal(r *http.Request, p *principal) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), principalKey{}, p))
}

// authenticateReader requires a token for reading, unless everyone may read. The handlers check
// whether it allows what the request asks for.
func (a *API) authenticateReader(next http.Handler) http.Handler {
	if a.Anonymous {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, withPrincipal(r, new(principal)))
		})
	}
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Add("Vary", "Authorization, Cookie")
		raw, err := a.requestToken(r)
		if err != nil {
			return err
		}
		if raw == "" {
			return unauthorized(
				"a token is needed, in Authorization: Bearer or as the cookie that POST /session sets; " +
					"the hub ignores a token in the URL")
		}
		return a.serveWithToken(next, w, r, raw)
	})
}

// authenticatePublisher requires a certificate or a token in the header. A cookie would let web
// pages publish.
func (a *API) authenticatePublisher(next http.Handler) http.Handler {
	return a.requireAuth(bearerToken, next)
}

// authenticateInternalReader also accepts a cookie, as the public port does.
func (a *API) authenticateInternalReader(next http.Handler) http.Handler {
	return a.requireAuth(a.requestToken, next)
}

// requireAuth requires a client certificate that the listener has verified, or a token that find
// returns. A connection may outlast its certificate, which then counts no longer.
func (a *API) requireAuth(find func(*http.Request) (raw string, err error), next http.Handler) http.Handler {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		certificate, expires := clientCertificate(r)
		if certificate != nil && a.Clock().Before(expires) {
			next.ServeHTTP(w, withPrincipal(r, &principal{certificate: certificate, until: expires}))
			return nil
		}
		w.Header().Add("Vary", "Authorization, Cookie")
		raw, err := find(r)
		switch {
		case err != nil:
			return err
		case raw == "" && certificate != nil:
			w.Header().Set("Connection", "close") // over HTTP/2, net/http makes it a GOAWAY
			return unauthorized("the client certificate expired at " + expires.UTC().Format(time.RFC3339) +
				"; connect again with another")
		case a.Tokens == nil:
			return unauthorized("this port requires a client certificate that --publish-client-ca signed")
		case raw == "":
			return unauthorized(
				"this port requires a token in Authorization: Bearer, " +
					"or a client certificate if --publish-client-ca is set")
		}
		return a.serveWithToken(next, w, r, raw)
	})
}

// serveWithToken verifies a token and passes the request on with its grant.
func (a *API) serveWithToken(next http.Handler, w http.ResponseWriter, r *http.Request, raw string) error {
	grant, err := a.verify(raw)
	if err != nil {
		return err
	}
	next.ServeHTTP(w, withPrincipal(r, &principal{grant: grant, until: grant.Ends(a.Clock())}))
	return nil
}

// clientCertificate returns the client certificate that the listener has verified when the connection
// began, nil without one, and when it or the last authority that vouches for it expires.
func clientCertificate(r *http.Request) (certificate *x509.Certificate, expires time.Time) {
	if r.TLS == nil {
		return nil, time.Time{}
	}
	for _, chain := range r.TLS.VerifiedChains {
		first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		if certificate = chain[0]; first.NotAfter.After(expires) {
			expires = first.NotAfter
		}
	}
	return certificate, expires
}

// requestToken returns the token of a request's header, or else of its cookie; "" without one.
func (a *API) requestToken(r *http.Request) (string, error) {
	raw, err := bearerToken(r)
	if raw != "" || err != nil {
		return raw, err
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return "", nil
	}
	if !a.mayUseCookie(r) {
		return "", invalidToken(
			"its cookie works only on pages of this hub and of origins that --allow-origin lists")
	}
	return cookie.Value, nil
}

// verify returns what a token allows.
func (a *API) verify(raw string) (*token.Grant, error) {
	grant, err := a.Tokens.Verify(raw)
	if errors.Is(err, token.ErrNoKeys) {
		return nil, problem.New(http.StatusServiceUnavailable, "%s; try again in a moment", err).
			With("Retry-After", strconv.Itoa(int(token.RetryAfter.Seconds())))
	}
	if err != nil {
		return nil, invalidToken(err.Error())
	}
	return grant, nil
}

// bearerToken returns the token in a request's header (RFC 6750, section 2.1); "" without one.
func bearerToken(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	scheme, raw, _ := strings.Cut(values[0], " ")
	if raw = strings.TrimSpace(raw); len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return "", invalidToken("the request must have one header Authorization, with Bearer and a token")
	}
	return raw, nil
}

const challenge = `Bearer realm="livemap"`

// unauthorized returns a problem that asks for a token.
func unauthorized(need string) *problem.Problem {
	return problem.New(http.StatusUnauthorized, "%s", need).With("WWW-Authenticate", challenge)
}

// invalidToken returns a problem that says what is wrong with a token (RFC 6750, section 3.1).
func invalidToken(mistake string) *problem.Problem {
	described := strings.Map(func(c rune) rune { // RFC 6750, section 3, allows no others
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, mistake)
	return problem.New(http.StatusUnauthorized, "the hub rejects this token: %s", mistake).
		With("WWW-Authenticate", challenge+`, error="invalid_token", error_description="`+described+`"`)
}

// mayUseCookie reports whether a request comes from a page that may read with its user's cookie.
// Browsers name the page. Other clients send only cookies that they were given.
func (a *API) mayUseCookie(r *http.Request) bool {
	switch origin := r.Header.Get("Origin"); {
	case origin != "" && slices.Contains(a.Origins, origin):
		return true
	case r.Header.Get("Sec-Fetch-Site") != "":
		return slices.Contains([]string{"same-origin", "none"}, r.Header.Get("Sec-Fetch-Site"))
	case origin != "":
		from, err := url.Parse(origin)
		return err == nil && from.Host == r.Host && (from.Scheme == "https" || isLocalOrIP(from.Host))
	}
	return true
}
